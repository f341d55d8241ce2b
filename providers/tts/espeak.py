"""espeak-ng in a worker process: small, fast and robotic; speaks English and Mandarin without any download."""

from __future__ import annotations

import attrs
from attrs import frozen

from providers.ports import MOUTH_RATE
from providers.settings import between, setting
from providers.tts.spoken import SpeakingProcess


@frozen(kw_only=True)
class EspeakSettings:
    """How espeak sounds."""

    rate: int = setting(165, "words per minute", **between(80, 450))
    pitch: int = setting(50, "0 low to 99 high", **between(0, 99))
    english: str = setting("en-us", "voice for English; a variant may follow, such as en-us+f3 or en-us+m2")
    mandarin: str = setting("cmn", "voice for Mandarin; a variant may follow, such as cmn+f4")


class EspeakTts(SpeakingProcess):
    """Speaks several hundred times faster than real time, one piece of text after the other.

    A text with a single Chinese character is spoken by the Mandarin voice.
    """

    def __init__(self, settings: EspeakSettings) -> None:
        super().__init__(
            "espeak-ng", "providers.tts.espeak_child", {**attrs.asdict(settings), "target_rate": MOUTH_RATE}
        )

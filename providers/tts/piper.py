"""Piper in a worker process: natural voices that the operator has downloaded."""

from __future__ import annotations

from pathlib import Path

import attrs
from attrs import frozen

from providers.ports import MOUTH_RATE
from providers.settings import between, setting
from providers.tts.spoken import SpeakingProcess


@frozen(kw_only=True)
class PiperSettings:
    """Which voices, and how fast they speak."""

    en: str = setting("", "English voice, an .onnx file with its .onnx.json; empty: one from the models folder")
    zh: str = setting("", "Mandarin voice, likewise; what has no voice is spoken by the other one")
    speed: float = setting(1.0, "times the voice's own speed", **between(0.5, 2.0))


class PiperTts(SpeakingProcess):
    """Computes a sentence before its first sound: 0.1 to 0.4 s with a voice of medium quality.

    A text with a single Chinese character is spoken by the Mandarin voice.
    """

    def __init__(self, settings: PiperSettings) -> None:
        voices = ", ".join(Path(path).stem for path in (settings.en, settings.zh) if path) or "no voice"
        super().__init__(
            f"piper ({voices})", "providers.tts.piper_child", {**attrs.asdict(settings), "target_rate": MOUTH_RATE}
        )

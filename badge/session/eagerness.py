"""When the user seems to have said all, while the silence that ends the utterance is not over yet: pure."""

from __future__ import annotations

from badge.config.settings import ListenSettings
from providers.pcm import byte_count
from providers.ports import EAR_RATE


class Eagerness:
    """Follows the partial texts of one utterance. Everything is counted in audio that the recogniser has taken: how fast
    it came, and how far the recogniser is behind, makes no difference."""

    def __init__(self, settings: ListenSettings) -> None:
        self._silence = byte_count(settings.eager_silence_ms / 1000, EAR_RATE)
        self._steady = byte_count(settings.eager_steady_ms / 1000, EAR_RATE)
        self._text = ""
        self._since = 0

    def guess(self, text: str, position: int, voiced: int) -> str:
        """The words that are likely to be all; empty while they are not.

        `text`: the partial text after `position` bytes of audio, of which those up to `voiced` end with a voice.
        """
        if text != self._text:
            self._text, self._since = text, position
        steady = position - self._since >= self._steady
        return text if steady and position - voiced >= self._silence else ""

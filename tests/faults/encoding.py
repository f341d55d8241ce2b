"""An Opus encoder that remembers: the same audio is encoded thousands of times, and always to the same packets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from badge.session import traits
from providers.opus import Encoder


class RememberingEncoder:
    """An `Encoder`; works only on audio that no other has had before, after the same audio."""

    def __init__(self, rate: int, frame_ms: int) -> None:
        self._make = lambda: Encoder(rate, frame_ms)
        self._encoder: Encoder | None = None
        self._history: list[bytes] = []
        self._key = (rate, frame_ms, 0)
        self.frame_bytes = self._make().frame_bytes if (rate, frame_ms) not in _sizes else _sizes[rate, frame_ms]
        _sizes[rate, frame_ms] = self.frame_bytes

    def encode(self, pcm: bytes) -> bytes:
        """The next packet."""
        self._history.append(pcm)
        self._key = (*self._key[:2], hash((self._key, pcm)))
        packet = _known.get(self._key)
        if packet is None:
            packet = _known[self._key] = self._work()
        return packet

    def _work(self) -> bytes:
        if self._encoder is None:
            self._encoder = self._make()
        for pcm in self._history:
            packet = self._encoder.encode(pcm)
        self._history.clear()
        return packet


_sizes: dict[tuple[int, int], int] = {}
_known: dict[tuple[int, int, int], bytes] = {}


@contextmanager
def remembered_encoding() -> Iterator[None]:
    """Let sessions encode like this."""
    with patch.object(traits, "Encoder", RememberingEncoder):
        yield

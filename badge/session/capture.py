"""The audio of one utterance, from the ear that cuts it out to the scribe that has it recognised."""

from __future__ import annotations

import trio

from badge.modes.base import Mode
from badge.modes.chat import CHAT


class Capture:
    """Audio that grows until the utterance ends; it can be read again from the start, for another attempt.

    `mode` is the mode that it was spoken in, `began` the time of day at which it began, in ms since the epoch. Trio
    times: `last_audio` when its last frame arrived, `voiced_at` when its last voice arrived, `ended_at` when it was over.
    `voiced`: bytes up to the end of its last voice, as far as that is known.
    """

    def __init__(self, *, limit: int, started: float) -> None:
        self.started = started
        self.last_audio = started
        self.voiced_at = started
        self.voiced = 0
        self.ended_at: float | None = None
        self.mode: Mode = CHAT
        self.began = 0
        self.broken = False
        self._limit = limit
        self._pcm = bytearray()
        self._grown = trio.Event()

    def add(self, pcm: bytes, at: float) -> None:
        """Append audio that arrived at `at`; beyond the limit the whole utterance is given up and marked broken."""
        if self.broken:
            return
        if len(self._pcm) + len(pcm) > self._limit:
            self.broken = True
            self._pcm.clear()
        else:
            self._pcm += pcm
            self.last_audio = at
        self._ring()

    def end(self, at: float) -> None:
        """The utterance is over."""
        self.ended_at = at
        self._ring()

    @property
    def size(self) -> int:
        """Bytes of audio so far."""
        return len(self._pcm)

    async def over(self) -> None:
        """Wait until the utterance is over."""
        while self.ended_at is None:
            await self._grown.wait()

    async def read(self, start: int) -> bytes:
        """The audio from byte `start` on, as soon as there is some; empty when the utterance is over or broken."""
        while len(self._pcm) <= start and self.ended_at is None and not self.broken:
            await self._grown.wait()
        return bytes(memoryview(self._pcm)[start:])

    def _ring(self) -> None:
        self._grown.set()
        self._grown = trio.Event()

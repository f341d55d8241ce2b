"""Mail that remembers everything that was ever done to it, to hold the post office to its word."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from badge.storage.memory import MemoryMail
from badge.storage.records import Letter, Posted, Waiting

Name = tuple[str, str, str]
"""A letter: receiver, sender, id."""


class WatchedMail(MemoryMail):
    """A real store that also takes notes."""

    def __init__(self) -> None:
        super().__init__()
        self.posted: list[Name] = []
        self.delivered: list[Name] = []
        self.heard: list[Name] = []
        self.displaced: list[Name] = []
        self.dropped = 0

    async def post(self, letter: Letter, *, bound: int, sparing: Collection[tuple[str, str]] = frozenset()) -> Posted:
        posted = await super().post(letter, bound=bound, sparing=sparing)
        if not posted.duplicate:
            self.posted.append((letter.to, letter.sender, letter.id))
        self.displaced += [(letter.to, *key) for key in posted.displaced]
        return posted

    async def waiting(self, device: str, *, now: int, limit: int = 1_000_000) -> Waiting:
        waiting = await super().waiting(device, now=now, limit=limit)
        self.dropped += waiting.dropped
        return waiting

    async def mark(
        self, device: str, ids: Sequence[tuple[str, str]], *, heard: bool = False
    ) -> tuple[tuple[str, str], ...]:
        news = await super().mark(device, ids, heard=heard)
        names = [(device, *key) for key in news]
        if heard:
            self.heard += names
        self.delivered += [name for name in names if name not in self.delivered]
        return news

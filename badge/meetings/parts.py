"""A long transcript, part by part: never the whole of it in memory, and nothing of it skipped."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

import attrs

from badge.storage.records import Segment

Read = Callable[[int], Awaitable[Sequence[Segment]]]
"""The next segments after a number, some hundreds at most; none after the last."""

BESIDE = 10
"""Characters that a segment takes beside its text."""


class Parts:
    """Consecutive segments of at most `room` characters, those with numbers above `after`. A segment that is longer by
    itself is divided, its number the same."""

    def __init__(self, read: Read, room: int, after: int = 0) -> None:
        self._read = read
        self._room = room
        self._waiting: deque[Segment] = deque()
        self._last = after

    async def next(self) -> tuple[Segment, ...]:
        """The next part; empty after the last."""
        part: list[Segment] = []
        room = self._room
        while await self._more():
            size = len(self._waiting[0].text) + BESIDE
            if size > room:
                break
            part.append(self._waiting.popleft())
            room -= size
        return tuple(part)

    async def _more(self) -> bool:
        if not self._waiting:
            for segment in await self._read(self._last):
                self._waiting.extend(divided(segment, self._room - BESIDE))
                self._last = segment.number
        return bool(self._waiting)


def divided(segment: Segment, most: int) -> list[Segment]:
    """The segment in pieces of at most so many characters."""
    starts = range(0, max(len(segment.text), 1), most)
    return [attrs.evolve(segment, text=segment.text[at : at + most]) for at in starts]


def chunked(segments: Iterable[Segment], room: int) -> Iterator[tuple[Segment, ...]]:
    """The same in pieces of at most `room` characters."""
    chunk: list[Segment] = []
    left = room
    for piece in (piece for segment in segments for piece in divided(segment, room)):
        if len(piece.text) > left:
            yield tuple(chunk)
            chunk, left = [], room
        chunk.append(piece)
        left -= len(piece.text)
    if chunk:
        yield tuple(chunk)

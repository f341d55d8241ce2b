"""One summary out of many: what each of them says is joined level by level, so that few wait at any time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence

from attrs import field, frozen

from badge.meetings.document import Point

BESIDE = 20
"""Characters that a point takes beside its text."""

KEPT = 12
"""Points that stay when summaries are joined by rule."""


@frozen(kw_only=True)
class Gist:
    """The title and the summary of a stretch of a meeting, the first and the last of its segments."""

    title: str = field(repr=False)
    summary: tuple[Point, ...]
    first: int
    last: int

    @property
    def size(self) -> int:
        """Characters of its points."""
        return sum(len(point.text) + BESIDE for point in self.summary)


Merge = Callable[[Sequence[Gist]], Awaitable[Gist]]


class Tower:
    """Summaries of consecutive stretches, the latest on the lowest level. When a level is full, that is when more of it would
    not fit into `room` characters, it becomes one summary of the level above; so of any number of summaries only some of
    each level are in memory."""

    def __init__(self, merge: Merge, room: int) -> None:
        self._merge = merge
        self._room = room
        self._levels: list[list[Gist]] = []

    async def add(self, gist: Gist) -> None:
        """The next stretch."""
        await self._put(0, gist)

    async def top(self) -> Gist | None:
        """All of it in one; None when there was nothing."""
        rest = [gist for level in reversed(self._levels) for gist in level]
        while len(rest) > 1:
            rest = [await self._merge(group) if len(group) > 1 else group[0] for group in self._groups(rest)]
        return rest[0] if rest else None

    async def _put(self, level: int, gist: Gist) -> None:
        if level == len(self._levels):
            self._levels.append([])
        here = self._levels[level]
        if len(here) > 1 and self._size(here) + gist.size > self._room:
            self._levels[level] = []
            await self._put(level + 1, await self._merge(here))
        self._levels[level].append(gist)

    def _groups(self, gists: Iterable[Gist]) -> list[list[Gist]]:
        """At least two in each group but the last, whatever their size, or there would be no end."""
        groups: list[list[Gist]] = [[]]
        for gist in gists:
            if len(groups[-1]) > 1 and self._size(groups[-1]) + gist.size > self._room:
                groups.append([])
            groups[-1].append(gist)
        return groups

    @staticmethod
    def _size(gists: Iterable[Gist]) -> int:
        return sum(gist.size for gist in gists)


def joined(gists: Sequence[Gist]) -> Gist:
    """One summary by rule: points from beginning to end, some left out where there are too many."""
    return Gist(
        title=next((gist.title for gist in gists if gist.title), ""),
        summary=thinned([point for gist in gists for point in gist.summary]),
        first=min(gist.first for gist in gists),
        last=max(gist.last for gist in gists),
    )


def thinned(points: Sequence[Point]) -> tuple[Point, ...]:
    """At most `KEPT` points, evenly spread."""
    if len(points) <= KEPT:
        return tuple(points)
    return tuple(points[at * len(points) // KEPT] for at in range(KEPT))

"""What all meetings share."""

from __future__ import annotations

import datetime
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import trio
from attrs import frozen

from badge.clock import WallClock, milliseconds
from badge.config.team import MeetingSettings
from badge.log import get_log
from badge.machines.base import Watch
from badge.meetings.courier import Courier
from badge.meetings.writing import Writer
from badge.storage.ports import MeetingStore, StoreError
from badge.storage.records import Segment

log = get_log(__name__)

PAGE = 200
"""Segments that are read at one time."""

SLOWEST = 60.0
"""Longest pause, in s, between two attempts to read what minutes are made of."""

T = TypeVar("T")


@frozen(kw_only=True)
class Room:
    """The store, the post, the writer, the clock and the tasks; `over` is told the id of a meeting when nothing is left to
    do for it."""

    store: MeetingStore
    courier: Courier
    writer: Writer
    settings: Callable[[], MeetingSettings]
    clock: WallClock
    nursery: trio.Nursery
    watch: Watch
    over: Callable[[str], None]

    def now(self) -> int:
        """The present moment in ms since the epoch."""
        return milliseconds(self.clock)

    def date(self, moment: int) -> str:
        """The day of a moment, in words for a language model."""
        local = datetime.datetime.fromtimestamp(moment / 1000, self.clock.now().tzinfo)
        return f"{local:%Y-%m-%d} ({local:%A})"

    async def page(self, meeting: str, after: int) -> Sequence[Segment]:
        """The next segments of a meeting. Raises `StoreError`."""
        return await self.store.segments(meeting, after=after, limit=PAGE)


async def patiently(read: Callable[[], Awaitable[T]], what: str) -> T:
    """What is read, as soon as it can be."""
    pause = 1.0
    while True:
        try:
            return await read()
        except StoreError as exc:
            log.warning("cannot be read yet", what=what, error=exc.detail)
        await trio.sleep(pause)
        pause = min(pause * 2, SLOWEST)

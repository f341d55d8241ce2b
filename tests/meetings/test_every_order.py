"""Every order of events: what two connections of a device, its words, time and the end of the server can do to a meeting,
one after the other, in any order, up to a length; after each of them everything is looked at."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import product

import pytest
import trio
import trio.testing

from badge.machines.base import cells
from badge.machines.meeting import MeetingMachine
from badge.storage.memory import MemoryStore
from tests.meetings.models import ReadingLlm
from tests.meetings.stage import DEVICE, Badge, MovingClock, Stage, office

LENGTH = int(os.environ.get("BADGE_ORDERS", "4"))
"""Events after a meeting has begun and something was said. Five take eight times as long."""

UNREACHED = {("finalised", "finalise"), ("finalised", "interrupt")}
"""There for safety only: the office asks a meeting that is over for nothing but its minutes."""


class NothingToDoError(Exception):
    """The event cannot happen here: the order is as good as a shorter one."""


class Course:
    """One meeting, and what its device has of it."""

    def __init__(self) -> None:
        self.stack = AsyncExitStack()
        self.store = MemoryStore()
        self.llm = ReadingLlm(delay=1.0)
        self.cells: set[tuple[str, str]] = set()
        self.badges: list[Badge] = []
        self.here: list[Badge] = []
        self.count = 0
        self.clock: MovingClock
        self.stage: Stage

    async def begin(self) -> None:
        self.clock = MovingClock()
        await self.restart()
        await self.connect()
        await self.open()
        await self.say()

    async def restart(self) -> None:
        """The server is killed, and comes again."""
        await self.stack.aclose()
        self.here.clear()
        self.stage = await self.stack.enter_async_context(
            office(self.llm, store=self.store, clock=self.clock, watch=self._watch)
        )

    def _watch(self, machine: str, event: str, source: str, _: str) -> None:
        if machine == "MeetingMachine":
            self.cells.add((source, event))

    async def connect(self) -> None:
        """The badge connects; a connection that it has is replaced, and stays for a moment."""
        if len(self.here) == 2:
            raise NothingToDoError
        badge = self.stage.badge()
        self.badges.append(badge)
        self.here.append(badge)

    async def old_goes(self) -> None:
        """The older connection ends."""
        if not self.here:
            raise NothingToDoError
        self.here.pop(0).vanish()

    async def open(self) -> None:
        """The badge enters the meeting, again perhaps."""
        if not self.here:
            raise NothingToDoError
        await self.stage.office.open(DEVICE, "s1")

    async def say(self) -> None:
        """Somebody speaks; what is said counts while a meeting takes words."""
        self.count += 1
        self.stage.say(f"words {self.count}")

    async def finalise(self) -> None:
        """The end is wished for."""
        await self.stage.office.finalise(DEVICE, "s1")

    async def heard_out(self) -> None:
        """All words are in."""
        self.stage.office.heard_out(DEVICE)

    async def time(self) -> None:
        """Three seconds and a bit: snippets leave, words are no longer waited for, minutes are written."""
        await trio.sleep(3.5)

    async def look(self) -> None:
        """What holds after every event."""
        await self.stage.quiet()
        await self.stage.office.settle()
        for meeting in await self.store.meetings.latest():
            segments = await self.store.meetings.segments(meeting.id)
            texts = [segment.text for segment in segments]
            assert [segment.number for segment in segments] == list(range(1, len(segments) + 1))
            assert len(set(texts)) == len(texts), f"twice: {texts}"
            assert meeting.pushed <= len(segments)
            for badge in self.badges:
                mine = [m for m in badge.of("snippet") if m["meetingId"] == meeting.id]
                numbers = [segment["number"] for m in mine for segment in m["segments"]]
                assert numbers == sorted(set(numbers)), f"pushed out of order, or twice: {numbers}"
            assert bool(meeting.minutes) == (meeting.state == "finalised")
        assert self.llm.most_running <= 1 or len(await self.store.meetings.latest()) > 1

    async def end(self) -> None:
        """In the end every meeting that was finalised has one set of minutes, and the badge has it."""
        if not self.here:
            await self.connect()
        await trio.sleep(60)
        await self.look()
        meetings = await self.store.meetings.latest()
        generations = Counter(asked.schema for asked in self.llm.asked)
        finalised = [meeting for meeting in meetings if meeting.state == "finalised"]
        assert all(meeting.state in ("finalised", "active", "interrupted") for meeting in meetings)
        assert generations["minutes"] >= len([m for m in finalised if m.segments])
        for meeting in finalised:
            assert meeting.delivered
            summaries = [m for badge in self.badges for m in badge.of("summary") if m["meetingId"] == meeting.id]
            assert summaries
            assert len({m["summary"] for m in summaries}) == 1
        await self.stack.aclose()


EVENTS: dict[str, Callable[[Course], Awaitable[None]]] = {
    "connects": Course.connect,
    "the older connection ends": Course.old_goes,
    "enters": Course.open,
    "words": Course.say,
    "finalise": Course.finalise,
    "heard out": Course.heard_out,
    "time passes": Course.time,
    "the server is killed": Course.restart,
}


async def go(order: tuple[str, ...], course: Course) -> None:
    await course.begin()
    try:
        for name in order:
            await EVENTS[name](course)
            await course.look()
    except NothingToDoError:
        await course.stack.aclose()
    else:
        await course.end()


@pytest.mark.req("I-6", "MT-9", "MT-13", "MT-14", "MT-16", "MT-19", "RG-7", "B-57", "B-61", "B-62")
@pytest.mark.usefixtures("_quiet_log")
def test_every_order_of_events() -> None:
    reached: set[tuple[str, str]] = set()
    for order in product(EVENTS, repeat=LENGTH):
        course = Course()
        try:
            trio.run(go, order, course, clock=trio.testing.MockClock(autojump_threshold=0))
        except BaseException as exc:
            exc.add_note(f"after: connects, enters, words, {', '.join(order)}")
            raise
        reached |= course.cells
    assert set(cells(MeetingMachine)) - reached == UNREACHED

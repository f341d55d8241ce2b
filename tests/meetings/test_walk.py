"""Random courses of meetings: whatever happens in whatever order, no word is lost, doubled or out of order, and each meeting
ends once."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import Any

import pytest
import trio

from badge.storage.memory import MemoryStore
from tests.meetings.models import ReadingLlm
from tests.meetings.stage import DEVICE, Badge, MovingClock, Stage, office

STEPS = 60


class Walk:
    """One course, and what should come of it."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.said: dict[str, list[str]] = defaultdict(list)
        self.badges: list[Badge] = []
        self.number = 0

    async def go(self, stage: Stage, steps: int) -> None:
        often = [self.say, self.say, self.say, self.pause, self.pause, self.open, self.open]
        moves = [*often, self.finalise, self.heard_out, self.connect, self.vanish]
        for _ in range(steps):
            await self.random.choice(moves)(stage)

    async def say(self, stage: Stage) -> None:
        self.number += 1
        meeting = stage.office._register.hearing(DEVICE)
        if meeting is not None and meeting.state in ("active", "interrupted", "finalising"):
            self.said[meeting.record.id].append(f"word {self.number}")
        stage.say(f"word {self.number}")

    async def pause(self, _: Stage) -> None:
        await trio.sleep(self.random.choice((0, 0.01, 1, 2.5, 4, 700)))

    async def open(self, stage: Stage) -> None:
        await stage.office.open(DEVICE, "s")

    async def finalise(self, stage: Stage) -> None:
        await stage.office.finalise(DEVICE, "s")

    async def heard_out(self, stage: Stage) -> None:
        stage.office.heard_out(DEVICE)

    async def connect(self, stage: Stage) -> None:
        if sum(not badge._scope.cancel_called for badge in self.badges) < 2:
            self.badges.append(stage.badge())

    async def vanish(self, _: Stage) -> None:
        alive = [badge for badge in self.badges if not badge._scope.cancel_called]
        if alive:
            self.random.choice(alive).vanish()

    def pushed(self) -> dict[str, list[dict[str, Any]]]:
        """What the badges were sent, connection after connection: an older one gets nothing more."""
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for badge in self.badges:
            for message in badge.of("snippet"):
                found[message["meetingId"]] += message["segments"]
        return found


@pytest.mark.req("I-6", "MT-9", "MT-13", "MT-14", "MT-16", "MT-19", "B-57", "B-61", "B-62")
@pytest.mark.parametrize("seed", range(60))
async def test_no_word_is_lost_and_each_meeting_ends_once(autojump_clock: object, seed: int) -> None:
    walk, llm = Walk(seed), ReadingLlm(delay=2)
    generations: list[str] = []

    def watch(_: str, event: str, __: str, after: str) -> None:
        generations.append(event) if after == "finalised" and event == "summarised" else None

    async with office(llm, resume_within_s=600, watch=watch, checkpoint_interval_s=86_400) as stage:
        await walk.go(stage, STEPS)
        stage.badge()
        await trio.sleep(2000)  # what was interrupted is ended
        if (newest := stage.office._register.newest(DEVICE)) is not None:
            await stage.end()
            await trio.sleep(10)
            assert newest.state == "finalised"
        records = await stage.store.meetings.latest()
        assert {record.state for record in records} <= {"finalised"}
        assert len(generations) == len(records)
        assert len(llm.asked) == sum(record.segments > 0 for record in records)
        assert all(record.delivered for record in records)
        pushed = walk.pushed()
        for record in records:
            stored = await stage.store.meetings.segments(record.id)
            assert [segment.text for segment in stored] == walk.said[record.id]
            numbers = [segment["number"] for segment in pushed[record.id]]
            assert numbers == sorted(set(numbers))
            assert record.pushed <= len(stored)


@pytest.mark.req("MT-9", "MT-14", "B-62", "I-6")
@pytest.mark.parametrize("seed", range(60))
async def test_a_server_that_is_killed_again_and_again_ends_each_meeting_with_every_stored_word(
    autojump_clock: object, seed: int
) -> None:
    """Only what was told and not stored yet may be missing; here everything is stored before it is killed."""
    walk, store, clock = Walk(seed), MemoryStore(), MovingClock()
    for _ in range(4):
        async with office(ReadingLlm(delay=2), store=store, clock=clock, resume_within_s=600) as stage:
            walk.badges.clear()
            await walk.go(stage, STEPS // 3)
            await stage.office.settle()
    async with office(ReadingLlm(delay=2), store=store, clock=clock, resume_within_s=600) as stage:
        stage.badge()
        await trio.sleep(2000)
        records = await store.meetings.latest()
        assert {(record.state, record.delivered) for record in records} <= {("finalised", True)}
        for record in records:
            assert [one.text for one in await store.meetings.segments(record.id)] == walk.said[record.id]
            holes = await store.meetings.holes(record.id)
            assert all(hole.since <= hole.until for hole in holes)

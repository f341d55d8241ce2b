"""Snapshots: how often, how fresh, and for whom."""

from __future__ import annotations

from itertools import pairwise
from math import inf
from typing import Any

import pytest
import structlog
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from badge.clock import Ids
from badge.config.team import WorkflowSettings
from badge.offices import bulletin
from badge.offices.board import Board
from badge.storage.memory import MemoryStore, MemoryTasks
from badge.storage.ports import StoreError
from badge.storage.tasks import Create, Draft, Edit, Snapshot
from tests.offices.seats import MovingClock, Seat

FROM_ELSEWHERE = Create(device="x", at=0, drafts=(Draft(id="t9", title="from elsewhere"),))
A, B, ELSEWHERE = "aa:bb:cc:00:00:01", "aa:bb:cc:00:00:02", "dd:ee:ff:00:00:01"


class Office:
    """A board at work, and the badges in front of it."""

    def __init__(self, nursery: trio.Nursery, **workflow: Any) -> None:
        self.nursery = nursery
        self.store = MemoryStore()
        self.settings = WorkflowSettings(**workflow)
        self.board = Board(store=self.store, settings=self.settings, clock=MovingClock(), ids=Ids(1))

    async def open(self) -> Office:
        await self.nursery.start(self.board.run)
        return self

    def enter(self, device: str = A) -> Seat:
        seat = Seat(device)
        self.nursery.start_soon(seat.read)
        self.board.arrived(device, seat.mailbox)
        return seat

    async def add(self, title: str, device: str = A, number: str = "") -> None:
        (result,) = await self.board.create(device, [Draft(id=number, title=title)])
        assert result.outcome == "created"


@pytest.fixture
async def office(nursery: trio.Nursery) -> Office:
    return await Office(nursery).open()


def told(entries: list[Any]) -> list[str]:
    return [str(entry["event"]).format(**entry) for entry in entries]


@pytest.mark.req("WF-3", "WF-10", "RG-15")
async def test_a_badge_that_arrives_gets_the_tasks(office: Office, autojump_clock: MockClock) -> None:
    await office.add("buy milk", number="t1")
    seat = office.enter()
    await trio.sleep(0.1)
    task = {"id": "t1", "title": "buy milk", "status": "open", "owner": ""}
    assert seat.messages == [{"type": "workflow", "event": "update", "tasks": [task], "revision": 1}]
    assert seat.times == [0]


@pytest.mark.req("WF-3")
async def test_no_tasks_are_a_snapshot_too(office: Office, autojump_clock: MockClock) -> None:
    seat = office.enter()
    await trio.sleep(5)
    assert seat.messages == [{"type": "workflow", "event": "update", "tasks": [], "revision": 0}]


@pytest.mark.req("WF-11", "WF-12")
async def test_hello_and_the_working_mode_bring_a_snapshot(office: Office, autojump_clock: MockClock) -> None:
    seat = office.enter()
    await trio.sleep(2)
    office.board.greeted(A, seat.mailbox)
    await trio.sleep(2)
    office.board.show(A)
    await trio.sleep(2)
    assert seat.times == [0, 2, 4]


@pytest.mark.req("WF-12", "WF-13", "B-63")
async def test_all_triggers_share_one_window(office: Office, autojump_clock: MockClock) -> None:
    seat = office.enter()
    await trio.sleep(0.01)
    office.board.greeted(A, seat.mailbox)
    office.board.show(A)
    await trio.sleep(10)
    assert seat.times == [0]


@pytest.mark.req("WF-13", "B-64", "I-9")
async def test_what_changed_in_the_window_is_sent_at_its_end(office: Office, autojump_clock: MockClock) -> None:
    seat = office.enter()
    await trio.sleep(0.1)
    await office.add("news")
    await trio.sleep(0.1)
    office.board.show(A)
    await trio.sleep(10)
    assert seat.times == [0, 1.5]
    assert seat.titles == [[], ["news"]]


@pytest.mark.req("WF-7", "I-9")
async def test_many_changes_are_one_snapshot_for_every_badge_of_the_group(
    office: Office, autojump_clock: MockClock
) -> None:
    a, b, stranger = office.enter(), office.enter(B), office.enter(ELSEWHERE)
    await trio.sleep(2)
    for number in range(10):
        await office.add(str(number), device=B)
        await trio.sleep(0.1)
    await trio.sleep(10)
    assert a.times == b.times == [0, 2, 3.5]
    assert [len(titles) for titles in a.titles] == [len(titles) for titles in b.titles] == [0, 1, 10]
    assert stranger.times == [0]


@pytest.mark.req("WF-7")
async def test_what_changes_nothing_is_not_told(office: Office, autojump_clock: MockClock) -> None:
    await office.add("milk", number="t1")
    seat = office.enter()
    await trio.sleep(2)
    (again,) = await office.board.create(A, [Draft(id="t1", title="milk")])
    (same,) = await office.board.change(A, [Edit(id="t1", title="milk")])
    await trio.sleep(5)
    assert (again.outcome, same.outcome) == ("exists", "unchanged")
    assert seat.times == [0]


@pytest.mark.req("WF-15", "WK-7", "I-9")
async def test_refresh_is_at_once_and_begins_a_window(office: Office, autojump_clock: MockClock) -> None:
    seat = office.enter()
    await trio.sleep(1)
    office.board.refresh(A)
    await trio.sleep(0.1)
    await office.add("news")
    await trio.sleep(0.1)
    office.board.refresh(A)
    office.board.show(A)
    await trio.sleep(0.3)
    await office.add("more news")
    await trio.sleep(10)
    assert seat.times == [0, 1, 1.2, 2.7]
    assert seat.titles == [[], [], ["news"], ["news", "more news"]]


@pytest.mark.req("WF-10")
async def test_delayed_in_test_mode_only(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    for test_mode, expected in ((True, [0.5]), (False, [0])):
        office = await Office(nursery, test_mode=test_mode, snapshot_on_register_delay_ms=500).open()
        began = trio.current_time()
        seat = office.enter()
        await trio.sleep(5)
        assert [round(at - began, 3) for at in seat.times] == expected


@pytest.mark.req("WF-10", "WF-14", "B-65")
async def test_the_delayed_snapshot_is_fresh(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    office = await Office(nursery, test_mode=True, snapshot_on_register_delay_ms=500).open()
    seat = office.enter()
    await trio.sleep(0.2)
    await office.store.tasks.carry_out("aa:bb:cc", FROM_ELSEWHERE)
    await trio.sleep(5)
    assert (seat.times, seat.titles) == ([0.5], [["from elsewhere"]])


@pytest.mark.req("WF-14", "B-65")
async def test_nothing_for_a_badge_that_has_gone(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    office = await Office(nursery, test_mode=True, snapshot_on_register_delay_ms=500).open()
    seat = office.enter()
    await trio.sleep(0.3)
    office.board.left(A)
    await office.add("news", device=B)
    office.board.show(A)
    office.board.refresh(A)
    office.board.left(A)
    await trio.sleep(5)
    assert seat.frames == []


@pytest.mark.req("WF-13", "WF-14", "B-65")
async def test_every_connection_has_its_own_window(office: Office, autojump_clock: MockClock) -> None:
    old = office.enter()
    await trio.sleep(0.1)
    await office.add("news", device=B)
    new = office.enter()
    await trio.sleep(0.1)
    office.board.greeted(A, old.mailbox)
    await trio.sleep(10)
    office.board.greeted(A, old.mailbox)
    await trio.sleep(10)
    assert (old.times, new.times) == ([0], [0.1])


@pytest.mark.req("WF-9")
async def test_log_lines(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    office = await Office(nursery, test_mode=True).open()
    with structlog.testing.capture_logs() as entries:
        office.enter()
        await trio.sleep(2)
        office.board.show(A)
        await trio.sleep(2)
        await office.add("secret plans")
        await trio.sleep(2)
    assert told(entries) == [
        "[Workflow] op=snapshot source=register group=aa:bb:cc to=aa:bb:cc:00:00:01 count=0 test_mode=True",
        "[Workflow] op=snapshot source=mode_start group=aa:bb:cc to=aa:bb:cc:00:00:01 count=0",
        "[Workflow] op=snapshot source=change group=aa:bb:cc to=aa:bb:cc:00:00:01 count=1",
    ]
    assert "secret" not in str(entries)


# --- a store that is slow, or broken ---


class SlowTasks(MemoryTasks):
    """Reading takes its time; so does everything, when it is broken."""

    def __init__(self, takes: float) -> None:
        super().__init__()
        self.takes = takes
        self.broken = False
        self.reads: list[str] = []

    async def snapshot(self, group: str) -> Snapshot:
        self.reads.append(group)
        snapshot = await super().snapshot(group)
        await trio.sleep(self.takes)
        if self.broken:
            raise StoreError("the disk is gone")
        return snapshot


@pytest.mark.req("WF-7")
async def test_only_changes_of_the_group_are_looked_at(office: Office, autojump_clock: MockClock) -> None:
    office.store.tasks = tasks = SlowTasks(0)
    for device in (A, ELSEWHERE):
        office.enter(device)
    await trio.sleep(2)
    tasks.reads.clear()
    await office.add("news", number="t1")
    await trio.sleep(2)
    await office.board.change(A, [Edit(id="t1", title="news")])
    await trio.sleep(2)
    assert tasks.reads == ["aa:bb:cc"]


@pytest.mark.req("I-9", "WF-13")
async def test_the_window_begins_when_the_badge_was_sent_something(office: Office, autojump_clock: MockClock) -> None:
    """Reading takes long the first time, and no time the next: the snapshots are still 1.5 s apart."""
    office.store.tasks = tasks = SlowTasks(1.0)
    seat = office.enter()
    await trio.sleep(0.5)
    await office.add("added while reading")
    tasks.takes = 0
    await trio.sleep(10)
    assert seat.times == [1, 2.5]
    assert seat.titles == [[], ["added while reading"]]


@pytest.mark.req("I-9")
async def test_a_store_that_cannot_be_read_is_asked_again(office: Office, autojump_clock: MockClock) -> None:
    office.store.tasks = tasks = SlowTasks(0)
    tasks.broken = True
    with structlog.testing.capture_logs() as entries:
        seat = office.enter()
        await trio.sleep(1)
        office.board.refresh(A)
        await trio.sleep(1)
        tasks.broken = False
        await trio.sleep(100)
    assert seat.times == [1 + bulletin.RETRY]
    assert [entry["event"] for entry in entries][:-1] == ["the tasks cannot be read"] * 2
    assert entries[0]["detail"] == "the disk is gone"


async def test_a_badge_whose_link_ends_keeps_nobody_busy(office: Office, autojump_clock: MockClock) -> None:
    seat, other = office.enter(), office.enter(B)
    await trio.sleep(1)
    seat.outbox.finish()
    await office.add("news")
    await trio.sleep(10)
    assert (seat.times, other.times) == ([0], [0, 1.5])


# --- any order of events ---

MOMENTS = st.sampled_from([0.0, 0.1, 0.5, 1.4, 1.5, 1.6, 4.0])
DEEDS = ("mine", "theirs", "hello", "show", "refresh", "again", "left")


async def _live_through(story: list[tuple[float, str]], takes: float) -> None:
    """Do what the story says, and look at every snapshot of every connection."""
    asked: list[float] = []
    seats: list[tuple[Seat, float]] = []
    async with trio.open_nursery() as nursery:
        office = await Office(nursery).open()
        office.store.tasks = tasks = SlowTasks(takes)
        seats.append((office.enter(), inf))
        for pause, call in story:
            await trio.sleep(pause)
            seat = seats[-1][0]
            match call:
                case "mine" | "theirs":
                    await office.add("x", device=A if call == "mine" else B)
                case "hello":
                    office.board.greeted(A, seat.mailbox)
                case "show":
                    office.board.show(A)
                case "refresh":
                    office.board.refresh(A)
                    asked.append(trio.current_time())
                case "again" | "left":
                    seats[-1] = (seat, trio.current_time())
                    office.board.left(A)
                    seats.append((office.enter(), inf))
        changed = trio.current_time()
        await trio.sleep(2 * takes + bulletin.WINDOW + 0.001)
        assert seats[-1][0].messages[-1]["revision"] == (await MemoryTasks.snapshot(tasks, "aa:bb:cc")).revision
        await trio.sleep(100)
        nursery.cancel_scope.cancel()
    for seat, left in seats:
        assert all(at <= left for at in seat.times)
        assert all(at <= changed + 2 * takes + bulletin.WINDOW + 0.001 for at in seat.times)
        for earlier, later in pairwise(at for at, _ in seat.frames):
            automatic = not any(moment <= later <= moment + 2 * takes + 0.001 for moment in asked)
            assert later - earlier >= bulletin.WINDOW - 1e-6 or not automatic
        revisions = [message["revision"] for message in seat.messages]
        assert revisions == sorted(revisions)


@pytest.mark.req("I-9", "WF-7", "WF-13", "WF-14", "WF-15")
@given(st.lists(st.tuples(MOMENTS, st.sampled_from(DEEDS)), max_size=12), st.sampled_from([0.0, 0.2]))
@settings(max_examples=150, deadline=None)
def test_in_any_order_of_events(story: list[tuple[float, str]], takes: float) -> None:
    trio.run(_live_through, story, takes, clock=MockClock(autojump_threshold=0))

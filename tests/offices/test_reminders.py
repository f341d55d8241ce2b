"""Reminders: in time, late rather than never, and once."""

from __future__ import annotations

import pytest
import structlog
import trio
from trio.testing import MockClock

from badge.clock import Ids, milliseconds
from badge.config.team import ReminderSettings
from badge.desk import RefusedError, ReminderDesk
from badge.dialogue import Dialogue
from badge.offices.reminders import Reminders
from badge.peers.delivery import Delivery
from badge.peers.presence import Presence
from badge.storage.memory import MemoryReminders, MemoryStore
from badge.storage.ports import StoreError
from badge.storage.records import Reminder
from tests.offices.seats import MovingClock, Seat

A, B = "aa:bb:cc:00:00:01", "aa:bb:cc:00:00:02"
MINUTE = 60


class Office:
    """Reminders at work, and the badges that hear them."""

    def __init__(self, nursery: trio.Nursery, store: MemoryStore | None = None, **settings: float) -> None:
        self.nursery = nursery
        self.store = store or MemoryStore()
        self.clock = MovingClock()
        self.presence = Presence(10)
        self.reminders = Reminders(
            store=self.store,
            presence=self.presence,
            settings=ReminderSettings(**settings),  # type: ignore[arg-type]
            clock=self.clock,
            ids=Ids(1),
        )

    async def open(self) -> Office:
        await self.nursery.start(self.reminders.run)
        return self

    def enter(self, device: str = A) -> Seat:
        seat = Seat(device)
        self.nursery.start_soon(seat.read)
        self.presence.enter(device, seat.mailbox, Dialogue(1))
        self.reminders.arrived(device, seat.mailbox)
        return seat

    async def remind(self, text: str, seconds: float, device: str = A) -> Reminder:
        return await self.reminders.remind(device, text, milliseconds(self.clock) + round(seconds * 1000))

    async def waiting(self, device: str = A) -> list[str]:
        return [reminder.text for reminder in await self.reminders.of(device)]


@pytest.fixture
async def office(nursery: trio.Nursery) -> Office:
    return await Office(nursery).open()


async def test_what_reminders_are(office: Office) -> None:
    desk: ReminderDesk = office.reminders
    delivery: Delivery = office.reminders
    assert desk is delivery


async def test_in_time(office: Office, autojump_clock: MockClock) -> None:
    seat, other = office.enter(), office.enter(B)
    later = await office.remind("go home", 90 * MINUTE)
    sooner = await office.remind("stretch", 10 * MINUTE)
    assert await office.waiting() == ["stretch", "go home"]
    await trio.sleep(10 * MINUTE - 0.01)
    assert seat.messages == []
    await trio.sleep(100 * MINUTE)
    assert seat.messages == [
        {"type": "reminder", "event": "due", "id": r.id, "text": r.text, "due": r.due, "late_ms": 0}
        for r in (sooner, later)
    ]
    assert seat.times == [10 * MINUTE, 90 * MINUTE]
    assert seat.said == ["Reminder: stretch.", "Reminder: go home."]
    assert [notice.kind for notice in seat.notices] == ["reminder", "reminder"]
    assert other.frames == []


async def test_forgotten_when_it_was_shown_and_said(office: Office, autojump_clock: MockClock) -> None:
    seat = office.enter()
    for number, ending in enumerate(("played", "cut")):
        await office.remind("喝水", 1)
        await trio.sleep(2)
        assert len(seat.notices) == number + 1
        seat.acknowledge()
        await trio.sleep(1)
        assert await office.waiting() == ["喝水"]
        seat.end_notices(ending)
        await trio.sleep(1)
        assert await office.waiting() == []
    await trio.sleep(1000)
    assert len(seat.frames) == len(seat.notices) == 2


@pytest.mark.parametrize("seen", [True, False])
async def test_what_was_lost_is_told_on_the_next_connection(
    office: Office, autojump_clock: MockClock, seen: bool
) -> None:
    """Either the message or the speech did not get through."""
    old = office.enter()
    await office.remind("stretch", 1)
    await trio.sleep(2)
    if seen:
        old.acknowledge()
    else:
        old.end_notices("played")
    old.vanish()
    await trio.sleep(300)
    assert (len(old.notices), await office.waiting()) == (1, ["stretch"])
    new = office.enter()
    await trio.sleep(1)
    assert new.said == ["This was due at 9:30 AM: stretch."]
    assert new.messages[0]["late_ms"] == 301_000
    new.acknowledge()
    new.end_notices("played")
    await trio.sleep(1)
    assert await office.waiting() == []


async def test_a_takeover_does_not_say_it_twice(office: Office, autojump_clock: MockClock) -> None:
    old = office.enter()
    await office.remind("stretch", 1)
    await trio.sleep(2)
    new = office.enter()
    await trio.sleep(1)
    assert new.notices == []
    old.acknowledge()
    old.end_notices("played")
    old.vanish()
    await trio.sleep(1000)
    assert (new.notices, await office.waiting()) == ([], [])


async def test_a_takeover_before_it_was_said(office: Office, autojump_clock: MockClock) -> None:
    old = office.enter()
    await office.remind("stretch", 1)
    await trio.sleep(2)
    new = office.enter()
    await trio.sleep(1)
    old.vanish()
    await trio.sleep(1)
    assert new.said == ["Reminder: stretch."]


async def test_each_connection_is_tried_once(office: Office, autojump_clock: MockClock) -> None:
    seat = office.enter()
    await office.remind("stretch", 1)
    await trio.sleep(2)
    seat.acknowledge()
    seat.end_notices("lost")
    await trio.sleep(1000)
    assert (len(seat.notices), await office.waiting()) == (1, ["stretch"])
    again = office.enter()
    await trio.sleep(1)
    assert (len(seat.notices), len(again.notices)) == (1, 1)


async def test_a_connection_that_is_about_to_end(office: Office, autojump_clock: MockClock) -> None:
    """It still takes notices, but no messages."""
    old = office.enter()
    old.outbox.finish()
    await office.remind("stretch", 1)
    await trio.sleep(2)
    assert len(old.notices) == 1
    old.end_notices("played")
    new = office.enter()
    await trio.sleep(1)
    assert len(new.notices) == 1


async def test_a_badge_that_is_away_hears_it_late_and_delays_nobody(office: Office, autojump_clock: MockClock) -> None:
    here = office.enter(B)
    await office.remind("stretch", 10)
    await office.remind("喝水", 11)
    await office.remind("go", 15, B)
    await trio.sleep(130)
    assert here.times == [15]
    back = office.enter()
    await trio.sleep(1)
    assert back.said == ["This was due at 9:30 AM: stretch.", "上午9点30分的提醒：喝水。"]
    assert [message["late_ms"] for message in back.messages] == [120_000, 119_000]


async def test_a_badge_that_takes_no_notices_is_asked_again(office: Office, autojump_clock: MockClock) -> None:
    seat = office.enter()
    seat.listens = False
    await office.remind("stretch", 1)
    await trio.sleep(100)
    assert seat.frames == []
    seat.listens = True
    await trio.sleep(61)
    assert (len(seat.frames), len(seat.notices)) == (1, 1)


async def test_the_wall_clock_jumps(office: Office, autojump_clock: MockClock) -> None:
    seat = office.enter()
    await office.remind("stretch", 3600)
    await trio.sleep(10)
    office.clock.jump(3590)
    await trio.sleep(61)
    assert len(seat.frames) == 1
    await office.remind("stretch", 10)
    office.clock.jump(-3600)
    await trio.sleep(3600)
    assert len(seat.frames) == 1
    await trio.sleep(20)
    assert len(seat.frames) == 2


async def test_the_end_of_the_server_forgets_nothing(autojump_clock: MockClock) -> None:
    store = MemoryStore()
    async with trio.open_nursery() as nursery:
        office = await Office(nursery, store).open()
        await office.remind("stretch", 60)
        nursery.cancel_scope.cancel()
    async with trio.open_nursery() as nursery:
        await trio.sleep(30)
        office = await Office(nursery, store).open()
        seat = office.enter()
        await trio.sleep(200)
        nursery.cancel_scope.cancel()
    assert len(seat.frames) == 1


async def test_cancelled(office: Office, autojump_clock: MockClock) -> None:
    seat = office.enter()
    await office.remind("stretch", 60)
    await office.remind("eat", 70)
    await office.remind("theirs", 80, B)
    assert await office.reminders.cancel(A) == 2
    assert await office.reminders.cancel(A) == 0
    await trio.sleep(1000)
    assert (seat.frames, await office.waiting(B)) == ([], ["theirs"])


@pytest.mark.parametrize(
    ("text", "seconds", "code"),
    [
        ("", 10, "bad-reminder"),
        ("  ", 10, "bad-reminder"),
        ("x" * 501, 10, "bad-reminder"),
        ("\x00", 10, "bad-reminder"),
        ("x", -61, "past"),
        ("x", 2 * 86400 + 1, "too-far"),
    ],
)
async def test_refused(nursery: trio.Nursery, autojump_clock: MockClock, text: str, seconds: float, code: str) -> None:
    office = await Office(nursery, farthest_days=2).open()
    with pytest.raises(RefusedError) as refused:
        await office.remind(text, seconds)
    assert refused.value.code == code
    assert refused.value.message.endswith(".")
    assert await office.waiting() == []


async def test_the_bounds_themselves_are_taken(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    office = await Office(nursery, farthest_days=2, most=3).open()
    await office.remind("x" * 500, 2 * 86400)
    await office.remind(" a\n b ", -59)
    await office.remind("now", 0)
    assert sorted(await office.waiting())[0] == "a b"
    with pytest.raises(RefusedError, match="3 reminders wait"):
        await office.remind("one more", 10)
    await office.remind("another's", 10, B)


class BrokenReminders(MemoryReminders):
    broken = True

    async def add(self, reminder: Reminder) -> None:
        self.trouble()
        await super().add(reminder)

    async def due(self, *, now: int) -> tuple[Reminder, ...]:
        self.trouble()
        return await super().due(now=now)

    async def of(self, device: str) -> tuple[Reminder, ...]:
        self.trouble()
        return await super().of(device)

    def trouble(self) -> None:
        if self.broken:
            raise StoreError("the disk is full")


async def test_a_broken_store(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    store = MemoryStore()
    store.reminders = broken = BrokenReminders()
    with structlog.testing.capture_logs() as entries:
        office = await Office(nursery, store).open()
        seat = office.enter()
        for attempt in (office.remind("secret", 10), office.waiting(), office.reminders.cancel(A)):
            with pytest.raises(RefusedError) as refused:
                await attempt
            assert refused.value.code == "not-stored"
        broken.broken = False
        await office.remind("secret", 10)
        broken.broken = True
        await trio.sleep(20)
        broken.broken = False
        await trio.sleep(100)
    assert len(seat.frames) == 1
    assert "reminders cannot be read" in [entry["event"] for entry in entries]
    assert "secret" not in str(entries)

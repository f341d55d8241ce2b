"""The post office: from one badge to another, now or later, and what the sender is told."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import structlog
import trio
import trio.lowlevel
import trio.testing
from trio.testing import MockClock

from badge.desk import Outgoing, RefusedError
from badge.link import CONTROL_LIMIT
from badge.offices.carrier import RETRY, WINDOW
from badge.offices.post import AT_ONCE, MOST_UNREAD
from badge.offices.receipts import UNPROVEN
from badge.storage.memory import MemoryMail, MemoryStore
from badge.storage.ports import StoreError
from badge.storage.records import Letter, Posted, Waiting
from tests.offices.street import Street


@pytest.fixture
async def street(nursery: trio.Nursery) -> Street:
    return await Street(nursery).open()


# --- from one to another ------------------------------------------------------------------------------------------------


@pytest.mark.req("PE-1", "PE-4", "PE-14")
async def test_a_message_reaches_a_badge_that_is_here_and_its_sender_is_told(
    autojump_clock: MockClock, street: Street
) -> None:
    a, b = street.enter("a"), street.enter("b")
    assert await street.send("a", ' "B" ', "1", category="  Event ", payload={"x": [1, "你"]}) == {"b": "sent"}
    await street.quiet()
    now = round(street.clock.now().timestamp() * 1000)
    assert b.of("message") == [
        {
            "type": "peer",
            "event": "message",
            "id": "1",
            "from": "a",
            "category": "event",
            "ts": now,
            "payload": {"x": [1, "你"]},
        }
    ]
    assert a.receipts == [("1", "b", "delivered")]
    assert not b.receipts


@pytest.mark.req("PE-8", "PE-9", "PE-10", "I-11")
async def test_what_waited_is_delivered_in_order_when_the_device_comes(
    autojump_clock: MockClock, street: Street
) -> None:
    a, c = street.enter("a"), street.enter("c")
    for number in range(3):
        assert await street.send("a", "b", f"a{number}") == {"b": "queued"}
        assert await street.send("c", "b", f"c{number}") == {"b": "queued"}
    with structlog.testing.capture_logs() as logs:
        b = street.enter("b")
        await street.quiet()
    assert b.letters == [(who, f"{who}{number}") for number in range(3) for who in "ac"]
    assert a.receipts == [(f"a{number}", "b", "delivered") for number in range(3)]
    assert a.redelivered == c.redelivered == [("b", 3)]
    assert [line["event"].format(**line) for line in logs if "离线" in line["event"]] == [
        "离线补投递: device=b, sent=6, dropped=0"
    ]
    b.vanish()
    assert street.enter("b").letters == []


@pytest.mark.req("PE-8", "PE-9", "I-11")
async def test_the_queue_is_bounded_and_drops_the_oldest_visibly(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    street = await Street(nursery, queue=3).open()
    a = street.enter("a")
    for number in range(5):
        await street.send("a", "b", str(number))
    await street.quiet()
    assert a.receipts == [("0", "b", "dropped"), ("1", "b", "dropped")]
    with structlog.testing.capture_logs() as logs:
        b = street.enter("b")
        await street.quiet()
    assert b.letters == [("a", "2"), ("a", "3"), ("a", "4")]
    assert a.redelivered == [("b", 3)]
    assert "离线补投递: device=b, sent=3, dropped=2" in [line["event"].format(**line) for line in logs]


@pytest.mark.req("PE-8", "PE-9")
async def test_a_message_that_waits_too_long_is_dropped_and_counted(autojump_clock: MockClock, street: Street) -> None:
    await street.send("a", "b", "old")
    street.pass_time(hours=23.9)
    await street.send("a", "b", "young")
    street.pass_time(hours=0.2)
    with structlog.testing.capture_logs() as logs:
        await trio.sleep(61)
    assert [line["dropped"] for line in logs if "waited too long" in line["event"]] == [1]
    with structlog.testing.capture_logs() as logs:
        b = street.enter("b")
        await street.quiet()
    assert b.letters == [("a", "young")]
    assert "离线补投递: device=b, sent=1, dropped=1" in [line["event"].format(**line) for line in logs]


@pytest.mark.req("PE-7")
async def test_new_messages_never_overtake_those_that_waited(autojump_clock: MockClock, street: Street) -> None:
    """A device comes while its backlog is larger than what may be on its way at once, and its friend goes on writing."""
    for number in range(WINDOW * 2):
        await street.send("a", "b", f"{number:03}")
    b = street.enter("b")
    b.stall()
    for number in range(WINDOW * 2, WINDOW * 3):
        await street.send("a", "b", f"{number:03}")
        if number == WINDOW * 2 + 3:
            b.go_on()
    await street.quiet()
    assert [number for _, number in b.letters] == [f"{number:03}" for number in range(WINDOW * 3)]


@pytest.mark.req("PE-7", "PE-8")
async def test_a_backlog_of_any_size_drowns_no_badge(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    street = await Street(nursery, queue=10_000).open()
    count = CONTROL_LIMIT * 3
    for number in range(count):
        await street.send("a", "b", f"{number:04}")
    b = street.enter("b")
    b.stall()
    await street.quiet()
    assert not b.overflows
    b.go_on()
    await street.quiet()
    assert not b.overflows
    assert [number for _, number in b.letters] == [f"{number:04}" for number in range(count)]


# --- to whom ------------------------------------------------------------------------------------------------------------


@pytest.mark.req("PE-5")
async def test_everyone_is_everyone_who_is_online_but_the_sender(autojump_clock: MockClock, street: Street) -> None:
    a, b, c = (street.enter(name) for name in ("a", "b", "c"))
    await street.send("d", "gone", "before")
    assert await street.send("a", "*", "1") == {"b": "sent", "c": "sent"}
    await street.quiet()
    assert b.letters == c.letters == [("a", "1")]
    assert a.letters == []
    b.vanish(), c.vanish()
    assert await street.send("a", "*", "2") == {}


@pytest.mark.req("PE-5")
async def test_a_group_is_all_of_its_devices_here_or_not(autojump_clock: MockClock, street: Street) -> None:
    for device, group in (("g1-a", "g1"), ("g1-b", "g1"), ("g1-c", "g1"), ("g2-d", "g2")):
        await street.store.presence.seen(device, group, now=0)
    b, d = street.enter("g1-b"), street.enter("g2-d")
    assert await street.send("g1-a", "@group", "1") == {"g1-b": "sent", "g1-c": "queued"}
    await street.quiet()
    assert b.letters == [("g1-a", "1")]
    assert d.letters == []


@pytest.mark.req("PE-4", "PE-5")
async def test_every_target_gets_one_copy_however_often_it_is_named(autojump_clock: MockClock, street: Street) -> None:
    b = street.enter("b")
    assert await street.send("a", ["b", " B", "'b'", "*", "x"], "1") == {"b": "sent", "x": "queued"}
    await street.quiet()
    assert b.letters == [("a", "1")]


async def test_a_device_may_write_to_itself(autojump_clock: MockClock, street: Street) -> None:
    a = street.enter("a")
    assert await street.send("a", "a", "1") == {"a": "sent"}
    await street.quiet()
    assert a.letters == [("a", "1")]
    assert a.receipts == [("1", "a", "delivered")]


# --- once ---------------------------------------------------------------------------------------------------------------


@pytest.mark.req("PE-8", "PE-11")
async def test_the_same_message_again_is_not_delivered_again_and_tells_what_became_of_it(
    autojump_clock: MockClock, street: Street
) -> None:
    assert await street.send("a", "b", "1") == {"b": "queued"}
    assert await street.send("a", "b", "1") == {"b": "queued"}
    b = street.enter("b")
    b.stall()
    await street.quiet()
    assert await street.send("a", "b", "1") == {"b": "sent"}
    b.go_on()
    await street.quiet()
    assert await street.send("a", "b", "1", payload={"text": "something else"}) == {"b": "delivered"}
    street.office.heard("b", [("a", "1")])
    await street.quiet()
    assert await street.send("a", "b", "1") == {"b": "heard"}
    assert await street.send("c", "b", "1") == {"b": "sent"}, "another sender's"
    await street.quiet()
    assert b.letters == [("a", "1"), ("c", "1")]


# --- receipts -----------------------------------------------------------------------------------------------------------


@pytest.mark.req("PE-11", "B-11", "I-11")
async def test_a_badge_that_dies_at_its_first_letter_loses_none_and_nobody_is_told_otherwise(
    autojump_clock: MockClock, street: Street
) -> None:
    a = street.enter("a")
    await street.send("a", "b", "1")
    await street.send("a", "b", "2")
    first = street.enter("b")
    first.wire.closed = (1006, "")
    with structlog.testing.capture_logs() as logs:
        await street.quiet()
        first.vanish()
        await street.quiet()
    assert first.letters == []
    assert a.redelivered == []
    assert {status for *_, status in a.receipts} == {"queued"}
    assert "离线补投递: device=b, sent=0, dropped=0" in [line["event"].format(**line) for line in logs]
    second = street.enter("b")
    await street.quiet()
    assert second.letters == [("a", "1"), ("a", "2")]
    assert a.redelivered == [("b", 2)]


@pytest.mark.req("PE-11", "B-11")
async def test_written_is_not_delivered(autojump_clock: MockClock, street: Street) -> None:
    """The badge has gone, and the network has not noticed yet: what was written then is taken back."""
    a, b = street.enter("a"), street.enter("b")
    b.wire.answers_pings = False
    assert await street.send("a", "b", "1") == {"b": "sent"}
    await street.quiet()
    assert b.letters == [("a", "1")]
    assert a.receipts == []
    b.vanish()
    await street.quiet()
    assert a.receipts == [("1", "b", "queued")]
    again = street.enter("b")
    await street.quiet()
    assert again.letters == [("a", "1")]
    assert a.receipts == [("1", "b", "queued"), ("1", "b", "delivered")]
    assert a.redelivered == [("b", 1)]


@pytest.mark.req("PE-11", "I-11")
async def test_heard_is_told_once_and_only_of_messages_that_there_are(
    autojump_clock: MockClock, street: Street
) -> None:
    a, _ = street.enter("a"), street.enter("b")
    await street.send("a", "b", "1")
    await street.quiet()
    for _ in range(3):
        street.office.heard("b", [("a", "1"), ("a", "1"), ("a", "never sent"), ("nobody", "1")])
        street.office.heard("c", [("a", "1")])
        await street.quiet()
    assert a.receipts == [("1", "b", "delivered"), ("1", "b", "heard")]


@pytest.mark.req("PE-11")
async def test_what_was_heard_has_arrived(autojump_clock: MockClock, street: Street) -> None:
    """A badge that plays messages itself may say so before it answers the next ping."""
    a, b = street.enter("a"), street.enter("b")
    b.wire.answers_pings = False
    await street.send("a", "b", "1")
    await street.quiet()
    street.office.heard("b", [("a", "1"), ("a", "1")])
    await street.quiet()
    assert a.receipts == [("1", "b", "delivered"), ("1", "b", "heard")]
    b.vanish()
    await street.quiet()
    assert a.receipts == [("1", "b", "delivered"), ("1", "b", "heard")]


@pytest.mark.req("PE-11")
async def test_a_message_for_many_does_not_drown_its_sender_in_receipts(
    autojump_clock: MockClock, street: Street
) -> None:
    a = street.enter("a")
    others = [street.enter(f"d{number}") for number in range(CONTROL_LIMIT * 2)]
    a.stall()
    await street.send("a", "*", "1")
    await street.quiet()
    assert all(other.letters == [("a", "1")] for other in others)
    assert not a.overflows
    a.go_on()
    await street.quiet()
    assert len(a.receipts) == len(others) > UNPROVEN
    assert not a.overflows


# --- nobody waits for anybody ---------------------------------------------------------------------------------------------


@pytest.mark.req("PE-12", "B-26", "I-12")
async def test_a_badge_that_does_not_read_delays_neither_its_correspondent_nor_others(
    autojump_clock: MockClock, street: Street
) -> None:
    a, deaf, c = street.enter("a"), street.enter("deaf"), street.enter("c")
    deaf.stall()
    begun = trio.current_time()
    for number in range(3 * WINDOW):
        fates = await street.send("a", ["deaf", "c"], str(number))
        await street.quiet()
        assert fates == {"deaf": "sent" if number < WINDOW else "queued", "c": "sent"}
    assert trio.current_time() == begun
    assert len(c.letters) == 3 * WINDOW
    assert [to for _, to, _ in a.receipts] == ["c"] * 3 * WINDOW
    assert not deaf.overflows
    deaf.vanish()
    back = street.enter("deaf")
    await street.quiet()
    assert [number for _, number in back.letters] == [str(number) for number in range(3 * WINDOW)]


@pytest.mark.req("RG-15")
async def test_who_waits_for_the_backlog_waits_until_it_is_handed_over_or_the_device_has_gone(
    autojump_clock: MockClock, street: Street
) -> None:
    for number in range(WINDOW + 1):
        await street.send("a", "b", str(number))

    async def snapshot() -> None:
        await street.office.handed_over("b")
        b.mailbox.post('{"event":"snapshot"}')

    await street.office.handed_over("b")
    b = street.enter("b")
    b.stall()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(snapshot)
        await street.quiet()
        assert nursery.child_tasks
        b.vanish()
    stalled = street.enter("b")
    stalled.stall()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(snapshot)
        await street.quiet()
        b = street.enter("b")
    await street.quiet()
    b.wire.sent.clear()
    b.vanish()
    stalled.vanish()
    for number in range(WINDOW + 1):
        await street.send("c", "b", str(number))
    b = street.enter("b")
    await snapshot()
    await street.quiet()
    assert [message["event"] for message in b.messages] == ["message"] * (WINDOW + 1) + ["snapshot"]


# --- what is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.req("PE-6", "PE-14")
@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"to": []}, "no-target"),
        ({"to": ["", " '\" "]}, "no-target"),
        ({"to": ["b"] * 101}, "too-many-targets"),
        ({"to": ["b" * 129]}, "bad-target"),
        ({"to": ["\"'" * 500_000]}, "bad-target"),
        ({"to": ["b\x00"]}, "bad-target"),
        ({"category": "no spaces"}, "invalid-category"),
        ({"category": "x" * 33}, "invalid-category"),
        ({"category": "文字"}, "invalid-category"),
        ({"id": ""}, "bad-id"),
        ({"id": "x" * 129}, "bad-id"),
        ({"id": "\ud800"}, "bad-id"),
        ({"payload": {"text": "x" * 300_000}}, "too-large"),
        ({"payload": {"text": "你" * 90_000}}, "too-large"),
        ({"payload": {"text": "\ud800"}}, "bad-payload"),
        ({"payload": {"\udfff": 1}}, "bad-payload"),
        ({"category": "clip"}, "bad-clip"),
    ],
)
async def test_a_bad_message_is_refused_whole(
    autojump_clock: MockClock, street: Street, message: dict[str, object], code: str
) -> None:
    b = street.enter("b")
    whole = {"id": "1", "to": ["b"], "category": "text", "payload": {"text": "x"}, **message}
    with pytest.raises(RefusedError) as refusal:
        await street.office.send("a", Outgoing(**whole))  # type: ignore[arg-type]
    assert refusal.value.code == code
    assert len(refusal.value.message) < 200
    await street.quiet()
    assert b.letters == []


async def test_deep_nesting_is_refused_and_harms_nobody(autojump_clock: MockClock, street: Street) -> None:
    b = street.enter("b")
    deep: dict[str, object] = {}
    for _ in range(100_000):
        deep = {"x": deep}
    with pytest.raises(RefusedError, match="nested"):
        await street.send("a", "b", payload=deep)
    middle: dict[str, object] = {}
    for _ in range(200):
        middle = {"x": middle}
    await street.send("a", "b", "1", payload=middle)
    await street.quiet()
    assert b.letters == [("a", "1")]


@pytest.mark.req("PE-3", "PE-14")
async def test_a_category_is_taken_in_any_case_and_is_text_by_default(
    autojump_clock: MockClock, street: Street
) -> None:
    b = street.enter("b")
    for category in (" Text ", "COMMAND", "", "my.own_kind-2"):
        await street.send("a", "b", category=category)
    await street.quiet()
    assert [message["category"] for message in b.of("message")] == ["text", "command", "text", "my.own_kind-2"]


@pytest.mark.req("PE-8")
async def test_a_sender_cannot_fill_the_store_with_mail_that_nobody_fetches(
    autojump_clock: MockClock, street: Street
) -> None:
    for number in range(MOST_UNREAD // 100):
        await street.send("hostile", [f"{number}-{place}" for place in range(100)], str(number))
    with pytest.raises(RefusedError, match="Try again when some have been delivered") as refusal:
        await street.send("hostile", "b", "one more")
    assert refusal.value.code == "too-much-mail"
    assert await street.send("honest", "b", "1") == {"b": "queued"}
    street.enter("0-0")
    await street.quiet()
    assert await street.send("hostile", "b", "one more") == {"b": "queued"}


async def test_a_large_message_is_not_for_many(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    street = await Street(nursery).open()
    for number in range(200):
        street.enter(f"d{number}")
    with pytest.raises(RefusedError, match="fewer at a time"):
        await street.send("a", "*", payload={"text": "x" * 200_000})
    assert len(await street.send("a", "*", payload={"text": "x" * 1000})) == 200


async def test_no_device_writes_in_the_name_of_the_operator(autojump_clock: MockClock, street: Street) -> None:
    with pytest.raises(RefusedError, match="another id"):
        await street.send("server", "b")


# --- a store that fails -----------------------------------------------------------------------------------------------------


class Failing:
    """Mail that cannot be kept, read or marked while `broken` says so."""

    def __init__(self, store: MemoryStore) -> None:
        self._mail = store.mail
        self.broken: set[str] = set()
        self.busy = Counter[object]()
        self.crowded = False

    async def post(self, letter: Letter, **how: Any) -> Posted:
        if "post" in self.broken and letter.to == "unlucky":
            raise StoreError("disk full")
        return await self._mail.post(letter, **how)

    def __getattr__(self, name: str) -> object:
        method = getattr(self._mail, name)

        async def call(*args: object, **kwargs: object) -> object:
            self.busy[name, args] += 1
            self.crowded |= self.busy[name, args] > 1
            await trio.lowlevel.checkpoint()
            self.busy[name, args] -= 1
            if name in self.broken:
                raise StoreError("disk full")
            return await method(*args, **kwargs)

        return call


@pytest.fixture
async def failing(nursery: trio.Nursery) -> tuple[Street, Failing]:
    store = MemoryStore()
    store.mail = mail = Failing(store)  # type: ignore[assignment]
    return await Street(nursery, store=store).open(), mail


@pytest.mark.req("PE-11")
async def test_a_message_that_is_not_kept_for_all_is_refused_and_can_be_sent_again(
    autojump_clock: MockClock,
    failing: tuple[Street, Failing],
) -> None:
    street, mail = failing
    b = street.enter("b")
    mail.broken = {"post"}
    with pytest.raises(RefusedError, match="send it again"):
        await street.send("a", ["unlucky", "b"], "1")
    mail.broken = set()
    await street.quiet()
    assert await street.send("a", ["unlucky", "b"], "1") == {"unlucky": "queued", "b": "delivered"}
    assert b.letters == [("a", "1")]


@pytest.mark.req("PE-11")
async def test_a_letter_whose_delivery_cannot_be_written_down_is_not_delivered_again_and_again(
    autojump_clock: MockClock,
    failing: tuple[Street, Failing],
) -> None:
    street, mail = failing
    a, b = street.enter("a"), street.enter("b")
    mail.broken = {"mark"}
    await street.send("a", "b", "1")
    await street.send("a", "b", "2")
    await trio.sleep(60)
    assert b.letters == [("a", "1"), ("a", "2")]
    assert a.receipts == []
    mail.broken = set()
    await trio.sleep(RETRY + 1)
    assert a.receipts == [("1", "b", "delivered"), ("2", "b", "delivered")]


async def test_letters_that_cannot_be_read_are_delivered_when_they_can(
    autojump_clock: MockClock, failing: tuple[Street, Failing]
) -> None:
    street, mail = failing
    await street.send("a", "b", "1")
    mail.broken = {"waiting"}
    with structlog.testing.capture_logs() as logs:
        b = street.enter("b")
        await trio.sleep(RETRY * 10.5)
    assert len([line for line in logs if line["event"] == "failed"]) == 11
    assert b.letters == []
    for number in ("2", "3"):
        with trio.fail_after(2 * RETRY):
            assert await street.send("a", "b", number) == {"b": "queued"}
    mail.broken = set()
    await trio.sleep(RETRY + 1)
    assert b.letters == [("a", "1"), ("a", "2"), ("a", "3")]
    assert not mail.crowded, "two looked at the same mail"


async def test_expiry_that_fails_is_visible_and_tried_again(
    autojump_clock: MockClock, failing: tuple[Street, Failing]
) -> None:
    street, mail = failing
    await street.send("a", "b", "1")
    street.pass_time(hours=25)
    mail.broken = {"expire"}
    with structlog.testing.capture_logs() as logs:
        await trio.sleep(61)
        mail.broken = set()
        await trio.sleep(60)
    assert [line["log_level"] for line in logs] == ["error", "info"]
    assert logs[1]["dropped"] == 1


# --- without an office ----------------------------------------------------------------------------------------------------


async def test_before_and_after_its_hours_the_office_keeps_what_comes(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as outside:
        street = Street(outside)
        early = street.enter("b")
        assert await street.send("a", "b", "1") == {"b": "queued"}
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                await nursery.start(street.office.run)
                scope.cancel()
        late = street.enter("c")
        assert await street.send("a", ["b", "c"], "2") == {"b": "queued", "c": "queued"}
        assert early.letters == late.letters == []
        await street.office.handed_over("b")
        outside.cancel_scope.cancel()
    waiting = await street.store.mail.waiting("b", now=0)
    assert [letter.id for letter in waiting.letters] == ["1", "2"]


# --- the narrow moments -------------------------------------------------------------------------------------------------------


class Slow(MemoryMail):
    """Mail whose news takes its time on the way back."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = trio.Event()
        self.gate.set()

    async def waiting(self, device: str, **how: Any) -> Waiting:
        waiting = await super().waiting(device, **how)
        await self.gate.wait()
        return waiting


@pytest.mark.req("PE-11")
async def test_a_letter_that_is_settled_while_somebody_looks_is_not_delivered_again(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    store = MemoryStore()
    store.mail = mail = Slow()
    street = await Street(nursery, store=store).open()
    b = street.enter("b", driven=True)
    await street.send("a", "b", "1")
    await b.read(5)
    mail.gate = trio.Event()
    nursery.start_soon(street.send, "a", "b", "2")
    await street.quiet()
    b.prove()
    await street.quiet()
    mail.gate.set()
    await street.quiet()
    await b.read(5)
    assert b.letters == [("a", "1"), ("a", "2")]


@pytest.mark.req("PE-12")
async def test_no_more_than_a_window_is_ever_on_its_way(autojump_clock: MockClock, street: Street) -> None:
    b = street.enter("b")
    b.stall()
    for number in range(WINDOW):
        assert await street.send("a", "b", f"old {number}") == {"b": "sent"}
    street.pass_time(hours=25)  # they expire on the way
    for number in range(WINDOW):
        assert await street.send("a", "b", f"new {number}") == {"b": "queued"}
    b.go_on()
    await street.quiet()
    assert len(b.letters) == 2 * WINDOW


@pytest.mark.req("PE-8", "PE-11", "I-11")
async def test_what_is_on_its_way_makes_no_room_for_others(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    """A burst for a badge with a long way: nothing that is about to arrive is counted as dropped."""
    street = await Street(nursery, queue=2).open()
    a, b = street.enter("a"), street.enter("b", driven=True)
    for number in range(5):
        await street.send("a", "b", str(number))
    await b.read(9)
    b.prove()
    await street.quiet()
    assert b.letters == [("a", str(number)) for number in range(5)]
    assert a.receipts == [(str(number), "b", "delivered") for number in range(5)]


@pytest.mark.req("PE-8", "PE-11", "I-11")
async def test_a_letter_that_is_dropped_while_somebody_looks_is_not_delivered(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    store = MemoryStore()
    store.mail = mail = Slow()
    street = await Street(nursery, store=store, queue=1).open()
    a, b = street.enter("a"), street.enter("b", driven=True)
    await street.quiet()
    mail.gate = trio.Event()
    for number in ("1", "2"):
        nursery.start_soon(street.send, "a", "b", number)
        await street.quiet()
    assert a.receipts == [("1", "b", "dropped")]
    mail.gate.set()
    await street.quiet()
    await b.read(5)
    b.prove()
    await street.quiet()
    assert b.letters == [("a", "2")]
    assert a.receipts == [("1", "b", "dropped"), ("2", "b", "delivered")]


@pytest.mark.req("PE-10", "I-11")
async def test_a_letter_that_arrives_on_two_connections_is_counted_once(
    autojump_clock: MockClock, street: Street
) -> None:
    a = street.enter("a")
    await street.send("a", "b", "1")
    await street.send("a", "b", "2")
    first = street.enter("b", driven=True)
    await street.quiet()
    await first.read(5)
    second = street.enter("b", driven=True)
    await street.quiet()
    await second.read(5)
    first.prove(1)
    second.prove()
    await street.quiet()
    first.vanish()
    await street.quiet()
    assert first.letters == second.letters == [("a", "1"), ("a", "2")]
    assert a.receipts == [("1", "b", "delivered"), ("2", "b", "delivered")]
    assert a.redelivered == [("b", 1), ("b", 1)]


class CountedMail(MemoryMail):
    """Counts the letters that it is given at the same time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0

    async def post(self, letter: Letter, **how: Any) -> Posted:
        self.now += 1
        self.most = max(self.most, self.now)
        await trio.sleep(0.01)
        self.now -= 1
        return await super().post(letter, **how)


@pytest.mark.req("PE-5")
async def test_a_message_for_very_many_leaves_the_store_room_for_others(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    store = MemoryStore()
    store.mail = mail = CountedMail()
    street = await Street(nursery, store=store).open()
    for number in range(300):
        street.enter(f"d{number}", driven=True)
    fates = await street.send("a", "*")
    assert len(fates) == 300
    assert mail.most == AT_ONCE

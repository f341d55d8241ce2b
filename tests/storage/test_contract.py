"""What every store does: the same cases for each."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
import trio

from badge.storage import tasks
from badge.storage.ports import Store, StoreError
from badge.storage.recollections import Lesson
from badge.storage.records import Found, Hole, Posted, Segment, Waiting
from badge.storage.registry import DeviceEdit, DeviceRecord, Visit
from badge.storage.tasks import Assign, Change, Claim, Complete, Create, Draft, Edit, Finish, Snapshot, Task
from badge.storage.terms import LONGEST_QUESTION, sought
from tests.storage.stores import KINDS, exchange, fact, letter, load, meeting, reminder, save, store_of

ODD = [
    "'; DROP TABLE tasks; --",
    'double " quotes',
    "emoji 🎙️👩‍👩‍👧",
    "会议纪要",
    "e\u0301 is not \u00e9",
    "\u00e9",
    "nul \0 inside",
    "nul \0 outside",
    "new\nline",
    "%_?:@$1",
    " ",
    "0123",
    "123",
    "1e3",
    "NULL",
    "x" * 5000,
]


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, nursery: trio.Nursery, tmp_path: Path) -> Store:
    made = store_of(request.param, tmp_path)
    await nursery.start(made.run)
    return made


def create(*numbers: str, device: str = "a", at: int = 1) -> Create:
    return Create(device=device, at=at, drafts=tuple(Draft(id=one, title=f"title {one}") for one in numbers))


# --- tasks ------------------------------------------------------------------------------------------------------------


@pytest.mark.req("WF-2")
async def test_tasks_are_kept_as_they_are_in_the_order_of_their_creation(store: Store) -> None:
    assert await store.tasks.snapshot("g") == Snapshot(revision=0, tasks=())
    drafts = (Draft(id="z", title="first", due="2026-11-22", source="m1"), Draft(id="a", title="second"))
    decision = await store.tasks.carry_out("g", Create(device="d1", at=7, drafts=drafts))
    assert [result.outcome for result in decision.results] == ["created", "created"]
    assert decision.revision == 1
    await store.tasks.carry_out("g", Assign(device="d2", at=9, id="z"))
    assert await store.tasks.snapshot("g") == Snapshot(
        revision=2,
        tasks=(
            Task(
                id="z",
                title="first",
                owner="d2",
                due="2026-11-22",
                by="d1",
                created=7,
                updated=9,
                source="m1",
            ),
            Task(id="a", title="second", by="d1", created=7, updated=7),
        ),
    )


async def test_the_revision_grows_by_one_with_every_change_and_with_nothing_else(store: Store) -> None:
    commands = (
        create("1", "2", "3"),
        create("1"),
        Assign(device="a", at=2, id="1"),
        Assign(device="a", at=3, id="1"),
        Assign(device="b", at=4, id="1"),
        Assign(device="b", at=5, id="unknown"),
        Change(device="b", at=6, edits=(Edit(id="2", title="new"), Edit(id="2", due="2026-12-24"))),
        Change(device="b", at=7, edits=(Edit(id="2", title="new"),)),
        Complete(device="a", at=8, ids=("1", "2", "nothing")),
        Complete(device="a", at=9, ids=("1", "2")),
    )
    revisions = [(await store.tasks.carry_out("g", command)).revision for command in commands]
    assert revisions == [1, 1, 2, 2, 2, 2, 3, 3, 4, 4]
    assert (await store.tasks.snapshot("g")).revision == 4
    assert (await store.tasks.snapshot("h")).revision == 0
    second = (await store.tasks.snapshot("g")).tasks[1]
    assert (second.title, second.due, second.status, second.updated) == ("new", "2026-12-24", "done", 8)


@pytest.mark.req("I-10")
async def test_groups_have_nothing_in_common(store: Store) -> None:
    for group in ("g", "h"):
        await store.tasks.carry_out(group, create("1"))
    await store.tasks.carry_out("g", Complete(device="a", at=2, ids=("1",)))
    assert [task.status for task in (await store.tasks.snapshot("g")).tasks] == ["done"]
    assert [task.status for task in (await store.tasks.snapshot("h")).tasks] == ["open"]


async def test_completed_tasks_make_room(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "MOST_TASKS", 3)
    await store.tasks.carry_out("g", create("1", "2", "3"))
    decision = await store.tasks.carry_out("g", create("4"))
    assert [result.outcome for result in decision.results] == ["full"]
    assert decision.revision == 1
    await store.tasks.carry_out("g", Complete(device="a", at=2, ids=("2",)))
    decision = await store.tasks.carry_out("g", create("5", "2"))
    assert decision.forgotten == ("2",)
    assert [result.outcome for result in decision.results] == ["created", "full"]
    assert [task.id for task in (await store.tasks.snapshot("g")).tasks] == ["1", "3", "5"]


async def test_a_forgotten_id_can_be_used_again_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "MOST_TASKS", 3)
    await store.tasks.carry_out("g", create("1", "2", "3"))
    await store.tasks.carry_out("g", Complete(device="a", at=2, ids=("1", "2")))
    decision = await store.tasks.carry_out("g", create("4", "1", at=3))
    assert decision.forgotten == ("1", "2")
    found = (await store.tasks.snapshot("g")).tasks
    assert [(task.id, task.status, task.created) for task in found] == [
        ("3", "open", 1),
        ("4", "open", 3),
        ("1", "open", 3),
    ]


@pytest.mark.req("WF-8", "B-69", "I-10")
async def test_of_many_who_take_a_task_at_once_one_gets_it_and_the_others_learn_who(store: Store) -> None:
    await store.tasks.carry_out("g", create("1"))
    decisions = []

    async def take(device: str) -> None:
        decisions.append(await store.tasks.carry_out("g", Assign(device=device, at=2, id="1")))

    async with trio.open_nursery() as nursery:
        for number in range(16):
            nursery.start_soon(take, f"d{number}")
    results = [decision.results[0] for decision in decisions]
    assert sorted(result.outcome for result in results) == ["assigned"] + ["taken"] * 15
    owners = {result.task.owner for result in results if result.task is not None}
    assert owners == {(await store.tasks.snapshot("g")).tasks[0].owner}
    assert {decision.revision for decision in decisions} == {2}


@pytest.mark.req("WK-13", "B-69")
async def test_of_many_who_take_whatever_is_free_at_once_each_gets_another(store: Store) -> None:
    await store.tasks.carry_out("g", create(*(str(number) for number in range(10))))
    taken, refused = [], []

    async def take(device: str) -> None:
        (result,) = (await store.tasks.carry_out("g", Claim(device=device, at=2))).results
        (taken if result.outcome == "assigned" else refused).append(result)

    async with trio.open_nursery() as nursery:
        for number in range(16):
            nursery.start_soon(take, f"d{number}")
    assert sorted(result.id for result in taken) == [str(number) for number in range(10)]
    assert [(result.outcome, result.id) for result in refused] == [("empty", "")] * 6
    owners = [task.owner for task in (await store.tasks.snapshot("g")).tasks]
    assert len(set(owners)) == 10


@pytest.mark.req("WK-13")
async def test_of_many_who_finish_at_once_each_finishes_another(store: Store) -> None:
    await store.tasks.carry_out("g", create("1", "2", "3"))
    await store.tasks.carry_out("g", Assign(device="d0", at=2, id="3"))
    finished = {}

    async def finish(device: str) -> None:
        (result,) = (await store.tasks.carry_out("g", Finish(device=device, at=3))).results
        finished[device] = result.outcome, result.id

    async with trio.open_nursery() as nursery:
        for number in range(4):
            nursery.start_soon(finish, f"d{number}")
    assert finished.pop("d0") == ("completed", "3")
    assert sorted(finished.values()) == [("completed", "1"), ("completed", "2"), ("empty", "")]


# --- mail -------------------------------------------------------------------------------------------------------------


async def test_letters_wait_in_order_as_they_are(store: Store) -> None:
    letters = tuple(letter(str(number), sent=9 - number) for number in range(5))
    for one in letters:
        assert await store.mail.post(one, bound=10) == Posted(status="queued")
    await store.mail.post(letter("1", to="c"), bound=10)
    assert await store.mail.waiting("b", now=9) == Waiting(letters=letters)
    assert await store.mail.waiting("b", now=9) == Waiting(letters=letters)
    assert await store.mail.waiting("nobody", now=9) == Waiting(letters=())


async def test_the_same_letter_again_is_the_same_letter(store: Store) -> None:
    first = letter("1")
    await store.mail.post(first, bound=1)
    again = attrs.evolve(first, payload="{}", expires=500)
    assert await store.mail.post(again, bound=1) == Posted(status="queued", duplicate=True)
    assert (await store.mail.waiting("b", now=0)).letters == (first,)
    for heard, status in ((False, "delivered"), (True, "heard"), (False, "heard")):
        await store.mail.mark("b", [("a", "1")], heard=heard)
        assert await store.mail.post(again, bound=1) == Posted(status=status, duplicate=True)
    assert await store.mail.post(letter("1", sender="c"), bound=1) == Posted(status="queued")
    assert [one.sender for one in (await store.mail.waiting("b", now=0)).letters] == ["c"]


async def test_beyond_the_bound_the_oldest_are_dropped_and_counted_once(store: Store) -> None:
    await store.mail.post(letter("delivered"), bound=3)
    await store.mail.mark("b", [("a", "delivered")])
    dropped = [(await store.mail.post(letter(str(number)), bound=3)).dropped for number in range(5)]
    assert dropped == [0, 0, 0, 1, 1]
    assert (await store.mail.post(letter("5"), bound=1)).dropped == 3
    waiting = await store.mail.waiting("b", now=0)
    assert ([one.id for one in waiting.letters], waiting.dropped) == (["5"], 5)
    assert (await store.mail.waiting("b", now=0)).dropped == 0
    assert (await store.mail.post(letter("delivered"), bound=3)).status == "delivered"
    assert await store.mail.post(letter("0"), bound=3) == Posted(status="queued")


async def test_expired_letters_are_dropped_and_counted_when_looked_for(store: Store) -> None:
    for number, expires in enumerate((10, 20, 30)):
        await store.mail.post(letter(str(number), expires=expires), bound=9)
    assert [one.id for one in (await store.mail.waiting("b", now=9)).letters] == ["0", "1", "2"]
    waiting = await store.mail.waiting("b", now=20)
    assert ([one.id for one in waiting.letters], waiting.dropped) == (["2"], 2)
    assert (await store.mail.waiting("b", now=20)).dropped == 0
    assert await store.mail.post(letter("0", expires=40), bound=9) == Posted(status="queued")


async def test_expiry_counts_what_nobody_got_for_those_it_was_for(store: Store) -> None:
    for number in range(4):
        await store.mail.post(letter(str(number), expires=10), bound=9)
    await store.mail.post(letter("1", to="c", expires=10), bound=9)
    await store.mail.post(letter("2", to="c", expires=11), bound=9)
    await store.mail.mark("b", [("a", "0")])
    assert await store.mail.expire(now=9) == 0
    assert await store.mail.expire(now=10) == 4
    assert await store.mail.expire(now=10) == 0
    assert await store.mail.waiting("b", now=10) == Waiting(letters=(), dropped=3)
    assert (await store.mail.waiting("c", now=10)).dropped == 1
    assert await store.mail.post(letter("0"), bound=9) == Posted(status="queued")


async def test_marks_concern_the_letters_that_they_name(store: Store) -> None:
    for sender in ("a", "x"):
        for number in ("1", "2"):
            await store.mail.post(letter(number, sender=sender), bound=9)
    await store.mail.mark("b", [("a", "1"), ("x", "2"), ("a", "unknown"), ("nobody", "1")])
    await store.mail.mark("nobody", [("a", "2")])
    await store.mail.mark("b", [])
    assert [(one.sender, one.id) for one in (await store.mail.waiting("b", now=0)).letters] == [("a", "2"), ("x", "1")]
    await store.mail.mark("b", [("a", "2")], heard=True)
    assert (await store.mail.post(letter("2"), bound=9)).status == "heard"


async def test_many_senders_at_once_lose_nothing_but_what_is_counted(store: Store) -> None:
    async def send(sender: str) -> None:
        for number in range(20):
            await store.mail.post(letter(str(number), sender=sender), bound=50)

    async with trio.open_nursery() as nursery:
        for sender in range(8):
            nursery.start_soon(send, f"d{sender}")
    waiting = await store.mail.waiting("b", now=0)
    assert (len(waiting.letters), waiting.dropped) == (50, 110)
    for sender in {one.sender for one in waiting.letters}:
        numbers = [int(one.id) for one in waiting.letters if one.sender == sender]
        assert numbers == sorted(numbers)


# --- meetings ---------------------------------------------------------------------------------------------------------


async def test_a_meeting_is_kept_as_it_is(store: Store) -> None:
    begun = meeting("m", started=5, segments=77)
    await store.meetings.begin(begun)
    await store.meetings.begin(meeting("m", device="other"))
    assert await store.meetings.get("m") == attrs.evolve(begun, segments=0)
    assert await store.meetings.add("m", ts=6, text="eins") == 1
    changed = attrs.evolve(
        begun,
        state="finalised",
        ended=9,
        seen=8,
        pushed=3,
        pushes=2,
        segments=0,
        checkpoint="c",
        minutes="{}",
        delivered=True,
    )
    await store.meetings.save(changed)
    found = await store.meetings.get("m")
    assert found == attrs.evolve(changed, segments=1)
    assert found is not None
    assert found.delivered is True
    assert await store.meetings.get("unknown") is None


async def test_a_meeting_that_is_not_known_cannot_be_written(store: Store) -> None:
    with pytest.raises(StoreError, match="no meeting 'm'"):
        await store.meetings.add("m", ts=1, text="lost")
    with pytest.raises(StoreError, match="no meeting 'm'"):
        await store.meetings.miss("m", Hole(since=1, until=2, reason="overload"))
    with pytest.raises(StoreError, match="no meeting 'm'"):
        await store.meetings.save(meeting("m"))
    assert await store.meetings.latest() == ()
    assert await store.meetings.segments("m") == ()
    assert await store.meetings.holes("m") == ()


async def test_meetings_are_found_by_what_they_need(store: Store) -> None:
    for number, device, started in (("1", "a", 10), ("2", "b", 20), ("3", "a", 30), ("4", "a", 30), ("5", "a", 5)):
        await store.meetings.begin(meeting(number, device=device, started=started))

    def ids(found: tuple[object, ...]) -> list[str]:
        return [getattr(one, "id", "") for one in found]

    assert ids(await store.meetings.latest()) == ["4", "3", "2", "1", "5"]
    assert ids(await store.meetings.latest(device="a")) == ["4", "3", "1", "5"]
    assert ids(await store.meetings.latest(device="a", limit=2)) == ["4", "3"]
    assert ids(await store.meetings.latest(device="nobody")) == []
    assert ids(await store.meetings.unfinished()) == ["5", "1", "2", "3", "4"]
    for number, state in (("4", "finalised"), ("1", "finalised"), ("2", "finalised"), ("3", "summarising")):
        found = await store.meetings.get(number)
        assert found is not None
        await store.meetings.save(attrs.evolve(found, state=state))
    current = await store.meetings.current("a")
    assert current is not None
    assert current.id == "3"
    assert await store.meetings.current("b") is None
    assert await store.meetings.current("nobody") is None
    assert ids(await store.meetings.unfinished()) == ["5", "3"]
    assert ids(await store.meetings.undelivered("a")) == ["1", "4"]
    delivered = await store.meetings.get("1")
    assert delivered is not None
    await store.meetings.save(attrs.evolve(delivered, delivered=True))
    assert ids(await store.meetings.undelivered("a")) == ["4"]


async def test_segments_are_numbered_in_each_meeting(store: Store) -> None:
    for number in ("m", "n"):
        await store.meetings.begin(meeting(number))
    assert [await store.meetings.add("m", ts=t, text=f"text {t}") for t in (5, 3, 9)] == [1, 2, 3]
    assert await store.meetings.add("n", ts=1, text="other") == 1
    all_of_m = (
        Segment(number=1, ts=5, text="text 5"),
        Segment(number=2, ts=3, text="text 3"),
        Segment(number=3, ts=9, text="text 9"),
    )
    assert await store.meetings.segments("m") == all_of_m
    assert await store.meetings.segments("m", after=1) == all_of_m[1:]
    assert await store.meetings.segments("m", after=1, limit=1) == all_of_m[1:2]
    assert await store.meetings.segments("m", after=3) == ()
    assert await store.meetings.segments("m", after=-1, limit=1) == all_of_m[:1]


async def test_ten_thousand_segments(store: Store) -> None:
    await store.meetings.begin(meeting("m"))
    numbers: list[int] = []

    async def talk(tens: int) -> None:
        numbers.extend([await store.meetings.add("m", ts=ts, text=f"{tens} {ts}") for ts in range(100)])

    async with trio.open_nursery() as nursery:
        for tens in range(100):
            nursery.start_soon(talk, tens)
    assert sorted(numbers) == list(range(1, 10_001))
    found = await store.meetings.segments("m")
    assert [one.number for one in found] == list(range(1, 10_001))
    assert len({one.text for one in found}) == 10_000
    assert await store.meetings.segments("m", after=9_990, limit=5) == found[9_990:9_995]
    known = await store.meetings.get("m")
    assert known is not None
    assert known.segments == 10_000


async def test_holes_are_in_order_of_time(store: Store) -> None:
    await store.meetings.begin(meeting("m"))
    holes = (
        Hole(since=7, until=8, reason="overload"),
        Hole(since=1, until=2, reason="disconnected"),
        Hole(since=7, until=7, reason="b"),
    )
    for hole in holes:
        await store.meetings.miss("m", hole)
    assert await store.meetings.holes("m") == (holes[1], holes[0], holes[2])


# --- the small ones ---------------------------------------------------------------------------------------------------


async def test_reminders(store: Store) -> None:
    assert await store.reminders.next(after=-1) is None
    kept = [reminder("1", due=30), reminder("2", due=10), reminder("3", due=10, device="b"), reminder("4", due=10)]
    for one in kept:
        await store.reminders.add(one)
    await store.reminders.add(reminder("2", due=99, device="b"))
    assert await store.reminders.next(after=9) == 10
    assert await store.reminders.next(after=10) == 30
    assert await store.reminders.next(after=99) is None
    assert await store.reminders.of("a") == (kept[1], kept[3], kept[0])
    assert await store.reminders.due(now=9) == ()
    assert await store.reminders.due(now=10) == (kept[1], kept[2], kept[3])
    assert await store.reminders.remove("2")
    assert not await store.reminders.remove("2")
    assert await store.reminders.due(now=99) == (kept[2], kept[3], kept[0])
    for number in ("3", "4"):
        await store.reminders.remove(number)
    assert await store.reminders.next(after=10) == 30


async def test_presence(store: Store) -> None:
    for device, group in (("b", "g"), ("a", "g"), ("c", "h"), ("ä", "g"), ("B", "g"), ("😀", "g"), ("\uffee", "g")):
        await store.presence.seen(device, group, now=1)
    assert await store.presence.members("g") == ("B", "a", "b", "ä", "\uffee", "😀")
    await store.presence.seen("b", "h", now=2)
    assert await store.presence.members("h") == ("b", "c")
    assert "b" not in await store.presence.members("g")
    assert await store.presence.members("nobody") == ()


def visit(device: str, *, at: int = 0, client: str = "c", codes: tuple[str, ...] = (), expires: int = 100) -> Visit:
    return Visit(device=device, client=client, at=at, codes=codes, expires=expires)


async def test_a_device_keeps_its_code_until_it_is_bound_or_the_code_expires(store: Store) -> None:
    first = await store.devices.visit(visit("a", codes=("111111",)), most=9)
    assert (first.code, first.expires, first.bound) == ("111111", 100, False)
    assert (await store.devices.visit(visit("a", at=50, codes=("222222",)), most=9)).code == "111111"
    assert await store.devices.of_code("111111", now=99) == first
    assert await store.devices.of_code("111111", now=100) is None
    assert (await store.devices.visit(visit("a", at=100, codes=("222222",), expires=200), most=9)).code == "222222"
    bound = await store.devices.edit("a", DeviceEdit(bound=True, client="c"), now=101)
    assert (bound.bound, bound.code, bound.client) == (True, "", "c")
    assert await store.devices.of_code("222222", now=101) is None
    assert (await store.devices.visit(visit("a", at=102, codes=("333333",)), most=9)).code == ""


@pytest.mark.req("AU-8")
async def test_a_device_is_bound_together_with_its_client_id(store: Store) -> None:
    await store.devices.edit("a", DeviceEdit(bound=True), now=0)
    assert (await store.devices.visit(visit("a", client="mine"), most=9)).admits("mine")
    other = await store.devices.visit(visit("a", client="other", codes=("111111",)), most=9)
    assert (other.admits("other"), other.admits("mine"), other.waits("other", 1)) == (False, True, True)
    assert (await store.devices.visit(visit("a", client="mine"), most=9)).admits("mine")
    await store.devices.edit("a", DeviceEdit(bound=True, client="other"), now=1)
    assert (await store.devices.visit(visit("a", client="other"), most=9)).admits("other")


async def test_codes_are_unique_and_devices_that_are_not_bound_are_few(store: Store) -> None:
    assert (await store.devices.visit(visit("a", at=1, codes=("1",)), most=2)).code == "1"
    assert (await store.devices.visit(visit("b", at=2, codes=("1", "2")), most=2)).code == "2"
    assert (await store.devices.visit(visit("c", at=3, codes=("1", "2")), most=2)).code == ""
    assert await store.devices.get("c") is None
    await store.devices.edit("x", DeviceEdit(bound=True, name="desk", owner="Ann"), now=0)
    assert (await store.devices.visit(visit("a", at=70_000), most=2)).seen == 70_000
    assert (await store.devices.visit(visit("d", at=80_000, codes=("4",)), most=2)).code == "4"
    assert [one.device for one in await store.devices.known()] == ["d", "a", "x"]
    assert await store.devices.get("x") == DeviceRecord(device="x", bound=True, name="desk", owner="Ann")
    unbound = await store.devices.edit("x", DeviceEdit(bound=False), now=1)
    assert (unbound.bound, unbound.name) == (False, "desk")


async def test_what_is_spoken_is_counted_by_day(store: Store) -> None:
    assert await store.devices.speak("a", "2026-11-21", 5) == 5
    assert await store.devices.speak("a", "2026-11-21", 7) == 12
    assert await store.devices.speak("b", "2026-11-21", 1) == 1
    assert await store.devices.speak("a", "2026-11-22", 2) == 2


# --- all of them ------------------------------------------------------------------------------------------------------


async def test_any_text_is_kept_exactly_and_is_no_other(store: Store) -> None:
    for odd in ODD:
        await store.tasks.carry_out(
            odd, Create(device=odd, at=1, drafts=tuple(Draft(id=one, title=one) for one in ODD))
        )
        await store.mail.post(letter(odd, to=odd, sender=odd, category=odd, payload=odd), bound=9)
        await store.meetings.begin(meeting(odd, device=odd))
        await store.meetings.add(odd, ts=1, text=odd)
        number = await store.recall.add(exchange(odd, device=odd, session=odd), keep=9)
        lesson = Lesson(device=odd, upto=number, facts=(fact(odd, odd, device=odd),))
        assert await store.recall.learn(lesson, keep=9, summaries=9)
        await store.reminders.add(reminder(odd, due=1, device=odd))
        await store.presence.seen(odd, odd, now=1)
        await store.devices.edit(odd, DeviceEdit(name=odd, owner=odd, client=odd), now=1)
    for odd in ODD:
        assert [(task.id, task.title, task.by) for task in (await store.tasks.snapshot(odd)).tasks] == [
            (o, o, odd) for o in ODD
        ]
        assert (await store.mail.waiting(odd, now=1)).letters == (
            letter(odd, to=odd, sender=odd, category=odd, payload=odd),
        )
        assert await store.meetings.latest(device=odd) == (meeting(odd, device=odd, segments=1),)
        assert await store.meetings.segments(odd) == (Segment(number=1, ts=1, text=odd),)
        assert [(one.user, one.session) for one in await store.recall.exchanges(odd)] == [(odd, odd)]
        assert await store.recall.facts(odd) == (fact(odd, odd, device=odd),)
        words = sought(odd) if len(odd) < LONGEST_QUESTION else ()
        assert await store.recall.matching(odd, words, limit=9) == ((fact(odd, odd, device=odd),) * bool(words))
        assert await store.reminders.of(odd) == (reminder(odd, due=1, device=odd),)
        assert await store.presence.members(odd) == (odd,)
        assert await store.devices.get(odd) == DeviceRecord(device=odd, name=odd, owner=odd, client=odd, first=1)


async def test_large_values_are_kept(store: Store) -> None:
    large = "大" * 3_000_000
    await save(store, "a", large)
    await store.mail.post(letter("1", payload=large), bound=1)
    assert await load(store, "a") == large
    assert (await store.mail.waiting("b", now=0)).letters[0].payload == large


async def test_a_caller_that_is_cancelled_already_changes_nothing(store: Store) -> None:
    for _ in range(20):  # in whatever order tasks run
        with trio.CancelScope() as scope:
            scope.cancel()
            await save(store, "a", "never")
        assert scope.cancelled_caught
        assert await load(store, "a") == ""


async def test_meetings_are_searched_for_words(store: Store) -> None:
    await store.meetings.begin(meeting("old", started=1))
    await store.meetings.begin(meeting("new", started=5))
    await store.meetings.begin(meeting("foreign", device="b", started=9))
    for number, (where, text) in enumerate(
        [("old", "The Budget is ten"), ("new", "ten people"), ("new", "a budget of TEN"), ("foreign", "budget ten")]
    ):
        await store.meetings.add(where, ts=number, text=text)
    record = await store.meetings.get("old")
    assert record is not None
    await store.meetings.save(
        attrs.evolve(record, ended=8, minutes='{"title": "budget, 预算, ten"}', state="finalised")
    )

    async def places(words: str, **more: int) -> list[tuple[str, int, int]]:
        return [(one.meeting, one.number, one.ts) for one in await store.meetings.search("a", words, **more)]

    assert await places("budget Ten") == [("new", 2, 2), ("old", 0, 8), ("old", 1, 0)]
    assert await places("budget", limit=2) == [("new", 2, 2), ("old", 0, 8)]
    assert await store.meetings.search("a", "预算") == (
        Found(meeting="old", started=1, number=0, ts=8, text='{"title": "budget, 预算, ten"}'),
    )
    assert await places("nothing") == await places("") == await places("   ") == []
    assert await store.meetings.search("c", "budget") == ()


@pytest.mark.parametrize("odd", [text for text in ODD if text.strip()])
async def test_any_text_is_found_by_its_words(store: Store, odd: str) -> None:
    await store.meetings.begin(meeting("m"))
    await store.meetings.add("m", ts=1, text="another")
    await store.meetings.add("m", ts=2, text=odd)
    assert [one.text for one in await store.meetings.search("a", odd)] == [odd]

"""The tools that are shipped and need nothing but the server: time, sums, units, reminders, tasks, meetings."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from badge.config.settings import Settings
from badge.plugin import Context
from badge.storage.records import MeetingRecord
from badge.tools.shipped.sums import Sums
from tests.house import House
from tests.offices.seats import MORNING
from tests.tools.counter import DEVICE, opened

SHIPPED = [
    "current_time", "find_date", "calculate", "convert_units", "set_reminder", "list_reminders", "cancel_reminder",
    "list_tasks", "create_task", "take_task", "complete_task", "search_meetings",
]  # fmt: skip


@pytest.mark.req("PL-2", "PL-3")
async def test_what_needs_no_service_is_offered_without_settings(autojump_clock: MockClock) -> None:
    async with opened() as counter:
        tools = await counter.office.offered(DEVICE)
        assert [tool.spec.name for tool in tools] == SHIPPED
        effects = [tool.spec.name for tool in tools if tool.effects]
        assert effects == ["set_reminder", "cancel_reminder", "create_task", "take_task", "complete_task"]
        assert all(tool.spec.description and json.dumps(tool.spec.parameters) for tool in tools)


@pytest.mark.parametrize(
    ("zone", "told"),
    [
        ("", "Saturday, 2026-11-21 09:30:00 (UTC+08:00)"),
        ("Asia/Tokyo", "Saturday, 2026-11-21 10:30:00 (UTC+09:00, Asia/Tokyo)"),
        ("America/New York", "Friday, 2026-11-20 20:30:00 (UTC-05:00, America/New York)"),
        ("Asia/Kathmandu", "Saturday, 2026-11-21 07:15:00 (UTC+05:45, Asia/Kathmandu)"),
        *(
            (odd, f"zone: must be an IANA time zone such as Europe/Berlin, not '{odd[:40]}'.")
            for odd in ("Nowhere", "../../etc/passwd", "/etc/passwd", "America", "x" * 500, "a\0b")
        ),
    ],
)
async def test_the_time_is_told_anywhere(autojump_clock: MockClock, zone: str, told: str) -> None:
    async with opened() as counter:
        assert await counter.text("current_time", zone=zone) == told


async def test_the_time_zone_of_users_is_a_setting(autojump_clock: MockClock) -> None:
    async with opened(zone="Europe/Berlin") as counter:
        assert await counter.text("current_time") == "Saturday, 2026-11-21 02:30:00 (UTC+01:00)"


@pytest.mark.parametrize(
    ("when", "told"),
    [
        ("2026-12-24", "Thursday, 2026-12-24, in 33 days"),
        ("next friday", "Friday, 2026-11-27, in 6 days"),
        ("下周五", "Friday, 2026-11-27, in 6 days"),
        ("2026-11-20", "Friday, 2026-11-20, 1 day ago"),
        ("today", "Saturday, 2026-11-21, today"),
        ("never", "when: must be a day or a time, not 'never'."),
        ("2026-13-44", "when: must be a day or a time, not '2026-13-44'."),
        ("9999-12-31T23:59:59-12:00", "when: must be a day or a time, not '9999-12-31T23:59:59-12:00'."),
    ],
)
async def test_dates_are_found(autojump_clock: MockClock, when: str, told: str) -> None:
    async with opened() as counter:
        assert await counter.text("find_date", when=when) == told


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("0.1+0.2", "0.3"),
        ("(2.5 + 3) * 4 ^ 2", "88"),
        ("2**3**2", "512"),
        ("-2^2", "-4"),
        ("sqrt(16) + √9", "7"),
        ("sqrt(2)", "about 1.414213562373"),
        ("1/3", "about 0.333333333333"),
        ("3 × 4 ÷ 6 − 1 =", "1"),
        ("1e3+1", "1001"),
        ("10 mod 3", "1"),
        ("15% of 80", "15 percent of 80 is 12."),
        ("二加三", "2加3等于5。"),
        ("1/0", "Division by zero."),
        ("9^9^9", "The result is too large."),
        ("sqrt(0-4)", "A negative number has no real square root."),
        ("__import__('os')", "expression: must be a sum."),
        ("(" * 200, "expression: must be a sum."),
        ("1+" * 149 + "1", "expression: must be a sum."),
        ("1" * 301, "expression: must have at most 300 characters."),
        ("", "expression: must be a sum."),
    ],
)
async def test_sums_are_exact_and_bounded(autojump_clock: MockClock, expression: str, value: str) -> None:
    async with opened() as counter:
        assert await counter.text("calculate", expression=expression) == value


@given(st.text(alphabet="0123456789+-*/^%().²√ esqrtmod", max_size=40))
@settings(max_examples=300)
def test_no_expression_is_an_error(expression: str) -> None:
    asked = Sums().calculate(Context(device="a", now=MORNING), expression)
    with pytest.raises(StopIteration) as done:
        asked.send(None)  # type: ignore[attr-defined]
    assert isinstance(done.value.value, str)


@pytest.mark.parametrize(
    ("amount", "unit", "target", "told"),
    [
        (5, "miles", "km", "5 miles is about 8.05 kilometers."),
        (-40, "°F", "celsius", "Minus 40 degrees Fahrenheit is minus 40 degrees Celsius."),
        (1e-7, "km", "m", "0.0000001 kilometers is 0.0001 meters."),
        (3, "斤", "公斤", "3斤等于1.5公斤。"),
        (3, "kg", "m", "I cannot convert kilograms to meters: one is a mass, the other a length."),
        (1, "foo", "bar", "I do not know how foo become bar."),
        (1e300, "m", "km", "amount: must be a number from -1e+15 to 1e+15, not 1e+300."),
    ],
)
async def test_units_are_converted(autojump_clock: MockClock, amount: float, unit: str, target: str, told: str) -> None:
    async with opened() as counter:
        assert await counter.text("convert_units", amount=amount, unit=unit, target=target) == told


async def test_timers_and_reminders_are_set_listed_and_cancelled(autojump_clock: MockClock) -> None:
    async with opened() as counter:
        assert await counter.text("list_reminders") == "None."
        assert "] tea: Saturday 2026-11-21 09:35:00, in 0:05:00" in await counter.text(
            "set_reminder", text="tea", seconds=300
        )
        assert "] call  Ann: " not in await counter.text("set_reminder", text="call  Ann", at="tomorrow at 9")
        await counter.text("set_reminder", text="party", at="2026-12-24T18:00")
        listed = await counter.text("list_reminders")
        assert [line.split("] ")[1].split(", in")[0] for line in listed.splitlines()] == [
            "tea: Saturday 2026-11-21 09:35:00",
            "call Ann: Sunday 2026-11-22 09:00:00",
            "party: Thursday 2026-12-24 18:00:00",
        ]
        kept = await counter.store.reminders.of(DEVICE)
        assert kept[0].due == round(MORNING.timestamp() * 1000) + 300_000
        assert await counter.text("cancel_reminder", which=kept[0].id[:8]) == "Cancelled: tea"
        assert await counter.text("cancel_reminder", which="PARTY") == "Cancelled: party"
        assert "0 reminders are meant" in await counter.text("cancel_reminder", which="party")
        await counter.text("set_reminder", text="call Bob", seconds=9)
        assert "2 reminders are meant" in await counter.text("cancel_reminder", which="call")
        assert await counter.text("cancel_reminder", which="all") == "Cancelled: 2."
        assert not await counter.store.reminders.of(DEVICE)


async def test_a_reminder_of_one_badge_is_not_anothers(autojump_clock: MockClock) -> None:
    async with opened() as counter:
        await counter.call("set_reminder", "other badge", text="secret", seconds=9)
        assert await counter.text("list_reminders") == "None."
        assert "0 reminders are meant" in await counter.text("cancel_reminder", which="secret")
        (kept,) = await counter.store.reminders.of("other badge")
        assert not await counter.offices.reminders.forget(DEVICE, kept.id)
        assert await counter.offices.reminders.forget("other badge", kept.id)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"text": "x"}, "Give either seconds or at."),
        ({"text": "x", "seconds": 5, "at": "tomorrow"}, "Give either seconds or at."),
        ({"text": "x", "at": "yesterdays"}, "at: must be a time, not 'yesterdays'."),
        ({"text": "x", "at": "2020-01-01"}, "This time is over. Give a later one."),
        ({"text": "x", "seconds": 0}, "seconds: must be a number from 1 to 31622400, not 0."),
        ({"text": "", "seconds": 5}, "text: "),
    ],
)
async def test_a_reminder_that_cannot_be_set_is_explained(
    autojump_clock: MockClock, arguments: dict[str, Any], told: str
) -> None:
    async with opened() as counter:
        assert (await counter.text("set_reminder", **arguments)).startswith(told)
        assert not await counter.store.reminders.of(DEVICE)


async def test_the_same_call_sets_one_reminder(autojump_clock: MockClock) -> None:
    async with opened() as counter:
        for _ in range(2):
            await counter.office.call(DEVICE, "k", "set_reminder", {"text": "tea", "seconds": 60})
        assert len(await counter.store.reminders.of(DEVICE)) == 1


async def test_tasks_are_created_taken_and_completed(autojump_clock: MockClock) -> None:
    async with opened() as counter:
        assert await counter.text("list_tasks") == "None."
        created = await counter.text("create_task", title="buy  milk", due="next friday")
        assert created.endswith("] buy milk (open, free, due 2026-11-27)")
        await counter.text("create_task", title="buy bread", due="2026-11-22T10:00")
        assert "2 open tasks are meant" in await counter.text("complete_task", which="BUY")
        assert "the user's own" in await counter.text("take_task", which="milk")
        assert "buy bread (open, the user's own, due 2026-11-22T10:00:00+08:00)" in await counter.text("take_task")
        assert await counter.text("take_task") == "empty"
        tasks = await counter.offices.tasks.of(DEVICE)
        assert [task.owner for task in tasks] == [DEVICE] * 2
        assert (await counter.text("complete_task", which=tasks[0].id)).startswith("completed: ")
        assert (await counter.text("list_tasks")).splitlines() == [
            f"[{tasks[1].id}] buy bread (open, the user's own, due 2026-11-22T10:00:00+08:00)"
        ]
        told = await counter.text("create_task", title="x", due="soonish")
        assert told == "due: must be a date or a time, not 'soonish'."
        assert "title" in await counter.text("create_task", title=" ")
        assert len(await counter.offices.tasks.of(DEVICE)) == 2


async def test_meetings_of_the_badge_are_searched(autojump_clock: MockClock) -> None:
    async with opened() as counter:
        start = round(MORNING.timestamp() * 1000) - 86_400_000
        for number, device in (("m", DEVICE), ("foreign", "other badge")):
            await counter.store.meetings.begin(MeetingRecord(id=number, device=device, started=start))
            await counter.store.meetings.add(number, ts=start + 60_000, text=f"The budget of {number} is ten")
        minutes = {
            "title": "Money",
            "decisions": [{"text": "The Budget is fixed", "segments": [1]}],
            "device": "budget0",
        }
        record = await counter.store.meetings.get("m")
        assert record is not None
        await counter.store.meetings.save(attrs.evolve(record, minutes=json.dumps(minutes)))
        assert (await counter.text("search_meetings", words="budget")).splitlines() == [
            "Minutes of 2026-11-20 09:30: The Budget is fixed",
            "Minutes of 2026-11-20 09:30: budget0",
            "Meeting of 2026-11-20 09:30, said at 09:31:00: The budget of m is ten",
        ]
        assert await counter.text("search_meetings", words="segments") == "Nothing was found."  # the name of a field
        assert await counter.text("search_meetings", words=" ") == "words: must not be empty."
        assert await counter.text("search_meetings", words="' OR 1=1 --") == "Nothing was found."


# --- where the server is put together ---------------------------------------------------------------------------------


@pytest.mark.req("PL-2")
async def test_sessions_find_the_tools_at_their_desk(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        house = House(nursery, team=True)
        await house.ready.wait()
        tools = house.services.desk.tools
        assert [tool.spec.name for tool in await tools.offered("a")] == SHIPPED
        assert (await tools.call("a", "k", "set_reminder", {"text": "tea", "seconds": 9})).kind == "answer"
        assert len(await house.store.reminders.of("a")) == 1
        await house.office.settle()
        nursery.cancel_scope.cancel()


async def test_tools_can_be_switched_off(autojump_clock: MockClock) -> None:
    none = attrs.evolve(Settings(), tools=attrs.evolve(Settings().tools, use="none"))
    async with trio.open_nursery() as nursery:
        house = House(nursery, settings=none, team=True)
        await house.ready.wait()
        assert await house.services.desk.tools.offered("a") == ()
        nursery.cancel_scope.cancel()

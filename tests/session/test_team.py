"""A badge among others, from its session: messages, what others have said to it, orders, tasks by message."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
import trio
import trio.testing

from badge.notices import Notice
from badge.storage.memory import MemoryStore
from badge.storage.tasks import Draft
from providers.scripted import Hearing, Reply, ScriptedAsr, ScriptedLlm, ScriptedTts
from tests.house import Guest, House

A, B = "aa:bb:cc:00:00:01", "aa:bb:cc:00:00:02"
PUSH = Notice(kind="push", text="The door is open.")


async def types(guest: Guest, text: str) -> None:
    """Type, and wait for what comes of it."""
    guest.tell(type="listen", state="detect", text=text)
    await trio.sleep(3)


def spoken(guest: Guest) -> list[str]:
    return [message["text"] for message in guest.of("tts", "sentence_start")]


def of(guest: Guest, kind: str, **fields: Any) -> list[dict[str, Any]]:
    return [m for m in guest.of(kind) if all(m.get(name) == value for name, value in fields.items())]


# --- what others have said -------------------------------------------------------------------------------------------------


@pytest.mark.req("PE-11")
async def test_what_the_user_does_not_want_to_hear_was_not_heard(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery, team=True, tts=ScriptedTts())
    a, b = await house.enter(A), await house.enter(B)
    a.tell(type="peer", to=[B], payload={"text": "a very long story. " * 40})
    await b.until("tts", "sentence_start")
    await trio.sleep(0.5)
    b.tell(type="abort")
    await trio.sleep(10)
    assert [m["status"] for m in of(a, "peer", event="receipt")] == ["delivered"]


async def test_a_push_is_spoken_by_an_idle_badge(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    house = House(nursery, team=True)
    badge = await house.enter(A)
    assert await house.office.post.push(A, "The door is open.") == "sent"
    await trio.sleep(3)
    assert badge.turn == ["tts start", "llm", "tts sentence_start", "audio", "tts stop"]
    assert spoken(badge) == ["The door is open."]


@pytest.mark.parametrize("busy", ["answering", "listening", "in a meeting"])
async def test_a_notice_waits_for_its_moment(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, busy: str
) -> None:
    house = House(nursery, team=True, llm=ScriptedLlm([Reply(pieces=["It is late. "] * 3)]))
    badge = await house.enter(A)
    match busy:
        case "answering":
            badge.tell(type="listen", state="detect", text="what time is it")
        case "listening":
            badge.tell(type="listen", state="start", mode="manual")
        case _:
            badge.tell(type="mode", state="start", mode="meeting")
    await badge.quiet()
    endings: list[str] = []
    assert badge.session.announce(PUSH, endings.append)
    if busy == "listening":
        await badge.sound("voice", 1.0)
        badge.tell(type="listen", state="stop")
    if busy == "in a meeting":
        await types(badge, "do not disturb")
        await trio.sleep(100)
        assert spoken(badge) == []
        badge.tell(type="mode", state="end", mode="meeting")
    await trio.sleep(20)
    assert spoken(badge)[-1] == "The door is open."
    assert "The door is open." not in spoken(badge)[:-1]
    assert endings == ["played"]


async def test_every_notice_is_told_what_became_of_it(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    badge = await House(nursery, team=True).enter(A)
    endings: list[str] = []
    badge.tell(type="mode", state="start", mode="meeting")
    await badge.quiet()
    taken = [badge.session.announce(PUSH, endings.append) for _ in range(20)]
    assert taken == [True] * 16 + [False] * 4
    badge.vanish()
    await badge.gone.wait()
    assert endings == ["lost"] * 16


# --- orders ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "confirmed", "said"),
    [
        ("remind me in ten minutes to stretch", "stretch", "Reminder: stretch."),
        ("十分钟后提醒我喝水", "喝水", "提醒你：喝水。"),
    ],
)
async def test_a_reminder_is_set_by_words_and_spoken_in_time(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, words: str, confirmed: str, said: str
) -> None:
    house = House(nursery, team=True)
    badge = await house.enter(A)
    began = trio.current_time()
    await types(badge, words)
    assert confirmed in " ".join(spoken(badge))
    assert house.llm.prompts == []
    with trio.fail_after(660):
        while said not in " ".join(spoken(badge)):
            await badge.wire.news()
    assert 600 <= trio.current_time() - began < 605
    assert badge.of("reminder")[0]["text"] == confirmed


async def test_a_reminder_survives_a_restart_and_comes_late_rather_than_never(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    store = MemoryStore()
    async with trio.open_nursery() as first:
        house = House(first, team=True, store=store)
        badge = await house.enter(A)
        await types(badge, "remind me in ten minutes to stretch")
        first.cancel_scope.cancel()
    later = House(nursery, team=True, store=store)
    later.clock.moment += datetime.timedelta(hours=2)
    badge = await later.enter(A)
    await trio.sleep(10)
    assert "This was due at 9:40 AM: stretch." in " ".join(spoken(badge))
    (news,) = badge.of("reminder")
    assert abs(news["late_ms"] - 110 * 60_000) < 60_000


async def test_tasks_are_made_and_edited_by_words(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery, team=True, asr=ScriptedAsr([Hearing(text="add task buy milk by friday")]))
    badge = await house.enter(A)
    await badge.speak()
    await trio.sleep(5)
    assert "Added: buy milk" in " ".join(spoken(badge))
    for words in ("新建任务打扫房间", "what are my tasks"):
        await types(badge, words)
    titles = {task["title"]: task.get("due") for task in of(badge, "workflow", event="update")[-1]["tasks"]}
    assert titles == {"buy milk": "2026-11-27", "打扫房间": None}
    badge.tell(type="workflow", event="assign", id=of(badge, "workflow", event="update")[-1]["tasks"][0]["id"])
    await badge.quiet()
    await types(badge, "rename my task to buy oat milk")
    await trio.sleep(3)
    assert of(badge, "workflow", event="update")[-1]["tasks"][0]["title"] == "buy oat milk"
    assert house.llm.prompts == []


async def test_orders_that_cannot_be_kept_are_admitted(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery, team=True)
    badge = await house.enter(A)
    house.break_store("reminders")
    await types(badge, "remind me in ten minutes to stretch")
    assert "Sorry, that did not work." in " ".join(spoken(badge))


# --- tasks by message --------------------------------------------------------------------------------------------------------


@pytest.mark.req("WF-3", "WF-4", "WF-5", "WF-6", "WF-8", "B-69")
async def test_tasks_by_message(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    house = House(nursery, team=True)
    a, b = await house.enter(A), await house.enter(B)
    a.tell(type="workflow", event="create", tasks=[{"id": "t1", "title": "shed"}, {"title": "roof"}, {"title": 5}])
    await trio.sleep(2)
    result = of(a, "workflow", event="result")[-1]
    assert [r["outcome"] for r in result["results"]] == ["created", "created", "invalid"]
    for badge in (a, b):
        badge.tell(type="workflow", event="assign", id="t1")
    await trio.sleep(2)
    outcomes = [of(badge, "workflow", event="result")[-1]["results"][0] for badge in (a, b)]
    assert sorted(o["outcome"] for o in outcomes) == ["assigned", "taken"]
    assert len({o["owner"] for o in outcomes}) == 1
    a, b = (a, b) if outcomes[0]["outcome"] == "assigned" else (b, a)
    a.tell(type="workflow", event="assign", id="t1")  # again: the same outcome
    a.tell(type="workflow", event="update", tasks=[{"id": "t1", "due": "2026-12-01"}, {"id": "unknown", "title": "x"}])
    b.tell(type="workflow", event="complete", ids=["t1"])
    a.tell(type="workflow", event="complete", ids=["t1", "t1"])
    await trio.sleep(2)
    results = [m["results"] for m in of(a, "workflow", event="result")][-3:]
    assert [[r["outcome"] for r in result] for result in results] == [
        ["unchanged"],
        ["changed", "unknown"],
        ["completed"],
    ]
    assert of(b, "workflow", event="result")[-1]["results"][0]["outcome"] == "taken"
    tasks = of(b, "workflow", event="update")[-1]["tasks"]
    assert {t["title"]: t["status"] for t in tasks} == {"shed": "done", "roof": "open"}


@pytest.mark.req("WF-6", "RT-7")
@pytest.mark.parametrize(
    "message",
    [
        {"event": "dance"},
        {"event": "assign"},
        {"event": "complete", "ids": []},
        {"event": "complete", "ids": [str(n) for n in range(10_000)]},
        {"event": "create", "tasks": []},
        {"event": "assign", "id": "x" * 10_000},
        {"event": "assign", "id": "\u0000 ' ; drop table tasks"},
    ],
)
async def test_wrong_wishes_are_told_what_is_wrong(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, message: dict[str, Any]
) -> None:
    badge = await House(nursery, team=True).enter(A)
    badge.tell(type="workflow", **message)
    await trio.sleep(1)
    told = [*badge.of("error"), *of(badge, "workflow", event="result", status="error")]
    assert len(told) == 1
    assert told[0].get("message") or told[0]["results"][0]["message"]


@pytest.mark.req("RT-11", "RT-12")
async def test_too_many_requests_at_once_are_refused_and_the_rest_is_done_in_order(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery, team=True)
    badge = await house.enter(A)
    for number in range(100):
        badge.session.receive(f'{{"type":"workflow","event":"create","tasks":[{{"id":"{number}","title":"t"}}]}}')
    await trio.sleep(2)
    assert [e["code"] for e in badge.of("error")] == ["busy"] * 36
    made = [r["id"] for m in of(badge, "workflow", event="result") for r in m["results"]]
    assert made == [str(number) for number in range(64)]


@pytest.mark.req("MT-20")
async def test_action_items_become_tasks_of_the_group(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery, team=True, llm=ScriptedLlm([Reply(pieces=["no json"])]))
    badge = await house.enter(A)
    badge.tell(type="mode", state="start", mode="meeting")
    await types(badge, "Bob will paint the shed by Friday")
    badge.tell(type="meeting", phase="finalize")
    await trio.sleep(10)
    (summary,) = of(badge, "meeting", phase="summary")
    assert summary["degraded"]
    badge.tell(type="meeting", phase="tasks", meetingId=summary["meetingId"])
    badge.tell(type="meeting", phase="tasks")  # the latest one, again
    badge.tell(type="meeting", phase="tasks", meetingId="nobody's")
    await trio.sleep(3)
    answers = of(badge, "meeting", phase="tasks")
    assert [a["status"] for a in answers] == ["ok", "ok", "error"]
    assert [t["outcome"] for a in answers[:2] for t in a["tasks"]] == ["created", "exists"]
    (task,) = of(badge, "workflow", event="update")[-1]["tasks"]
    assert "paint the shed" in task["title"]
    await house.office.board.create(B, [Draft(id="x", title="other")])

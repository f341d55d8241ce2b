"""The modes of a session, by message and by voice: what the badge is told, and who is listened to."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
import structlog
import trio
import trio.testing

from badge.clock import milliseconds
from badge.storage.tasks import Draft
from providers.ports import ProviderError
from providers.scripted import Hearing, Reply, ScriptedAsr, ScriptedLlm
from tests.house import Guest, House, changed

START = {"type": "mode", "status": "ok", "state": "start"}
END = {"type": "mode", "status": "ok", "state": "end"}


async def enters(guest: Guest, mode: str) -> dict[str, Any]:
    """Enter a mode; the acknowledgement."""
    count = len(guest.of("mode"))
    guest.tell(type="mode", state="start", mode=mode)
    return await guest.until("mode", count=count + 1)


async def leaves(guest: Guest, mode: str) -> dict[str, Any]:
    """Leave a mode; the answer."""
    count = len(guest.of("mode"))
    guest.tell(type="mode", state="end", mode=mode)
    return await guest.until("mode", count=count + 1)


async def says(guest: Guest, *texts: str) -> None:
    """Type, or have the wake word detector report."""
    for text in texts:
        guest.tell(type="listen", state="detect", text=text)
        await trio.sleep(4)


def of(guest: Guest, kind: str, **fields: Any) -> list[dict[str, Any]]:
    """Messages of a kind with these values."""
    return [m for m in guest.of(kind) if all(m.get(name) == value for name, value in fields.items())]


@pytest.mark.req("MD-1", "MD-5", "MD-6", "MD-7", "B-53")
@pytest.mark.parametrize("mode", ["meeting", "coding", "working"])
async def test_every_start_and_end_is_acknowledged(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, mode: str
) -> None:
    badge = await House(nursery, team=True).enter()
    assert await enters(badge, mode) == {**START, "mode": mode}
    before = len(badge.messages)
    assert await enters(badge, mode) == {**START, "mode": mode}  # again: acknowledged, and nothing else
    assert len(badge.messages) == before + 1
    assert await leaves(badge, mode) == {**END, "mode": mode}


@pytest.mark.req("MD-5", "RT-7")
@pytest.mark.parametrize(
    "fields",
    [
        {"state": "start"},
        {"state": "pause", "mode": "meeting"},
        {"state": "start", "mode": "sleeping"},
        {"state": 1, "mode": []},
    ],
)
async def test_anything_else_is_invalid(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, fields: dict[str, Any]
) -> None:
    badge = await House(nursery, team=True).enter()
    badge.tell(type="mode", **fields)
    assert await badge.until("mode") == {"type": "mode", "status": "error", "message": "invalid state or mode"}


@pytest.mark.req("MD-13", "B-54")
async def test_what_is_not_on_cannot_be_ended(autojump_clock: trio.testing.MockClock, nursery: trio.Nursery) -> None:
    badge = await House(nursery, team=True).enter()
    assert await leaves(badge, "coding") == {"type": "mode", "status": "error", "message": "not in mode"}
    await enters(badge, "meeting")
    assert (await leaves(badge, "coding"))["message"] == "not in mode"
    assert badge.session.modes.state == "meeting"
    await says(badge, "still written down")
    assert of(badge, "meeting", phase="snippet")[-1]["segments"][-1]["text"] == "still written down"


@pytest.mark.req("MD-14", "MD-11", "B-55", "MT-11", "MT-12")
async def test_another_mode_ends_the_meeting_first(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    badge = await House(nursery, team=True).enter()
    await enters(badge, "meeting")
    await says(badge, "we will paint the shed")
    assert await enters(badge, "working") == {**START, "mode": "working"}
    kinds = [(m["type"], m.get("phase") or m.get("state")) for m in badge.messages]
    assert kinds.index(("meeting", "finalize")) < len(kinds) - 1 - kinds[::-1].index(("mode", "start"))
    summary = await badge.until("meeting", count=3)
    assert (summary["phase"], summary["segments"]) == ("summary", 1)
    snippets = len(of(badge, "meeting", phase="snippet"))
    await trio.sleep(60)
    assert len(of(badge, "meeting", phase="snippet")) == snippets


@pytest.mark.req("MD-8", "MT-2", "MT-6", "MD-11")
async def test_a_meeting_begins_with_a_sound_and_the_badge_bounds_what_is_said(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    badge = await House(nursery, team=True).enter()
    await enters(badge, "meeting")
    sound = of(badge, "tts")
    assert sound == [
        {"type": "tts", "state": "start", "url": "config/assets/evening.wav", "text": "已进入会议模式"},
        {"type": "tts", "state": "stop"},
    ]
    assert badge.session.traits.mode == "manual"
    await leaves(badge, "meeting")
    assert badge.session.traits.mode == "auto"


@pytest.mark.req("MT-6", "MT-8")
async def test_without_device_vad_the_server_goes_on_listening(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    badge = await House(nursery, team=True, settings=changed(meeting={"prefer_device_vad": False})).enter()
    await enters(badge, "meeting")
    assert badge.session.traits.mode == "auto"


@pytest.mark.req("MD-9", "LI-12", "MD-12", "B-56", "I-7", "LI-9")
async def test_working_has_the_badge_listen_by_hand_and_gives_its_own_way_back(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    badge = await House(nursery, team=True).enter()
    badge.tell(type="listen", state="stop", mode="realtime")
    await enters(badge, "working")
    assert of(badge, "listen") == [{"type": "listen", "state": "start", "mode": "manual"}]
    assert badge.session.traits.mode == "manual"
    await leaves(badge, "working")
    assert badge.session.traits.mode == "realtime"
    await enters(badge, "working")
    badge.tell(type="listen", state="stop", mode="auto")  # what the badge asks for goes first
    await badge.quiet()
    assert badge.session.traits.mode == "auto"
    await leaves(badge, "working")
    assert badge.session.traits.mode == "auto"


@pytest.mark.req("MD-10", "MD-15", "LM-3")
@pytest.mark.parametrize("mode", ["coding", "working"])
async def test_the_mode_decides_which_model_answers(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, mode: str
) -> None:
    house = House(nursery, team=True)
    badge = await house.enter()
    await enters(badge, mode)
    await says(badge, "how is it going")
    assert house.purposes[-1] == mode
    await leaves(badge, mode)
    await says(badge, "and now")
    assert house.purposes[-1] == "chat"


@pytest.mark.req("MD-2", "MD-4", "LI-11")
@pytest.mark.parametrize("text", ["进入工作模式", "请切换到工作模式吧", "Working mode!", "please enter working mode"])
async def test_a_spoken_switch(autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, text: str) -> None:
    badge = await House(nursery, team=True).enter()
    await says(badge, text)
    told = [m for m in badge.messages if m["type"] not in ("hello", "server", "workflow")]
    assert told[0] == {
        "type": "stt",
        "text": text,
        "intent": "mode_switch",
        "target_mode": "working",
        "session_id": badge.session.traits.session_id,
    }
    assert told[1:] == [{"type": "listen", "state": "start", "mode": "manual"}, {**START, "mode": "working"}]


@pytest.mark.req("LI-13", "MD-4", "WK-12")
async def test_the_same_words_spoken_do_the_same(autojump_clock: trio.testing.MockClock, nursery: trio.Nursery) -> None:
    house = House(nursery, team=True, asr=ScriptedAsr(["start the meeting", "the roof leaks", "end the meeting"]))
    badge = await house.enter()
    for _ in range(3):
        await badge.speak()
        await trio.sleep(5)
    assert [m["target_mode"] for m in of(badge, "stt", intent="mode_switch")] == ["meeting", "none"]
    assert [m.get("state") for m in badge.of("mode")] == ["start", "end"]
    summary = of(badge, "meeting", phase="summary")[0]
    assert summary["segments"] == 1
    assert house.llm.prompts == [] or house.purposes == ["meeting"] * len(house.purposes)  # nothing was a question


@pytest.mark.req("MD-3", "B-52")
@pytest.mark.parametrize("text", ["退出工作模式", "不要进入工作模式", "leave working mode", "don't enter working mode"])
async def test_denied_and_leaving_words_never_enter(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, text: str
) -> None:
    house = House(nursery, team=True)
    badge = await house.enter()
    await says(badge, text)
    assert (badge.session.modes.state, house.llm.prompts, badge.of("mode")) == ("chat", [], [])
    assert badge.of("stt")[0]["text"] == text


@pytest.mark.req("MD-3", "B-52")
@pytest.mark.parametrize("text", ["退出工作模式", "exit working mode"])
async def test_leaving_words_leave(autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, text: str) -> None:
    badge = await House(nursery, team=True).enter()
    await enters(badge, "working")
    await says(badge, text)
    assert badge.of("mode")[-1] == {**END, "mode": "working"}
    assert badge.session.modes.state == "chat"


# --- working ------------------------------------------------------------------------------------------------------------


async def with_tasks(house: House, *titles: str) -> None:
    await house.ready.wait()
    await house.office.board.create("aa:bb:cc:00:00:09", [Draft(id=t, title=t) for t in titles])


@pytest.mark.req("WK-1", "WK-3", "WK-6", "WK-8", "WK-11", "B-68")
@pytest.mark.parametrize("words", ["认领任务", "Claim task.", "请帮我认领任务", "assign to me please"])
async def test_a_task_is_claimed_by_voice(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, words: str
) -> None:
    house = House(nursery, team=True)
    badge = await house.enter()
    await with_tasks(house, "shed", "roof")
    await enters(badge, "working")
    before = len(badge.messages)
    await says(badge, words, words, words)
    told = [m for m in badge.messages[before:] if m["type"] == "workflow" and m["event"] != "update"]
    assert [(m["event"], m.get("intent") or m["results"][0]["id"], m.get("status")) for m in told] == [
        ("command", "assign", None),
        ("result", "shed", "ok"),
        ("command", "assign", None),
        ("result", "roof", "ok"),
        ("command", "assign", "empty"),
    ]
    assert house.llm.prompts == []
    assert not badge.of("tts")


@pytest.mark.req("WK-4", "WK-9", "WK-10", "B-67")
async def test_what_one_works_on_is_completed_by_voice(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    house = House(nursery, team=True)
    badge, other = await house.enter(), await house.enter("aa:bb:cc:00:00:02")
    await with_tasks(house, "shed", "roof")
    other.tell(type="workflow", event="assign", id="shed")
    badge.tell(type="workflow", event="assign", id="roof")
    await enters(badge, "working")
    await says(badge, "做完了", "mark done")
    results = [m["results"] for m in badge.of("workflow") if m["event"] == "result"]
    assert results[1:] == [
        [{"id": "roof", "outcome": "completed", "owner": badge.session.traits.device, "title": "roof"}]
    ]
    assert of(badge, "workflow", event="command")[-1]["status"] == "empty"  # nobody else's task is completed


@pytest.mark.req("WK-5", "WK-7", "WF-15")
async def test_refresh_sends_the_list_at_once(autojump_clock: trio.testing.MockClock, nursery: trio.Nursery) -> None:
    badge = await House(nursery, team=True).enter()
    await enters(badge, "working")
    await badge.quiet()
    before = len(badge.messages)
    badge.tell(type="listen", state="detect", text="刷新列表")
    await trio.sleep(0.1)
    told = badge.messages[before:]
    assert told[0] == {"type": "workflow", "event": "command", "intent": "refresh"}
    assert (told[1]["event"], told[1]["tasks"]) == ("update", [])


@pytest.mark.req("WK-1", "WK-2", "WK-12", "B-66")
@pytest.mark.parametrize("text", ["我来做饭", "pull request", "please refresh my memory"])
async def test_parts_of_sentences_are_no_commands(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, text: str
) -> None:
    house = House(nursery, team=True)
    badge = await house.enter()
    await enters(badge, "working")
    await says(badge, text)
    assert of(badge, "workflow", event="command") == []
    assert house.llm.prompts


@pytest.mark.req("WK-1")
async def test_outside_of_working_commands_are_talk(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    house = House(nursery, team=True)
    badge = await house.enter()
    await says(badge, "认领任务")
    assert of(badge, "workflow", event="command") == []
    assert house.llm.prompts


# --- meeting ------------------------------------------------------------------------------------------------------------


@pytest.mark.req("MT-1", "MT-3", "LI-13")
async def test_what_is_said_becomes_segments_with_the_time_at_which_it_began(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    house = House(nursery, team=True, asr=ScriptedAsr(["first of all", "and then"]))
    badge = await house.enter()
    await enters(badge, "meeting")
    began = milliseconds(house.clock)
    await badge.speak(voice=2)
    await trio.sleep(4)
    (snippet,) = of(badge, "meeting", phase="snippet")
    assert [s["text"] for s in snippet["segments"]] == ["first of all"]
    assert abs(snippet["segments"][0]["ts"] - began) < 1000
    assert (badge.of("stt"), badge.of("llm")) == ([], [])


@pytest.mark.req("MT-11", "MT-17", "B-58")
async def test_finalising_nothing_is_acknowledged(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    house = House(nursery, team=True)
    badge = await house.enter()
    badge.tell(type="meeting", phase="finalize")
    ack = await badge.until("meeting")
    session = badge.session.traits.session_id
    assert ack == {
        "type": "meeting",
        "phase": "finalize",
        "sessionId": session,
        "startedAt": 0,
        "pendingCount": 0,
        "status": "none",
    }
    await trio.sleep(60)
    assert (house.llm.prompts, len(badge.of("meeting"))) == ([], 1)


@pytest.mark.req("MT-13", "B-61", "AV-8")
async def test_what_is_being_said_when_the_meeting_ends_is_included_and_nothing_after_it(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    house = House(nursery, team=True, asr=ScriptedAsr([Hearing(text="the last word", delay=1.0), "back to normal"]))
    badge = await house.enter()
    await enters(badge, "meeting")
    badge.tell(type="listen", state="start")
    await badge.sound("voice", 1.0)
    badge.tell(type="meeting", phase="finalize")
    await trio.sleep(0.1)
    assert of(badge, "meeting", phase="finalize")
    summary = await badge.until("meeting", count=len(badge.of("meeting")) + 1)
    while summary["phase"] != "summary":
        summary = await badge.until("meeting", count=len(badge.of("meeting")) + 1)
    assert summary["segments"] == 1
    await badge.speak()
    await trio.sleep(5)
    assert badge.of("stt")[-1]["text"] == "back to normal"
    assert house.purposes[-1] == "chat"


@pytest.mark.req("MT-18", "B-60", "AV-8")
async def test_the_end_of_a_meeting_is_nothing_to_the_recogniser_of_others(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    house = House(nursery, team=True, asr=ScriptedAsr(["said by both"]))
    badge, other = await house.enter(), await house.enter("aa:bb:cc:00:00:02")
    await enters(badge, "meeting")
    other.tell(type="listen", state="start", mode="manual")
    await other.sound("voice", 1.0)
    await leaves(badge, "meeting")
    await other.sound("voice", 1.0)
    other.tell(type="listen", state="stop")
    assert (await other.until("stt"))["text"] == "said by both"
    await badge.speak()  # and the next utterance of the same badge is recognised afresh
    assert (await badge.until("stt"))["text"] == "said by both"


@pytest.mark.req("MT-7", "B-59")
async def test_disable_tts_is_about_meetings_only(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    badge = await House(nursery, team=True, settings=changed(meeting={"disable_tts": True})).enter()
    await says(badge, "hello")
    assert badge.audio
    await enters(badge, "meeting")
    heard = len(badge.audio)
    await says(badge, "[device_call]dinner is ready")
    assert len(badge.audio) == heard
    assert badge.of("tts", "sentence_start")[-1]["text"] == "dinner is ready"
    await leaves(badge, "meeting")
    await says(badge, "hello")
    assert len(badge.audio) > heard


@pytest.mark.req("MD-8")
async def test_a_meeting_interrupts_the_answer_and_takes_no_goodbye_for_its_own(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    house = House(nursery, team=True, llm=ScriptedLlm([Reply(pieces=["a long story. "] * 50)]))
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="tell me a story")
    await badge.until("tts", "sentence_start")
    await enters(badge, "meeting")
    assert len(of(badge, "tts", state="stop")) == 2  # the answer's and the sound's
    await says(badge, "goodbye", "你好小智")
    assert badge.wire.closed is None
    texts = [s["text"] for m in of(badge, "meeting", phase="snippet") for s in m["segments"]]
    assert texts == ["goodbye", "你好小智"]


async def test_a_silent_meeting_is_not_left(autojump_clock: trio.testing.MockClock, nursery: trio.Nursery) -> None:
    settings = changed(meeting={"prefer_device_vad": False}, timeouts={"no_voice_s": 5.0})
    badge = await House(nursery, settings=settings, team=True).enter()
    await enters(badge, "meeting")
    await badge.sound("silence", 8.0)
    assert (badge.session.modes.state, badge.of("tts", "sentence_start")) == ("meeting", [])
    await leaves(badge, "meeting")
    await badge.sound("silence", 8.0)
    assert badge.of("tts", "sentence_start")  # the goodbye


@pytest.mark.req("RG-7", "MT-9")
async def test_the_mode_moves_on_to_the_new_connection(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    house = House(nursery, team=True)
    old = await house.enter()
    await enters(old, "meeting")
    await says(old, "said before")
    new = await house.enter()
    assert await new.until("mode") == {**START, "mode": "meeting"}
    assert new.of("tts") == []  # the user knows
    await says(new, "said after")
    await old.gone.wait()
    await leaves(new, "meeting")
    summary = await new.until("meeting", count=3)
    assert (summary["phase"], summary["segments"]) == ("summary", 2)


@pytest.mark.req("RG-6", "B-14")
async def test_a_superseded_connection_changes_no_mode(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    house = House(nursery, team=True)
    old = await house.enter()
    await house.enter()
    await trio.sleep(1)
    for message in (
        {"type": "mode", "state": "start", "mode": "meeting"},
        {"type": "workflow", "event": "refresh"},
        {"type": "peer", "to": ["x"]},
        {"type": "meeting", "phase": "finalize"},
        {"type": "coding", "phase": "start"},
    ):
        old.tell(**message)
    await trio.sleep(0.1)
    assert [e["code"] for e in old.of("error")] == ["superseded"] * 5
    assert old.of("mode") == []


@pytest.mark.req("MT-20", "CD-6", "WF-9", "PE-13", "RT-14")
@pytest.mark.parametrize(
    "message",
    [
        {"type": "meeting", "phase": "x" * 5000},
        {"type": "coding", "phase": "log", "line": "password hunter2 " * 500},
        {"type": "workflow", "event": "create", "tasks": [{"title": "password hunter2"}] * 50},
        {"type": "peer", "to": ["a"], "payload": {"text": "password hunter2", "token": "hunter2"}},
    ],
)
async def test_messages_are_logged_short_and_without_words(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, message: dict[str, Any]
) -> None:
    badge = await House(nursery, team=True).enter()
    with structlog.testing.capture_logs() as logs:
        badge.tell(**message)
        await trio.sleep(1)
    received = [log for log in logs if log.get("kind") == message["type"]]
    assert received
    assert "hunter2" not in json.dumps(logs, ensure_ascii=False, default=str)


# --- coding -------------------------------------------------------------------------------------------------------------


def news(badge: Guest) -> list[tuple[str, Any]]:
    return [(m["event"], m.get("line") or m.get("name") or m.get("number")) for m in badge.of("coding")]


@pytest.mark.req("CD-1", "CD-4")
async def test_the_log_of_a_coding_session(autojump_clock: trio.testing.MockClock, nursery: trio.Nursery) -> None:
    badge = await House(nursery, team=True).enter()
    await enters(badge, "coding")
    badge.tell(type="coding", phase="start")
    badge.tell(type="coding", phase="phase", name="tests")
    badge.tell(type="coding", phase="log", line="3 passed")
    badge.tell(type="coding", phase="log", line="all green")
    badge.tell(type="coding", phase="stop")
    await badge.quiet()
    assert news(badge) == [
        ("started", None),
        ("phase", "tests"),
        ("log", "3 passed"),
        ("log", "all green"),
        ("stopped", None),
    ]
    assert [m["number"] for m in of(badge, "coding", event="log")] == [1, 2]


@pytest.mark.req("CD-5")
async def test_stop_and_clear_again_and_a_second_start(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    house = House(nursery, team=True, llm=ScriptedLlm([Reply(error=ProviderError("llm", "no"))]))
    badge = await house.enter()
    for phase in ("stop", "clear", "start", "start"):
        badge.tell(type="coding", phase=phase)
    badge.tell(type="coding", phase="log", line="error: one")
    badge.tell(type="coding", phase="clear")
    badge.tell(type="coding", phase="log", line="error: two")
    await trio.sleep(61)
    (insight,) = of(badge, "coding", event="insight")  # one stream, and nothing of what was cleared
    assert insight["insight"]["risks"] == ["error: two"]
    badge.tell(type="coding", phase="stop")
    badge.tell(type="coding", phase="stop")
    badge.tell(type="coding", phase="log", line="too late")
    await badge.quiet()
    assert badge.of("error")[-1]["code"] == "not-now"
    await trio.sleep(200)
    assert len(of(badge, "coding", event="insight")) == 1


@pytest.mark.req("CD-3", "CD-4")
async def test_an_insight_is_sent_and_only_counted_in_the_log(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    answer = {"insights": ["secret plan works"], "risks": ["r1", "r2"], "next_steps": []}
    house = House(nursery, team=True, llm=ScriptedLlm([Reply(pieces=[json.dumps(answer)])]))
    badge = await house.enter()
    badge.tell(type="coding", phase="start")
    badge.tell(type="coding", phase="log", line="secret plan")
    with structlog.testing.capture_logs() as logs:
        await trio.sleep(61)
    (insight,) = of(badge, "coding", event="insight")
    assert insight["insight"] == answer
    assert "degraded" not in insight
    (line,) = [log for log in logs if str(log["event"]).startswith("[Coding Insight]")]
    assert (line["final"], line["insights"], line["risks"], len(line["sha"])) == (True, 1, 2, 12)
    assert "secret" not in json.dumps(logs, ensure_ascii=False, default=str)
    prompt = house.llm.prompts[-1]
    assert (prompt.schema.name, prompt.max_tokens) == ("coding_insight", 400)


@pytest.mark.req("CD-4")
@pytest.mark.parametrize("answer", ["not json", '{"insights": 5}', '{"insights": [], "risks": [], "extra": []}'])
async def test_an_answer_of_another_form_is_replaced_and_marked(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, answer: str
) -> None:
    badge = await House(nursery, team=True, llm=ScriptedLlm([Reply(pieces=[answer])])).enter()
    badge.tell(type="coding", phase="start")
    badge.tell(type="coding", phase="log", line="2 tests failed")
    await trio.sleep(61)
    (insight,) = of(badge, "coding", event="insight")
    assert insight["degraded"] is True
    assert insight["insight"]["risks"] == ["2 tests failed"]


@pytest.mark.req("CD-1")
async def test_the_buffer_is_bounded(autojump_clock: trio.testing.MockClock, nursery: trio.Nursery) -> None:
    house = House(nursery, team=True, settings=changed(coding={"lines": 10}))
    badge = await house.enter()
    await enters(badge, "coding")
    badge.tell(type="coding", phase="start")
    for number in range(30):
        badge.tell(type="coding", phase="log", line=f"line {number}")
    await says(badge, "what is new")
    context = house.llm.prompts[-1].messages[0].content
    assert "line 20\n" in context
    assert "line 19\n" not in context


@pytest.mark.req("CD-2")
@pytest.mark.parametrize("way", ["leave the mode", "leave the connection"])
async def test_insights_end_with_the_mode_and_with_the_connection(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, way: str
) -> None:
    house = House(nursery, team=True)
    badge = await house.enter()
    await enters(badge, "coding")
    badge.tell(type="coding", phase="start")
    badge.tell(type="coding", phase="log", line="one")
    if way == "leave the mode":
        await leaves(badge, "coding")
        assert news(badge)[-1] == ("stopped", None)
    else:
        badge.vanish()
        await badge.gone.wait()
    await trio.sleep(200)
    assert house.llm.prompts == []


# --- when the store is of no help -----------------------------------------------------------------------------------------


@pytest.mark.req("MD-7", "RT-8")
async def test_a_meeting_that_cannot_be_kept_is_refused(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(nursery, team=True)
    badge = await house.enter()
    house.break_store("meetings")
    answer = await enters(badge, "meeting")
    assert (answer["status"], answer["mode"]) == ("error", "meeting")
    assert "meeting" in answer["message"]
    assert (badge.session.modes.state, badge.session.traits.mode) == ("chat", "auto")
    badge.tell(type="ping")
    await badge.until("pong")
    assert attrs.asdict(house.settings)  # the house stands

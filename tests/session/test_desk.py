"""What becomes of a badge whose questions at the desk are not answered, or that asks in an awkward moment."""

from __future__ import annotations

from typing import Any

import pytest
import structlog
import trio
import trio.testing

from badge.desk import ANSWER_WITHIN
from badge.link import Goodbye
from badge.notices import Notice
from badge.storage.tasks import Draft
from providers.scripted import Hearing, Reply, ScriptedAsr, ScriptedLlm
from tests.house import Guest, House, changed
from tests.session.test_modes import END, START, enters, leaves, of, says

CREATE = {"type": "workflow", "event": "create", "tasks": [{"id": "1", "title": "shed"}]}


async def _never(*_: Any) -> Any:
    await trio.sleep_forever()


async def _bug(*_: Any) -> Any:
    await trio.lowlevel.checkpoint()
    raise RuntimeError("nobody thought of this")


def notice(house: House, device: str = "aa:bb:cc:00:00:01") -> list[str]:
    """Have something said; what will have become of it."""
    endings: list[str] = []
    mailbox = house.services.presence.find(device)
    assert mailbox is not None
    assert mailbox.announce(Notice(kind="push", text="Dinner."), endings.append)
    return endings


def said(guest: Guest) -> list[str]:
    return [m["text"] for m in guest.of("tts", "sentence_start")]


# --- no answer ------------------------------------------------------------------------------------------------------------


@pytest.mark.req("RT-12", "B-26")
@pytest.mark.parametrize(
    ("part", "question", "message", "kind"),
    [
        ("board", "create", CREATE, "workflow"),
        ("board", "complete", {"type": "workflow", "event": "complete", "ids": ["1"]}, "workflow"),
        ("post", "send", {"type": "peer", "to": ["x"], "payload": {"text": "hi"}}, "peer"),
        ("meetings", "open", {"type": "mode", "state": "start", "mode": "meeting"}, "mode"),
        ("meetings", "finalise", {"type": "meeting", "phase": "finalize"}, "error"),
        ("meetings", "adopt", {"type": "meeting", "phase": "tasks"}, "meeting"),
    ],
)
async def test_a_question_that_is_never_answered_delays_nothing_else_and_is_given_up(
    autojump_clock: trio.testing.MockClock,
    nursery: trio.Nursery,
    monkeypatch: pytest.MonkeyPatch,
    part: str,
    question: str,
    message: dict[str, Any],
    kind: str,
) -> None:
    house = House(nursery, team=True)
    monkeypatch.setattr(getattr(house.office, part), question, _never)
    badge = await house.enter()
    await trio.sleep(1)  # the first list of tasks
    seen = len(badge.of(kind))
    badge.tell(**message)
    badge.tell(type="listen", state="detect", text="[device_call]dinner is ready, and has been for quite some time")
    badge.tell(type="ping")
    await badge.until("pong", within=0.1)
    await badge.until("tts", "sentence_start", within=2)
    badge.tell(type="abort")
    await badge.until("tts", "stop", within=0.1)
    await trio.sleep(ANSWER_WITHIN - 5)
    assert len(badge.of(kind)) == seen
    answer = await badge.until(kind, count=seen + 1, within=6)
    assert answer.get("status", "error") == "error"
    assert badge.session.modes.state == "chat"
    assert await enters(badge, "coding") == {**START, "mode": "coding"}


@pytest.mark.req("RT-12", "CH-24")
async def test_a_spoken_order_that_is_never_answered_is_excused(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(nursery, team=True, settings=changed(chat={"new_words": "wait"}))
    monkeypatch.setattr(house.office.reminders, "remind", _never)
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="remind me in five minutes to call Anna")
    badge.tell(type="listen", state="detect", text="what time is it")
    await trio.sleep(ANSWER_WITHIN + 10)
    assert "could not" in said(badge)[0].lower() or "sorry" in said(badge)[0].lower()
    assert said(badge)[-1] == "It is half past nine."


@pytest.mark.req("MD-7", "RT-8")
async def test_a_mode_that_breaks_when_it_begins_is_not_entered(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(nursery, team=True)
    monkeypatch.setattr(house.office.meetings, "open", _bug)
    badge = await house.enter()
    answer = await enters(badge, "meeting")
    assert (answer["status"], answer["mode"]) == ("error", "meeting")
    assert (badge.session.modes.state, badge.session.traits.mode) == ("chat", "auto")


@pytest.mark.req("MD-6", "MD-7")
async def test_a_second_start_of_a_mode_that_cannot_be_is_refused_like_the_first(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    house = House(nursery, team=True)
    badge = await house.enter()
    house.break_store("meetings")
    for _ in range(2):
        badge.tell(type="mode", state="start", mode="meeting")
    await badge.until("mode", count=2)
    assert [m["status"] for m in badge.of("mode")] == ["error", "error"]


# --- awkward moments --------------------------------------------------------------------------------------------------------


@pytest.mark.req("MT-3", "MT-13", "CH-22")
@pytest.mark.parametrize(
    "message", [{"type": "abort"}, {"type": "listen", "state": "detect", "text": "typed"}], ids=["abort", "typed"]
)
async def test_what_is_said_in_a_meeting_stays_said(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, message: dict[str, Any]
) -> None:
    house = House(nursery, team=True, asr=ScriptedAsr([Hearing(text="one", delay=1.0), "two", "three"]))
    badge = await house.enter()
    await enters(badge, "meeting")
    await badge.speak()  # and is still being recognised
    badge.tell(type="listen", state="start")
    await badge.sound("voice", 0.6)
    badge.tell(**message)
    await badge.sound("voice", 0.6)
    badge.tell(type="listen", state="stop")
    await trio.sleep(4)
    texts = [s["text"] for m in of(badge, "meeting", phase="snippet") for s in m["segments"]]
    assert [text for text in texts if text != "typed"] == ["one", "two"]
    await badge.speak()
    await trio.sleep(4)
    assert of(badge, "meeting", phase="snippet")[-1]["segments"][-1]["text"] == "three"


@pytest.mark.req("CH-22", "CH-23")
async def test_outside_of_a_meeting_an_abort_still_voids_what_was_said(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    house = House(nursery, team=True, asr=ScriptedAsr([Hearing(text="one", delay=1.0)]))
    badge = await house.enter()
    await badge.speak()
    badge.tell(type="abort")
    await trio.sleep(5)
    assert (badge.of("stt"), house.llm.prompts) == ([], [])


@pytest.mark.req("MD-9", "MT-6")
@pytest.mark.parametrize("mode", ["working", "meeting"])
async def test_a_mode_in_which_the_badge_bounds_utterances_gives_it_time_to(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, mode: str
) -> None:
    house = House(nursery, team=True)
    badge = await house.enter()
    await says(badge, "hello")
    await trio.sleep(60)
    await enters(badge, mode)
    heard = len(house.asr.heard)
    await badge.sound("voice", 2)
    await badge.sound("silence", 1)
    assert len(house.asr.heard) == heard


@pytest.mark.req("WW-2", "LI-7")
async def test_who_was_greeted_is_listened_to_before_anything_is_announced(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    house = House(nursery, team=True)
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="你好小智")
    badge.tell(type="listen", state="start", mode="auto")
    await badge.until("tts", "sentence_start")
    told = notice(house)
    await badge.until("tts", "stop")
    await trio.sleep(0.5)
    await badge.sound("voice", 1)
    await badge.sound("silence", 1)
    await trio.sleep(10)
    assert badge.of("stt")[-1]["text"] == "what time is it"
    assert said(badge)[-1] == "Dinner."
    assert told == ["played"]


@pytest.mark.req("MD-14", "MD-8")
async def test_what_waits_is_not_begun_only_to_be_cut_by_the_meeting(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    house = House(nursery, team=True, llm=ScriptedLlm([Reply(pieces=["a long story. "] * 50)]))
    badge = await house.enter()
    await enters(badge, "working")
    badge.tell(type="listen", state="detect", text="tell me a story")
    await badge.until("tts", "sentence_start")
    told = notice(house)
    await says(badge, "start the meeting")
    assert (badge.session.modes.state, told) == ("meeting", [])
    await leaves(badge, "meeting")
    await trio.sleep(5)
    assert told == ["played"]


@pytest.mark.req("CH-24", "MD-4")
async def test_a_question_that_words_have_replaced_does_not_come_back_with_a_cough(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    house = House(
        nursery,
        team=True,
        asr=ScriptedAsr(["leave working mode", ""]),
        llm=ScriptedLlm([Reply(pieces=["An answer."], first=8)]),
    )
    badge = await house.enter()
    await enters(badge, "working")
    badge.tell(type="listen", state="detect", text="how is it going", mode="auto")
    await trio.sleep(0.5)
    for _ in range(2):
        await badge.sound("voice", 1)
        await badge.sound("silence", 1)
        await trio.sleep(1)
    await trio.sleep(20)
    assert badge.of("mode")[-1] == {**END, "mode": "working"}
    assert said(badge) == []


@pytest.mark.req("CD-5")
async def test_start_stop_and_start_at_once_make_one_stream(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    badge = await House(nursery, team=True).enter()
    for phase in ("start", "stop", "start"):
        badge.session.receive(f'{{"type": "coding", "phase": "{phase}"}}')
    badge.tell(type="coding", phase="log", line="error: one")
    await trio.sleep(61)
    assert len(of(badge, "coding", event="insight")) == 1
    assert badge.wire.closed is None


@pytest.mark.req("PE-9", "RG-7")
async def test_a_letter_that_waits_to_be_read_out_does_not_make_the_next_connection_deaf(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """The old connection says its last words when the new one comes, and a letter that it did not read to its end is read
    by the new one, which has just been registered."""
    house = House(nursery, team=True)
    old, friend = await house.enter(), await house.enter("aa:bb:cc:00:00:02")
    friend.tell(type="peer", to=[old.session.traits.device], payload={"text": "the soup is ready " * 10}, id="1")
    await old.until("tts", "sentence_start")
    old.wire.reading = trio.Event()  # so that its last words take their time
    old.tell(type="ping")
    old.session.leave(Goodbye.IDLE)
    new = await house.enter()
    await trio.sleep(30)
    assert any("the soup is ready" in text for text in said(new))
    await says(new, "what time is it")
    assert said(new)[-1] == "It is half past nine."


@pytest.mark.req("WF-4")
async def test_tasks_go_on_after_a_question_was_given_up(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(nursery, team=True)
    badge = await house.enter()
    await house.office.board.create("aa:bb:cc:00:00:09", [Draft(id="roof", title="roof")])
    with monkeypatch.context() as patch:
        patch.setattr(house.office.board, "claim", _never)
        await enters(badge, "working")
        await says(badge, "claim task")
        await trio.sleep(ANSWER_WITHIN)
    assert of(badge, "workflow", event="result")[-1]["status"] == "error"
    await says(badge, "claim task")
    assert of(badge, "workflow", event="result")[-1]["results"][0]["id"] == "roof"


@pytest.mark.req("RT-14")
async def test_a_conversation_that_others_have_begun_logs_its_own_device(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    house = House(nursery, team=True)
    badge = await house.enter()
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        with structlog.contextvars.bound_contextvars(device="somebody else"):
            notice(house)
        await trio.sleep(3)
    assert {log["device"] for log in logs if log["event"] == "turn over"} == {badge.session.traits.device}


@pytest.mark.req("PE-9")
@pytest.mark.parametrize("hello", [True, False], ids=["hello", "no hello"])
async def test_a_badge_is_not_spoken_to_before_it_could_say_what_it_plays(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, hello: bool
) -> None:
    house = House(nursery, team=True)
    badge = await house.enter()
    told = notice(house)
    await trio.sleep(0.1)
    if hello:
        badge.tell(type="hello", audio_params={"format": "pcm"})
    await trio.sleep(3)
    assert told == ["played"]
    sizes = {len(packet) for packet in badge.audio}
    assert (sizes == {2880}) is hello  # 60 ms of samples, or Opus


@pytest.mark.req("I-14")
async def test_an_answer_counts_as_activity_only_when_the_time_is_over(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """The badge asks just before the end of the time that it had had without this; the answer goes on beyond that."""
    settings = changed(timeouts={"no_voice_s": 3.0})
    badge = await House(nursery, settings=settings, llm=ScriptedLlm([Reply(pieces=["a long story. "] * 9)])).enter()
    await trio.sleep(62)
    badge.tell(type="listen", state="detect", text="tell me a story")
    await badge.until("system", within=100)
    assert trio.current_time() == pytest.approx(62 + 63, abs=0.01)

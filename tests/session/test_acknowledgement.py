"""A late answer is announced by a sound, once, and by nothing else; and the first clause can wait for its sentence."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from badge.session.acknowledgement import acknowledgement
from providers.opus import Decoder
from providers.pcm import rms, seconds
from providers.ports import MOUTH_RATE
from providers.scripted import Hearing, Reply, ScriptedAsr, ScriptedLlm
from tests.house import Guest, House, changed

AFTER = {"acknowledge_after_ms": 1500}
FRAMES = 4
"""of 60 ms, that the sound fills"""


def house_with(nursery: trio.Nursery, first: float, **tables: Any) -> House:
    llm = ScriptedLlm([Reply(pieces=["It is half past nine."], first=first)])
    without = tables.pop("without", ())
    asr = ScriptedAsr([Hearing(text="what time is it", delay=tables.pop("hearing", 0.0))])
    settings = changed(**{"chat": AFTER, "listen": {"eager": False}, **tables})
    return House(nursery, asr=asr, llm=llm, settings=settings, without=without)


async def ask(badge: Guest) -> float:
    await badge.speak(voice=0.9)
    spoken = trio.current_time()
    await badge.until("tts", "stop")
    return spoken


def test_it_is_short_and_soft_and_without_a_click() -> None:
    sound = acknowledgement()
    assert 0.2 <= seconds(sound, MOUTH_RATE) <= 0.25
    assert 0.01 < rms(sound) < 0.1
    assert sound[:2] == b"\0\0"
    assert abs(int.from_bytes(sound[-2:], "little", signed=True)) < 100


async def test_a_late_answer_is_announced_by_a_sound(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = house_with(nursery, first=4.0)
    badge = await house.enter()
    spoken = await ask(badge)
    times = badge.times("audio")
    assert times[0] - spoken == pytest.approx(1.5, abs=0.1)
    assert badge.turn == ["stt", "tts start", "audio", "llm", "tts sentence_start", "audio", "tts stop"]
    early = [at for at in times if at - spoken < 3.9]
    assert len(early) == FRAMES
    decoder = Decoder(MOUTH_RATE)
    assert rms(b"".join(decoder.decode(opus) for opus in badge.audio[:FRAMES])) > 0.01
    assert [m["text"] for m in badge.of("tts", "sentence_start")] == ["It is half past nine."]
    (exchange,) = badge.session._dialogue
    assert exchange.answer == "It is half past nine."


async def test_the_sound_is_late_for_who_has_spoken_not_for_the_model(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """A recogniser that took its time has used up some of it."""
    badge = await house_with(nursery, first=4.0, hearing=0.9).enter()
    spoken = await ask(badge)
    assert badge.times("audio")[0] - spoken == pytest.approx(1.5, abs=0.1)


async def test_the_assistant_has_the_floor_only_when_it_answers(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    badge = await house_with(nursery, first=4.0).enter()
    await badge.speak(voice=0.9)
    await trio.sleep(2.5)
    assert len(badge.times("audio")) == FRAMES
    assert badge.session.conversation.state == "thinking"
    await trio.sleep(2)
    assert badge.session.conversation.state == "speaking"


@pytest.mark.parametrize("chat", [AFTER, {"acknowledge_after_ms": 0}])
async def test_an_answer_in_time_is_not(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, chat: dict[str, int]
) -> None:
    first = 1.0 if chat is AFTER else 4.0
    badge = await house_with(nursery, first=first, chat=chat).enter()
    await ask(badge)
    assert badge.turn == ["stt", "tts start", "llm", "tts sentence_start", "audio", "tts stop"]


async def test_who_types_hears_no_sound(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    badge = await house_with(nursery, first=4.0).enter()
    badge.tell(type="listen", state="detect", text="what time is it")
    await badge.until("tts", "stop")
    assert badge.turn == ["stt", "tts start", "llm", "tts sentence_start", "audio", "tts stop"]


async def test_where_nothing_is_spoken_there_is_no_sound(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    badge = await house_with(nursery, first=4.0, without=["tts"]).enter()
    await ask(badge)
    assert badge.audio == []


async def test_it_ends_with_its_turn(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    badge = await house_with(nursery, first=4.0).enter()
    await badge.speak(voice=0.9)
    await trio.sleep(1.0)
    badge.tell(type="abort")
    await trio.sleep(6)
    assert badge.turn == ["stt", "tts start", "tts stop"]


async def test_a_sound_is_no_answer_that_was_heard(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """Who is silenced while it plays, or after it, has been told nothing."""
    badge = await house_with(nursery, first=4.0).enter()
    await badge.speak(voice=0.9)
    await trio.sleep(1.6)
    badge.tell(type="abort")
    await trio.sleep(6)
    assert badge.turn == ["stt", "tts start", "audio", "tts stop"]
    (exchange,) = badge.session._dialogue
    assert exchange.answer == ""


# --- the first clause ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tts", "said"),
    [
        ({}, ["Well, that depends,", "my friend.", "好吧，我的朋友。"]),
        ({"first_clause": 0}, ["Well, that depends, my friend.", "好吧，我的朋友。"]),
    ],
)
async def test_the_first_clause_waits_for_its_sentence_where_that_is_wanted(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, tts: dict[str, int], said: list[str]
) -> None:
    llm = ScriptedLlm(["Well, that depends, my friend. 好吧，我的朋友。"])
    house = House(nursery, llm=llm, asr=ScriptedAsr([Hearing(text="hello")]), settings=changed(tts=tts))
    badge = await house.enter()
    await ask(badge)
    assert [m["text"] for m in badge.of("tts", "sentence_start")] == said


@pytest.mark.parametrize(
    ("tts", "first"),
    [
        ({}, "我觉得很好，"),
        ({"first_clause_cjk": 0}, "我觉得很好，你呢？"),
        ({"first_clause": 0}, "我觉得很好，你呢？"),
    ],
)
async def test_in_chinese_too(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, tts: dict[str, int], first: str
) -> None:
    house = House(nursery, llm=ScriptedLlm(["我觉得很好，你呢？"]), settings=changed(tts=tts))
    badge = await house.enter()
    await ask(badge)
    assert badge.of("tts", "sentence_start")[0]["text"] == first

"""Interruption: whatever the turn is doing, it falls silent at once, and the next one is perfect."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from badge.replay.determinism import Order, deterministic
from providers.opus import Decoder
from providers.ports import MOUTH_RATE
from providers.scripted import Hearing, Reply, ScriptedAsr, ScriptedLlm, ScriptedTts, Utterance
from tests.house import Guest, House, changed

PERFECT = ["stt", "tts start", "llm", "tts sentence_start", "audio", "tts sentence_start", "audio", "tts stop"]


def slow_house(nursery: trio.Nursery, **settings: dict[str, object]) -> House:
    """A turn that takes its time in every stage: recognition, first token, tokens, synthesis, play-out."""
    reply = Reply(pieces=["Number one. ", "Number two."], first=0.2, pause=0.1)
    return House(
        nursery,
        asr=ScriptedAsr([Hearing(text="go", delay=0.2)]),
        llm=ScriptedLlm([reply]),
        tts=ScriptedTts(lambda _: Utterance(duration=0.6, delay=0.15)),
        settings=changed(**settings) if settings else None,
    )


def turn_after(badge: Guest, moment: float) -> list[str]:
    """The story of what left at or after a moment."""
    skipped = sum(at < moment for at, _ in badge.wire.sent)
    told = Guest(badge.session, badge.wire, badge.session.traits.framing)
    told.wire = type("Part", (), {"sent": badge.wire.sent[skipped:]})()  # type: ignore[assignment]
    return told.turn


def check_pairs(badge: Guest) -> None:
    """Exactly one stop for each start, never nested, and no audio outside."""
    speaking = False
    for word in badge.turn:
        if word == "tts start":
            assert not speaking
            speaking = True
        elif word == "tts stop":
            assert speaking
            speaking = False
        elif word in ("audio", "tts sentence_start"):
            assert speaking, badge.turn
    assert not speaking


MOMENTS = [round(0.01 * n, 2) for n in range(1, 241)]


@pytest.mark.req("CH-22", "CH-23", "CH-30", "I-3", "I-4", "B-30", "B-31", "DG-8", "AV-10")
@pytest.mark.parametrize("frame_ms", [20, 60])
async def test_abort_at_every_moment_of_a_turn(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, frame_ms: int
) -> None:
    """240 moments, 10 ms apart, from the end of speech to after the play-out: at most one frame leaves after the
    abort, and the next turn is as if nothing had been."""
    house = slow_house(nursery, tts={"frame_ms": frame_ms})
    reached: set[str] = set()
    for number, moment in enumerate(MOMENTS):
        badge = await house.enter(f"badge-{number}")
        await badge.speak(voice=0.3)
        await trio.sleep(moment)
        reached.add(badge.session.conversation.state)
        before = len(badge.audio)
        badge.tell(type="abort", reason="button")
        await badge.quiet()
        assert badge.session.conversation.state == "idle"
        assert len(badge.audio) - before <= 1
        silent_since = trio.current_time()
        await trio.sleep(3)
        assert not [at for at in badge.times("audio") if at > silent_since]
        check_pairs(badge)
        again = trio.current_time()
        await badge.speak(voice=0.3)
        await badge.until("tts", "stop", count=badge.turn.count("tts start") + 1)
        assert turn_after(badge, again) == PERFECT, f"after an abort at {moment} s"
        check_pairs(badge)
        badge.vanish()
        await badge.gone.wait()
    assert reached == {"thinking", "speaking", "idle"}


@pytest.mark.req("CH-24", "I-3", "I-4")
@pytest.mark.parametrize("how", ["text", "listen start"])
async def test_new_words_and_new_speech_at_many_moments(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, how: str
) -> None:
    house = slow_house(nursery)
    for number in range(40):
        badge = await house.enter(f"badge-{number}")
        await badge.speak(voice=0.3)
        await trio.sleep(0.05 * number + 0.01)
        again = trio.current_time()
        if how == "text":
            badge.tell(type="listen", state="detect", text="something else")
        else:
            await badge.speak(voice=0.3)
        await trio.sleep(5)
        check_pairs(badge)
        assert turn_after(badge, again)[-8:] == PERFECT
        badge.vanish()
        await badge.gone.wait()


@pytest.mark.req("CH-23", "B-30")
async def test_abort_before_the_model_has_answered(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    llm = ScriptedLlm([Reply(pieces=["Late."], first=5)])
    house = House(nursery, llm=llm)
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="hi")
    await trio.sleep(1)
    badge.tell(type="abort")
    await trio.sleep(10)
    assert badge.turn == ["stt", "tts start", "tts stop"]
    assert llm.abandoned == 1


@pytest.mark.req("CH-23", "I-4", "B-31")
@pytest.mark.parametrize("moment", [0.1, 0.6, 1.1, 1.4])
async def test_the_next_turn_brings_nothing_of_the_aborted_one_back(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, moment: float
) -> None:
    """The next turn begins in the very step of the abort, while the model still writes the answer of the first."""
    llm = ScriptedLlm([Reply(pieces=["Old one. ", "Old two. ", "Old three."], first=0.5, pause=0.5), "New."])
    badge = await House(nursery, llm=llm).enter()
    badge.tell(type="listen", state="detect", text="first")
    await trio.sleep(moment)
    before = len(badge.of("tts", "sentence_start"))
    badge.tell(type="abort")
    badge.tell(type="listen", state="detect", text="second")
    await badge.until("tts", "stop", count=2)
    await trio.sleep(10)
    assert [m["text"] for m in badge.of("tts", "sentence_start")[before:]] == ["New."]
    assert len(badge.audio) <= 10 * before + 10
    assert llm.abandoned == 1
    check_pairs(badge)


@pytest.mark.req("CH-22")
@pytest.mark.parametrize(
    ("after", "abort", "kept"),
    [
        (0.0, {}, "(interrupted)"),
        (2.0, {}, "One…"),
        (4.95, {}, "One. Two…"),  # the second sentence has begun to leave: badges are sent a little ahead
        (4.95, {"played_ms": 4900}, "One…"),  # but this one knows that nobody has heard of it yet
        (7.0, {"played_ms": 5040}, "One."),
        (12.0, {}, "One. Two. Three…"),
        (13.0, {"played_ms": 0}, "(interrupted)"),
    ],
)
async def test_the_dialogue_keeps_what_was_heard_before_an_abort(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, after: float, abort: dict[str, int], kept: str
) -> None:
    llm = ScriptedLlm([Reply(pieces=["One. ", "Two. ", "Three."]), "Fine."])
    house = House(nursery, llm=llm, tts=ScriptedTts(lambda _: Utterance(duration=5)))
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="count")
    await badge.until("tts", "start")
    await trio.sleep(after)
    badge.tell(type="abort", **abort)
    badge.tell(type="listen", state="detect", text="go on")
    await badge.until("tts", "stop", count=2)
    assert [m.content for m in llm.prompts[-1].messages][1:] == ["count", kept, "go on"]


@pytest.mark.req("CH-22", "CH-23", "B-31")
def test_what_comes_in_the_very_step_of_an_abort_was_not_heard() -> None:
    """Tokens that the model has already handed over, and audio, reach a turn that ends in the same pass of the scheduler:
    in whatever order the tasks run, none of that is said, and none is remembered."""

    async def story() -> None:
        async with trio.open_nursery() as nursery:
            llm = ScriptedLlm([Reply(pieces=["One. ", "Two. ", "Three."]), "Fine."])
            house = House(nursery, llm=llm, tts=ScriptedTts(lambda _: Utterance(duration=5)))
            badge = await house.enter()
            badge.tell(type="listen", state="detect", text="count")
            await badge.until("tts", "start")
            badge.tell(type="abort")
            badge.tell(type="listen", state="detect", text="go on")
            await badge.until("tts", "stop", count=2)
            assert [m.content for m in llm.prompts[-1].messages][1:] in (
                ["count", "(interrupted)", "go on"],
                ["go on"],  # the model had not been asked yet
            )
            nursery.cancel_scope.cancel("the story is told")

    for seed in range(1, 61):
        with deterministic(Order(seed)):
            trio.run(story, clock=trio.testing.MockClock(autojump_threshold=0))


@pytest.mark.req("CH-30")
async def test_abort_when_nothing_is_said_is_nothing(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery)
    badge = await house.enter()
    badge.tell(type="abort", reason={"any": "form"})
    badge.tell(type="listen", state="detect", text="hi")
    await badge.until("tts", "stop")
    badge.tell(type="abort")
    await trio.sleep(1)
    assert badge.turn.count("tts stop") == 1


@pytest.mark.req("RT-12")
async def test_abort_while_the_badge_does_not_read(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """The outbox is full of speech and one frame is stuck in the socket: only that one still goes."""
    tts = ScriptedTts(lambda _: Utterance(duration=6))
    house = House(nursery, tts=tts, settings=changed(tts={"lead_frames": 20}))
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="hi")
    await badge.until("tts", "sentence_start")
    badge.wire.reading = trio.Event()
    await trio.sleep(3)
    before = len(badge.audio)
    badge.tell(type="abort")
    await trio.sleep(1)
    badge.wire.reading.set()
    await trio.sleep(1)
    assert len(badge.audio) - before <= 1
    assert badge.turn[-1] == "tts stop"
    badge.tell(type="listen", state="detect", text="again")
    await badge.until("tts", "stop", count=2)
    check_pairs(badge)


@pytest.mark.req("I-3")
async def test_audio_of_the_next_turn_is_whole(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    """The encoder and the pacing of an interrupted turn leave no trace in the next."""
    house = House(nursery, tts=ScriptedTts(lambda _: Utterance(duration=0.9)))
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="one")
    await trio.sleep(0.2)
    badge.tell(type="abort")
    await badge.quiet()
    cut = len(badge.audio)
    badge.tell(type="listen", state="detect", text="two")
    await badge.until("tts", "stop", count=2)
    decoder = Decoder(MOUTH_RATE)
    whole = b"".join(decoder.decode(packet) for packet in badge.audio[cut:])
    assert len(whole) == round(0.9 * MOUTH_RATE) * 2
    assert cut < 15

"""What may go wrong in the middle of a conversation, and what the user hears of it: nothing, or the truth."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from badge.boundary import leaves
from badge.components import Component
from badge.link import Goodbye
from badge.session.hearing import EARLY_ITEMS
from badge.session.scribe import WAITING
from providers.opus import Encoder
from providers.pcm import seconds
from providers.ports import EAR_RATE, MOUTH_RATE, ProviderError, Recognition, single_error, well_formed
from providers.scripted import (
    Hearing,
    Reply,
    ScriptedAsr,
    ScriptedLlm,
    ScriptedRecall,
    ScriptedTts,
    ScriptedVad,
    Utterance,
    tone,
)
from tests.house import Guest, House, changed, packets

ANSWER = "It is half past nine."
BROKEN = ProviderError("asr", "broke")


def words(badge: Guest) -> list[str]:
    return [m["text"] for m in badge.of("stt")]


def asked(house: House) -> str:
    return house.llm.prompts[-1].messages[-1].content


# --- the ear --------------------------------------------------------------------------------------------------------------


async def test_a_detector_that_breaks_in_an_utterance_ends_it(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    class Stream:
        windows = 0

        def feed(self, pcm: bytes) -> list[bool]:
            Stream.windows += 1
            if Stream.windows == 8:
                raise ZeroDivisionError("a bug")
            return [True]

    class Vad(ScriptedVad):
        def stream(self) -> Stream:  # type: ignore[override]
            return Stream()

    house = House(nursery, vad=Vad(), asr=ScriptedAsr(["first", "second"]))
    badge = await house.enter()
    await badge.speak()
    await badge.until("tts", "stop")
    assert badge.of("error")[0]["ref"] == {"component": "vad"}
    await badge.speak()
    await badge.until("tts", "stop", count=2)
    assert words(badge) == ["first", "second"]


@pytest.mark.parametrize(
    "vad", [ScriptedVad(load=1e6), ScriptedVad(load=1, broken=ProviderError("vad", "no model"))], ids=["slow", "broken"]
)
async def test_a_detector_that_does_not_load_is_told(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, vad: ScriptedVad
) -> None:
    """Whoever holds a button is answered; whoever does not would wait for ever without knowing why."""
    badge = await House(nursery, vad=vad).enter()
    await badge.speak()
    await badge.until("tts", "stop", within=20)
    assert badge.of("tts", "sentence_start")[0]["text"] == ANSWER
    assert [error["ref"] for error in badge.of("error")] == [{"component": "vad"}]
    await badge.speak()
    await badge.until("tts", "stop", count=2, within=5)


async def test_a_detector_that_loads_late_is_used(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    badge = await House(nursery, vad=ScriptedVad(load=30)).enter()
    badge.tell(type="listen", state="start", mode="manual")
    badge.tell(type="abort")
    await trio.sleep(31)
    badge.tell(type="listen", state="start", mode="auto")
    await badge.sound("voice", 0.6)
    await badge.sound("silence", 0.9)
    await badge.until("tts", "stop", within=5)


async def test_manual_listening_takes_over_an_utterance_begun_by_voice(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """Audio may come before `listen start`; a pause for thought then does not cut what the button holds open."""
    asr = ScriptedAsr(["all of it"])
    house = House(nursery, asr=asr)
    badge = await house.enter()
    await badge.sound("voice", 0.24)
    badge.tell(type="listen", state="start", mode="manual")
    await badge.sound("voice", 1.2)
    await badge.sound("silence", 0.9)
    await badge.sound("voice", 1.2)
    badge.tell(type="listen", state="stop")
    await badge.until("tts", "stop")
    assert seconds(asr.heard[0], EAR_RATE) == pytest.approx(3.54, abs=0.01)


async def test_the_tail_of_an_old_utterance_is_no_pre_roll(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    asr = ScriptedAsr(["one", "two"])
    house = House(nursery, asr=asr)
    badge = await house.enter()
    await badge.speak(voice=0.6)
    for packet in packets("voice")[:4]:
        badge.packet(packet)
    await badge.until("tts", "stop")
    await trio.sleep(60)
    badge.tell(type="ping")
    await badge.speak(voice=0.6)
    await badge.until("tts", "stop", count=2)
    assert seconds(asr.heard[1], EAR_RATE) == pytest.approx(0.6, abs=0.01)


async def test_bounds_that_come_while_the_detector_loads_are_bounded(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery, vad=ScriptedVad(load=100))
    badge = await house.enter()
    for number in range(5 * EARLY_ITEMS):
        badge.tell(type="listen", state="start" if number % 2 else "stop")
        badge.packet(packets("voice")[0])
        if not number % 100:
            await badge.quiet()
    await badge.quiet()
    assert len(badge.session.conversation._ear._early or ()) <= 2 * EARLY_ITEMS
    assert badge.session.conversation.dropped > 0


@pytest.mark.parametrize(("audio_format", "fits", "too_long"), [("opus", 2200, 4001), ("pcm", 32_000, 32_001)])
async def test_a_packet_with_too_much_audio_is_refused(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, audio_format: str, fits: int, too_long: int
) -> None:
    badge = await House(nursery).enter()
    badge.tell(type="hello", audio_params={"format": audio_format})
    badge.packet(bytes(fits))
    await badge.quiet()
    assert badge.of("error") == []
    badge.packet(bytes(too_long))
    assert (await badge.until("error"))["code"] == "bad-frame"


# --- the scribe -------------------------------------------------------------------------------------------------------------


async def test_nobody_is_asked_to_repeat_while_he_speaks(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    asr = ScriptedAsr([Hearing(text="turn on"), Hearing(error=BROKEN, delay=0.6), Hearing(text="switch it off")])
    house = House(nursery, asr=asr)
    badge = await house.enter()
    await badge.speak(voice=0.6)
    await badge.speak(voice=0.6)
    before = badge.turn.count("tts start")
    badge.tell(type="listen", state="start", mode="manual")
    await badge.sound("voice", 1.8)
    assert badge.of("error")
    assert badge.turn.count("tts start") == before
    badge.tell(type="listen", state="stop")
    await badge.until("tts", "stop", count=before + 1)
    assert asked(house) == "turn on switch it off"  # all that was said since the last answer


async def test_words_before_an_utterance_that_failed_are_answered(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    asr = ScriptedAsr([Hearing(text="turn on", delay=0.3), Hearing(error=BROKEN), "what time is it"])
    house = House(nursery, asr=asr)
    badge = await house.enter()
    await badge.speak(voice=0.6)
    await badge.speak(voice=0.6)
    await badge.until("tts", "stop")
    assert asked(house) == "turn on"
    await badge.speak(voice=0.6)
    await trio.sleep(10)
    assert asked(house) == "what time is it"


async def test_a_recogniser_that_never_loads_is_excused(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery, asr=ScriptedAsr(load=1e6))
    badge = await house.enter()
    asked_at = trio.current_time()
    await badge.speak()
    await badge.until("tts", "stop")
    assert badge.of("tts", "sentence_start")[0]["text"] == "Sorry, I did not catch that. Please say it again."
    assert badge.of("error")[0]["ref"] == {"component": "asr"}
    assert badge.times("tts", "start")[0] - asked_at < 10


async def test_a_blank_transcript_is_no_question(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    house = House(nursery, asr=ScriptedAsr([Hearing(text=" \n", partials=[" "]), "what time is it"]))
    badge = await house.enter()
    badge.tell(type="hello", features={"partials": True})
    await badge.speak()
    await trio.sleep(5)
    assert badge.turn == []
    assert badge.session.conversation.state == "idle"
    await badge.speak()
    await badge.until("tts", "stop")
    assert asked(house) == "what time is it"


@pytest.mark.parametrize(("voice", "left"), [(0.6, WAITING), (100.0, 4)])
async def test_what_waits_for_a_slow_recogniser_is_bounded(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, voice: float, left: int
) -> None:
    """By number and by size, the one that still grows not counted: the oldest are lost, the newest answered together."""
    asr = ScriptedAsr([Hearing(text="first", delay=1e4), *(f"number {n}" for n in range(left))])
    settings = changed(asr={"timeout_s": 60.0, "attempts": 1}, listen={"longest_s": 300.0})
    house = House(nursery, asr=asr, settings=settings)
    badge = await house.enter()
    await badge.speak(voice=0.6)
    for _ in range(12):
        badge.tell(type="listen", state="start", mode="manual")
        for number in range(round(voice / 0.06)):
            badge.packet(packets("voice")[number % 10])
        badge.tell(type="listen", state="stop")
        await trio.sleep(0.5)
    await badge.until("tts", "stop", within=200)
    await trio.sleep(30)
    assert len(asr.heard) == 1 + left


@pytest.mark.parametrize("seed", range(20))
async def test_an_error_that_meets_an_abort_is_not_told(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, seed: int
) -> None:
    class Failing(ScriptedAsr):
        @asynccontextmanager
        async def recognise(self) -> AsyncIterator[Recognition]:
            async def fail() -> None:
                await trio.sleep(2)
                raise BROKEN

            async with trio.open_nursery() as inside:
                inside.start_soon(fail)
                async with super().recognise() as recognition:
                    yield recognition
                inside.cancel_scope.cancel()

    async def abort() -> None:
        await trio.sleep(2)
        badge.session.receive('{"type":"abort"}')

    badge = await House(nursery, asr=Failing([Hearing(text="never", delay=3)])).enter()
    badge.session.receive('{"type":"listen","state":"start","mode":"manual"}')
    for packet in packets("voice")[:10]:
        badge.session.receive(packet)
    badge.session.receive('{"type":"listen","state":"stop"}')
    nursery.start_soon(abort)
    await trio.sleep(30)
    assert "tts start" not in badge.turn


# --- the turn ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("coughs", [1, 2])
async def test_a_cough_does_not_cost_the_answer(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, coughs: int
) -> None:
    llm = ScriptedLlm([Reply(pieces=["It is nine."], first=3)] * (coughs + 1))
    house = House(nursery, asr=ScriptedAsr(["what time is it", *[""] * 9]), llm=llm)
    badge = await house.enter()
    badge.tell(type="listen", state="start", mode="realtime")
    await badge.sound("voice", 0.9)
    await badge.sound("silence", 1.2)
    for _ in range(coughs):
        await badge.sound("voice", 0.3)
        await badge.sound("silence", 1.2)
    await badge.sound("silence", 9)
    assert [m["text"] for m in badge.of("tts", "sentence_start")] == ["It is nine."]
    assert words(badge) == ["what time is it"]
    assert [m.role for m in llm.prompts[-1].messages] == ["system", "user"]
    assert badge.turn.count("tts start") == badge.turn.count("tts stop")


async def test_a_cough_after_the_button_brings_nothing_back(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """A badge that opens the microphone by hand has dropped its question."""
    house = House(nursery, asr=ScriptedAsr(["first", ""]), llm=ScriptedLlm([Reply(pieces=["Never."], first=5)]))
    badge = await house.enter()
    await badge.speak()
    await badge.until("tts", "start")
    await badge.speak(voice=0.3)
    await trio.sleep(20)
    assert badge.of("tts", "sentence_start") == []
    assert badge.session.conversation.state == "idle"


async def test_a_voice_that_still_loads_is_waited_for_once(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    llm = ScriptedLlm(["One is here. Two is here. Three is here. Four is here."])
    badge = await House(nursery, llm=llm, tts=ScriptedTts(load=60)).enter()
    begun = trio.current_time()
    badge.tell(type="listen", state="detect", text="count")
    await badge.until("tts", "stop")
    assert trio.current_time() - begun == pytest.approx(10, abs=1)
    assert len(badge.of("tts", "sentence_start")) == 4


async def test_a_wake_word_that_gets_no_answer_leaves_the_queue_alone(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    llm = ScriptedLlm([Reply(pieces=["one."], first=2), "two.", "three."])
    settings = changed(chat={"new_words": "wait"}, phrases={"enable_greeting": False})
    badge = await House(nursery, llm=llm, settings=settings).enter()
    for text in ("first", "second", "你好小智"):
        badge.tell(type="listen", state="detect", text=text)
        await trio.sleep(0.5)
    await badge.until("tts", "stop", count=2)
    assert words(badge) == ["first", "你好小智", "second"]
    assert [m["text"] for m in badge.of("tts", "sentence_start")] == ["one.", "two."]


async def test_play_out_counts_from_when_frames_left(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    badge = await House(nursery, tts=ScriptedTts(lambda _: Utterance(duration=5))).enter()
    badge.tell(type="listen", state="detect", text="hi")
    await badge.until("tts", "sentence_start")
    await trio.sleep(3.6)
    badge.wire.reading = trio.Event()
    await trio.sleep(1.2)
    badge.wire.reading.set()
    await badge.until("tts", "stop")
    played = 0.0
    for at in badge.times("audio"):
        played = max(played, at) + 0.06
    # the frame that was held up was in the writer's hand already
    assert badge.times("tts", "stop")[0] >= played - 0.06


async def test_ready_packets_become_pcm_for_a_badge_that_wants_that(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    encoder = Encoder(MOUTH_RATE, 60)
    sound = tone(0.6, MOUTH_RATE)
    opus = [encoder.encode(sound[at : at + 2880]) for at in range(0, len(sound), 2880)]
    badge = await House(nursery, tts=ScriptedTts(packets=opus)).enter()
    badge.tell(type="hello", audio_params={"format": "pcm"})
    badge.tell(type="listen", state="detect", text="hi")
    await badge.until("tts", "stop")
    assert [len(frame) for frame in badge.audio] == [2880] * 10


# --- the end ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("message", [{"type": "abort"}, {"type": "listen", "state": "start"}])
async def test_the_last_answer_may_be_cut_short(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, message: dict[str, str]
) -> None:
    house = House(nursery, tts=ScriptedTts(lambda _: Utterance(duration=3)))
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="hi")
    await badge.until("tts", "sentence_start")
    for mailbox in house.services.presence.everyone():
        mailbox.retire(Goodbye.SHUTDOWN)
    badge.tell(type="listen", state="detect", text="one more")  # is shown, and not answered any more
    await badge.until("stt", count=2)
    assert badge.turn.count("tts stop") == 0
    badge.tell(**message)
    with trio.fail_after(1):
        await badge.gone.wait()
    assert badge.wire.closed == (Goodbye.SHUTDOWN.code, Goodbye.SHUTDOWN.reason)
    assert badge.turn.count("tts stop") == badge.turn.count("tts start") == 1


async def test_an_answer_that_has_just_been_accepted_is_still_given(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery)
    badge = await house.enter()
    badge.session.receive(json.dumps({"type": "listen", "state": "detect", "text": "hi"}))
    for mailbox in house.services.presence.everyone():
        mailbox.retire(Goodbye.SHUTDOWN)
    await badge.gone.wait()
    assert [m["text"] for m in badge.of("tts", "sentence_start")] == [ANSWER]
    assert badge.wire.closed == (Goodbye.SHUTDOWN.code, Goodbye.SHUTDOWN.reason)


async def test_a_badge_without_pong_is_told_so(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    badge = await House(nursery).enter()
    badge.wire.answers_pings = False
    for _ in range(20):
        await trio.sleep(4)
        badge.packet(packets("silence")[0])
    await badge.gone.wait()
    assert badge.wire.closed == (Goodbye.SILENT.code, Goodbye.SILENT.reason)


# --- providers --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["entered", "left"])
@pytest.mark.parametrize(("kind", "verb"), [("asr", "recognise"), ("llm", "stream"), ("tts", "speak")])
async def test_a_provider_that_hangs_when_it_is_entered_or_left_is_given_up(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, kind: str, verb: str, when: str
) -> None:
    """None should; but nobody would ever be answered again."""
    house = House(nursery)
    provider = getattr(house, kind)
    whole, hangs = getattr(provider, verb), [True]

    @asynccontextmanager
    async def hanging(*args: object) -> AsyncIterator[object]:
        if when == "entered" and hangs and hangs.pop():
            await trio.sleep_forever()
        async with whole(*args) as stream:
            yield stream
        if hangs and hangs.pop():
            await trio.sleep_forever()

    setattr(provider, verb, hanging)
    badge = await house.enter()
    for count in (1, 2):
        await badge.speak()
        await badge.until("tts", "stop", count=count, within=20)
        await trio.sleep(1)
    assert badge.of("tts", "sentence_start")[-1]["text"] == ANSWER
    assert badge.session.conversation.state == "idle"


async def test_half_a_surrogate_pair_goes_no_further(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """JSON escapes can bring text that cannot be encoded: it would end the connection, or poison every later prompt."""
    asr = ScriptedAsr([Hearing(text="one \ud83d two", partials=["one \ud83d"])])
    llm, recall = ScriptedLlm([Reply(pieces=["Well \ude00 yes. "])]), ScriptedRecall("likes \ud83d")
    house = House(nursery, asr=asr, llm=llm, recall=recall)
    badge = await house.enter()
    badge.tell(type="hello", features={"partials": True})
    for count in (1, 2):
        await badge.speak()
        await badge.until("tts", "stop", count=count)
    for _, frame in badge.wire.sent:
        assert isinstance(frame, bytes) or frame.encode()
    assert words(badge)[-1] == "one \ufffd two"
    for message in llm.prompts[-1].messages:
        message.content.encode()


def test_two_halves_of_a_surrogate_pair_are_one_character() -> None:
    assert well_formed("\ud83d\ude00 \ud83d") == "😀 \ufffd"


async def test_a_component_has_not_failed_while_the_next_candidate_loads(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    component = Component("tts", [ScriptedTts(broken=ProviderError("a", "no")), ScriptedTts(load=30)])
    nursery.start_soon(component.run)
    await trio.sleep(5)
    assert component.failure is None
    await component.ready()
    hopeless = Component("tts", [ScriptedTts(broken=ProviderError(name, "no")) for name in "ab"])
    nursery.start_soon(hopeless.run)
    await hopeless.settled()
    assert str(hopeless.failure) == "b: no"


async def test_a_component_that_is_switched_off_says_so(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    component = Component[ScriptedTts]("tts", ())
    await component.run()
    assert component.failure is None
    with pytest.raises(ProviderError, match="switched off"):
        await component.ready()


@pytest.mark.parametrize("error", [BROKEN, trio.TooSlowError()])
async def test_an_error_that_meets_a_cancellation_is_nobodys(error: Exception) -> None:
    """A model that gives up in the moment in which its badge is given up has not failed inside the server."""
    with trio.CancelScope() as request, single_error():
        async with trio.open_nursery() as provider:
            provider.start_soon(trio.sleep_forever)
            request.cancel()
            raise error
    assert request.cancelled_caught


async def test_an_error_of_ours_is_seen_though_it_meets_a_cancellation() -> None:
    async def ask() -> None:
        with trio.CancelScope() as request, single_error():
            async with trio.open_nursery() as provider:
                provider.start_soon(trio.sleep_forever)
                request.cancel()
                raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as caught:
        await ask()
    assert [type(exc) for exc in leaves(caught.value)] == [ZeroDivisionError]

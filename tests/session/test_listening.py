"""Listening: how utterances are cut from the audio, whoever bounds them, in every mode."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from providers.opus import opus_api
from providers.ports import EAR_RATE, ProviderError
from providers.scripted import (
    Hearing,
    Reply,
    ScriptedAsr,
    ScriptedLlm,
    ScriptedTts,
    ScriptedVad,
    ScriptedVadStream,
    Utterance,
    length,
    tone,
)
from tests.house import Guest, House, changed, packets

ANSWER = "It is half past nine."


def said(badge: Guest) -> list[str]:
    return [m["text"] for m in badge.of("tts", "sentence_start")]


@pytest.mark.req("LI-1", "LI-2", "AV-1")
async def test_auto_is_the_default_and_the_server_ends_the_utterance(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    asr = ScriptedAsr(["hello"])
    house = House(nursery, asr=asr)
    badge = await house.enter()
    badge.tell(type="listen", state="start")
    await badge.sound("silence", 0.9)
    await badge.sound("voice", 1.2)
    ended = trio.current_time()
    await badge.sound("silence", 0.9)
    await badge.until("stt")
    assert badge.times("stt")[0] - ended == pytest.approx(0.5, abs=0.07)
    # 300 ms of pre-roll, 1.2 s of voice, 500 ms of silence
    assert length(asr.heard[0]) == pytest.approx(2.0, abs=0.1)


@pytest.mark.req("LI-1", "LI-4", "LI-7", "LI-8", "AV-7", "B-24")
async def test_manual_takes_everything_between_start_and_stop(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    asr = ScriptedAsr(["hello"])
    house = House(nursery, asr=asr)
    badge = await house.enter()
    badge.tell(type="listen", state="start", mode="manual")
    for packet in packets("voice")[:10]:  # ten frames and the stop in one read
        badge.packet(packet)
    badge.tell(type="listen", state="stop")
    await badge.until("stt")
    assert length(asr.heard[0]) == pytest.approx(0.6)
    assert asr.heard[0] != bytes(len(asr.heard[0]))


@pytest.mark.req("LI-1")
async def test_mode_holds_until_it_changes_and_is_applied_before_the_state(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    asr = ScriptedAsr(["one", "two", "three"])
    house = House(nursery, asr=asr)
    badge = await house.enter()
    badge.tell(type="listen", state="stop", mode="manual")
    await badge.quiet()
    assert badge.session.traits.mode == "manual"
    badge.tell(type="listen", state="start")
    await badge.sound("silence", 0.6)
    badge.tell(type="listen", state="stop")
    await badge.until("stt")
    assert length(asr.heard[0]) == pytest.approx(0.6)


@pytest.mark.req("LI-3", "B-123")
async def test_unknown_mode_is_refused_and_changes_nothing(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery)
    badge = await house.enter()
    badge.tell(type="listen", state="start", mode={"a": 1})
    assert (await badge.until("error"))["code"] == "bad-message"
    assert badge.session.traits.mode == "auto"
    assert badge.session.conversation.state == "idle"


@pytest.mark.req("LI-5", "LI-6", "LI-9", "B-28", "B-29")
async def test_start_stop_start_within_300_ms_listens(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """Only repeats that change nothing are ignored, whatever the wall clock does meanwhile."""
    asr = ScriptedAsr([Hearing(text="first", delay=0.2), "second"])
    house = House(nursery, asr=asr)
    badge = await house.enter()
    badge.tell(type="listen", state="start", mode="manual")
    badge.tell(type="listen", state="start")  # a repeat
    badge.packet(packets("voice")[0])
    await trio.sleep(0.1)
    badge.tell(type="listen", state="stop")
    badge.tell(type="listen", state="stop")  # a repeat
    house.clock.moment = house.clock.moment.replace(year=2001)
    await trio.sleep(0.1)
    badge.tell(type="listen", state="start")
    await badge.quiet()
    assert badge.session.conversation.state == "listening"
    await badge.sound("voice", 0.6)
    badge.tell(type="listen", state="stop")
    await badge.until("tts", "stop")
    # nothing said is lost: the first words wait for the rest, and both are answered together
    assert [m["text"] for m in badge.of("stt")] == ["first", "first second"]
    assert len(asr.heard) == 2
    assert house.llm.prompts[0].messages[-1].content == "first second"


@pytest.mark.req("LI-9")
async def test_accepted_bounds_refresh_the_last_listen_event(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """In manual a badge that never bounds its utterances is heard by the server's own detector after a while."""
    asr = ScriptedAsr(["hello"])
    house = House(nursery, asr=asr, settings=changed(listen={"mode": "manual", "vad_fallback_s": 5.0}))
    badge = await house.enter()
    await badge.sound("silence", 3)
    await badge.speak(voice=0.6)  # a bracketed utterance: the badge does bound them
    await badge.until("tts", "stop")
    await badge.sound("voice", 0.6)
    await badge.sound("silence", 3)
    assert len(badge.of("stt")) == 1
    await badge.sound("silence", 3)
    await badge.sound("voice", 0.6)
    await badge.sound("silence", 5)
    assert len(badge.of("stt")) == 2


@pytest.mark.req("LI-10", "B-33", "I-8")
@pytest.mark.parametrize("load", [0, 3], ids=["detector ready", "detector loading"])
async def test_detect_discards_what_was_said_and_what_is_still_queued(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, load: float
) -> None:
    asr = ScriptedAsr(["never"] * (not load) + ["and then"])
    house = House(nursery, asr=asr, vad=ScriptedVad(load=load))
    badge = await house.enter()
    badge.tell(type="listen", state="start", mode="manual")
    await badge.sound("voice", 0.3)
    for packet in packets("voice")[:10]:
        badge.packet(packet)
    badge.tell(type="listen", state="detect", text="what time is it")
    await badge.until("tts", "stop")
    await trio.sleep(load)
    await badge.speak(voice=0.6)
    await badge.until("tts", "stop", count=2)
    await trio.sleep(20)
    assert [m["text"] for m in badge.of("stt")] == ["what time is it", "and then"]
    assert length(asr.heard[-1]) == pytest.approx(0.6)
    assert said(badge) == [ANSWER] * 2
    assert badge.session.conversation.state == "idle"


@pytest.mark.req("LI-10")
@pytest.mark.parametrize("text", [None, "", "  "])
async def test_detect_without_text_only_discards(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, text: str | None
) -> None:
    house = House(nursery)
    badge = await house.enter()
    badge.tell(type="listen", state="start", mode="manual")
    await badge.sound("voice", 0.3)
    badge.tell(type="listen", state="detect", **({} if text is None else {"text": text}))
    await trio.sleep(5)
    assert badge.turn == []
    assert badge.session.conversation.state == "idle"
    await badge.speak()
    await badge.until("tts", "stop")
    assert said(badge) == [ANSWER]


@pytest.mark.req("LI-11", "LI-13")
async def test_spoken_and_typed_words_mean_the_same(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery, asr=ScriptedAsr(["你好，小智！", "退出。"]), llm=ScriptedLlm(["你好。"]))
    badge = await house.enter()
    await badge.speak()
    await badge.until("tts", "stop")
    assert house.llm.prompts[0].messages[-1].content == "嘿，你好呀"  # the wake word was spoken
    assert badge.of("stt") == []
    await badge.speak()
    with trio.fail_after(10):
        await badge.gone.wait()
    assert badge.wire.closed == (1000, "conversation finished")


@pytest.mark.req("AV-9", "I-8")
@pytest.mark.parametrize("frame_ms", [20, 40, 60])
async def test_every_uplink_frame_length(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, frame_ms: int
) -> None:
    asr = ScriptedAsr(["hello"])
    house = House(nursery, asr=asr)
    badge = await house.enter()
    badge.tell(type="listen", state="start")
    await badge.sound("silence", 0.36, frame_ms)
    await badge.sound("voice", 0.6, frame_ms)
    await badge.sound("silence", 1.2, frame_ms)
    await badge.until("stt")
    assert length(asr.heard[0]) == pytest.approx(1.4, abs=0.1)


async def test_empty_and_garbage_packets_cost_nothing(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    asr = ScriptedAsr(["hello"])
    house = House(nursery, asr=asr)
    badge = await house.enter()
    badge.tell(type="listen", state="start", mode="manual")
    for number, packet in enumerate(packets("voice")[:10]):
        badge.packet(packet)
        badge.packet(b"")
        badge.packet(bytes([0xFF, 0xFE, 0xFD]) * (1 + 80 * number))
    badge.tell(type="listen", state="stop")
    await badge.until("tts", "stop")
    assert length(asr.heard[0]) >= 0.6
    assert said(badge) == [ANSWER]


async def test_pre_roll_that_comes_before_listen_start(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """The start message may be slower than the first audio: up to 300 ms of it belong to the utterance."""
    asr = ScriptedAsr(["hello"])
    house = House(nursery, asr=asr)
    badge = await house.enter()
    badge.tell(type="listen", state="stop", mode="manual")
    await badge.sound("voice", 1.2)
    badge.tell(type="listen", state="start")
    await badge.sound("voice", 0.6)
    badge.tell(type="listen", state="stop")
    await badge.until("stt")
    assert length(asr.heard[0]) == pytest.approx(0.9, abs=0.01)


async def test_voice_without_any_listen_message_is_heard_in_auto(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery)
    badge = await house.enter()
    await badge.sound("voice", 0.9)
    await badge.sound("silence", 0.9)
    await badge.until("tts", "stop")
    assert said(badge) == [ANSWER]


async def test_a_short_word_is_not_dropped(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    asr = ScriptedAsr(["好的"])
    house = House(nursery, asr=asr)
    badge = await house.enter()
    badge.tell(type="listen", state="start")
    await badge.sound("silence", 0.3)
    await badge.sound("voice", 0.3)
    await badge.sound("silence", 0.9)
    await badge.until("stt")
    assert badge.of("stt")[0]["text"] == "好的"


@pytest.mark.req("LI-7")
async def test_stop_in_auto_ends_a_word_too_short_for_the_detector(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    asr = ScriptedAsr(["yes"])
    house = House(nursery, asr=asr, settings=changed(vad={"confirm_ms": 500}))
    badge = await house.enter()
    badge.tell(type="listen", state="start")
    await badge.sound("silence", 0.3)
    await badge.sound("voice", 0.3)
    badge.tell(type="listen", state="stop")
    await badge.until("stt")
    assert length(asr.heard[0]) == pytest.approx(0.6, abs=0.01)
    badge.tell(type="listen", state="start")
    await badge.sound("silence", 0.6)
    badge.tell(type="listen", state="stop")
    await trio.sleep(5)
    assert len(asr.heard) == 1  # silence is not worth recognising
    assert badge.session.conversation.state == "idle"


async def test_two_utterances_back_to_back_are_both_answered(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """The second begins while the first is being thought about: it interrupts, and nothing is lost."""
    asr, llm = ScriptedAsr(["one", "two"]), ScriptedLlm([Reply(pieces=["First."], first=1.5), "Second."])
    house = House(nursery, asr=asr, llm=llm)
    badge = await house.enter()
    badge.tell(type="listen", state="start")
    await badge.sound("voice", 0.6)
    await badge.sound("silence", 0.72)
    await badge.sound("voice", 0.6)
    await badge.sound("silence", 0.9)
    await badge.until("tts", "stop", count=2)
    assert [m["text"] for m in badge.of("stt")] == ["one", "two"]
    assert said(badge) == ["Second."]
    assert [m.content for m in llm.prompts[1].messages][1:] == ["one", "(interrupted)", "two"]


async def test_silence_only_ends_listening_and_answers_nothing(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery)
    badge = await house.enter()
    badge.tell(type="listen", state="start")
    await badge.sound("silence", 7.8)
    assert badge.session.conversation.state == "listening"
    await badge.sound("silence", 0.6)
    assert badge.session.conversation.state == "idle"
    assert badge.turn == []


async def test_a_badge_that_sends_nothing_while_nobody_speaks(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """Missing audio counts as silence: the utterance ends, and so does listening in vain."""
    house = House(nursery)
    badge = await house.enter()
    badge.tell(type="listen", state="start")
    await badge.sound("voice", 0.6)
    await badge.until("stt", within=2)
    await badge.until("tts", "stop")
    badge.tell(type="listen", state="start")
    await trio.sleep(9)
    assert badge.session.conversation.state == "idle"


async def test_manual_ends_after_four_seconds_of_silence(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery)
    badge = await house.enter()
    badge.tell(type="listen", state="start", mode="manual")
    await badge.sound("voice", 0.6)
    await badge.sound("silence", 3.6)
    assert badge.turn == []
    await badge.sound("silence", 0.6)
    await badge.until("stt")


async def test_manual_hold_of_a_minute_is_cut_and_answered(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    asr = ScriptedAsr(["long"])
    house = House(nursery, asr=asr, settings=changed(listen={"longest_s": 60.0}))
    badge = await house.enter()
    badge.tell(type="listen", state="start", mode="manual")
    await badge.sound("voice", 59.4)
    assert badge.turn == []
    badge.tell(type="listen", state="stop")
    await badge.until("tts", "stop")
    assert length(asr.heard[0]) == pytest.approx(59.4)
    badge.tell(type="listen", state="start", mode="manual")
    await badge.sound("voice", 60.6)
    assert len(badge.of("stt")) == 2


async def test_manual_stop_without_audio_and_twice(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery)
    badge = await house.enter()
    badge.tell(type="listen", state="start", mode="manual")
    badge.tell(type="listen", state="stop")
    badge.tell(type="listen", state="stop")
    await trio.sleep(1)
    assert badge.turn == []
    assert badge.session.conversation.state == "idle"


async def test_a_stream_of_tiny_packets(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    """Discontinuous transmission: silence comes as packets of a few bytes."""
    opus = opus_api()
    encoder = opus.Encoder(EAR_RATE, 1, "voip")
    opus.api.encoder.encoder_ctl(encoder.encoder_state, opus.api.ctl.set_dtx, 1)
    silence = [encoder.encode(bytes(1920), 960) for _ in range(60)]
    tiny = [packet for packet in silence if len(packet) <= 8]
    assert tiny
    house = House(nursery)
    badge = await house.enter()
    badge.tell(type="listen", state="start")
    await badge.sound("voice", 0.6)
    for number in range(15):
        badge.packet(tiny[number % len(tiny)])
        await trio.sleep(0.06)
    await badge.until("stt")


# --- realtime ---------------------------------------------------------------------------------------------------------


async def test_realtime_hears_while_it_speaks(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    """Speech during the answer interrupts it after 250 ms of voice; the words before the confirmation are not lost."""
    asr, tts = ScriptedAsr(["one", "two"]), ScriptedTts(lambda _: Utterance(duration=10))
    house = House(nursery, asr=asr, tts=tts, llm=ScriptedLlm(["Long story.", "Short."]))
    badge = await house.enter()
    badge.tell(type="listen", state="start", mode="realtime")
    await badge.sound("voice", 0.6)
    await badge.sound("silence", 2.1)
    assert badge.session.conversation.state == "speaking"
    await badge.sound("voice", 0.18)  # a cough
    await badge.sound("silence", 0.6)
    assert badge.session.conversation.state == "speaking"
    begun = trio.current_time()
    await badge.sound("voice", 0.9)
    stopped = badge.times("tts", "stop")[0]
    assert stopped - begun == pytest.approx(0.25, abs=0.07)
    assert not [at for at in badge.times("audio") if at > stopped]
    await badge.sound("silence", 0.9)
    await badge.until("stt", count=2)
    assert length(asr.heard[1]) == pytest.approx(0.3 + 0.9 + 0.5, abs=0.13)


async def test_realtime_goes_on_listening_after_the_answer(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery)
    badge = await house.enter()
    badge.tell(type="listen", state="start", mode="realtime")
    for number in (1, 2):
        await badge.sound("voice", 0.6)
        await badge.sound("silence", 2.4)
        await badge.until("tts", "stop", count=number)
    assert len(badge.of("stt")) == 2


@pytest.mark.parametrize(
    ("policy", "mode", "heeded"),
    [
        ("realtime", "auto", False),
        ("realtime", "realtime", True),
        ("always", "auto", True),
        ("never", "realtime", False),
    ],
)
async def test_whose_voice_may_interrupt(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, policy: str, mode: str, heeded: bool
) -> None:
    """A badge without echo cancellation hears itself: its own answer fed back must not interrupt it."""
    tts = ScriptedTts(lambda _: Utterance(duration=5))
    house = House(nursery, tts=tts, settings=changed(listen={"barge_in": policy}))
    badge = await house.enter()
    badge.tell(type="listen", state="start", mode=mode)
    await badge.sound("voice", 0.6)
    await badge.sound("silence", 0.9)
    assert badge.session.conversation.state == "speaking"
    await badge.sound("voice", 3)
    assert bool(badge.of("tts", "stop")) is heeded


# --- components ---------------------------------------------------------------------------------------------------------


@pytest.mark.req("RT-9", "RT-10", "B-49")
async def test_audio_that_comes_while_components_load_is_heard(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    asr = ScriptedAsr(["hello"], load=4)
    house = House(nursery, asr=asr, vad=ScriptedVad(load=3))
    badge = await house.enter()
    badge.tell(type="listen", state="start")
    await badge.sound("silence", 0.3)
    await badge.sound("voice", 0.6)
    await badge.sound("silence", 0.9)
    assert badge.turn == []
    await badge.until("tts", "stop")
    assert length(asr.heard[0]) == pytest.approx(1.4, abs=0.1)


@pytest.mark.req("RT-10", "AV-11", "B-119")
async def test_without_recognition_audio_is_dropped_and_listening_refused(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery, without=["asr"])
    badge = await house.enter()
    await badge.sound("voice", 0.9)
    badge.tell(type="listen", state="start", mode="manual")
    error = await badge.until("error")
    assert (error["code"], error["ref"]) == ("unavailable", {"type": "listen", "state": "start"})
    badge.tell(type="listen", state="detect", text="hi")
    await badge.until("tts", "stop")
    assert said(badge) == [ANSWER]


async def test_without_a_detector_manual_still_works(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery, without=["vad"])
    badge = await house.enter()
    await badge.sound("voice", 0.9)  # nobody notices
    assert badge.turn == []
    await badge.speak()
    await badge.until("tts", "stop")
    assert said(badge) == [ANSWER]


@pytest.mark.req("AV-13", "SC-10", "B-115")
async def test_too_much_audio_breaks_the_utterance_and_says_so(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    asr = ScriptedAsr(["whole"])
    house = House(nursery, asr=asr, settings=changed(listen={"buffer_mb": 0.1}))  # 3.3 s
    badge = await house.enter()
    badge.tell(type="listen", state="start", mode="manual")
    await badge.sound("voice", 4.2)
    error = await badge.until("error")
    assert error["code"] == "audio-overrun"
    assert "0.1 MB" in error["message"]
    badge.tell(type="listen", state="stop")
    await trio.sleep(1)
    assert badge.of("stt") == []
    assert badge.session.conversation.state == "idle"
    await badge.speak(voice=1.2)
    await badge.until("tts", "stop")
    assert badge.of("stt")[0]["text"] == "whole"
    assert length(asr.heard[-1]) == pytest.approx(1.2, abs=0.31)


@pytest.mark.req("SC-10", "B-115")
async def test_eleven_megabytes_without_a_stop(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    """The bound as it is configured: the utterance is given up with a notice, and the next one is clean."""
    asr = ScriptedAsr(["part", "whole"])
    house = House(nursery, asr=asr, settings=changed(listen={"longest_s": 600.0}))
    badge = await house.enter()
    badge.tell(type="hello", audio_params={"format": "pcm"})
    badge.tell(type="listen", state="start", mode="manual")
    second = tone(1, EAR_RATE)
    for _ in range(11 * 1_048_576 // len(second)):
        badge.packet(second)
        await badge.quiet()
    assert [(e["code"], "10 MB" in e["message"]) for e in badge.of("error")] == [("audio-overrun", True)]
    badge.tell(type="listen", state="stop")
    await trio.sleep(5)
    assert badge.of("stt") == []
    badge.tell(type="listen", state="start")
    badge.packet(second)
    badge.tell(type="listen", state="stop")
    await badge.until("tts", "stop")
    assert [m["text"] for m in badge.of("stt")] == ["whole"]
    assert asr.heard[-1] == second
    assert len(badge.of("error")) == 1


@pytest.mark.req("B-117")
@pytest.mark.parametrize("word", ["ready", "error", "processing", '{"status":"ready"}'])
async def test_words_that_look_like_a_status_are_words(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, word: str
) -> None:
    house = House(nursery, asr=ScriptedAsr([word]))
    badge = await house.enter()
    await badge.speak()
    await badge.until("tts", "stop")
    assert house.llm.prompts[0].messages[-1].content == word
    assert badge.of("stt")[0]["text"] == word.strip('{}"')
    assert said(badge) == [ANSWER]


@pytest.mark.req("DG-2", "B-116", "AV-15")
@pytest.mark.parametrize(
    "failure",
    [
        Hearing(error=ProviderError("asr", "lost the connection", retryable=True)),
        Hearing(delay=1e6),
    ],
    ids=["error", "mute"],
)
async def test_recognition_is_tried_three_times_on_the_same_audio(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, failure: Hearing
) -> None:
    asr = ScriptedAsr([failure, failure, "third time lucky"])
    house = House(nursery, asr=asr)
    badge = await house.enter()
    await badge.speak(voice=0.9)
    stopped = trio.current_time()
    await badge.until("stt")
    assert badge.of("stt")[0]["text"] == "third time lucky"
    assert len(asr.heard) == 3
    assert asr.heard[0] == asr.heard[1] == asr.heard[2]
    if failure.delay:
        assert trio.current_time() - stopped == pytest.approx(6.0, abs=0.1)


@pytest.mark.req("DG-2", "DG-8")
@pytest.mark.parametrize(("retryable", "attempts"), [(True, 3), (False, 1)])
async def test_after_the_last_attempt_the_user_is_asked_to_say_it_again(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, retryable: bool, attempts: int
) -> None:
    asr = ScriptedAsr([Hearing(error=ProviderError("asr", "broke", retryable=retryable))])
    house = House(nursery, asr=asr, tts=ScriptedTts(broken=ProviderError("tts", "broken too")))
    badge = await house.enter()
    await badge.speak()
    await badge.until("tts", "stop")
    assert len(asr.heard) == attempts
    assert [e["ref"] for e in badge.of("error") if e["code"] == "component-failed"][-1] == {"component": "asr"}
    assert said(badge) == ["Sorry, I did not catch that. Please say it again."]
    assert len(badge.audio) > 10  # a recording, so it is heard without any synthesis
    assert badge.session.conversation.state == "idle"


async def test_a_recogniser_with_a_bug_costs_one_utterance(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    class Buggy(ScriptedAsr):
        def recognise(self):  # type: ignore[no-untyped-def]
            if not self.heard:
                self.heard.append(b"")
                raise KeyError("a bug")
            return super().recognise()

    house = House(nursery, asr=Buggy(["again"]))
    badge = await house.enter()
    await badge.speak()
    await badge.until("tts", "stop")
    assert badge.of("error")[-1]["code"] == "component-failed"
    assert said(badge) == ["Sorry, I did not catch that. Please say it again."]
    await badge.speak()
    await badge.until("tts", "stop", count=2)
    assert said(badge)[-1] == ANSWER


async def test_a_detector_with_a_bug_leaves_manual_listening(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    class Buggy(ScriptedVad):
        def stream(self):  # type: ignore[no-untyped-def]
            stream = super().stream()
            stream.feed = lambda pcm: 1 / 0  # type: ignore[method-assign]
            return stream

    house = House(nursery, vad=Buggy())
    badge = await house.enter()
    badge.tell(type="listen", state="start")
    await badge.sound("voice", 0.9)
    assert [e["ref"] for e in badge.of("error")] == [{"component": "vad"}]
    assert badge.session.conversation.state == "idle"
    await badge.speak()
    await badge.until("tts", "stop")
    assert said(badge) == [ANSWER]
    assert len(badge.of("error")) == 1


@pytest.mark.req("AV-2", "AV-3", "AV-12")
async def test_two_badges_share_the_recogniser_and_nothing_else(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    asr = ScriptedAsr([Hearing(text="from a", delay=0.4), Hearing(text="from b", delay=0.2)])
    house = House(nursery, asr=asr)
    a, b = await house.enter("a"), await house.enter("b")
    a.tell(type="listen", state="start", mode="manual")
    await a.sound("voice", 0.06)
    b.tell(type="listen", state="start", mode="manual")
    async with trio.open_nursery() as talk:
        talk.start_soon(a.sound, "voice", 0.54)
        talk.start_soon(b.sound, "silence", 0.9)
    a.tell(type="listen", state="stop")
    b.tell(type="listen", state="stop")
    await b.until("stt")
    a.vanish()
    await b.until("tts", "stop")
    assert b.of("stt")[0]["text"] == "from b"
    assert (length(asr.heard[0]), length(asr.heard[1])) == (pytest.approx(0.6), pytest.approx(0.9))
    assert asr.heard[1] != asr.heard[0]
    c = await house.enter("c")
    await c.speak()
    await c.until("tts", "stop")


@pytest.mark.req("AV-4")
async def test_all_badges_share_the_servers_detector_with_streams_of_their_own(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    class Counting(ScriptedVad):
        streams = 0

        def stream(self) -> ScriptedVadStream:
            self.streams += 1
            return super().stream()

    vad = Counting()
    house = House(nursery, vad=vad)
    a, b = await house.enter("a"), await house.enter("b")
    a.tell(type="listen", state="start")
    b.tell(type="listen", state="start")
    async with trio.open_nursery() as talk:
        talk.start_soon(a.sound, "voice", 0.9)
        talk.start_soon(b.sound, "silence", 0.9)
    assert vad.streams == 2
    await a.sound("silence", 0.9)
    await a.until("stt")
    assert b.of("stt") == []


@pytest.mark.req("WL-5")
async def test_a_badge_may_ask_for_plain_pcm(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    asr = ScriptedAsr(["hello"])
    house = House(nursery, asr=asr)
    badge = await house.enter()
    badge.tell(type="hello", audio_params={"format": "pcm", "sample_rate": 16000})
    await badge.until("hello", count=2)
    assert badge.of("hello")[1]["audio_params"]["format"] == "pcm"
    badge.tell(type="listen", state="start", mode="manual")
    badge.packet(tone(0.6, EAR_RATE))
    badge.tell(type="listen", state="stop")
    await badge.until("tts", "stop")
    assert asr.heard[0] == tone(0.6, EAR_RATE)
    assert {len(frame) for frame in badge.audio} == {2880}


async def test_what_waits_for_the_detector_is_bounded(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery, vad=ScriptedVad(load=100))
    badge = await house.enter()
    badge.tell(type="listen", state="start", mode="manual")
    for _ in range(600):
        badge.packet(packets("voice")[0])
    badge.tell(type="listen", state="stop")
    await badge.quiet()
    assert badge.session.conversation.dropped == 600 + 1 - 512
    await badge.until("stt", within=200)

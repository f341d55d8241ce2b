"""Remote speech that fails, in whole sessions under a virtual clock: what steps in, when, and for how long."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any

import attrs
import pytest
import structlog
import trio

from badge import texts
from badge.choice import choose_asr, choose_tts, model_folder
from badge.components import Component
from badge.config.settings import Settings
from badge.fallback import LONGEST_REST, FallbackAsr, FallbackTts, Rest
from badge.recording.recorder import session_settings
from badge.recording.streams import describe_error
from badge.replay.playback import error_of
from providers.asr.funasr import FunasrAsr
from providers.asr.openai import OpenAiAsr
from providers.asr.vosk import VoskAsr
from providers.ports import ProviderError
from providers.scripted import Hearing, ScriptedAsr, ScriptedTts
from tests.house import Guest, House, changed
from tests.providers.speech import MODELS, hear, running, say

BROKEN = ProviderError("remote", "the connection failed.", retryable=True, pause=0.25)
REFUSED = ProviderError("remote", "the server refuses the API key (HTTP 401).")
TURN = ["stt", "tts start", "llm", "tts sentence_start", "audio", "tts stop"]


def asr_of(*remote: Hearing | str, local: Iterable[str] = ("the local one",), seconds: float = 2.0) -> tuple[Any, ...]:
    first, second = ScriptedAsr(remote), ScriptedAsr(local)
    return FallbackAsr("asr", first, second, seconds=seconds), first, second


async def heard(guest: Guest, count: int) -> tuple[str, float]:
    """What was understood of the next utterance, and how long that took."""
    await guest.speak()
    begun = trio.current_time()
    text = (await guest.until("stt", count=count))["text"]
    took = trio.current_time() - begun
    await guest.until("tts", "stop", count=count)
    return text, took


# --- hearing -----------------------------------------------------------------------------------------------------------


@pytest.mark.req("DG-2", "B-116")
@pytest.mark.parametrize("error", [BROKEN, REFUSED])
async def test_the_same_sound_goes_to_the_local_recogniser(
    error: ProviderError, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """At once, whatever the error; and the next utterance does not wait for the dead one either."""
    asr, remote, local = asr_of(Hearing(error=error), "the remote one")
    house = House(nursery, asr=asr)
    guest = await house.enter()
    text, took = await heard(guest, 1)
    assert text == "the local one"
    assert took < 0.1
    assert local.heard == remote.heard


@pytest.mark.req("DG-2", "AV-15")
async def test_a_silent_server_costs_a_bounded_wait_once(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    asr, remote, _ = asr_of(Hearing(delay=1000.0))
    guest = await House(nursery, asr=asr).enter()
    assert await heard(guest, 1) == ("the local one", pytest.approx(2.0, abs=0.1))
    asr._rest._until = trio.current_time() + 5  # as after some failures more
    assert await heard(guest, 2) == ("the local one", pytest.approx(0.0, abs=0.1))
    assert len(remote.heard) == 1


class Stuck(ScriptedAsr):
    """Takes no audio."""

    @asynccontextmanager
    async def recognise(self) -> Any:
        async with super().recognise() as recognition:
            recognition.feed = _never  # type: ignore[method-assign]
            yield recognition


async def _never(_: bytes) -> str:
    await trio.sleep_forever()
    raise AssertionError


@pytest.mark.req("DG-2", "AV-15")
async def test_a_server_that_takes_no_audio_costs_a_bounded_wait_too(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    asr = FallbackAsr("asr", Stuck(), ScriptedAsr(["the local one"]), seconds=1.0)
    guest = await House(nursery, asr=asr, settings=changed(asr={"attempts": 2})).enter()
    assert (await heard(guest, 1))[0] == "the local one"


@pytest.mark.req("DG-2", "DG-3")
async def test_who_worked_in_between_rests_no_longer_than_at_first(autojump_clock: trio.testing.MockClock) -> None:
    asr, _, local = asr_of(Hearing(error=BROKEN), "one", Hearing(error=BROKEN), "two")
    remote, stand_in = Voice(), Voice()
    tts = FallbackTts("tts", remote, stand_in, seconds=2.0)
    async with running(asr, tts):
        await trio.sleep(0.1)
        for words in ("one", "two"):
            remote._breaks = 1
            await say(tts, "broken")
            with pytest.raises(ProviderError):
                await hear(asr, bytes(3200))
            await trio.sleep(1.1)
            assert await hear(asr, bytes(3200)) == words
            await say(tts, words)
    assert local.heard == []
    assert remote.texts == ["broken", "one", "broken", "two"]
    assert stand_in.texts == ["broken", "broken"]


@pytest.mark.req("DG-2")
async def test_it_comes_back_after_its_rest(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    asr, _, _ = asr_of(Hearing(error=BROKEN), "the remote one")
    guest = await House(nursery, asr=asr).enter()
    assert (await heard(guest, 1))[0] == "the local one"
    await trio.sleep(2)
    assert (await heard(guest, 2))[0] == "the remote one"


@pytest.mark.req("B-116", "DG-2")
async def test_without_a_local_one_it_is_asked_three_times_with_growing_pauses(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    other = ProviderError("remote", "the server sent something that is no result.", retryable=True, pause=0.25)
    remote = ScriptedAsr([Hearing(error=BROKEN), Hearing(error=other), "at last"])
    guest = await House(nursery, asr=remote).enter()
    assert await heard(guest, 1) == ("at last", pytest.approx(0.75, abs=0.1))
    assert len(set(remote.heard)) == 1


@pytest.mark.req("DG-2", "DG-5")
async def test_a_server_that_asks_for_a_long_pause_is_not_waited_for(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """The user is asked to say it again instead."""
    limited = ProviderError("remote", "the server limits the rate.", retryable=True, pause=30.0)
    remote = ScriptedAsr([Hearing(error=limited)])
    guest = await House(nursery, asr=remote).enter()
    await guest.speak()
    begun = trio.current_time()
    await guest.until("tts", "sentence_start")
    assert trio.current_time() - begun < 1
    assert len(remote.heard) == 1


async def test_who_gives_up_is_no_failure(autojump_clock: trio.testing.MockClock) -> None:
    asr, remote, _ = asr_of(Hearing(text="the remote one", delay=1.0))
    async with running(asr):
        await trio.sleep(0.1)
        with trio.move_on_after(0.5):
            await hear(asr, bytes(3200))
        assert await hear(asr, bytes(3200)) == "the remote one"
    assert len(remote.heard) == 2


async def test_while_the_local_one_loads_errors_stay_as_they_are(autojump_clock: trio.testing.MockClock) -> None:
    slow = FallbackAsr("asr", ScriptedAsr([Hearing(error=REFUSED)]), ScriptedAsr(["x"], load=5.0), seconds=2.0)
    async with running(slow):
        errors = []
        for _ in range(2):
            try:
                await hear(slow, bytes(3200))
            except ProviderError as error:
                errors.append(error)
        assert [error.retryable for error in errors] == [False, False]
        await trio.sleep(6)
        with suppress(ProviderError):  # its rest is over: it has one more chance
            await hear(slow, bytes(3200))
        assert await hear(slow, bytes(3200)) == "x"


def test_rests_grow_and_end(autojump_clock: trio.testing.MockClock) -> None:
    async def check() -> None:
        rest = Rest()
        assert [rest.failed(BROKEN) for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, LONGEST_REST]
        assert not rest.over
        await trio.sleep(60)
        assert rest.over
        rest.worked()
        assert rest.failed(ProviderError("x", "y", pause=20.0)) == 20

    trio.run(check, clock=autojump_clock)


# --- speaking ----------------------------------------------------------------------------------------------------------


class Voice(ScriptedTts):
    """Breaks, before or after some sound, as often as it is told to."""

    def __init__(self, *, breaks: int = 0, after: int = 0, silent: bool = False) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._breaks, self._after, self._silent = breaks, after, silent

    @asynccontextmanager
    async def speak(self, text: str) -> Any:
        self.texts.append(text)
        send, receive = trio.open_memory_channel[bytes](10)
        if self._silent:
            yield receive
            return
        broken = self._breaks > 0
        self._breaks -= 1
        for _ in range(self._after if broken else 3):
            send.send_nowait(bytes(4800))
        send.close()
        yield receive
        if broken:
            raise BROKEN


@pytest.mark.req("DG-3")
@pytest.mark.parametrize("after", [0, 2])
async def test_a_sentence_on_which_the_voice_breaks_is_spoken_by_the_local_one(
    after: int, autojump_clock: trio.testing.MockClock
) -> None:
    """From its start: nothing of it is lost."""
    remote, local = Voice(breaks=1, after=after), Voice()
    tts = FallbackTts("tts", remote, local, seconds=2.0)
    async with running(tts):
        await trio.sleep(0.1)
        assert len(await say(tts, "one")) == (after + 3) * 4800
        assert len(await say(tts, "two")) == 3 * 4800
        await trio.sleep(2)
        await say(tts, "three")
    assert (remote.texts, local.texts) == (["one", "three"], ["one", "two"])


@pytest.mark.req("DG-3", "AV-15")
async def test_a_silent_voice_costs_a_bounded_wait_once(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    remote, local = Voice(silent=True), Voice()
    guest = await House(nursery, tts=FallbackTts("tts", remote, local, seconds=2.0)).enter()
    for count in (1, 2):
        await guest.speak()
        begun = trio.current_time()
        await guest.until("tts", "stop", count=count)
        assert trio.current_time() - begun < 3.5
    assert guest.of("tts", "sentence_start")
    assert guest.audio
    assert len(local.texts) == 2


@pytest.mark.req("DG-3")
async def test_a_sentence_waits_for_a_local_voice_that_still_loads(autojump_clock: trio.testing.MockClock) -> None:
    remote, local = Voice(breaks=1), ScriptedTts(load=3.0)
    tts = FallbackTts("tts", remote, local, seconds=2.0)
    async with running(tts):
        assert await say(tts, "one")
        assert trio.current_time() >= 3
    assert local.spoken == ["one"]


@pytest.mark.req("DG-3")
async def test_without_a_local_voice_the_error_is_that_of_the_remote_one(
    autojump_clock: trio.testing.MockClock,
) -> None:
    gone = ScriptedTts(broken=ProviderError("espeak", "is not installed."))
    tts = FallbackTts("tts", Voice(breaks=2), gone, seconds=2.0)
    async with running(tts):
        for _ in range(2):
            with pytest.raises(ProviderError, match="connection failed"):
                await say(tts, "one")


async def test_a_slow_listener_is_no_slow_voice(autojump_clock: trio.testing.MockClock) -> None:
    remote, local = Voice(), Voice()
    tts = FallbackTts("tts", remote, local, seconds=2.0)
    async with running(tts), tts.speak("one") as audio:
        async for _ in audio:
            await trio.sleep(5)
    assert (remote.texts, local.texts) == (["one"], [])


@pytest.mark.req("DG-3")
async def test_when_both_voices_fail_the_answer_is_text(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    tts = FallbackTts("tts", Voice(breaks=99), Voice(breaks=99), seconds=2.0)
    guest = await House(nursery, tts=tts).enter()
    await guest.speak()
    assert (await guest.until("tts", "sentence_start"))["text"] == "It is half past nine."
    await guest.until("tts", "stop")
    assert not guest.audio


# --- what is chosen, told and kept -------------------------------------------------------------------------------------


def test_what_steps_in() -> None:
    """In Mandarin nothing does without a model: an English recogniser would hear words that nobody said."""
    base = changed(models={"folder": str(MODELS / "none")})

    def chosen(**asr: Any) -> Any:
        return choose_asr(attrs.evolve(base, asr=attrs.evolve(base.asr, **asr)), model_folder(base), {})

    english = chosen(use="openai")
    assert isinstance(english.candidates[0], FallbackAsr)
    assert english.candidates[0].name.endswith("else pocketsphinx (English)")
    mandarin = chosen(use="funasr", language="zh")
    assert [type(candidate) for candidate in mandarin.candidates] == [FunasrAsr]
    assert "nothing beside" in mandarin.why
    vosk = attrs.evolve(base.asr.vosk, model=str(MODELS / "vosk-tiny-zh"))
    both = chosen(use="openai", language="zh", vosk=vosk)
    assert isinstance(both.candidates[1], VoskAsr)
    assert not isinstance(chosen().candidates[0], FallbackAsr | OpenAiAsr)
    tts = choose_tts(attrs.evolve(base, tts=attrs.evolve(base.tts, use="openai")), model_folder(base), {})
    assert isinstance(tts.candidates[0], FallbackTts)
    assert "espeak" in tts.why


async def test_a_remote_one_that_cannot_start_leaves_its_place(nursery: trio.Nursery) -> None:
    """Without a key there is no remote speech, and the server serves."""
    base = changed(models={"folder": str(MODELS / "none")}, tts={"use": "openai"})
    component = Component("tts", choose_tts(base, model_folder(base), {}).candidates)
    with structlog.testing.capture_logs() as logs:
        nursery.start_soon(component.run)
        assert (await component.ready()).name == "espeak-ng"
    assert "OPENAI_API_KEY" in str(logs)


def test_no_key_and_no_address_is_recorded() -> None:
    settings = changed(
        asr={"funasr": attrs.evolve(Settings().asr.funasr, url="ws://s-e-c-r-e-t", api_key_file="k-e-y")}
    )
    settings = attrs.evolve(
        settings, tts=attrs.evolve(settings.tts, openai=attrs.evolve(settings.tts.openai, base_url="http://h-o-s-t"))
    )
    kept = repr(session_settings(settings))
    assert not [word for word in ("s-e-c-r-e-t", "k-e-y", "h-o-s-t") if word in kept]


@pytest.mark.req("DG-4")
def test_that_the_network_is_down_is_told_to_people_and_kept_in_recordings() -> None:
    assert texts.NETWORK_DOWN["zh"] == "网络连接中断，请检查网络设置"
    error = ProviderError("llm", "no route", retryable=True, pause=0.25, unreachable=True)
    again = error_of(describe_error(error))
    assert isinstance(again, ProviderError)
    assert (again.unreachable, again.pause, again.retryable) == (True, 0.25, True)
    assert "unreachable" not in describe_error(REFUSED)

"""What every synthesiser must do, held against all of them: the same cases, with real processes, here or behind a server."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator

import pytest
import trio

from providers.pcm import rms, seconds
from providers.ports import MOUTH_RATE, ProviderError, Tts
from providers.process import WorkerProcess
from providers.tts.espeak import EspeakSettings, EspeakTts
from providers.tts.openai import OpenAiTts, OpenAiTtsSettings
from providers.tts.piper import PiperSettings, PiperTts
from providers.tts.spoken import SpeakingProcess
from tests.providers.openai_server import openai_server
from tests.providers.speech import MODELS, alive, running, say
from tests.providers.speech_server import speaks

VOICES = MODELS / "piper-tiny"
SENTENCES = {"en": "What is the weather like tomorrow?", "zh": "今天天气怎么样？"}
LONG = "This is one of very many sentences, and each of them says the same. " * 60


def make(kind: str) -> SpeakingProcess:
    if kind == "espeak":
        return EspeakTts(EspeakSettings())
    settings = PiperSettings(en=str(VOICES / "en_US-toy-x_low.onnx"), zh=str(VOICES / "zh_CN-toy-x_low.onnx"))
    return PiperTts(settings)


@pytest.fixture(params=["espeak", "piper", "openai"])
async def tts(request: pytest.FixtureRequest) -> AsyncIterator[Tts]:
    """Behind the server espeak speaks."""
    provider = make("espeak" if request.param == "openai" else request.param)
    async with running(provider):
        if request.param != "openai":
            yield provider
            return
        async with openai_server() as server:
            server.plan(speaks(provider))
            remote = OpenAiTts(OpenAiTtsSettings(base_url=server.base_url), {})
            async with running(remote):
                yield remote


def pid_of(tts: Tts) -> int | None:
    """The process that speaks; None when it is somebody else's."""
    return tts.pid if isinstance(tts, WorkerProcess) else None


def soon(tts: Tts, seconds: float) -> float:
    """A short time, longer when the server works in this very thread, too."""
    return seconds if isinstance(tts, WorkerProcess) else seconds + 0.2


def same_length(a: bytes, b: bytes) -> bool:
    """Within 30 ms: espeak puts a little chance into its timing."""
    return abs(seconds(a, MOUTH_RATE) - seconds(b, MOUTH_RATE)) < 0.03


def test_they_are_synthesisers() -> None:
    synthesisers: list[Tts] = [make("espeak"), make("piper")]
    assert [tts.encoding for tts in synthesisers] == ["pcm", "pcm"]
    assert [tts.name for tts in synthesisers] == ["espeak-ng", "piper (en_US-toy-x_low, zh_CN-toy-x_low)"]


@pytest.mark.parametrize("text", SENTENCES.values())
async def test_a_sentence_comes_as_small_pieces_of_sound(tts: Tts, text: str) -> None:
    async with tts.speak(text) as audio:
        chunks = [chunk async for chunk in audio]
    assert all(chunk and len(chunk) % 2 == 0 for chunk in chunks)
    assert max(seconds(chunk, MOUTH_RATE) for chunk in chunks) <= 0.2
    sound = b"".join(chunks)
    assert 1 < seconds(sound, MOUTH_RATE) < 8
    assert rms(sound) > 0.02


@pytest.mark.parametrize("text", ["", " ", "...", "\0", "\n\t\r ", "。", "\ud800"])
async def test_nothing_to_say_gives_no_audio(tts: Tts, text: str) -> None:
    with trio.fail_after(2):
        assert await say(tts, text) == b""


@pytest.mark.parametrize(
    "text",
    [
        "before\0after",
        "half a \ud83d character \udc4d",
        "smile 😀👍🏽👨‍👩‍👧 and \u202eturn\u202c around\ufeff",
        "[[h@'loU]] <speak>&amp;</speak> $x=1; rm -rf / %s %n {0}",
        "Привет, مرحبا, ありがとう, नमस्ते, 한국어",
        "𠀀𪛖 你好\0世界 3.14159265358979 １２３",
        "a" * 2000,
        "9" * 1000,
        "!" * 5000,
        "你" * 700,
        "\x07\x1b[31mred\x1b[0m\u2028next\u0085line",
    ],
)
async def test_odd_texts_harm_nothing(tts: Tts, text: str) -> None:
    reference = await say(tts, SENTENCES["en"])
    pid = pid_of(tts)
    with trio.fail_after(20):
        await say(tts, text)
    assert same_length(await say(tts, SENTENCES["en"]), reference)
    assert pid_of(tts) == pid


async def test_a_control_character_does_not_swallow_the_rest(tts: Tts) -> None:
    assert len(await say(tts, "before\0after")) > 1.3 * len(await say(tts, "before"))


async def test_a_very_long_text_begins_at_once_and_is_spoken_whole(tts: Tts) -> None:
    one = await say(tts, LONG[: len(LONG) // 60])
    begun = trio.current_time()
    async with tts.speak(LONG) as audio:
        heard = len(await audio.receive())
        assert trio.current_time() - begun < soon(tts, 0.5)
        async for chunk in audio:
            heard += len(chunk)
    assert heard > 60 * 0.8 * len(one)


async def test_leaving_takes_milliseconds_and_the_next_sentence_is_perfect(tts: Tts) -> None:
    reference = await say(tts, SENTENCES["en"])
    for _ in range(10):
        async with tts.speak(LONG) as audio:
            await audio.receive()
            begun = trio.current_time()
        assert trio.current_time() - begun < soon(tts, 0.02)
        begun = trio.current_time()
        assert same_length(await say(tts, SENTENCES["en"]), reference)
        assert trio.current_time() - begun < soon(tts, 0.5)


async def test_cancelled_at_any_moment_the_next_sentence_is_perfect(tts: Tts) -> None:
    reference = await say(tts, SENTENCES["en"])
    for attempt in range(40):
        begun = trio.current_time()
        with trio.move_on_after(attempt * 0.0005):
            await say(tts, LONG)
        assert trio.current_time() - begun < attempt * 0.0005 + soon(tts, 0.02)
        assert same_length(await say(tts, SENTENCES["en"]), reference)


async def test_two_speak_at_once_and_both_are_whole(tts: Tts) -> None:
    alone = {text: await say(tts, text) for text in SENTENCES.values()}
    together: dict[str, bytes] = {}

    async def speak(text: str) -> None:
        together[text] = await say(tts, text)

    async with trio.open_nursery() as nursery:
        for text in SENTENCES.values():
            nursery.start_soon(speak, text)
    assert all(same_length(together[text], alone[text]) for text in alone)


@pytest.mark.req("DG-6")
async def test_a_listener_who_stands_still_holds_up_nobody(tts: Tts) -> None:
    async with tts.speak(LONG) as slow:
        await slow.receive()
        with trio.fail_after(2):
            for _ in range(5):
                assert await say(tts, SENTENCES["en"])
        assert await slow.receive()


@pytest.mark.req("DG-3")
async def test_killed_while_it_speaks_it_fails_the_sentence_and_speaks_again(tts: Tts) -> None:
    reference = await say(tts, SENTENCES["en"])
    pid = pid_of(tts)
    if not pid:
        pytest.skip("there is no process to kill")
    with pytest.raises(ProviderError, match="was killed by SIGKILL") as caught:  # noqa: PT012 - raised on leaving
        async with tts.speak(LONG) as audio:
            await audio.receive()
            os.kill(pid, signal.SIGKILL)
            async for _ in audio:
                await trio.sleep(0.01)  # the rest would else be there before the signal
    assert caught.value.retryable
    assert same_length(await say(tts, SENTENCES["en"]), reference)
    assert not alive(pid)


async def test_nothing_is_left_behind(tts: Tts) -> None:
    if not isinstance(tts, WorkerProcess):
        pytest.skip("there is no process to leave behind")
    other = make("espeak" if isinstance(tts, EspeakTts) else "piper")
    async with running(other):
        pid = other.pid
        assert pid
        assert alive(pid)
    assert not alive(pid)

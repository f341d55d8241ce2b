"""Hearing and speaking over the OpenAI speech APIs against a real HTTP server: what is asked, what comes, how it breaks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
import structlog
import trio

from providers.asr.openai import OpenAiAsr, OpenAiAsrSettings
from providers.asr.openai_answer import text_of
from providers.audiofile import wav_bytes
from providers.openai_failures import PAUSE, by_status
from providers.pcm import rms, seconds
from providers.ports import EAR_RATE, MOUTH_RATE, ProviderError, single_error
from providers.scripted import tone
from providers.tts.espeak import EspeakSettings, EspeakTts
from providers.tts.openai import OpenAiTts, OpenAiTtsSettings
from tests.providers.openai_server import Exchange, OpenAiServer, Reply, openai_server, refuses
from tests.providers.speech import hear, refusal, running, say
from tests.providers.speech_server import (
    answers,
    breaks,
    breaks_in_the_middle,
    coded,
    endless,
    never,
    speaks,
    stops_in_the_middle,
    upload,
)

KEY = "sk-secret-0123456789"
SOUND = tone(1.0, EAR_RATE)


@pytest.fixture
async def server() -> AsyncIterator[OpenAiServer]:
    async with openai_server() as started:
        yield started


@asynccontextmanager
async def asr(server: OpenAiServer, **settings: Any) -> AsyncIterator[OpenAiAsr]:
    provider = OpenAiAsr(OpenAiAsrSettings(base_url=server.base_url, **settings), "en", {"OPENAI_API_KEY": KEY})
    async with running(provider):
        yield provider


@asynccontextmanager
async def tts(server: OpenAiServer, **settings: Any) -> AsyncIterator[OpenAiTts]:
    provider = OpenAiTts(OpenAiTtsSettings(base_url=server.base_url, **settings), {"OPENAI_API_KEY": KEY})
    async with running(provider):
        yield provider


async def words(server: OpenAiServer, *replies: Reply, **settings: Any) -> str:
    server.plan(*replies)
    with single_error():
        async with asr(server, **settings) as provider:
            with trio.fail_after(10):
                return await hear(provider, SOUND)
    raise AssertionError


async def sound(server: OpenAiServer, *replies: Reply, **settings: Any) -> bytes:
    server.plan(*replies)
    with single_error():
        async with tts(server, **settings) as provider:
            with trio.fail_after(10):
                return await say(provider, "Good morning.")
    raise AssertionError


GOOD = answers(b'{"text": "good morning"}')


# --- hearing -----------------------------------------------------------------------------------------------------------


async def test_what_is_uploaded(server: OpenAiServer) -> None:
    """The whole utterance as a sound file, its model and language; a prompt when there is one."""
    assert await words(server, GOOD, model="whisper-1", prompt="Badge") == "good morning"
    form = upload(server.exchanges[0])
    assert server.exchanges[0].path == "/v1/audio/transcriptions"
    assert server.exchanges[0].headers["authorization"] == f"Bearer {KEY}"
    assert form.fields == {"model": "whisper-1", "language": "en", "prompt": "Badge", "response_format": "json"}
    assert (form.name, form.kind) == ("speech.wav", "audio/wav")
    assert await form.pcm() == SOUND


async def test_a_small_upload(server: OpenAiServer) -> None:
    """The same sound as Opus, a tenth of the size and as long."""
    assert await words(server, GOOD, format="ogg") == "good morning"
    form = upload(server.exchanges[0])
    assert (form.name, form.kind) == ("speech.ogg", "audio/ogg")
    assert len(form.sound) < len(SOUND) / 5
    pcm = await form.pcm()
    assert seconds(pcm, EAR_RATE) == pytest.approx(1.0, abs=0.001)
    assert rms(pcm) == pytest.approx(rms(SOUND), rel=0.2)


async def test_too_much_sound_is_refused_before_it_is_sent(server: OpenAiServer) -> None:
    server.plan(GOOD)
    async with asr(server, longest_mb=0.1) as provider:
        with pytest.raises(ProviderError, match="more than") as caught:
            await hear(provider, SOUND * 4)
    assert "ogg" in caught.value.remedy
    assert not server.exchanges


async def test_an_utterance_of_which_a_part_is_lost_is_not_sent(server: OpenAiServer) -> None:
    async with asr(server) as provider, provider.recognise() as recognition:
        with trio.CancelScope() as scope:
            scope.cancel()
            await recognition.feed(SOUND)
        with pytest.raises(ProviderError, match="given up in the middle") as caught:
            await recognition.finish()
    assert caught.value.retryable
    assert not server.exchanges


@pytest.mark.parametrize("stream", [False, True])
async def test_whoever_gives_up_closes_the_request_at_once(server: OpenAiServer, stream: bool) -> None:
    """Whether anything of the answer has come or not."""

    async def reply(exchange: Exchange) -> None:
        if stream:
            await exchange.head()
            await exchange.event({"type": "transcript.text.delta", "delta": "he"})
        await trio.sleep_forever()

    server.plan(reply)
    async with asr(server, stream=stream) as provider:
        with trio.move_on_after(0.3):
            await hear(provider, SOUND)
        with trio.fail_after(5):
            await server.asked.wait()
            await server.exchanges[0].gone.wait()


@pytest.mark.req("AR-2", "AR-4")
@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (b'{"text": " hello "}', "application/json", "hello"),
        (b'{"text": ""}', "application/json", ""),
        (b"ready\n", "text/plain; charset=utf-8", "ready"),
        ('{"text": "今天 天气"}'.encode(), "application/json", "今天天气"),
        (
            b'data: {"type":"transcript.text.delta","delta":"he"}\n\ndata: {"type":"transcript.text.delta","delta":"y"}'
            b'\n\ndata: {"type":"transcript.text.done","text":"hey!"}\n\n',
            "text/event-stream",
            "hey!",
        ),
        (b'data: {"type":"transcript.text.delta","delta":"he"}\n\ndata: [DONE]\n\n', "text/event-stream", "he"),
    ],
)
async def test_answers(server: OpenAiServer, answer: bytes, kind: str, text: str) -> None:
    assert await words(server, answers(answer, kind), stream="event" in kind) == text


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"<html>", "application/json"),
        (b"[]", "application/json"),
        (b'{"text": 5}', "application/json"),
        (b'{"words": "x"}', "application/json"),
        (b"[" * 100_000, "application/json"),
        (b"\xff\xfe", "text/plain"),
        (b'data: {"type":"transcript.text.delta","delta":"he"}\n\n', "text/event-stream"),
        (b'data: {"type":"error"}\n\n', "text/event-stream"),
    ],
)
async def test_what_is_no_answer(server: OpenAiServer, answer: bytes, kind: str) -> None:
    with pytest.raises(ProviderError, match="no answer") as caught:
        await words(server, answers(answer, kind))
    assert caught.value.retryable
    with pytest.raises((ValueError, TypeError, LookupError, AttributeError, RecursionError)):
        text_of(answer, kind)


@pytest.mark.req("DG-5", "B-116")
async def test_a_failure_is_repeated_at_once_where_that_helps(server: OpenAiServer) -> None:
    assert await words(server, refuses(429, headers={"retry-after": "0.3"}), GOOD) == "good morning"
    assert await words(server, breaks, GOOD) == "good morning"
    assert await words(server, refuses(500), GOOD) == "good morning"
    assert len(server.exchanges) == 6


@pytest.mark.req("DG-5")
@pytest.mark.parametrize("asked", ["inf", "-inf", "nan", "-3", "0", "soon", "", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_pause_that_is_none_is_the_usual_one(asked: str) -> None:
    assert by_status("x", 429, {"retry-after": asked}, "key").error.pause == PAUSE


@pytest.mark.req("DG-5")
async def test_a_limit_that_lasts_is_told_and_not_waited_for(server: OpenAiServer) -> None:
    begun = trio.current_time()
    with pytest.raises(ProviderError, match="HTTP 429") as caught:
        await words(server, refuses(429, headers={"retry-after": "30"}))
    assert trio.current_time() - begun < 3
    assert (caught.value.retryable, caught.value.pause) == (True, 30)
    assert len(server.exchanges) == 1


@pytest.mark.parametrize(("status", "retryable"), [(400, False), (401, False), (404, False), (413, False), (500, True)])
async def test_refusals(server: OpenAiServer, status: int, retryable: bool) -> None:
    """What the server says may repeat the words of the user or the key: it goes nowhere."""
    with structlog.testing.capture_logs() as logs, pytest.raises(ProviderError, match=f"HTTP {status}") as caught:
        await words(server, refuses(status, f"{KEY} is bad, you said pharaoh"))
    assert caught.value.retryable is retryable
    assert KEY not in f"{caught.value}{logs}"
    assert "pharaoh" not in f"{caught.value}{logs}"


async def _refuses_without_end(exchange: Exchange) -> None:
    """A reason that never ends."""
    await exchange.head(429, {"content-type": "application/json", "retry-after": "30"})
    await exchange.data('{"error": ')
    await trio.sleep_forever()


@pytest.mark.req("DG-5")
async def test_a_refusal_is_known_before_its_reason_is_told(server: OpenAiServer) -> None:
    """Which nobody reads: it may be endless."""
    for ask in (words, sound):
        with trio.fail_after(5), pytest.raises(ProviderError, match="HTTP 429") as caught:
            await ask(server, _refuses_without_end)
        assert caught.value.pause == 30


@pytest.mark.req("DG-4")
async def test_nobody_listens_there() -> None:
    async with openai_server() as server:
        pass
    with pytest.raises(ProviderError, match="connection failed") as caught:
        await words(server, GOOD)
    assert (caught.value.retryable, caught.value.unreachable) == (True, True)
    with pytest.raises(ProviderError, match="connection failed") as caught:
        await sound(server, GOOD)
    assert caught.value.unreachable


async def test_endless_answers_are_left(server: OpenAiServer) -> None:
    with pytest.raises(ProviderError, match="no answer"):
        await words(server, endless, retry=False)
    with pytest.raises(ProviderError, match="no answer"):
        await sound(server, endless)


async def test_it_says_what_is_missing() -> None:
    for provider in (OpenAiAsr(OpenAiAsrSettings(), "en", {}), OpenAiTts(OpenAiTtsSettings(), {})):
        assert "OPENAI_API_KEY" in (await refusal(provider)).remedy


# --- speaking ----------------------------------------------------------------------------------------------------------


async def test_what_is_asked_for(server: OpenAiServer) -> None:
    """Model, text, format, and the voice of the language."""
    server.plan(answers(b"\x01\x10" * 2400, "audio/pcm"))
    async with tts(server, model="tts-1", english="nova", mandarin="shimmer", speed=1.5) as provider:
        await say(provider, "Hello.")
        await say(provider, "你好。")
    english, mandarin = (exchange.body for exchange in server.exchanges)
    assert english == {"model": "tts-1", "input": "Hello.", "voice": "nova", "response_format": "pcm", "speed": 1.5}
    assert (mandarin["voice"], mandarin["input"]) == ("shimmer", "你好。")
    assert server.exchanges[0].path == "/v1/audio/speech"
    assert server.connections == 1  # kept warm


async def test_sound_is_heard_before_the_server_has_made_all_of_it(server: OpenAiServer) -> None:
    """Odd pieces are no obstacle: only whole samples are handed on."""
    half = trio.Event()
    pcm = tone(0.5, MOUTH_RATE)

    async def reply(exchange: Exchange) -> None:
        await exchange.head(200, {"content-type": "audio/pcm"})
        await exchange.data(pcm[:5001])
        await half.wait()
        await exchange.data(pcm[5001:])
        await exchange.end()

    server.plan(reply)
    async with tts(server) as provider, provider.speak("Good morning.") as audio:
        with trio.fail_after(5):
            first = await audio.receive()
            assert first == pcm[:5000]
            half.set()
            assert first + b"".join([chunk async for chunk in audio]) == pcm


@pytest.mark.parametrize("form", ["wav", "opus", "mp3", "flac"])
async def test_servers_without_pcm(server: OpenAiServer, form: str) -> None:
    espeak = EspeakTts(EspeakSettings())
    async with running(espeak):
        pcm = await sound(server, speaks(espeak), format=form)
        plain = await sound(server, speaks(espeak))
    assert seconds(pcm, MOUTH_RATE) == pytest.approx(seconds(plain, MOUTH_RATE), abs=0.15)
    assert rms(pcm) == pytest.approx(rms(plain), rel=0.2)


async def test_pcm_of_another_rate(server: OpenAiServer) -> None:
    pcm = await sound(server, answers(tone(0.5, 16_000), "audio/pcm"), pcm_rate=16_000)
    assert seconds(pcm, MOUTH_RATE) == pytest.approx(0.5, abs=0.001)


@pytest.mark.parametrize("kind", ["audio/pcm", "audio/wave", "application/octet-stream", ""])
async def test_a_file_in_place_of_pcm_is_known_by_how_it_begins(server: OpenAiServer, kind: str) -> None:
    """Its head is no sound, and its rate may be another."""
    file = wav_bytes(tone(0.5, 16_000), 16_000)

    async def reply(exchange: Exchange) -> None:
        await exchange.head(200, {"content-type": kind})
        for piece in (file[:1], file[1:3], file[3:]):
            await exchange.data(piece)
        await exchange.end()

    pcm = await sound(server, reply)
    assert seconds(pcm, MOUTH_RATE) == pytest.approx(0.5, abs=0.01)
    assert rms(pcm[:960]) > 0.01
    assert max(map(abs, np.frombuffer(pcm, "<i2"))) < 2 * max(map(abs, np.frombuffer(file[44:], "<i2")))


async def test_a_small_file_with_hours_of_silence_is_left(server: OpenAiServer) -> None:
    file = coded(bytes(2 * MOUTH_RATE * 400), "flac")
    assert len(file) < 1_000_000
    with pytest.raises(ProviderError, match="no answer"):
        await sound(server, answers(file, "audio/flac"), format="flac")


@pytest.mark.parametrize(
    "reply",
    [
        answers(b'{"error": "no"}'),
        answers(b'{"error": "no"}', "application/problem+json"),
        answers(b'{"error": "no"}', "application/octet-stream"),
        answers(b"<!doctype html><html>", ""),
        answers(b"<html>", "text/html"),
        answers(b"", "audio/pcm"),
        answers(b"RIFF and no more", "audio/wav"),
    ],
)
async def test_what_is_no_sound(server: OpenAiServer, reply: Reply) -> None:
    with pytest.raises(ProviderError, match=r"no answer|no sound") as caught:
        await sound(server, reply)
    assert caught.value.retryable


@pytest.mark.req("DG-3", "DG-5")
async def test_before_any_sound_it_is_asked_again_and_after_it_not(server: OpenAiServer) -> None:
    good = answers(tone(0.5, MOUTH_RATE), "audio/pcm")
    assert await sound(server, breaks, good) == tone(0.5, MOUTH_RATE)
    assert await sound(server, refuses(429, headers={"retry-after": "0.3"}), good) == tone(0.5, MOUTH_RATE)
    server.exchanges.clear()
    with pytest.raises(ProviderError, match="connection failed") as caught:
        await sound(server, breaks_in_the_middle, good)
    assert caught.value.retryable
    assert len(server.exchanges) == 1


@pytest.mark.parametrize("reply", [never, stops_in_the_middle])
async def test_leaving_a_silent_server_is_quick_and_it_hears_of_it(server: OpenAiServer, reply: Reply) -> None:
    server.plan(reply)
    async with tts(server) as provider:
        with trio.move_on_after(0.3):
            await say(provider, "Good morning.")
        begun = trio.current_time()
        with trio.fail_after(5):
            await server.exchanges[0].gone.wait()
        assert trio.current_time() - begun < 1

"""Remote speech against servers in this process: first sound of a streamed voice and of a whole file, FunASR's figures.

Run: python -m tests.bench.remote
The server speaks as slowly as a busy one: each 0.2 s of sound takes it 40 ms. Every figure stands beside its baseline of
the same run.
"""

from __future__ import annotations

import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil
import trio

from providers.asr.funasr import PIECE, FunasrAsr, FunasrSettings
from providers.asr.openai import OpenAiAsr, OpenAiAsrSettings
from providers.asr.vosk import VoskAsr, VoskSettings
from providers.pcm import seconds
from providers.ports import EAR_RATE, Asr, Tts
from providers.tts.espeak import EspeakSettings, EspeakTts
from providers.tts.openai import OpenAiTts, OpenAiTtsSettings
from tests.providers.funasr_server import funasr_server, recognises
from tests.providers.openai_server import openai_server
from tests.providers.speech import MODELS, running, spoken_by_espeak
from tests.providers.speech_server import serves

ROUNDS = 10
TEXT = "What is the weather like tomorrow, and will it be warm enough for a walk along the river in the evening?"
SLOWNESS = 0.04


class SlowVoice:
    """Espeak, slowed down as a neural voice is."""

    encoding = "pcm"
    name = "slow"

    def __init__(self, voice: Tts) -> None:
        self._voice = voice

    @asynccontextmanager
    async def speak(self, text: str) -> AsyncIterator[trio.MemoryReceiveChannel[bytes]]:
        send, receive = trio.open_memory_channel[bytes](0)

        async def work() -> None:
            with send:
                async with self._voice.speak(text) as audio:
                    async for chunk in audio:
                        await trio.sleep(SLOWNESS)
                        await send.send(chunk)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(work)
            yield receive
            nursery.cancel_scope.cancel()


def show(what: str, values: list[float]) -> None:
    """Median and worst, in ms."""
    print(f"{what:<46} median {statistics.median(values) * 1000:7.1f} ms   worst {max(values) * 1000:7.1f} ms")


async def first_sounds(tts: Tts) -> list[float]:
    """Seconds from the text to its first sound."""
    found = []
    for _ in range(ROUNDS):
        begun = trio.current_time()
        async with tts.speak(TEXT) as audio:
            await audio.receive()
            found.append(trio.current_time() - begun)
    return found


async def finals(asr: Asr, pcm: bytes) -> list[float]:
    """Seconds from the end of an utterance, spoken four times as fast as people do, to its words."""
    found = []
    for _ in range(ROUNDS):
        async with asr.recognise() as recognition:
            for at in range(0, len(pcm), PIECE):
                await recognition.feed(pcm[at : at + PIECE])
                await trio.sleep(0.015)
            begun = trio.current_time()
            await recognition.finish()
            found.append(trio.current_time() - begun)
    return found


async def crowd(asr: Asr, pcm: bytes, size: int) -> list[float]:
    """The same for many at one time; who fails is missing."""
    found: list[float] = []

    async def listen() -> None:
        with trio.move_on_after(10):
            async with asr.recognise() as recognition:
                await recognition.feed(pcm)
                begun = trio.current_time()
                await recognition.finish()
                found.append(trio.current_time() - begun)

    async with trio.open_nursery() as nursery:
        for _ in range(size):
            nursery.start_soon(listen)
    return found


async def main() -> None:
    """Measure and print."""
    (pcm,) = await spoken_by_espeak("what is the weather like tomorrow")
    ear, voice = VoskAsr(VoskSettings(model=str(MODELS / "vosk-tiny-en"))), EspeakTts(EspeakSettings())
    async with running(ear, voice), openai_server() as web, funasr_server() as line:
        web.plan(serves(ear, SlowVoice(voice)))  # type: ignore[arg-type]
        line.manner = recognises(ear)
        there = {"base_url": web.base_url}
        streamed, whole = (OpenAiTts(OpenAiTtsSettings(**there, format=form), {}) for form in ("pcm", "wav"))
        wav, ogg = (OpenAiAsr(OpenAiAsrSettings(**there, format=form), "en", {}) for form in ("wav", "ogg"))
        funasr = FunasrAsr(FunasrSettings(url=line.url), {})
        async with running(streamed, whole, wav, ogg, funasr):
            show("first sound, espeak here (baseline)", await first_sounds(voice))
            show("first sound, remote, streamed pcm", await first_sounds(streamed))
            show("first sound, remote, whole wav", await first_sounds(whole))
            show("words after the end, Vosk here (baseline)", await finals(ear, pcm))
            show("words after the end, FunASR", await finals(funasr, pcm))
            show("words after the end, openai wav", await finals(wav, pcm))
            show("words after the end, openai ogg", await finals(ogg, pcm))
            before = psutil.Process().memory_info().rss
            found = await crowd(funasr, pcm, 50)
            after = psutil.Process().memory_info().rss
            show("FunASR, 50 utterances at once", found)
            print(f"of 50 connections {len(found)} gave words; the sound lasts {seconds(pcm, EAR_RATE):.2f} s")
            print(f"memory with client and server {after / 1e6:.0f} MB, {(after - before) / 1e6:+.1f} MB by the crowd")


if __name__ == "__main__":
    trio.run(main)

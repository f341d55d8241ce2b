"""What tests of speech providers share: running them, speaking, listening."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from providers.pcm import Resampler
from providers.ports import EAR_RATE, MOUTH_RATE, Asr, Provider, ProviderError, Tts

MODELS = Path(__file__).parents[1] / "models"
SHARED = Path(__file__).parents[2].parent / "shared"

PAUSE = bytes(EAR_RATE * 3 // 10 * 2)
"""0.3 s of silence for a recogniser."""


@asynccontextmanager
async def running(*providers: Provider) -> AsyncIterator[None]:
    """Start providers and stop them again."""
    async with trio.open_nursery() as nursery:
        for provider in providers:
            await nursery.start(provider.run)
        yield
        nursery.cancel_scope.cancel()


async def refusal(provider: Provider) -> ProviderError:
    """Why it does not start."""
    errors: list[Exception] = []
    try:
        async with running(provider):
            pass
    except* ProviderError as group:
        errors.extend(group.exceptions)
    (error,) = errors  # one, and bare
    assert isinstance(error, ProviderError)
    return error


async def say(tts: Tts, text: str) -> bytes:
    """All audio of a text."""
    async with tts.speak(text) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def hear(asr: Asr, pcm: bytes, *, step: int = 1920, pause: float = 0.0) -> str:
    """The words of an utterance that comes in pieces of 60 ms, with a pause in s after each."""
    async with asr.recognise() as recognition:
        for at in range(0, len(pcm), step):
            await recognition.feed(pcm[at : at + step])
            if pause:
                await trio.sleep(pause)
        return (await recognition.finish()).text


def for_ear(mouth: bytes) -> bytes:
    """Synthetic speech as a recogniser hears it, with a pause before and after."""
    resampler = Resampler(MOUTH_RATE, EAR_RATE)
    return PAUSE + resampler.feed(mouth) + resampler.flush() + PAUSE


async def spoken_by_espeak(*texts: str, **settings: Any) -> list[bytes]:
    """Texts as audio for a recogniser."""
    from providers.tts.espeak import EspeakSettings, EspeakTts

    tts = EspeakTts(EspeakSettings(**settings))
    async with running(tts):
        return [for_ear(await say(tts, text)) for text in texts]


async def eventually(holds: Callable[[], bool], *, within: float = 5.0) -> None:
    """Wait in real time until something has happened in another process."""
    for _ in range(round(within / 0.01)):
        if holds():
            return
        await trio.sleep(0.01)
    raise AssertionError(f"did not happen within {within:g} s")


def alive(pid: int) -> bool:
    """Whether a process exists and is not a mere zombie."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False

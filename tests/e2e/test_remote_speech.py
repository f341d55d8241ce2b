"""A real server whose ears and voice are remote, behind real sockets; and what happens when they die."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
import trio

from badge.client.device import Introduction, connect
from badge.clock import SystemClock
from badge.commands.check import check
from badge.config.settings import Settings
from providers.asr.vosk import VoskAsr, VoskSettings
from providers.tts.espeak import EspeakSettings, EspeakTts
from tests.e2e.test_real import loudness, real_server, settings, turn
from tests.providers.funasr_server import funasr_server, recognises
from tests.providers.openai_server import openai_server
from tests.providers.speech import MODELS, running, spoken_by_espeak
from tests.providers.speech_server import serves

PHRASE = "what is the weather like tomorrow"
MODEL = str(MODELS / "vosk-tiny-en")


def remote(use: str, **inner: Any) -> Settings:
    """Speech from the servers, with a small model and espeak to step in."""
    base = Settings()
    asr = attrs.evolve(base.asr, use=use, vosk=VoskSettings(model=MODEL))
    asr = attrs.evolve(asr, **{use: attrs.evolve(getattr(asr, use), **inner["asr"])})
    tts = attrs.evolve(base.tts, use="openai", openai=attrs.evolve(base.tts.openai, **inner["tts"]))
    return settings(asr=asr, tts=tts)


@pytest.mark.req("DG-2", "DG-3", "AV-2", "AV-15")
async def test_the_servers_die_in_the_middle_and_this_machine_takes_over() -> None:
    (pcm,) = await spoken_by_espeak(PHRASE)
    ear, voice = VoskAsr(VoskSettings(model=MODEL)), EspeakTts(EspeakSettings())
    async with running(ear, voice), trio.open_nursery() as nursery, openai_server() as web, funasr_server() as line:
        web.plan(serves(ear, voice))
        line.manner = recognises(ear)
        urls = {"asr": {"url": line.url}, "tts": {"base_url": web.base_url}}
        stop = trio.Event()
        results: list[Any] = []

        async def talk() -> None:
            async with real_server(remote("funasr", **urls), {}) as server:
                me = Introduction(device="real", client="real")
                async with connect(f"ws://127.0.0.1:{server.port}/xiaozhi/v1/", me) as badge:
                    results.append(await turn(badge, pcm))
                    stop.set()
                    await trio.sleep(0.2)
                    for _ in range(2):
                        begun = trio.current_time()
                        results.append((*await turn(badge, pcm), trio.current_time() - begun))

        nursery.start_soon(talk)
        await stop.wait()
        asked, spoken = len(line.utterances), len(web.exchanges)
        # both servers are gone, and the ports refuse
    before, *after = results
    assert (asked, spoken > 0) == (1, True)
    assert before[0] == PHRASE
    assert loudness(before[2]) > 0.01
    for understood, answer, packets, took in after:
        assert understood == PHRASE
        assert answer
        assert loudness(packets) > 0.01
        assert took < 15


@pytest.mark.req("AV-2")
async def test_a_turn_over_one_server_for_both() -> None:
    (pcm,) = await spoken_by_espeak(PHRASE)
    ear, voice = VoskAsr(VoskSettings(model=MODEL)), EspeakTts(EspeakSettings())
    async with running(ear, voice), openai_server() as web:
        web.plan(serves(ear, voice))
        both = {"base_url": web.base_url}
        async with real_server(remote("openai", asr={**both, "format": "ogg"}, tts=both), {}) as server:
            me = Introduction(device="real", client="real")
            async with connect(f"ws://127.0.0.1:{server.port}/xiaozhi/v1/", me) as badge:
                understood, answer, packets = await turn(badge, pcm)
    assert understood == PHRASE
    assert answer
    assert loudness(packets) > 0.01
    assert {exchange.path.rpartition("/")[2] for exchange in web.exchanges} == {"transcriptions", "speech"}


@pytest.mark.req("SU-6")
async def test_check_asks_the_servers_something() -> None:
    """And says what is wrong, with what steps in; no key is shown."""
    ear, voice = VoskAsr(VoskSettings(model=MODEL)), EspeakTts(EspeakSettings())
    environment = {"OPENAI_API_KEY": "sk-t0p-secret"}

    async def lines(chosen: Settings) -> list[str]:
        told: list[str] = []
        assert await check(chosen, environment, SystemClock(), told.append) == 0
        assert "t0p-secret" not in "".join(told)
        return [" ".join(line.split()) for line in told]

    def like(lines: list[str], start: str) -> bool:
        return any(line.startswith(start) for line in lines)

    async with running(ear, voice), openai_server() as web, funasr_server() as line:
        web.plan(serves(ear, voice))
        line.manner = recognises(ear)
        chosen = remote("funasr", asr={"url": line.url}, tts={"base_url": web.base_url})
        chosen = attrs.evolve(chosen, llm={"default": attrs.evolve(chosen.llm["default"], use="offline")})
        told = await lines(chosen)
        assert like(told, "ok asr funasr funasr (2pass at 127.0.0.1)")
        assert like(told, "ok tts openai openai (gpt-4o-mini-tts at 127.0.0.1)")
        assert like(told, "ok asr funasr (2pass at 127.0.0.1), else vosk")
        assert {exchange.path for exchange in web.exchanges} == {"/v1/audio/speech"}
    told = await lines(chosen)
    assert like(told, "missing asr funasr funasr (2pass at 127.0.0.1): the connection failed")
    assert like(told, "missing asr funasr (2pass at 127.0.0.1): the connection failed")
    assert like(told, "ok asr vosk")
    assert like(told, "missing tts openai openai (gpt-4o-mini-tts at 127.0.0.1): the connection failed")
    assert like(told, "ok tts openai (gpt-4o-mini-tts at 127.0.0.1), else espeak-ng")  # which spoke

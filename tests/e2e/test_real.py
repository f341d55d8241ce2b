"""Whole turns with real models and real servers: speech in, speech out, nothing scripted."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from badge.app import Running, assemble, choose, serve
from badge.client.device import Badge, Heard, Introduction, connect
from badge.client.talk import Manner
from badge.clock import Ids, SystemClock
from badge.commands.say import Order, say
from badge.config.settings import Settings
from protocol import Framing
from providers.audiofile import read_audio
from providers.opus import Decoder
from providers.pcm import rms
from providers.ports import EAR_RATE, MOUTH_RATE
from tests.e2e.running import local
from tests.providers.openai_server import openai_server
from tests.providers.speech import MODELS, SHARED, spoken_by_espeak

SPEECH = SHARED / "speech"
ENOUGH = 20
"""Frames of an answer that show that it is spoken."""

needs_recordings = pytest.mark.skipif(not SPEECH.exists(), reason="the recordings in ../shared/speech are not here")


def settings(**tables: Any) -> Settings:
    """Default settings with tables replaced, models only from the tests' own folder."""
    base = attrs.evolve(Settings(), models=attrs.evolve(Settings().models, folder=str(MODELS / "none")))
    return local(attrs.evolve(base, **tables))


@asynccontextmanager
async def real_server(chosen: Settings, environment: Mapping[str, str] | None = None) -> AsyncIterator[Running]:
    """The program's own server, with whatever providers the settings choose, loaded."""
    clock = SystemClock()
    server = assemble(chosen, choose(chosen, environment or {}, clock), clock, Ids())
    async with trio.open_nursery() as nursery:
        running: Running = await nursery.start(serve, server)
        for component in server.services.components():
            await component.settled()
            assert component.failure is None
        yield running
        nursery.cancel_scope.cancel()


async def turn(badge: Badge, pcm: bytes, *, mode: str = "manual") -> tuple[str, str, list[bytes]]:
    """Speak; gives what was understood, what was answered, and the audio of the answer, cut short when it is long."""
    await badge.tell(type="listen", state="start", mode=mode)
    await badge.speak(pcm)
    if mode == "manual":
        await badge.tell(type="listen", state="stop")
    understood, answer, packets = "", [], []
    with trio.fail_after(60):
        while True:
            heard: Heard = await badge.inbox.receive()
            match heard.message:
                case None:
                    packets.append(heard.opus or b"")
                    if len(packets) == ENOUGH:
                        await badge.tell(type="abort")
                case {"type": "stt", "text": str(text)}:
                    understood = text
                case {"type": "tts", "state": "sentence_start", "text": str(text)}:
                    answer.append(text)
                case {"type": "tts", "state": "stop"}:
                    return understood, " ".join(answer), packets


def loudness(packets: list[bytes]) -> float:
    decoder = Decoder(MOUTH_RATE)
    return rms(b"".join(decoder.decode(packet) for packet in packets))


async def ask(
    running: Running, pcm: bytes, *, framing: Framing = Framing.V1, mode: str = "manual"
) -> tuple[str, str, list[bytes]]:
    me = Introduction(device="real", client="real", framing=framing)
    async with connect(f"ws://127.0.0.1:{running.port}/xiaozhi/v1/", me) as badge:
        return await turn(badge, pcm, mode=mode)


@needs_recordings
@pytest.mark.parametrize("framing", [Framing.V1, Framing.V2, Framing.V3])
async def test_a_human_voice_on_the_embedded_default(framing: Framing) -> None:
    async with real_server(settings()) as running:
        understood, answer, packets = await ask(
            running, read_audio(SPEECH / "en_goforward.wav", EAR_RATE), framing=framing
        )
    assert understood == "go forward ten meters"
    assert "offline assistant" in answer
    assert loudness(packets) > 0.01


@needs_recordings
async def test_server_side_endpointing_on_a_human_voice() -> None:
    """Auto mode: the neural detector finds the end of speech in real room noise."""
    pcm = read_audio(SPEECH / "en_goforward.wav", EAR_RATE) + bytes(EAR_RATE * 2)
    async with real_server(settings()) as running:
        understood, _, packets = await ask(running, pcm, mode="auto")
    assert understood.startswith("go forward")
    assert packets


@needs_recordings
async def test_a_question_that_the_offline_assistant_knows_in_both_languages() -> None:
    async with real_server(settings()) as running:
        me = Introduction(device="text", client="text")
        async with connect(f"ws://127.0.0.1:{running.port}/", me) as badge:
            for question, part in (("what is twelve times three", "36"), ("三加五等于几", "8")):
                await badge.tell(type="listen", state="detect", text=question)
                sentence = await badge.until("tts", state="sentence_start")
                assert part in sentence["text"] or "八" in sentence["text"]
                await badge.until("tts", state="stop")


@pytest.mark.parametrize(
    ("language", "model", "text", "expected"),
    [
        ("en", "vosk-tiny-en", "what is the weather like tomorrow", "what is the weather like tomorrow"),
        ("zh", "vosk-tiny-zh", "今天天气怎么样", "今天天气怎么样"),
    ],
)
async def test_a_turn_with_vosk(language: str, model: str, text: str, expected: str) -> None:
    (pcm,) = await spoken_by_espeak(text)
    base = Settings().asr
    asr = attrs.evolve(base, use="vosk", language=language, vosk=attrs.evolve(base.vosk, model=str(MODELS / model)))
    async with real_server(settings(asr=asr)) as running:
        understood, answer, packets = await ask(running, pcm)
    assert understood == expected
    assert answer
    assert loudness(packets) > 0.01


async def test_a_turn_with_piper() -> None:
    base = Settings().tts
    voices = attrs.evolve(
        base.piper,
        en=str(MODELS / "piper-tiny" / "en_US-toy-x_low.onnx"),
        zh=str(MODELS / "piper-tiny" / "zh_CN-toy-x_low.onnx"),
    )
    async with real_server(settings(tts=attrs.evolve(base, use="piper", piper=voices))) as running:
        me = Introduction(device="piper", client="piper")
        async with connect(f"ws://127.0.0.1:{running.port}/", me) as badge:
            for text in ("hello", "你好"):
                await badge.tell(type="listen", state="detect", text=text)
                packets: list[bytes] = []
                while True:
                    heard = await badge.inbox.receive()
                    if heard.opus is not None:
                        packets.append(heard.opus)
                    elif heard.message and heard.message.get("state") == "stop":
                        break
                assert loudness(packets) > 0.01


async def test_models_in_the_folder_are_used_by_themselves(tmp_path: Path) -> None:
    """What `python -m badge models` puts there needs no line of configuration."""
    (tmp_path / "vosk").mkdir()
    (tmp_path / "piper").mkdir()
    (tmp_path / "vosk" / "vosk-model-tiny-en-us").symlink_to(MODELS / "vosk-tiny-en")
    for file in (MODELS / "piper-tiny").iterdir():
        (tmp_path / "piper" / file.name).symlink_to(file)
    chosen = settings(models=attrs.evolve(Settings().models, folder=str(tmp_path)))
    choices = choose(chosen, {}, SystemClock())
    assert choices.asr.why == "Vosk, vosk-model-tiny-en-us"
    assert choices.tts.why == "Piper, en_US-toy-x_low, zh_CN-toy-x_low"
    (pcm,) = await spoken_by_espeak("play some music")
    async with real_server(chosen) as running:
        understood, _, packets = await ask(running, pcm)
    assert understood == "play some music"
    assert packets


@pytest.mark.req("CH-4", "DG-1", "CH-25")
async def test_turns_against_a_real_chat_completions_server() -> None:
    """An answer, a refusal, a break in the middle: each ends in a turn that is over, on one session."""
    async with openai_server() as api:
        base = Settings().llm["default"]
        llm = {
            "default": attrs.evolve(
                base, openai=attrs.evolve(base.openai, base_url=api.base_url, model="m", retry=False)
            )
        }
        async with real_server(settings(llm=llm), {"OPENAI_API_KEY": "k"}) as running:
            me = Introduction(device="api", client="api")
            async with connect(f"ws://127.0.0.1:{running.port}/", me) as badge:
                answers = []
                for plan in ("answers", "refuses", "breaks", "answers"):
                    api.plan(PLANS[plan])
                    await badge.tell(type="listen", state="detect", text="how are you")
                    said = []
                    while True:
                        heard = await badge.inbox.receive()
                        if heard.message and heard.message.get("state") == "sentence_start":
                            said.append(heard.message["text"])
                        if heard.message and heard.message.get("state") == "stop":
                            break
                    answers.append(" ".join(said))
    assert answers[0] == answers[3] == "I am fine. And you?"
    assert answers[1].startswith("Sorry, I cannot answer")
    assert answers[2] == "I am"
    roles = [m["role"] for m in api.exchanges[-1].body["messages"]]
    assert roles == ["system", *["user", "assistant"] * 3, "user"]


async def _answers(exchange: Any) -> None:
    await exchange.head()
    await exchange.words("I am ", "fine. ", "And you?")
    await exchange.done()


async def _refuses(exchange: Any) -> None:
    await exchange.plain(500, {"error": {"message": "broken"}})


async def _breaks(exchange: Any) -> None:
    await exchange.head()
    await exchange.words("I am ")
    await exchange.reset()


PLANS = {"answers": _answers, "refuses": _refuses, "breaks": _breaks}


# --- the command ------------------------------------------------------------------------------------------------------------


def manifest() -> dict[str, str]:
    with (SPEECH / "manifest.tsv").open(encoding="utf-8") as file:
        return {row["file"]: row["transcript"] for row in csv.DictReader(file, delimiter="\t")}


@needs_recordings
@pytest.mark.parametrize(
    ("file", "mode", "framing"), [("en_goforward.wav", "manual", 1), ("en_cards_001.wav", "auto", 3)]
)
async def test_say_with_its_own_server(tmp_path: Path, file: str, mode: str, framing: int) -> None:
    lines: list[str] = []
    out = tmp_path / "reply.wav"
    me = Introduction(device="say", client="say", framing=Framing(framing), features={"partials": True, "ledger": True})
    order = Order(files=[SPEECH / file], out=out, manner=Manner(listening=mode), me=me)
    assert await say(order, settings(), {}, lines.append) == 0, lines
    assert f"you       {manifest()[file]}" in lines
    assert any(line.startswith("badge ") for line in lines)
    told = lines[lines.index("stages on the server, up to the first audio frame:") + 1 :]
    stages = [line.split() for line in told if line.startswith("  ")]
    durations = {name: float(ms) for name, ms, _ in stages}
    assert abs(sum(v for k, v in durations.items() if k != "total") - durations["total"]) <= 5
    assert rms(read_audio(out, MOUTH_RATE)) > 0.01


async def test_say_with_text(tmp_path: Path) -> None:
    lines: list[str] = []
    me = Introduction(device="say", client="say", features={"ledger": True})
    assert await say(Order(texts=["what is two plus two"], me=me), settings(), {}, lines.append) == 0, lines
    assert any("4" in line or "four" in line for line in lines if line.startswith("badge "))

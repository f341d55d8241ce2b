"""What every recogniser must do, held against all of them: the same cases, with real models, here or behind a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest
import trio
from attrs import frozen

from providers.asr.funasr import FunasrAsr, FunasrSettings
from providers.asr.openai import OpenAiAsr, OpenAiAsrSettings
from providers.asr.pocketsphinx import PocketsphinxAsr, PocketsphinxSettings
from providers.asr.vosk import VoskAsr, VoskSettings
from providers.ports import EAR_RATE, Asr, ProviderError
from tests.providers.funasr_server import funasr_server, recognises
from tests.providers.openai_server import openai_server
from tests.providers.speech import MODELS, PAUSE, hear, running, spoken_by_espeak
from tests.providers.speech_server import transcribes

PHRASES = ("stop the music", "what is the weather like tomorrow", "how are you today")


@frozen
class Ear:
    """A recogniser, speech, and what it hears in that when nothing else happens: the same every time."""

    kind: str
    asr: Asr
    speech: list[bytes]
    words: list[str]

    @property
    def remote(self) -> bool:
        """Whether it is behind a server."""
        return " " in self.kind


KINDS = (
    "vosk",
    "pocketsphinx",
    "openai wav",
    "openai ogg",
    "funasr cpp",
    "funasr python",
    "funasr newest",
    "funasr offline",
)


def vosk() -> VoskAsr:
    return VoskAsr(VoskSettings(model=str(MODELS / "vosk-tiny-en")))


@asynccontextmanager
async def made(kind: str) -> AsyncIterator[Asr]:
    """A recogniser; remote ones with their server."""
    remote, _, manner = kind.partition(" ")
    behind = vosk()
    if remote == "vosk":
        yield behind
    elif remote == "pocketsphinx":
        yield PocketsphinxAsr(PocketsphinxSettings())
    elif remote == "openai":
        async with running(behind), openai_server() as server:
            server.plan(transcribes(behind))
            yield OpenAiAsr(
                OpenAiAsrSettings(base_url=server.base_url, format=manner, stream=manner == "ogg"), "en", {}
            )
    else:
        async with running(behind), funasr_server() as line:
            line.manner = recognises(behind, manner)
            mode = "offline" if manner == "offline" else "2pass"
            yield FunasrAsr(FunasrSettings(url=line.url, mode=mode), {})


_heard: dict[str, tuple[list[bytes], list[str]]] = {}


@pytest.fixture(params=KINDS)
async def ear(request: pytest.FixtureRequest) -> AsyncIterator[Ear]:
    """What is heard is found out once: other processes must hear the same."""
    async with made(request.param) as asr, running(asr):
        if request.param not in _heard:
            speech = await spoken_by_espeak(*PHRASES)
            _heard[request.param] = speech, [await hear(asr, pcm) for pcm in speech]
        if request.param == "funasr python":  # it says nothing when it heard nothing, for which it has to be known
            await hear(asr, _heard[request.param][0][0], pause=0.02)
        yield Ear(request.param, asr, *_heard[request.param])


@pytest.mark.req("AV-14")
async def test_it_understands_what_is_clear(ear: Ear) -> None:
    assert ear.words[0] == "stop the music"
    assert all(ear.words)
    assert len(set(ear.words)) == len(PHRASES)


async def test_an_utterance_is_heard_the_same_whoever_was_heard_before(ear: Ear) -> None:
    for _ in range(2):
        assert [await hear(ear.asr, pcm) for pcm in reversed(ear.speech)] == ear.words[::-1]


async def test_pieces_of_any_size_are_heard_the_same(ear: Ear) -> None:
    pcm, words = ear.speech[0], ear.words[0]
    for step in (640, 1921, 4801, 10_000, len(pcm)):
        assert await hear(ear.asr, pcm, step=step) == words


async def test_words_come_while_somebody_speaks(ear: Ear) -> None:
    if "openai" in ear.kind or "offline" in ear.kind:
        pytest.skip("hears whole utterances")
    partials = []
    pcm = ear.speech[1]
    async with ear.asr.recognise() as recognition:
        for at in range(0, len(pcm), 1920):
            partials.append(await recognition.feed(pcm[at : at + 1920]))
            await trio.sleep(0.01 if "funasr" in ear.kind else 0)  # the server hears beside us
        final = (await recognition.finish()).text
    assert partials[0] == ""
    assert len({partial for partial in partials if partial}) >= 3
    half = partials[len(partials) * 2 // 3]
    assert half
    assert len(half) < len(final)
    assert final == ear.words[1]


@pytest.mark.parametrize("sound", ["nothing", "empty pieces", "one byte", "silence", "a click"])
async def test_nothing_said_is_an_empty_text(ear: Ear, sound: str) -> None:
    pieces = {
        "nothing": [],
        "empty pieces": [b""] * 3,
        "one byte": [b"x"],
        "silence": [PAUSE] * 10,
        "a click": [PAUSE, b"\xff\x7f" * 20, PAUSE],
    }[sound]
    if ear.kind == "funasr python" and sound == "a click":
        pytest.skip("the first pass takes it for a word, and the second one says nothing")
    async with ear.asr.recognise() as recognition:
        for piece in pieces:
            assert await recognition.feed(piece) == ""
        assert (await recognition.finish()).text == ""


@pytest.mark.parametrize("sound", ["noise", "full scale", "odd length", "constant"])
async def test_odd_sound_harms_nothing(ear: Ear, sound: str) -> None:
    random = np.random.default_rng(1)
    pcm = {
        "noise": random.integers(-3000, 3000, 5 * EAR_RATE, dtype="<i2").tobytes(),
        "full scale": random.bytes(5 * EAR_RATE * 2),
        "odd length": random.bytes(EAR_RATE * 2 + 1),
        "constant": b"\xff\x7f" * EAR_RATE * 3,
    }[sound]
    with trio.fail_after(15):
        await hear(ear.asr, pcm)
    assert await hear(ear.asr, ear.speech[0]) == ear.words[0]


@pytest.mark.req("AV-2", "AV-3")
async def test_utterances_at_the_same_time_do_not_mix(ear: Ear) -> None:
    heard: dict[int, str] = {}

    async def listen(index: int) -> None:
        heard[index] = await hear(ear.asr, ear.speech[index])

    async with trio.open_nursery() as nursery:
        for index in range(len(ear.speech)):
            nursery.start_soon(listen, index)
        async with ear.asr.recognise() as given_up:  # one of them goes away in the middle
            await given_up.feed(ear.speech[1][: EAR_RATE // 2])
    assert [heard[index] for index in range(len(ear.speech))] == ear.words


async def test_leaving_takes_milliseconds_and_the_next_utterance_is_perfect(ear: Ear) -> None:
    for attempt in range(12):
        begun = trio.current_time()
        with trio.move_on_after(attempt * 0.005):
            await hear(ear.asr, ear.speech[1] * 5)
        assert trio.current_time() - begun < attempt * 0.005 + (0.4 if ear.remote else 0.03)  # servers work here, too
        assert await hear(ear.asr, ear.speech[0]) == ear.words[0]


async def test_an_utterance_with_a_gap_does_not_pretend_to_be_whole(ear: Ear) -> None:
    async with ear.asr.recognise() as recognition:
        with trio.move_on_after(
            0 if "openai" in ear.kind else 0.01
        ) as hurry:  # which is quick: it only keeps the sound
            await recognition.feed(ear.speech[1] * 20)
        assert hurry.cancelled_caught
        with pytest.raises(ProviderError) as caught:
            await recognition.finish()
        assert caught.value.retryable


@pytest.mark.req("AV-7")
async def test_the_text_is_there_soon_after_the_end(ear: Ear) -> None:
    pcm = ear.speech[1]
    async with ear.asr.recognise() as recognition:
        for at in range(0, len(pcm), 1920):
            await recognition.feed(pcm[at : at + 1920])
        begun = trio.current_time()
        await recognition.finish()
        assert trio.current_time() - begun < 0.5


async def test_a_long_utterance_is_heard_to_its_end(ear: Ear) -> None:
    text = await hear(ear.asr, (ear.speech[0] + PAUSE * 3) * 10)
    assert text.count("the music") == 10


async def test_a_whole_utterance_at_once(ear: Ear) -> None:
    """As it comes when recognition is tried again."""
    pcm = ear.speech[1] * 10
    with trio.fail_after(20):
        assert len((await hear(ear.asr, pcm, step=len(pcm))).split()) > 40

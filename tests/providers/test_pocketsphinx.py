"""pocketsphinx: its pool of processes, and how well it understands people."""

from __future__ import annotations

import csv
import os
import signal
import statistics
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
import trio

from providers.asr.pocketsphinx import PocketsphinxAsr, PocketsphinxRecognition, PocketsphinxSettings
from providers.ports import EAR_RATE, ProviderError
from tests.providers.speech import SHARED, alive, eventually, hear, running, spoken_by_espeak

SPEECH = SHARED / "speech"


@asynccontextmanager
async def listening(asr: PocketsphinxAsr) -> AsyncIterator[PocketsphinxRecognition]:
    """An utterance that has its decoder."""
    async with asr.recognise() as recognition:
        await recognition.feed(bytes(3200))
        yield recognition


def pid_of(recognition: PocketsphinxRecognition) -> int:
    assert recognition.decoder is not None
    assert recognition.decoder.pid
    return recognition.decoder.pid


async def test_one_decoder_from_the_start_and_more_on_demand() -> None:
    asr = PocketsphinxAsr(PocketsphinxSettings(decoders=2))
    async with running(asr):
        async with listening(asr) as first:
            one = pid_of(first)
        async with listening(asr) as again:
            assert pid_of(again) == one
            async with listening(asr) as second:
                two = pid_of(second)
        assert one != two
        async with listening(asr) as first, listening(asr) as second:
            assert {pid_of(first), pid_of(second)} == {one, two}
    assert not alive(one)
    assert not alive(two)


@pytest.mark.req("DG-6")
async def test_when_all_are_busy_an_utterance_waits_for_its_turn() -> None:
    asr = PocketsphinxAsr(PocketsphinxSettings(decoders=1))
    (pcm,) = await spoken_by_espeak("stop the music")
    heard: list[str] = []

    async def wait() -> None:
        heard.append(await hear(asr, pcm))

    async with running(asr), trio.open_nursery() as nursery:
        async with listening(asr):
            nursery.start_soon(wait)
            await trio.sleep(0.5)
            assert heard == []
        await eventually(lambda: bool(heard))
    assert heard == ["stop the music"]


async def test_an_utterance_that_gives_up_waiting_takes_nobodys_place() -> None:
    asr = PocketsphinxAsr(PocketsphinxSettings(decoders=1))
    async with running(asr):
        async with listening(asr):
            with trio.move_on_after(0.05) as hurry:
                async with listening(asr):
                    pass
            assert hurry.cancelled_caught
        with trio.fail_after(2):
            for _ in range(3):
                async with listening(asr):
                    pass


@pytest.mark.req("DG-2")
async def test_killed_while_it_works_the_next_attempt_succeeds() -> None:
    asr = PocketsphinxAsr(PocketsphinxSettings(decoders=1))
    (pcm,) = await spoken_by_espeak("stop the music")
    async with running(asr):
        async with listening(asr) as recognition, trio.open_nursery() as nursery:
            nursery.start_soon(_kill_soon, pid_of(recognition))
            with pytest.raises(ProviderError, match="SIGKILL") as caught:
                await recognition.feed(pcm * 20)
        assert caught.value.retryable
        assert await hear(asr, pcm) == "stop the music"


@pytest.mark.req("DG-2")
async def test_killed_between_two_pieces_the_second_does_not_pass_for_the_first() -> None:
    asr = PocketsphinxAsr(PocketsphinxSettings(decoders=1))
    (pcm,) = await spoken_by_espeak("stop the music")
    async with running(asr):
        async with listening(asr) as recognition:
            pid = pid_of(recognition)
            os.kill(pid, signal.SIGKILL)
            assert recognition.decoder is not None
            decoder = recognition.decoder
            await eventually(lambda: decoder.pid not in (None, pid))
            with pytest.raises(ProviderError, match="restarted within the utterance") as caught:
                await recognition.feed(pcm)
        assert caught.value.retryable
        assert await hear(asr, pcm) == "stop the music"


async def _kill_soon(pid: int) -> None:
    await trio.sleep(0.1)
    os.kill(pid, signal.SIGKILL)


async def test_a_long_pause_before_the_first_word_does_not_confuse_it() -> None:
    """Its idea of the average sound must not come from the noise of the room."""
    asr = PocketsphinxAsr(PocketsphinxSettings())
    (pcm,) = await spoken_by_espeak("stop the music")
    random = np.random.default_rng(1)
    async with running(asr):
        for level in (0, 3, 40, 100):
            noise = random.integers(-level, level + 1, 3 * EAR_RATE, dtype="<i2").tobytes()
            assert await hear(asr, noise + pcm) == "stop the music"


@pytest.mark.parametrize("decoders", [0, 17])
def test_settings_out_of_range_are_refused(decoders: int) -> None:
    with pytest.raises(ValueError, match="must be between"):
        PocketsphinxSettings(decoders=decoders)


@pytest.mark.skipif(not SPEECH.is_dir(), reason="needs the recordings in ../shared/speech")
@pytest.mark.req("AV-15")
async def test_people_are_understood_three_words_of_four_and_soon() -> None:
    """Measured: 24 % of the words wrong, 0.06 s (at most 0.4 s) from the end to the text."""
    asr = PocketsphinxAsr(PocketsphinxSettings())
    wrong = words = 0
    waits: list[float] = []
    async with running(asr):
        for row in csv.DictReader((SPEECH / "manifest.tsv").read_text().splitlines(), delimiter="\t"):
            if not row["file"].startswith("en_"):
                continue
            async with asr.recognise() as recognition:
                pcm = _read(SPEECH / row["file"])
                for at in range(0, len(pcm), 1920):
                    await recognition.feed(pcm[at : at + 1920])
                begun = trio.current_time()
                heard = (await recognition.finish()).text.split()
                waits.append(trio.current_time() - begun)
            spoken = row["transcript"].split()
            wrong += distance(spoken, heard)
            words += len(spoken)
    assert words > 200
    assert wrong / words < 0.28
    assert statistics.mean(waits) < 0.3
    assert max(waits) < 1.5


def _read(path: Path) -> bytes:
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (EAR_RATE, 1, 2)
        return file.readframes(file.getnframes())


def distance(spoken: list[str], heard: list[str]) -> int:
    """Words that were left out, added or mistaken."""
    row = list(range(len(heard) + 1))
    for index, word in enumerate(spoken, 1):
        following = [index]
        for at, other in enumerate(heard, 1):
            following.append(min(row[at] + 1, following[-1] + 1, row[at - 1] + (word != other)))
        row = following
    return row[-1]


def test_distance() -> None:
    assert distance(["a", "b", "c"], ["a", "b", "c"]) == 0
    assert distance(["a", "b", "c"], ["a", "x", "c", "d"]) == 2
    assert distance(["a", "b"], []) == 2

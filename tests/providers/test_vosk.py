"""Vosk: its models, good and bad, and its threads."""

from __future__ import annotations

import shutil
import threading  # noqa: TID251 - counted, not used
import warnings
from pathlib import Path

import pytest
import trio

from providers.asr import vosk
from providers.asr.vosk import VoskAsr, VoskSettings
from providers.ports import ProviderError
from tests.providers.speech import MODELS, hear, refusal, running, spoken_by_espeak

EN, ZH = MODELS / "vosk-tiny-en", MODELS / "vosk-tiny-zh"


@pytest.mark.parametrize("text", ["今天天气怎么样", "打开客厅的灯", "定一个十分钟的闹钟"])
async def test_mandarin_has_no_gaps(text: str) -> None:
    (pcm,) = await spoken_by_espeak(text)
    asr = VoskAsr(VoskSettings(model=str(ZH)))
    async with running(asr), asr.recognise() as recognition:
        partials = [await recognition.feed(pcm[at : at + 1920]) for at in range(0, len(pcm), 1920)]
        assert (await recognition.finish()).text == text
    assert text in partials
    assert not any(" " in partial for partial in partials)


async def test_sentences_with_pauses_between_are_all_kept() -> None:
    speech = await spoken_by_espeak("stop the music", "what time is it", "tell me a joke")
    asr = VoskAsr(VoskSettings(model=str(EN)))
    async with running(asr):
        text = await hear(asr, bytes(64_000).join(speech))
    assert text == "stop the music what time is it tell me a joke"


async def test_without_a_model_it_says_how_to_get_one() -> None:
    error = await refusal(VoskAsr(VoskSettings()))
    assert "python -m badge models" in error.remedy
    assert not error.retryable


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        ("folder", "am/final.mdl is missing"),
        ("am/final.mdl", "am/final.mdl is missing"),
        ("conf/model.conf", "conf/model.conf is missing"),
        ("graph/words.txt", "graph/words.txt is missing"),
        ("garbage in am/final.mdl", "cannot be read"),
        ("garbage in graph/HCLG.fst", "cannot be read"),
    ],
)
async def test_a_damaged_model_is_refused_with_its_folder(tmp_path: Path, damage: str, named: str) -> None:
    folder = tmp_path / "model-en"
    shutil.copytree(EN, folder)
    if damage == "folder":
        shutil.rmtree(folder)
    elif damage.startswith("garbage in "):
        (folder / damage.removeprefix("garbage in ")).write_bytes(b"\x00garbage" * 1000)
    else:
        (folder / damage).unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        error = await refusal(VoskAsr(VoskSettings(model=str(folder))))
    assert str(folder) in error.detail
    assert named in error.detail
    assert "python -m badge models" in error.remedy


async def test_before_it_runs_and_after_it_fails_clearly() -> None:
    asr = VoskAsr(VoskSettings(model=str(EN)))
    assert asr.name == "vosk (vosk-tiny-en)"
    with pytest.raises(ProviderError, match="is not running"):
        async with asr.recognise():
            pass
    async with running(asr):
        assert await hear(asr, bytes(32_000)) == ""
    with pytest.raises(ProviderError, match="is not running"):
        async with asr.recognise():
            pass


async def test_it_uses_no_more_threads_than_it_may() -> None:
    (pcm,) = await spoken_by_espeak("what is the weather like tomorrow")
    asr = VoskAsr(VoskSettings(model=str(EN), threads=2))
    heard: list[str] = []
    most = 0

    async def listen() -> None:
        heard.append(await hear(asr, pcm))

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, asr._threads.borrowed_tokens)
            await trio.lowlevel.checkpoint()

    async with running(asr), trio.open_nursery() as nursery:
        before = threading.active_count()
        nursery.start_soon(watch)
        async with trio.open_nursery() as crowd:
            for _ in range(12):
                crowd.start_soon(listen)
        assert threading.active_count() - before <= 2
        nursery.cancel_scope.cancel()
    assert heard == ["what is the weather like tomorrow"] * 12
    assert most == 2


async def test_utterances_given_up_in_a_crowd_never_share_a_recogniser_with_anybody() -> None:
    """Two threads on one recogniser abort the whole process."""
    (pcm,) = await spoken_by_espeak("stop the music")
    asr = VoskAsr(VoskSettings(model=str(EN), threads=4))
    heard: list[str] = []

    async def impatient(patience: float) -> None:
        for _ in range(20):
            async with asr.recognise() as recognition:
                with trio.move_on_after(patience) as hurry:
                    await recognition.feed(pcm * 8)
                if hurry.cancelled_caught:
                    with pytest.raises(ProviderError, match="given up"):
                        await recognition.finish()

    async def patient() -> None:
        for _ in range(10):
            heard.append(await hear(asr, pcm))  # noqa: PERF401 - one after the other

    async with running(asr), trio.open_nursery() as nursery:
        for number in range(4):
            nursery.start_soon(impatient, 0.002 * number)
        for _ in range(2):
            nursery.start_soon(patient)
    assert heard == ["stop the music"] * 20


async def test_leaving_does_not_wait_for_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a large model one piece of work takes long; a small one needs a large piece for that."""
    monkeypatch.setattr(vosk, "PORTION", 10**9)
    (pcm,) = await spoken_by_espeak("stop the music")
    asr = VoskAsr(VoskSettings(model=str(EN), threads=2))
    async with running(asr):
        async with asr.recognise() as recognition:
            begun = trio.current_time()
            await recognition.feed(pcm * 100)
            alone = trio.current_time() - begun
        assert alone > 0.2
        async with asr.recognise() as recognition:
            begun = trio.current_time()
            with trio.move_on_after(0.02):
                await recognition.feed(pcm * 100)
        assert trio.current_time() - begun < 0.1
        assert await hear(asr, pcm) == "stop the music"


@pytest.mark.parametrize("threads", [0, 17])
def test_settings_out_of_range_are_refused(threads: int) -> None:
    with pytest.raises(ValueError, match="must be between"):
        VoskSettings(threads=threads)

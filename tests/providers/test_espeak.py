"""espeak-ng: its voices, its settings, and whether a recogniser understands what it says."""

from __future__ import annotations

import statistics
from collections.abc import AsyncIterator

import numpy as np
import pytest
import trio

from providers.asr.vosk import VoskAsr, VoskSettings
from providers.pcm import seconds
from providers.ports import MOUTH_RATE
from providers.tts.espeak import EspeakSettings, EspeakTts
from tests.providers.speech import MODELS, for_ear, hear, refusal, running, say

WEATHER = "what is the weather like tomorrow"


@pytest.fixture
async def espeak() -> AsyncIterator[EspeakTts]:
    tts = EspeakTts(EspeakSettings())
    async with running(tts):
        yield tts


@pytest.fixture
async def listeners() -> AsyncIterator[dict[str, VoskAsr]]:
    asr = {language: VoskAsr(VoskSettings(model=str(MODELS / f"vosk-tiny-{language}"))) for language in ("en", "zh")}
    async with running(*asr.values()):
        yield asr


def pitch(pcm: bytes) -> float:
    """Hz of the strongest period of a voice."""
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
    spectrum = np.abs(np.fft.rfft(samples, 2 * len(samples))) ** 2
    periodicity = np.fft.irfft(spectrum)[: len(samples)]
    low, high = MOUTH_RATE // 400, MOUTH_RATE // 60
    return float(MOUTH_RATE / (low + int(np.argmax(periodicity[low:high]))))


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", WEATHER),
        ("en", "Set a timer for ten minutes!"),
        ("zh", "今天天气怎么样？"),
        ("zh", "打开客厅的灯"),
    ],
)
async def test_it_is_understood(espeak: EspeakTts, listeners: dict[str, VoskAsr], language: str, text: str) -> None:
    assert await hear(listeners[language], for_ear(await say(espeak, text))) == text.lower().rstrip("!？")


async def test_it_is_understood_after_any_interruption(espeak: EspeakTts, listeners: dict[str, VoskAsr]) -> None:
    for attempt in range(15):
        with trio.move_on_after(attempt * 0.001):
            await say(espeak, "你好，" * 500)
        assert await hear(listeners["en"], for_ear(await say(espeak, WEATHER))) == WEATHER


async def test_both_languages_at_once_are_understood(espeak: EspeakTts, listeners: dict[str, VoskAsr]) -> None:
    texts = {"en": WEATHER, "zh": "今天天气怎么样"}
    heard: dict[str, str] = {}

    async def speak(language: str) -> None:
        heard[language] = await hear(listeners[language], for_ear(await say(espeak, texts[language])))

    async with trio.open_nursery() as nursery:
        for language in texts:
            nursery.start_soon(speak, language)
    assert heard == texts


async def test_a_pause_follows_so_that_sentences_do_not_run_together(espeak: EspeakTts) -> None:
    sound = np.frombuffer(await say(espeak, "Yes."), dtype="<i2")
    last = int(np.flatnonzero(np.abs(sound) > 100)[-1])
    assert 0.2 < (len(sound) - last) / MOUTH_RATE < 0.5


async def test_rate_and_pitch() -> None:
    voices = {}
    for name, settings in {
        "usual": EspeakSettings(),
        "fast": EspeakSettings(rate=300),
        "high": EspeakSettings(pitch=90),
        "woman": EspeakSettings(english="en-us+f3"),
    }.items():
        tts = EspeakTts(settings)
        async with running(tts):
            voices[name] = await say(tts, "Ah, where are you?")
    assert seconds(voices["fast"], MOUTH_RATE) < 0.8 * seconds(voices["usual"], MOUTH_RATE)
    assert pitch(voices["high"]) > 1.2 * pitch(voices["usual"])
    assert pitch(voices["woman"]) > 1.2 * pitch(voices["usual"])


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        (EspeakSettings(english="nobody"), "nobody"),
        (EspeakSettings(english=""), ""),
        (EspeakSettings(mandarin="cmn+nobody"), "cmn+nobody"),
        (EspeakSettings(mandarin="cmn+../../phontab"), "cmn+../../phontab"),
    ],
)
async def test_an_unknown_voice_is_refused(settings: EspeakSettings, wrong: str) -> None:
    error = await refusal(EspeakTts(settings))
    assert error.detail == f'there is no voice "{wrong}".'
    assert "[tts.espeak]" in error.remedy
    assert not error.retryable


@pytest.mark.parametrize("wrong", [{"rate": 10}, {"rate": 1000}, {"pitch": -1}, {"pitch": 100}])
def test_settings_out_of_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be between"):
        EspeakSettings(**wrong)


@pytest.mark.req("AV-15")
async def test_the_first_sound_comes_within_milliseconds(espeak: EspeakTts) -> None:
    waits = []
    for _ in range(30):
        begun = trio.current_time()
        async with espeak.speak("Hello, how can I help you today?") as audio:
            await audio.receive()
            waits.append(trio.current_time() - begun)
    assert statistics.median(waits) < 0.02


@pytest.mark.req("CH-23")
async def test_after_an_interruption_the_next_sentence_begins_as_soon(espeak: EspeakTts) -> None:
    """The synthesis that was left would go on for 70 ms."""
    waits = []
    for _ in range(20):
        async with espeak.speak("word " * 60) as audio:
            await audio.receive()
        begun = trio.current_time()
        async with espeak.speak("Hello") as audio:
            await audio.receive()
            waits.append(trio.current_time() - begun)
    assert statistics.median(waits) < 0.02

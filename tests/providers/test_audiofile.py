"""Sound files: any format in, WAV out."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from providers.audiofile import AudioFileError, ffmpeg_version, read_audio, write_wav
from providers.pcm import rms
from providers.scripted import tone


def test_any_rate_in_and_out(tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    write_wav(path, tone(1.0, 24_000), 24_000)
    pcm = read_audio(path, 16_000)
    assert abs(len(pcm) - 32_000) <= 64
    assert rms(pcm) == pytest.approx(rms(tone(1.0, 16_000)), rel=0.05)


@pytest.mark.parametrize(
    ("content", "says"), [(None, "does not exist"), (b"", "cannot be read"), (b"RIFF" * 99, "cannot be read")]
)
def test_what_is_not_sound_is_named(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "odd.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AudioFileError, match=rf"odd\.wav {says}"):
        read_audio(path, 16_000)


@pytest.mark.req("SU-6")
def test_without_ffmpeg_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ffmpeg_version().startswith("ffmpeg ")
    monkeypatch.setitem(sys.modules, "av", None)  # as if it was not there
    with pytest.raises(AudioFileError, match="pip install --force-reinstall av"):
        ffmpeg_version()
    with pytest.raises(AudioFileError, match="pip install --force-reinstall av"):
        read_audio(tmp_path / "tone.wav", 16_000)

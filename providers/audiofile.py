"""Audio files of any format in, 16-bit mono PCM out; and WAV files."""

from __future__ import annotations

import wave
from pathlib import Path


class AudioFileError(Exception):
    """A file is not there or has no sound that can be decoded; the message names it."""


def ffmpeg_version() -> str:
    """Version of the FFmpeg libraries that decode sound files. Raises `AudioFileError` with the remedy."""
    try:
        import av
    except ImportError as exc:
        raise AudioFileError(f"sound files cannot be decoded ({exc}): pip install --force-reinstall av") from None
    return f"ffmpeg {av.ffmpeg_version_info}"


def read_audio(path: Path, rate: int) -> bytes:
    """All sound of a file as 16-bit mono PCM at `rate` Hz. Blocking; raises `AudioFileError`."""
    ffmpeg_version()
    import av  # 100 MB of codecs: only for those that read files

    resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
    pieces: list[bytes] = []
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise AudioFileError(f"{path} has no sound in it")
            for frame in container.decode(audio=0):
                pieces.extend(piece.to_ndarray().tobytes() for piece in resampler.resample(frame))
        pieces.extend(piece.to_ndarray().tobytes() for piece in resampler.resample(None))
    except FileNotFoundError:
        raise AudioFileError(f"{path} does not exist") from None
    except (OSError, av.FFmpegError) as exc:
        raise AudioFileError(f"{path} cannot be read as audio: {exc.strerror or exc}") from None
    return b"".join(pieces)


def write_wav(path: Path, pcm: bytes, rate: int) -> None:
    """Write 16-bit mono PCM as a WAV file. Blocking; raises `OSError`."""
    with path.open("wb") as raw, wave.open(raw, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm)

"""Audio files of any format in, 16-bit mono PCM out; and WAV files."""

from __future__ import annotations

import io
import wave
from pathlib import Path
from typing import Any

from providers.ogg import ogg_opus
from providers.opus import Encoder

OGG_FRAME_MS = 20
"""Length of a packet in Ogg files: short, so that little silence has to fill the last one."""


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
    return _decoded(str(path), str(path), rate)


def decode_audio(data: bytes, rate: int, *, longest: int | None = None) -> bytes:
    """All sound of a file in memory as 16-bit mono PCM at `rate` Hz. Blocking; raises `AudioFileError`, also when it is
    more than `longest` bytes: silence is packed a thousand times smaller than it is."""
    return _decoded(io.BytesIO(data), "the sound", rate, longest)


def _decoded(source: Any, path: str, rate: int, longest: int | None = None) -> bytes:
    ffmpeg_version()
    import av  # 100 MB of codecs: only for those that read files

    resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
    pieces: list[bytes] = []
    size = 0
    try:
        with av.open(source) as container:
            if not container.streams.audio:
                raise AudioFileError(f"{path} has no sound in it")
            for frame in container.decode(audio=0):
                decoded = [piece.to_ndarray().tobytes() for piece in resampler.resample(frame)]
                size += sum(map(len, decoded))
                if longest is not None and size > longest:
                    raise AudioFileError(f"{path} is too long")
                pieces += decoded
        pieces.extend(piece.to_ndarray().tobytes() for piece in resampler.resample(None))
    except FileNotFoundError:
        raise AudioFileError(f"{path} does not exist") from None
    except (OSError, av.FFmpegError) as exc:
        raise AudioFileError(f"{path} cannot be read as audio: {exc.strerror or exc}") from None
    return b"".join(pieces)


def write_wav(path: Path, pcm: bytes, rate: int) -> None:
    """Write 16-bit mono PCM as a WAV file. Blocking; raises `OSError`."""
    path.write_bytes(wav_bytes(pcm, rate))


def wav_bytes(pcm: bytes, rate: int) -> bytes:
    """A WAV file of 16-bit mono PCM."""
    raw = io.BytesIO()
    with wave.open(raw, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm)
    return raw.getvalue()


def ogg_bytes(pcm: bytes, rate: int) -> bytes:
    """An Ogg file with 16-bit mono PCM as Opus, about a tenth of the size. Blocking; raises `OpusError`."""
    encoder = Encoder(rate, OGG_FRAME_MS)
    size, samples = encoder.frame_bytes, len(pcm) // 2
    padded = pcm + bytes(encoder.lookahead * 2)
    padded += bytes(-len(padded) % size)
    packets = [encoder.encode(padded[at : at + size]) for at in range(0, len(padded), size)]
    return ogg_opus(packets, frame_ms=OGG_FRAME_MS, rate=rate, skip=encoder.lookahead, samples=samples)

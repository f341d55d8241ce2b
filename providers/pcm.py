"""Sample arithmetic on 16-bit little-endian mono audio."""

from __future__ import annotations

from typing import Any

import numpy as np

SAMPLE_BYTES = 2


def seconds(pcm: bytes, rate: int) -> float:
    """Length of the audio in s; `rate` in Hz."""
    return len(pcm) / (SAMPLE_BYTES * rate)


def byte_count(duration: float, rate: int) -> int:
    """Bytes of `duration` s of audio at `rate` Hz, a whole number of samples."""
    return round(duration * rate) * SAMPLE_BYTES


def rms(pcm: bytes) -> float:
    """Loudness as a share of full scale, 0 to 1."""
    if len(pcm) < SAMPLE_BYTES:
        return 0.0
    samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], dtype="<i2").astype(np.float32)
    return float(np.sqrt(np.mean(samples * samples))) / 32768.0


class Resampler:
    """Changes the sample rate of a stream of 16-bit mono audio."""

    def __init__(self, source_rate: int, target_rate: int) -> None:
        import av  # 50 ms and 30 MiB: only for those that resample

        self._av = av
        self._source_rate = source_rate
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=target_rate)

    def feed(self, pcm: bytes) -> bytes:
        """The audio at the target rate as far as it is determined; a few ms stay inside for the next call."""
        if len(pcm) < SAMPLE_BYTES:
            return b""
        samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], dtype="<i2").reshape(1, -1)
        frame = self._av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = self._source_rate
        return self._join(self._resampler.resample(frame))

    def flush(self) -> bytes:
        """What stayed inside; the stream is over."""
        return self._join(self._resampler.resample(None))

    @staticmethod
    def _join(frames: list[Any]) -> bytes:
        return b"".join(frame.to_ndarray().astype("<i2").tobytes() for frame in frames)

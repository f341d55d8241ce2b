"""Sound files as another program reads them."""

from __future__ import annotations

import io

import av
import numpy as np

RATE = 48_000
"""Hz of all Opus in Ogg."""


def heard(file: bytes) -> np.ndarray:
    """What FFmpeg, with a decoder of its own, makes of a file of mono Opus in Ogg."""
    found = []
    with av.open(io.BytesIO(file)) as container:
        (stream,) = container.streams.audio
        assert (container.format.name, stream.codec_context.name, stream.channels) == ("ogg", "opus", 1)
        resampler = av.AudioResampler("s16", "mono", RATE)
        for frame in container.decode(stream):
            found += [one.to_ndarray()[0] for one in resampler.resample(frame)]
        found += [one.to_ndarray()[0] for one in resampler.resample(None)]
    return np.concatenate(found).astype(float)


def seconds(file: bytes) -> float:
    """How long the sound in a file is."""
    return len(heard(file)) / RATE

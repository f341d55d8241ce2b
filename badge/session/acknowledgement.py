"""The sound that says: you were heard, the answer takes a moment."""

from __future__ import annotations

from functools import cache

import numpy as np

from providers.ports import MOUTH_RATE

TONES = (523.25, 659.26)
"""Hz of two tones that follow each other: c and e."""

LASTS = 0.12
"""Seconds of each."""

LOUDNESS = 0.12
"""Share of full scale: softer than speech."""


@cache
def acknowledgement() -> bytes:
    """Its samples, at the mouth's rate."""
    time = np.arange(round(LASTS * MOUTH_RATE)) / MOUTH_RATE
    swell = np.sin(np.pi * time / LASTS) ** 2  # begins and ends in silence: no click
    sound = np.concatenate([np.sin(2 * np.pi * tone * time) * swell for tone in TONES])
    return (sound * LOUDNESS * 32767).astype("<i2").tobytes()

"""Sample arithmetic: the figures that the resampler states, and that pieces of any size give the same sound."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from providers.pcm import Resampler, byte_count, rms, seconds

RATES = [(22_050, 24_000), (16_000, 24_000), (24_000, 16_000), (48_000, 16_000), (44_100, 24_000), (8_000, 16_000)]
LOUD = 16_000


def sine(frequency: float, rate: int, duration: float = 0.5) -> bytes:
    time = np.arange(round(duration * rate)) / rate
    return np.rint(LOUD * np.sin(2 * np.pi * frequency * time)).astype("<i2").tobytes()


def resampled(pcm: bytes, source: int, target: int) -> NDArray[np.float64]:
    resampler = Resampler(source, target)
    return np.frombuffer(resampler.feed(pcm) + resampler.flush(), dtype="<i2").astype(np.float64)


def decibels(samples: NDArray[np.float64]) -> float:
    """Relative to the sine that went in."""
    return 20 * math.log10(max(math.sqrt(2 * float(np.mean(samples**2))) / LOUD, 1e-9))


def test_seconds_and_bytes() -> None:
    assert seconds(bytes(48_000), 24_000) == 1
    assert byte_count(0.1, 16_000) == 3200
    assert rms(b"") == 0
    assert rms(b"\0") == 0
    assert rms(sine(1000, 16_000)) == pytest.approx(LOUD / 32768 / math.sqrt(2), rel=1e-3)


@pytest.mark.parametrize(("source", "target"), RATES)
def test_the_pass_band_is_flat_and_in_phase(source: int, target: int) -> None:
    lower = min(source, target)
    for frequency in np.linspace(60, 0.42 * lower, 15):
        got = resampled(sine(frequency, source), source, target)
        time = np.arange(len(got)) / target
        ideal = LOUD * np.sin(2 * np.pi * frequency * time)
        middle = slice(target // 50, -target // 50)
        assert abs(decibels(got[middle])) < 0.02
        # What differs from the ideal sine is ripple, mirror images and rounding.
        assert decibels((got - ideal)[middle]) < -54


@pytest.mark.parametrize(("source", "target"), RATES)
def test_mirror_images_are_far_down(source: int, target: int) -> None:
    """All that is not the sine itself; rounding to 16 bits alone is at about -95 dB for this one."""
    for frequency in np.linspace(100, 0.42 * min(source, target), 9):
        got = resampled(sine(frequency, source, 1.0), source, target)[target // 20 : -target // 20]
        phase = 2 * np.pi * frequency * np.arange(len(got)) / target
        basis = np.stack([np.cos(phase), np.sin(phase)], axis=1)
        rest = got - basis @ np.linalg.lstsq(basis, got, rcond=None)[0]
        assert decibels(rest) < -85


@pytest.mark.parametrize(("source", "target"), [pair for pair in RATES if pair[0] > pair[1]])
def test_what_the_target_cannot_hold_is_removed(source: int, target: int) -> None:
    for frequency in np.linspace(0.54 * target, 0.49 * source, 15):
        got = resampled(sine(frequency, source), source, target)[target // 20 : -target // 20]
        assert decibels(got) < -85


@pytest.mark.parametrize(("source", "target"), [*RATES, (16_000, 16_000), (11_025, 24_000)])
def test_pieces_of_any_size_give_the_same_sound(source: int, target: int) -> None:
    noise = np.random.default_rng(1).integers(-20_000, 20_000, source // 2, dtype="<i2").tobytes()
    whole = resampled(noise, source, target)
    assert len(whole) == pytest.approx(target / 2, abs=2)
    for step in (2, 34, 1000, 8190):
        resampler = Resampler(source, target)
        pieces = [resampler.feed(noise[at : at + step]) for at in range(0, len(noise) // 8, step)]
        joined = np.frombuffer(b"".join(pieces), dtype="<i2")
        assert len(joined) > len(whole) / 8 - target / 100
        assert np.array_equal(joined, whole[: len(joined)])


def test_after_flush_a_new_stream_begins() -> None:
    resampler = Resampler(22_050, 24_000)
    first = resampler.feed(sine(440, 22_050)) + resampler.flush()
    assert resampler.flush() == b""
    assert resampler.feed(sine(440, 22_050)) + resampler.flush() == first


def test_loud_sound_is_clipped_and_never_wraps_around() -> None:
    square = np.where(np.arange(4000) // 20 % 2, 32767, -32768).astype("<i2").tobytes()
    got = resampled(square, 16_000, 24_000)
    middles = got[15::30][1:-1]  # of the half waves
    assert np.all(np.abs(middles) > 25_000)
    assert np.all(np.sign(middles[1:]) == -np.sign(middles[:-1]))


def test_odd_and_empty_input_is_harmless() -> None:
    resampler = Resampler(22_050, 24_000)
    assert resampler.feed(b"") == b""
    assert resampler.feed(b"x") == b""
    assert resampler.flush() == b""

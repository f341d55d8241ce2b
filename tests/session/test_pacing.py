"""Pacing: absolute deadlines and a bounded lead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from badge.session.pacing import Pacer

FRAME = 0.06


def send_all(count: int, lead: int, lateness: float = 0.0) -> list[float]:
    """Times at which frames leave when each waits for its due time and then leaves `lateness` later."""
    pacer, now, times = Pacer(frame=FRAME, lead=lead), 0.0, []
    for _ in range(count):
        now = max(now, pacer.schedule(now)) + lateness
        times.append(now)
    return times


def test_lead_goes_at_once_and_the_rest_in_time() -> None:
    times = send_all(20, lead=5)
    assert times[:6] == [0.0] * 6
    assert times[6:] == pytest.approx([FRAME * n for n in range(1, 15)])


def test_no_lead_means_no_burst() -> None:
    times = send_all(10, lead=0)
    assert times == pytest.approx([FRAME * n for n in range(10)])


def test_lateness_is_not_passed_on() -> None:
    """50 frames that each leave 11 ms late: the last one is 11 ms late, not 550."""
    times = send_all(50, lead=0, lateness=0.011)
    assert times[-1] == pytest.approx(49 * FRAME + 0.011, abs=0.012)


def test_clock_starts_anew_after_an_underrun() -> None:
    pacer = Pacer(frame=FRAME, lead=2)
    assert pacer.schedule(0.0) == 0.0
    assert pacer.schedule(1.0) == 1.0
    assert [pacer.schedule(1.0) for _ in range(3)] == pytest.approx([1.0, 1.0, 1.0 + FRAME])


@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=60), st.integers(0, 10))
def test_no_more_than_the_lead_is_ever_ahead(gaps: list[float], lead: int) -> None:
    pacer, now, played = Pacer(frame=FRAME, lead=lead), 0.0, 0.0
    for gap in gaps:
        now = max(now + gap, pacer.schedule(now + gap))
        played = max(played, now) + FRAME
        assert played - now <= (lead + 2) * FRAME + 1e-9  # the frame itself, and a pause too short to count

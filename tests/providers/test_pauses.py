"""How long a silence has to be for one user."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.endpointing import Edge, Endpointing, EndpointRules
from providers.pauses import ENOUGH, KEPT, LONGEST, MARGIN, RESUMED, SHORTEST, PauseRules, Pauses

RULES = PauseRules(least=0.3, most=1.0, usual=0.5)


def known(*pauses: float) -> Pauses:
    found = Pauses(RULES)
    for pause in pauses:
        found.add(pause)
    return found


def test_a_user_who_is_not_known_gets_the_usual_silence() -> None:
    assert known().silence == 0.5
    assert known(*[0.12] * (ENOUGH - 1)).silence == 0.5


@pytest.mark.parametrize(
    ("pauses", "silence"),
    [
        ([0.12] * ENOUGH, 0.3),
        ([0.25] * ENOUGH, 0.25 + MARGIN),
        ([0.2] * 30 + [0.9], 0.2 + MARGIN),  # one that is unlike all others
        ([0.2] * 20 + [0.6] * 3, 0.6 + MARGIN),
        ([0.95] * ENOUGH, 1.0),
        ([0.9] * ENOUGH + [0.2] * KEPT, 0.2 + MARGIN),  # that was long ago
    ],
)
def test_silence_is_a_little_longer_than_almost_all_pauses(pauses: list[float], silence: float) -> None:
    assert known(*pauses).silence == pytest.approx(silence)


@given(st.lists(st.floats(), max_size=100), st.lists(st.floats(0, 20), max_size=100))
def test_silence_stays_within_its_bounds(earlier: list[float], heard: list[float]) -> None:
    pauses = known(*heard)
    pauses.recall(earlier)
    assert RULES.least <= pauses.silence <= RULES.most
    assert len(pauses.latest) <= KEPT
    assert all(SHORTEST <= pause <= LONGEST for pause in pauses.latest)


def test_what_is_part_of_a_word_is_no_pause() -> None:
    pauses = known(SHORTEST / 2, SHORTEST * 2)
    assert pauses.latest == (SHORTEST * 2,)
    assert pauses.learned == 1


def test_pauses_of_before_are_older_than_those_heard_since() -> None:
    pauses = known(0.2, 0.3)
    pauses.recall([0.7] * KEPT)
    assert pauses.latest == (0.7,) * (KEPT - 2) + (0.2, 0.3)
    assert pauses.learned == 2


def test_who_speaks_on_just_after_the_end_was_not_done() -> None:
    pauses = known()
    pauses.ended(0.5)
    for _ in range(6):
        pauses.pass_by(0.1)
    pauses.begun(0.2)
    assert pauses.latest == (0.9,)


@pytest.mark.parametrize("how", ["late", "forgotten", "twice"])
def test_who_speaks_later_has_something_new_to_say(how: str) -> None:
    pauses = known()
    pauses.ended(0.5)
    if how == "late":
        pauses.pass_by(RESUMED + 0.3)
    elif how == "forgotten":
        pauses.forget_end()
    else:
        pauses.begun(0.0)
    learned = pauses.learned
    pauses.begun(0.1)
    assert pauses.learned == learned


def test_endpointing_knows_the_gap_and_can_wait_longer() -> None:
    endpointing = Endpointing(EndpointRules(confirm=0.1, silence=0.5, longest=9.0))
    gaps = []
    for mark in "..###..#...":
        endpointing.feed(mark == "#", 0.05)
        gaps.append(round(endpointing.gap, 3))
    assert gaps == [0, 0, 0, 0, 0, 0.05, 0.1, 0, 0.05, 0.1, 0.15]
    endpointing.wait(0.8)
    edges = [endpointing.feed(False, 0.05) for _ in range(13)]
    assert edges == [None] * 12 + [Edge.ENDED]
    assert endpointing.gap == 0

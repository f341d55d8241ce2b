"""Endpointing in audio time: tables of windows in, edges out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.endpointing import Edge, Endpointing, EndpointRules

WINDOW = 0.032
RULES = EndpointRules(confirm=0.1, silence=0.5, longest=3.0, unheard=2.0)


def follow(pattern: str, rules: EndpointRules = RULES, window: float = 0.05) -> list[tuple[Edge, float]]:
    """Edges and when they came, for a pattern of `#` speech and `.` silence."""
    endpointing = Endpointing(rules)
    edges = []
    for number, mark in enumerate(pattern, 1):
        if edge := endpointing.feed(mark == "#", window):
            edges.append((edge, round(number * window, 3)))
    return edges


@pytest.mark.req("AV-1")
@pytest.mark.parametrize(
    ("pattern", "edges"),
    [
        ("." * 39, []),
        ("." * 40, [(Edge.UNHEARD, 2.0)]),
        ("#." * 20, [(Edge.STARTED, 0.15)]),  # a dip shorter than the confirmation is forgiven
        ("#.." * 13, []),  # clicks
        ("##", [(Edge.STARTED, 0.1)]),
        ("...##" + "." * 10, [(Edge.STARTED, 0.25), (Edge.ENDED, 0.75)]),
        ("#####.........######" + "." * 10, [(Edge.STARTED, 0.1), (Edge.ENDED, 1.5)]),  # a pause of 450 ms
        (
            "######" + "." * 12 + "##" + "." * 10,
            [(Edge.STARTED, 0.1), (Edge.ENDED, 0.8), (Edge.STARTED, 1.0), (Edge.ENDED, 1.5)],
        ),
        ("#" * 60, [(Edge.STARTED, 0.1), (Edge.CUT, 3.0), (Edge.STARTED, 3.0)][:2]),
    ],
)
def test_edges(pattern: str, edges: list[tuple[Edge, float]]) -> None:
    assert follow(pattern) == edges


def test_longest_counts_from_the_first_speech() -> None:
    assert follow("." * 10 + "#" * 70)[1] == (Edge.CUT, 3.5)


def test_onset_tells_how_far_back_speech_began() -> None:
    endpointing = Endpointing(RULES)
    for is_speech in (False, False, True, False, True):
        edge = endpointing.feed(is_speech, 0.05)
    assert edge is Edge.STARTED
    assert endpointing.onset == pytest.approx(0.15)


def test_a_longer_confirmation_can_be_asked_for_one_window() -> None:
    endpointing = Endpointing(RULES)
    edges = [endpointing.feed(True, 0.05, confirm=0.25) for _ in range(5)]
    assert edges == [None, None, None, None, Edge.STARTED]


def test_an_utterance_that_was_begun_from_outside_ends_only_after_speech() -> None:
    endpointing = Endpointing(EndpointRules(confirm=0.1, silence=0.5, longest=60))
    endpointing.reset(speaking=True)
    assert not any(endpointing.feed(False, 0.05) for _ in range(100))
    assert endpointing.feed(True, 0.05) is None
    assert [endpointing.feed(False, 0.05) for _ in range(10)][-1] is Edge.ENDED


@given(st.lists(st.booleans(), max_size=400))
def test_edges_alternate_and_durations_hold(windows: list[bool]) -> None:
    endpointing = Endpointing(RULES)
    speaking, spoken_for = False, 0.0
    for is_speech in windows:
        edge = endpointing.feed(is_speech, WINDOW)
        spoken_for += WINDOW
        if edge is Edge.STARTED:
            assert not speaking
            assert is_speech
            speaking, spoken_for = True, 0.0
        elif edge in (Edge.ENDED, Edge.CUT):
            assert speaking
            speaking = False
        elif edge is Edge.UNHEARD:
            assert not speaking
        if speaking:
            assert spoken_for <= RULES.longest + WINDOW

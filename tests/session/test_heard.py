from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from badge.session.heard import CUT, Passage, heard

FRAME = 60


def passages(frames: list[int], *, ended: bool = True) -> list[Passage]:
    """One sentence for each number of frames, as the mouth makes them."""
    made: list[Passage] = []
    count = 0
    for number, size in enumerate(frames):
        first = count + number
        count += size
        made.append(
            Passage(
                f"S{number}.",
                first=first,
                begins=(count - size) * FRAME,
                end=count + number + 1 if ended or number < len(frames) - 1 else None,
                ends=count * FRAME,
            )
        )
    return made


def test_nothing_that_has_not_left_was_heard() -> None:
    assert heard(passages([10, 10]), left=0) == ""
    assert heard(passages([10, 10]), left=1) == ""  # the text alone


def test_a_sentence_under_way_is_marked() -> None:
    assert heard(passages([10, 10]), left=2) == "S0" + CUT
    assert heard(passages([10, 10]), left=11) == "S0."
    assert heard(passages([10, 10]), left=13) == "S0. S1" + CUT
    assert heard(passages([10, 10], ended=False), left=22) == "S0. S1" + CUT
    assert heard(passages([10, 10]), left=22) == "S0. S1."


def test_a_sentence_without_audio_is_read() -> None:
    assert heard(passages([0, 0]), left=1) == "S0."
    assert heard(passages([0, 0]), left=2) == "S0. S1."


def test_an_aside_was_not_said() -> None:
    aside = Passage("One moment.", first=0, begins=0, aside=True, end=5, ends=240)
    assert heard([aside, Passage("Yes.", first=5, begins=240, end=8, ends=360)], left=8) == "Yes."


def test_what_the_badge_says_counts() -> None:
    assert heard(passages([10, 10]), left=22, played=600) == "S0."
    assert heard(passages([10, 10]), left=22, played=601) == "S0. S1" + CUT
    assert heard(passages([10, 10]), left=22, played=1200) == "S0. S1."
    assert heard(passages([10, 10]), left=22, played=0) == ""


def test_sentences_of_chinese_stand_without_spaces() -> None:
    made = [
        Passage("\u4f60\u597d\u3002", first=0, begins=0, end=2, ends=60),
        Passage("\u518d\u89c1\u3002", first=2, begins=60, end=4, ends=120),
    ]
    assert heard(made, left=4) == "\u4f60\u597d\u3002\u518d\u89c1\u3002"


@given(st.lists(st.integers(0, 30), min_size=1, max_size=6), st.data())
def test_the_more_has_left_the_more_was_heard(frames: list[int], data: st.DataObject) -> None:
    made = passages(frames)
    total = sum(frames) + len(frames)
    less = data.draw(st.integers(0, total))
    more = data.draw(st.integers(less, total))
    first, then = heard(made, left=less), heard(made, left=more)
    assert then.startswith(first.rstrip(CUT).rstrip("."))
    assert heard(made, left=total) == " ".join(f"S{n}." for n in range(len(frames)))

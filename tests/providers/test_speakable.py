"""The face of an answer and the display form of what was heard."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.speakable import MOODS, PlainText, mood_of, strip_edges


def test_the_badges_know_21_faces() -> None:
    """The table of the protocol: no name twice."""
    assert len(MOODS) == 21
    assert len(set(MOODS.values())) == 21


@pytest.mark.parametrize(
    ("text", "mood"),
    [
        ("😂 that is funny", ("😂", "funny")),
        ("I thought 🤔 and then 😎", ("🤔", "thinking")),
        ("好的😉️", ("😉", "winking")),
        ("🎉 unlisted, then 😴", ("😴", "sleepy")),
        ("😊 unlisted", ("🙂", "happy")),
        ("no face", ("🙂", "happy")),
        ("", ("🙂", "happy")),
    ],
)
def test_mood(text: str, mood: tuple[str, str]) -> None:
    """The first listed emoji, wherever it stands."""
    assert mood_of(text) == mood


@pytest.mark.parametrize(
    ("text", "stripped"),
    [
        ("你好，小智。", "你好，小智"),
        ("  Hello, world!! ", "Hello, world"),
        ("“什么？”🙂", "什么"),
        ("👍🏽 ok 👨‍👩‍👧", "ok"),
        ("…—、it's 3.5.", "it's 3.5"),
        ("50%", "50%"),
        ("#1 in C++", "#1 in C++"),
        ("。，！", ""),
        ("", ""),
    ],
)
def test_strip_edges(text: str, stripped: str) -> None:
    """Only the edges change."""
    assert strip_edges(text) == stripped


@given(st.text())
def test_strip_edges_twice_is_once(text: str) -> None:
    """What is left has no such edges, and is a part of the text."""
    stripped = strip_edges(text)
    assert strip_edges(stripped) == stripped
    assert stripped in text
    assert [c for c in text if c.isalnum()] == [c for c in stripped if c.isalnum()]


def test_plain_text_holds_back_only_what_may_be_markup() -> None:
    """Words go through at once; a link waits for its end, a line feed settles everything."""
    plain = PlainText()
    assert plain.feed("Hello wor") == "Hello wor"
    assert plain.feed("ld, **bo") == "ld, bo"
    assert plain.feed("ld** see [the ") == "ld see "
    assert plain.feed("docs](http://x/") == ""
    assert plain.feed("y) and") == "the docs and"
    assert plain.feed(" [open") == " "
    assert plain.feed("\n") == "[open\n"


@pytest.mark.parametrize(
    "flood", ["[", "[x](", "[a", "`", "*a*" * 20, "#", "- ", "[x](" + "(" * 900, "```x ", "\\", "!", "*"]
)
def test_a_flood_of_markup_is_not_held_back_for_ever(flood: str) -> None:
    """What waits is bounded, so that an endless answer cannot fill the memory."""
    plain = PlainText()
    text = flood * (5000 // len(flood))
    for at in range(0, len(text), 7):
        plain.feed(text[at : at + 7])
        assert len(plain._raw) < 1300

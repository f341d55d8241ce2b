"""Telling the language of a text, and closing the gaps that recognisers leave in Chinese."""

from __future__ import annotations

import pytest

from providers.language import language_of, without_gaps
from providers.tts.spoken import LONGEST_PIECE, pieces


@pytest.mark.parametrize(
    "text", ["", "Hello!", "3.14", "¿Qué?", "Привет", "😀", "。，！", "ｆｕｌｌ　ｗｉｄｔｈ", "ひらがな", "한국어"]
)
def test_without_a_chinese_character_it_is_english(text: str) -> None:
    assert language_of(text) == "en"


@pytest.mark.parametrize("text", ["你好", "OK 好", "〇", "㐀", "豈", "𠀀", "\U00031350", "東京タワー"])
def test_one_chinese_character_makes_it_chinese(text: str) -> None:
    assert language_of(text) == "zh"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("  ", ""),
        ("今天 天气 怎么样", "今天天气怎么样"),
        (" 今天  天气 ", "今天天气"),
        ("打开 wi fi 设备", "打开wi fi设备"),
        ("what is the weather", "what is the weather"),
        ("𠀀 𠀁", "𠀀𠀁"),
    ],
)
def test_gaps_are_closed_between_chinese_words_only(text: str, expected: str) -> None:
    assert without_gaps(text) == expected


def test_a_short_text_is_one_piece() -> None:
    assert list(pieces(" Hello there. How are you? ")) == ["Hello there. How are you?"]
    assert list(pieces("\0 \n")) == []


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("One. " * 100, "One."),
        ("好。" * 300, "好。"),
        ("well, " * 100, "well,"),
        ("word " * 100, "word"),
        ("x" * 1000, "x"),
    ],
)
def test_a_long_text_is_cut_where_it_hurts_least_and_nothing_is_lost(text: str, cut: str) -> None:
    got = list(pieces(text))
    assert all(len(piece) <= LONGEST_PIECE and piece.endswith(cut) for piece in got)
    assert "".join("".join(got).split()) == "".join(text.split())
    assert len(got) <= len(text) // (LONGEST_PIECE - 10) + 1


def test_a_cut_prefers_sentences_to_clauses_to_words() -> None:
    text = "A sentence. Then a clause, and then many words " + "and words " * 40
    assert next(pieces(text)) == "A sentence."
    text = "A clause, and then many words " + "and words " * 40
    assert next(pieces(text)) == "A clause,"


def test_numbers_and_addresses_are_not_cut() -> None:
    text = "x" * 200 + " costs 3.5 at example.com " + "y" * 200
    assert next(pieces(text)).endswith("example.com")

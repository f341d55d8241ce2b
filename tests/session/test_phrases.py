"""Words with a fixed meaning: whole utterances, never parts of them."""

from __future__ import annotations

import pytest

from badge.phrases import Announce, Exit, Phrases, Plain, Wake, bare

PHRASES = Phrases(wake=["你好小智", "Hey Badge"], exits=["退出", "关闭", "good bye"])


@pytest.mark.req("WW-1")
@pytest.mark.parametrize("text", ["你好小智", "你好，小智！", " 你好 小智。", "hey badge", "Hey, Badge!"])
def test_wake_words_without_punctuation_and_case(text: str) -> None:
    assert PHRASES.interpret(text) == Wake()


@pytest.mark.req("WW-6", "WW-7")
@pytest.mark.parametrize("text", ["退出", "退出。", "关闭！", "Good bye.", "GOODBYE"])
def test_exit_commands(text: str) -> None:
    assert PHRASES.interpret(text) == Exit()


@pytest.mark.req("WK-12", "LI-11")
@pytest.mark.parametrize(
    "text", ["你好小智，几点了", "退出工作模式", "please close the door", "小智", "good bye my friend"]
)
def test_parts_of_an_utterance_are_plain_talk(text: str) -> None:
    assert PHRASES.interpret(text) == Plain(text)


@pytest.mark.req("WW-2", "B-122")
def test_empty_tables_match_nothing() -> None:
    nothing = Phrases(wake=[], exits=["", "！"])
    assert nothing.interpret("你好小智") == Plain("你好小智")
    assert nothing.interpret("！") == Plain("！")


def test_announcements_are_read_as_they_are() -> None:
    assert PHRASES.interpret("[device_call] 妈妈来电") == Announce("妈妈来电")


@pytest.mark.req("LI-11")
def test_wake_word_comes_before_exit() -> None:
    both = Phrases(wake=["stop"], exits=["stop"])
    assert both.interpret("Stop!") == Wake()


def test_bare() -> None:
    assert bare(" A-b，c！ 1😀") == "abc1"

"""Words with a fixed meaning: whole utterances, never parts of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from badge.phrases import (
    Announce,
    Exit,
    Intent,
    Meaning,
    NoSwitch,
    Phrases,
    Plain,
    SwitchMode,
    Wake,
    bare,
    command,
)

PHRASES = Phrases(wake=["你好小智", "Hey Badge"], exits=["退出", "关闭", "good bye"])


@pytest.mark.req("WW-1")
@pytest.mark.parametrize("text", ["你好小智", "你好，小智！", " 你好 小智。", "hey badge", "Hey, Badge!"])
def test_wake_words_without_punctuation_and_case(text: str) -> None:
    assert PHRASES.interpret(text) == Wake()


@pytest.mark.req("WW-6", "WW-7", "WK-12")
@pytest.mark.parametrize(
    "text", ["退出", "退出。", "关闭！", "Good bye.", "GOODBYE", "我要退出", "请退出吧", "请帮我关闭一下"]
)
def test_exit_commands(text: str) -> None:
    assert PHRASES.interpret(text) == Exit()


@pytest.mark.req("WK-12", "LI-11")
@pytest.mark.parametrize(
    "text",
    [
        "你好小智，几点了",
        "please close the door",
        "小智",
        "good bye my friend",
        "请请退出",
        "退出吧吧",
        "我不要退出",
        "",
    ],
)
def test_parts_of_an_utterance_are_plain_talk(text: str) -> None:
    assert PHRASES.interpret(text) == Plain(text)


@pytest.mark.req("WW-2", "B-122")
def test_empty_tables_match_nothing() -> None:
    nothing = Phrases(wake=[], exits=["", "！"])
    assert nothing.interpret("你好小智") == Plain("你好小智")
    assert nothing.interpret("！") == Plain("！")
    assert nothing.interpret("请") == Plain("请")


def test_announcements_are_read_as_they_are() -> None:
    assert PHRASES.interpret("[device_call] 妈妈来电") == Announce("妈妈来电")


@pytest.mark.req("LI-11", "LI-13")
def test_the_order_of_meanings() -> None:
    both = Phrases(wake=["stop", "meeting mode"], exits=["stop", "meeting mode"])
    assert both.interpret("Stop!") == Wake()
    assert both.interpret("Meeting mode.") == SwitchMode("meeting")
    assert both.interpret("[device_call]meeting mode") == Announce("meeting mode")


def test_bare() -> None:
    assert bare(" A-b，c！ 1😀") == "abc1"


# --- modes --------------------------------------------------------------------------------------------------------------

SWITCHES: dict[Meaning, str] = {
    SwitchMode(
        "working"
    ): "进入工作模式|工作模式|切到工作模式|切换到工作模式|workflow mode|working mode|switch to working mode|"
    "enter working mode|Working Mode!|开始工作模式|start working mode|请进入工作模式|帮我切换到工作模式吧|我要进入工作模式|"
    "please enter working mode|Switch to working mode, please.|打开工作模式谢谢|turn working mode on|进入 工作 模式。",
    SwitchMode("meeting"): "进入会议模式|会议模式|开始会议|开会|开会了|meeting mode|start meeting|Start a meeting.|"
    "start the meeting|enter meeting mode|请开始会议|我要开会|let's start the meeting|Let’s start the meeting!|开始会议记录",
    SwitchMode(
        "coding"
    ): "编程模式|代码模式|进入编程模式|切换到代码模式|coding mode|enter coding mode|start a coding session",
    SwitchMode(
        "working", enter=False
    ): "退出工作模式|离开工作模式|leave working mode|exit working mode|Exit working mode!|"
    "请退出工作模式|stop working mode|turn off working mode|关闭工作模式吧",
    SwitchMode(
        "meeting", enter=False
    ): "退出会议模式|结束会议|会议结束|散会|散会吧|end meeting|end the meeting|stop the meeting|"
    "leave meeting mode|exit meeting mode|请结束会议谢谢|The meeting is over.|结束会议记录",
    SwitchMode(
        "coding", enter=False
    ): "退出编程模式|结束代码模式|exit coding mode|leave coding mode|end the coding session",
    NoSwitch(): "不要进入工作模式|别进入工作模式|don't enter working mode|Don’t enter working mode!|do not start meeting mode|"
    "先不要切换到编程模式|请不要进入工作模式|please don't enter working mode|不要退出工作模式|don't leave coding mode|不要结束会议|"
    "don't end the meeting|不要工作模式|no meeting mode please|我不想进入工作模式",
}


@pytest.mark.req("MD-2", "MD-3", "WK-12", "B-52")
@pytest.mark.parametrize(
    ("meaning", "text"), [(meaning, text) for meaning, texts in SWITCHES.items() for text in texts.split("|")]
)
def test_switches_of_modes(meaning: Meaning, text: str) -> None:
    assert PHRASES.interpret(text) == meaning


@pytest.mark.req("MD-2", "MD-3", "WK-12")
@pytest.mark.parametrize(
    "text",
    [
        "工作模式是什么",
        "what is working mode",
        "the meeting was long",
        "我不想开会",
        "下午三点开会",
        "开会太累了",
        "meeting",
        "会议",
        "work",
        "I like working mode",
        "进入工作模式之前先喝水",
        "when does the meeting end",
        "start working",
        "开始工作",
        "取消会议",
        "mode",
        "模式",
        "不要",
        "don't",
        "I don't want to go to the meeting",
        "结束",
    ],
)
def test_talk_about_modes_switches_nothing(text: str) -> None:
    assert PHRASES.interpret(text) == Plain(text)


# --- commands about tasks -----------------------------------------------------------------------------------------------

COMMANDS: dict[Intent | None, str] = {
    "assign": "认领任务|领取任务|我来做|assign to me|claim task|Claim task.|请帮我认领任务|我来做吧|我要领取任务|please claim task",
    "complete": "完成任务|标记完成|做完了|mark done|complete task|完成任务谢谢|Mark done, please!|帮我标记完成一下",
    "refresh": "刷新列表|刷新任务|拉取任务|refresh|pull|update list|Refresh!|请刷新列表|帮我刷新任务吧|update list please",
    None: "我来做饭|pull request|退出工作模式|refresh my memory|完成任务的人是谁|认领任务和完成任务|mark|I want to pull the plug|任务|",
}


@pytest.mark.req("WK-2", "WK-3", "WK-4", "WK-5", "WK-12", "B-66")
@pytest.mark.parametrize(
    ("intent", "text"), [(intent, text) for intent, texts in COMMANDS.items() for text in texts.split("|")]
)
def test_commands(intent: Intent | None, text: str) -> None:
    assert command(text) == intent


@pytest.mark.req("WK-1")
@pytest.mark.parametrize("text", [text for texts in COMMANDS.values() for text in texts.split("|")])
def test_no_command_switches_modes(text: str) -> None:
    """The words of commands are free for everything else outside of working mode."""
    expected = SwitchMode("working", enter=False) if text == "退出工作模式" else Plain(text)
    assert PHRASES.interpret(text) == expected


@given(st.text())
def test_any_text_has_a_meaning(text: str) -> None:
    assert PHRASES.interpret(text) is not None
    assert command(text) in ("assign", "complete", "refresh", None)

"""What words mean before any model sees them: a switch of modes, wake word, exit command, announcement, or plain talk."""

from __future__ import annotations

import unicodedata
from collections.abc import Container, Iterable, Iterator
from typing import Literal

from attrs import frozen

ANNOUNCEMENT = "[device_call]"
"""Prefix by which gateways ask the server to read the rest aloud, as it is."""

ModeName = Literal["meeting", "coding", "working"]
Intent = Literal["assign", "complete", "refresh"]


@frozen
class Wake:
    """Only the wake word was said."""


@frozen
class Exit:
    """The user ends the conversation."""


@frozen
class SwitchMode:
    """The user enters a mode, or leaves it (`enter` is False)."""

    mode: ModeName
    enter: bool = True


@frozen
class NoSwitch:
    """The user does not want a switch of modes: nothing is to happen, and there is nothing to answer either."""


@frozen
class Announce:
    """Somebody wants this read aloud."""

    text: str


@frozen
class Plain:
    """Ordinary talk."""

    text: str


Meaning = Wake | Exit | SwitchMode | NoSwitch | Announce | Plain


# --- modes: `{}` is the name of one, [brackets] hold alternatives ------------------------------------------------------

_NAMES: dict[ModeName, str] = {
    "working": "工作模式|任务模式|working mode|work mode|workflow mode",
    "meeting": "会议模式|开会模式|meeting mode",
    "coding": "编程模式|代码模式|编码模式|写代码模式|coding mode|code mode|programming mode",
}
_ENTER = (
    "{}|进入{}|进{}|切到{}|切换到{}|切换成{}|切换为{}|切换至{}|换到{}|换成{}|转到{}|转入{}|打开{}|开启{}|开始{}|启动{}|启用{}|"
    "enter {}|start {}|begin {}|open {}|activate {}|switch to {}|change to {}|go to {}|go into {}|switch into {}|"
    "turn on {}|turn {} on|switch on {}|{} on|enter the {}|start the {}|switch to the {}|go into the {}"
)
_LEAVE = (
    "退出{}|离开{}|结束{}|关闭{}|关掉{}|停止{}|终止{}|停用{}|取消{}|{}结束|{}关闭|"
    "leave {}|exit {}|end {}|stop {}|quit {}|close {}|finish {}|deactivate {}|switch off {}|turn off {}|turn {} off|"
    "{} off|get out of {}|go out of {}|exit from {}|leave the {}|exit the {}|end the {}|stop the {}"
)
_NOT = (
    "不要|别|先别|先不要|不用|先不用|不需要|不必|无需|不想|不能|我不要|我不想|我不用|我不需要|千万别|don't|do not|not|no|never|"
    "you must not|you should not|you shouldn't|i don't want to|i do not want to|i don't want|i do not want|no need to|"
    "don't you"
)
"""How a switch is denied: before any of the patterns above."""

# A meeting begins and ends without the word mode, too; what would be talk about meetings when denied is not here.
_ENTER_OTHERWISE: dict[ModeName, str] = {
    "meeting": "开始会议|进入会议|启动会议|会议开始|会议开始了|会议现在开始|开会|开会了|开会啦|开始开会|现在开会|开始会议记录|"
    "开始记录会议|开始会议纪要|记录会议|start meeting|start a meeting|start the meeting|start our meeting|start this meeting|"
    "begin meeting|begin a meeting|begin the meeting|enter meeting|enter a meeting|enter the meeting|open the meeting|"
    "start a new meeting|let's start the meeting|let us start the meeting|let's begin the meeting|"
    "the meeting starts|the meeting starts now|the meeting begins|start recording the meeting|record the meeting|"
    "record this meeting|start meeting minutes|take meeting minutes|take minutes",
    "coding": "开始编程会话|start coding session|start a coding session|start the coding session|begin coding session|"
    "begin a coding session|start a new coding session",
}
_LEAVE_OTHERWISE: dict[ModeName, str] = {
    "meeting": "结束会议|会议结束|会议结束了|会议到此结束|散会|散会了|散会啦|退出会议|离开会议|停止会议|终止会议|关闭会议|结束开会|开完会了|"
    "会开完了|结束会议记录|停止会议记录|停止记录会议|end meeting|end the meeting|end this meeting|end our meeting|stop meeting|"
    "stop the meeting|stop this meeting|finish meeting|finish the meeting|close the meeting|leave meeting|leave the meeting|"
    "exit meeting|exit the meeting|quit meeting|quit the meeting|conclude the meeting|adjourn the meeting|meeting over|"
    "meeting is over|the meeting is over|meeting adjourned|the meeting is adjourned|the meeting has ended|"
    "the meeting is finished|stop recording the meeting|finalize the meeting|finalise the meeting",
    "coding": "结束编程会话|end coding session|end the coding session|stop coding session|stop the coding session|"
    "finish the coding session|leave the coding session|exit coding session",
}
_DENIED_OTHERWISE = (
    "开始会议|进入会议|结束会议|退出会议|散会|start meeting|start a meeting|start the meeting|end meeting|end the meeting|"
    "stop the meeting|leave the meeting|start a coding session|end the coding session"
)

# --- the tasks, while working -------------------------------------------------------------------------------------------

_COMMANDS: dict[Intent, str] = {
    "assign": "认领任务|领取任务|我来做|assign to me|claim task",
    "complete": "完成任务|标记完成|做完了|mark done|complete task",
    "refresh": "刷新列表|刷新任务|拉取任务|refresh|pull|update list",
}

_LEADING = ("请帮我", "帮我", "我要", "我想", "请", "please")
_TRAILING = ("一下", "谢谢", "吧", "please")


def bare(text: str) -> str:
    """A text as phrases are compared: without punctuation, symbols and spaces, in lower case."""
    return "".join(c for c in text.lower() if unicodedata.category(c)[0] not in "PSZC")


def forms(words: str) -> Iterator[str]:
    """Bare words as they are, and without one filler before, after, or both."""
    for start in (words, *(words.removeprefix(filler) for filler in _LEADING if words.startswith(filler))):
        yield start
        yield from (start.removesuffix(filler) for filler in _TRAILING if start.endswith(filler))


def _entries(table: str) -> tuple[str, ...]:
    return tuple(filter(None, map(bare, table.split("|"))))


def _naming() -> dict[str, SwitchMode]:
    """Every bare phrase that switches by the name of a mode, and how."""
    return {
        phrase: SwitchMode(mode, enter)
        for mode, names in _NAMES.items()
        for enter, patterns in ((True, _ENTER), (False, _LEAVE))
        for name in names.split("|")
        for phrase in _entries(patterns.replace("{}", name))
    }


def _otherwise() -> dict[str, SwitchMode]:
    """Every other bare phrase that switches, and how."""
    return {
        phrase: SwitchMode(mode, enter)
        for enter, table in ((True, _ENTER_OTHERWISE), (False, _LEAVE_OTHERWISE))
        for mode, phrases in table.items()
        for phrase in _entries(phrases)
    }


_SWITCHES = _naming() | _otherwise()
_DENIABLE = frozenset((*_naming(), *_entries(_DENIED_OTHERWISE)))
_DENIALS = _entries(_NOT)
_INTENTS = {keyword: intent for intent, keywords in _COMMANDS.items() for keyword in _entries(keywords)}


def _switch(words: str) -> SwitchMode | NoSwitch | None:
    """What bare words say about modes."""
    if any(words.startswith(denial) and words[len(denial) :] in _DENIABLE for denial in _DENIALS):
        return NoSwitch()
    return _SWITCHES.get(words)


class Phrases:
    """The phrase tables of a configuration; whole utterances are compared, never parts of them."""

    def __init__(self, *, wake: Iterable[str], exits: Iterable[str]) -> None:
        self._wake = frozenset(filter(None, map(bare, wake)))
        self._exits = frozenset(filter(None, map(bare, exits)))

    def interpret(self, text: str) -> Meaning:
        """What one utterance means, spoken or typed."""
        if text.startswith(ANNOUNCEMENT):
            return Announce(text[len(ANNOUNCEMENT) :].strip())
        words = tuple(forms(bare(text)))
        for form in words:
            if (switch := _switch(form)) is not None:
                return switch
        if _any_in(words, self._wake):
            return Wake()
        if _any_in(words, self._exits):
            return Exit()
        return Plain(text)


def command(text: str) -> Intent | None:
    """What one utterance asks for while working, if it is about the tasks."""
    return next((_INTENTS[form] for form in forms(bare(text)) if form in _INTENTS), None)


def _any_in(words: Iterable[str], table: Container[str]) -> bool:
    return any(form in table for form in words)

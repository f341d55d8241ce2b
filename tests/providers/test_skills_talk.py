"""Time, date, repeating, help and small talk."""

from __future__ import annotations

import datetime

import pytest

from providers.language import language_of
from providers.llm.skills.base import Context, Skill
from providers.llm.skills.moments import date, time_of_day
from providers.llm.skills.talk import last_resort, repeat, say_again, small_talk
from providers.llm.skills.wording import core, plain

ZONE = datetime.timezone(datetime.timedelta(hours=8))


def at(hour: int = 15, minute: int = 5, day: int = 21, month: int = 11) -> datetime.datetime:
    """A moment in 2025."""
    return datetime.datetime(2025, month, day, hour, minute, tzinfo=ZONE)


def ask(skill: Skill, text: str, now: datetime.datetime | None = None, said_before: str = "") -> str | None:
    """A skill's answer in the language of the text."""
    return skill(text, Context(now=now or at(), language=language_of(text), said_before=said_before))


# --- time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "what time is it",
        "What time is it?",
        "what's the time",
        "hey badge, can you tell me what time it is please",
        "do you have the time",
        "What time is it now?",
        "WHAT TIME IS IT RIGHT NOW",
    ],
)
def test_time_in_english(text: str) -> None:
    """Typed and recognised."""
    assert ask(time_of_day, text) == "It is 3:05 PM."


@pytest.mark.parametrize(
    "text", ["几点了", "现在几点", "现在几点了？", "现在 几 点 了", "请问现在几点了呀", "你知道现在几点吗"]
)
def test_time_in_chinese(text: str) -> None:
    """Typed and recognised."""
    assert ask(time_of_day, text) == "现在是下午三点零五分。"


@pytest.mark.parametrize(
    ("hour", "minute", "english", "chinese"),
    [
        (0, 0, "It is midnight.", "现在是凌晨零点整。"),
        (0, 30, "It is 12:30 AM.", "现在是凌晨零点三十分。"),
        (2, 0, "It is 2 AM.", "现在是凌晨两点整。"),
        (6, 10, "It is 6:10 AM.", "现在是早上六点十分。"),
        (9, 59, "It is 9:59 AM.", "现在是上午九点五十九分。"),
        (12, 0, "It is noon.", "现在是中午十二点整。"),
        (12, 2, "It is 12:02 PM.", "现在是中午十二点零二分。"),
        (14, 22, "It is 2:22 PM.", "现在是下午两点二十二分。"),
        (23, 1, "It is 11:01 PM.", "现在是晚上十一点零一分。"),
    ],
)
def test_every_part_of_the_day(hour: int, minute: int, english: str, chinese: str) -> None:
    """As people say it."""
    assert ask(time_of_day, "what time is it", at(hour, minute)) == english
    assert ask(time_of_day, "几点了", at(hour, minute)) == chinese


# --- date -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("what day is it", "Today is Friday, November 21, 2025."),
        ("What's today's date?", "Today is Friday, November 21, 2025."),
        ("what is the date today", "Today is Friday, November 21, 2025."),
        ("can you tell me what day it is", "Today is Friday, November 21, 2025."),
        ("what day of the week is it", "Today is Friday, November 21, 2025."),
        ("what day is tomorrow", "Tomorrow is Saturday, November 22, 2025."),
        ("what is the date tomorrow", "Tomorrow is Saturday, November 22, 2025."),
        ("what day was yesterday", "Yesterday was Thursday, November 20, 2025."),
        ("what day is the day after tomorrow", "The day after tomorrow is Sunday, November 23, 2025."),
        ("what year is it", "It is 2025."),
        ("what month is it", "It is November."),
        ("今天几号", "今天是二零二五年十一月二十一日，星期五。"),
        ("今天是几月几号", "今天是二零二五年十一月二十一日，星期五。"),
        ("今天 星期 几", "今天是二零二五年十一月二十一日，星期五。"),
        ("明天周几啊", "明天是二零二五年十一月二十二日，星期六。"),
        ("昨天是几号", "昨天是二零二五年十一月二十日，星期四。"),
        ("后天礼拜几", "后天是二零二五年十一月二十三日，星期日。"),
        ("请问今天是什么日子", "今天是二零二五年十一月二十一日，星期五。"),
        ("今年是哪一年", "今年是二零二五年。"),
        ("现在是几月", "现在是十一月。"),
        ("what day is christmas", None),
        ("圣诞节是几号", None),
        ("what time is it", None),
    ],
)
def test_dates(text: str, answer: str | None) -> None:
    """Today and its neighbours; other days are somebody else's business."""
    assert ask(date, text) == answer


def test_the_day_changes_with_month_and_year() -> None:
    """Tomorrow of New Year's Eve."""
    assert ask(date, "what day is tomorrow", at(day=31, month=12)) == "Tomorrow is Thursday, January 1, 2026."
    assert ask(date, "what day was yesterday", at(day=1, month=3)) == "Yesterday was Friday, February 28, 2025."


@pytest.mark.parametrize(
    "text", ["what time is it in tokyo", "东京现在几点", "what time does the train leave", "set a timer"]
)
def test_no_time(text: str) -> None:
    """Better no answer than a wrong one."""
    assert ask(time_of_day, text) is None
    assert ask(date, text) is None


# --- repeating --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("repeat after me the cat sat", "the cat sat"),
        ("Repeat after me: Hello, World!", "Hello, World!"),
        ("please repeat after me one two", "one two"),
        ("say cheese", "cheese"),
        ("repeat after me", "What shall I repeat?"),
        ("跟我说你好世界", "你好世界"),
        ("跟我念，床前明月光。", "床前明月光。"),
        ("请跟着我读 一二三", "一二三"),
        ("重复一遍：上山", "上山"),
        ("跟我说", "你要我跟你说什么？"),
        ("say something", None),
        ("what did she say", None),
        ("我说什么", None),
    ],
)
def test_repeat(text: str, answer: str | None) -> None:
    """The words as they were said, case and marks included."""
    assert ask(repeat, text) == answer


@pytest.mark.parametrize(
    "text",
    ["say that again", "Could you repeat that, please?", "what did you say", "再说一遍", "你刚才说什么", "没听清"],
)
def test_say_again(text: str) -> None:
    """The last answer, or the truth when there is none."""
    assert ask(say_again, text, said_before="It is noon.") == "It is noon."
    assert ask(say_again, text) in ("I have not said anything yet.", "我还没说过话呢。")


# --- small talk -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("what can you do", "time and the date"),
        ("help", "miles to kilometers"),
        ("你会什么", "十二乘以三"),
        ("你 能 做 什么", "换算单位"),
        ("嘿，你好呀", "你好呀，我在呢"),
        ("hello", "Hello!"),
        ("Hey Badge!", "Hello!"),
        ("thank you so much", "welcome"),
        ("谢谢你", "不客气"),
        ("how are you", "fine"),
        ("你好吗", "我很好"),
        ("who are you", "Badge"),
        ("你叫什么名字", "语音助手"),
        ("good night", "Sleep well"),
        ("晚安", "好梦"),
        ("bye bye", "Goodbye"),
        ("再见", "再见"),
    ],
)
def test_small_talk(text: str, part: str) -> None:
    """From the table, in the user's language."""
    answer = ask(small_talk, text)
    assert answer is not None
    assert part in answer
    assert language_of(answer) == language_of(text)


@pytest.mark.parametrize(
    "text", ["tell me a story", "help me write a letter", "你好吗世界", "thank the queen", "", "42"]
)
def test_no_small_talk(text: str) -> None:
    """Only whole utterances count."""
    assert ask(small_talk, text) is None


@pytest.mark.parametrize(("text", "named"), [("tell me a joke", "config.toml"), ("讲个笑话", "config.toml")])
def test_the_last_resort_says_what_to_do(text: str, named: str) -> None:
    """What it can do and how to connect a model, in the user's language."""
    answer = ask(last_resort, text)
    assert answer is not None
    assert named in answer
    assert "OPENAI_API_KEY" in answer
    assert "base_url" in answer
    assert language_of(answer) == language_of(text)
    assert not any(word in answer for word in ("task", "remind", "任务", "提醒"))


# --- wording ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Hey Badge, can you please tell me what time it is?", "what time it is"),
        ("well, hello", "hello"),
        ("history", "history"),
        ("so what", "what"),
        ("请问一下，现在几点了呢？", "现在几点了"),
        ("请", "请"),
        ("３＋５", "3+5"),
        ("what’s up", "what is up"),
        ("", ""),
        ("?!", ""),
    ],
)
def test_core(text: str, left: str) -> None:
    """Politeness goes, the request stays, and something always stays."""
    assert core(text) == left


def test_plain_joins_what_recognisers_divide() -> None:
    """Chinese recognisers put spaces between words."""
    assert plain(" 今天 天气 怎么样 ") == "今天天气怎么样"
    assert plain("play 周杰伦 的 歌") == "play 周杰伦的歌"

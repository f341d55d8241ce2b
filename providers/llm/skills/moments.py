"""The time of day and the date."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from providers.llm.skills.base import Context
from providers.llm.skills.numerals import ideographs, year_ideographs
from providers.llm.skills.wording import core, phrase_in, phrases

_TIME = phrases(
    "what time is it|what time is it now|what is the time|what is the time now|what time it is|the time|time|"
    "current time|"
    "what is the current time|tell me the time|do you have the time|have you got the time|how late is it|what "
    "time do we have",
    "几点|几点了|现在几点|现在几点了|现在是几点|现在几点钟|现在几点钟了|几点钟|几点钟了|现在什么时间|现在是什么时间|什么时间了|"
    "什么时候了|现在什么时候|现在的时间|当前时间|现在时间|时间|报时|报个时|看看几点了|看一下时间|现在是什么时候|现在的时间是多少|现在的时间是几点",
)


def time_of_day(text: str, context: Context) -> str | None:
    """What time it is."""
    if not phrase_in(text, _TIME):
        return None
    now = context.now
    if context.language == "zh":
        return f"现在是{_part_of_day(now.hour)}{_clock_chinese(now)}。"
    if now.minute == 0 and now.hour % 12 == 0:
        return "It is noon." if now.hour else "It is midnight."
    minutes = f":{now.minute:02d}" if now.minute else ""
    return f"It is {(now.hour - 1) % 12 + 1}{minutes} {'AM' if now.hour < 12 else 'PM'}."


_PARTS_OF_DAY = ((0, "凌晨"), (5, "早上"), (8, "上午"), (12, "中午"), (13, "下午"), (18, "晚上"))
"""From which hour a part of the day lasts."""


def _part_of_day(hour: int) -> str:
    return [name for first, name in _PARTS_OF_DAY if hour >= first][-1]


def _clock_chinese(now: datetime) -> str:
    hour = ideographs((now.hour - 1) % 12 + 1 if now.hour else 0).replace("二", "两" if now.hour in (2, 14) else "二")
    if now.minute == 0:
        return f"{hour}点整"
    return f"{hour}点{'零' if now.minute < 10 else ''}{ideographs(now.minute)}分"


# --- the date ---------------------------------------------------------------------------------------------------------

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_OFFSETS = {
    "today": 0, "tomorrow": 1, "yesterday": -1, "the day after tomorrow": 2, "the day before yesterday": -2,
    "今天": 0, "今日": 0, "明天": 1, "昨天": -1, "后天": 2, "前天": -2, "大后天": 3,
}  # fmt: skip
_DAY_ENGLISH = r"(?P<day>the day after tomorrow|the day before yesterday|today|tomorrow|yesterday)"
_DATE_ENGLISH = tuple(
    re.compile(pattern + "$")
    for pattern in (
        r"(?:what|which) (?:day|date|weekday|day of the week|day of the month)(?: is| was| will)?(?: it| that)?(?: be)?"
        rf"(?: {_DAY_ENGLISH})?(?: is)?",
        rf"(?:what|which) (?:day|date|weekday) (?:it )?(?:is|was)(?: it)?(?: {_DAY_ENGLISH})?",
        rf"(?:what is |what was )?(?:the )?(?:current )?date(?: (?:of )?{_DAY_ENGLISH})?(?: is)?",
        r"(?:what is |)(?:todays|the current) (?:date|day)",
    )
)
_DATE_CHINESE = re.compile(
    r"(?:现在)?(?P<day>今天|今日|明天|昨天|后天|前天|大后天)?(?:的)?(?:又)?(?:是|日期是?)?"
    r"(?:几月几[号日]|几[号日]|多少[号日]|(?:星期|周|礼拜)几|哪一?天|什么日子|什么日期|日期)(?:了|来着)?"
    r"(?:(?:星期|周|礼拜)几)?$"
)
_YEAR = phrases(
    "what year is it|what is the year|which year is it|what year is this",
    "今年是哪一年|今年是哪年|现在是哪一年|哪一年|今年几几年|今年是几几年|今年是多少年",
)
_MONTH = phrases(
    "what month is it|what is the month|which month is it|what month is this",
    "现在几月|现在是几月|这个月是几月|几月了|现在几月份|现在是几月份|几月份",
)


def date(text: str, context: Context) -> str | None:
    """Which day today is, or one near it."""
    now = context.now
    if phrase_in(text, _YEAR):
        return f"今年是{year_ideographs(now.year)}年。" if context.language == "zh" else f"It is {now.year}."
    if phrase_in(text, _MONTH):
        return f"现在是{ideographs(now.month)}月。" if context.language == "zh" else f"It is {_MONTHS[now.month - 1]}."
    text = core(text)
    patterns = (_DATE_CHINESE,) if context.language == "zh" else _DATE_ENGLISH
    found = next(filter(None, (pattern.match(text) for pattern in patterns)), None)
    if found is None:
        return None
    word = found.groupdict().get("day") or ("今天" if context.language == "zh" else "today")
    day = now + timedelta(days=_OFFSETS[word])
    if context.language == "zh":
        weekday = "一二三四五六日"[day.weekday()]
        return f"{word}是{year_ideographs(day.year)}年{ideographs(day.month)}月{ideographs(day.day)}日，星期{weekday}。"
    verb = "is" if _OFFSETS[word] >= 0 else "was"
    return f"{word.capitalize()} {verb} {_DAYS[day.weekday()]}, {_MONTHS[day.month - 1]} {day.day}, {day.year}."

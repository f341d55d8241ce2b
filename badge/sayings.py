"""What is said about reminders and tasks, in both languages: pure, from values to sentences that can be spoken."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from providers.language import language_of
from providers.ports import Language

TIMER: dict[Language, str] = {"en": "the timer has run out", "zh": "计时结束了"}
"""What a timer is about."""

LATE = timedelta(minutes=1)
"""A reminder that comes later than this says when it was due."""


# --- times --------------------------------------------------------------------------------------------------------------

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_PARTS_OF_DAY = ((0, "凌晨"), (5, "早上"), (8, "上午"), (12, "中午"), (13, "下午"), (18, "晚上"))
"""From which hour a part of the day lasts."""

_NEAR_ENGLISH = {-1: "yesterday", 0: "today", 1: "tomorrow"}
_NEAR_CHINESE = {-2: "前天", -1: "昨天", 0: "今天", 1: "明天", 2: "后天"}


def day(when: date, today: date, language: Language) -> str:
    """A day as it is said: by its distance, its weekday or its date; English ones with `on` where it is needed."""
    distance = (when - today).days
    if language == "zh":
        if distance in _NEAR_CHINESE:
            return _NEAR_CHINESE[distance]
        if 0 < distance < 7:
            return "周" + "一二三四五六日"[when.weekday()]
        year = f"{when.year}年" if when.year != today.year else ""
        return f"{year}{when.month}月{when.day}日"
    if distance in _NEAR_ENGLISH:
        return _NEAR_ENGLISH[distance]
    if 0 < distance < 7:
        return f"on {_DAYS[when.weekday()]}"
    year = f", {when.year}" if when.year != today.year else ""
    return f"on {_MONTHS[when.month - 1]} {when.day}{year}"


def clock(when: datetime, language: Language) -> str:
    """A time of day as it is said."""
    if language == "zh":
        part = [name for first, name in _PARTS_OF_DAY if when.hour >= first][-1]
        return f"{part}{(when.hour - 1) % 12 + 1 if when.hour else 0}点" + (f"{when.minute}分" if when.minute else "")
    if when.minute == 0 and when.hour % 12 == 0:
        return "noon" if when.hour else "midnight"
    minutes = f":{when.minute:02}" if when.minute else ""
    return f"{(when.hour - 1) % 12 + 1}{minutes} {'AM' if when.hour < 12 else 'PM'}"


def moment(when: datetime, now: datetime, language: Language) -> str:
    """A moment as it is said; today goes without saying."""
    when = when.astimezone(now.tzinfo)
    today = when.date() == now.date()
    if language == "zh":
        return ("" if today else day(when.date(), now.date(), language)) + clock(when, language)
    return ("" if today else day(when.date(), now.date(), language) + " ") + f"at {clock(when, language)}"


# --- reminders ----------------------------------------------------------------------------------------------------------


def due(text: str, when: datetime, now: datetime) -> str:
    """A reminder whose time has come, or is over."""
    if now - when <= LATE:
        return f"提醒你：{text}。" if language_of(text) == "zh" else f"Reminder: {text}."
    if language_of(text) == "zh":
        return f"{moment(when, now, 'zh')}的提醒：{text}。"
    return f"This was due {moment(when, now, 'en')}: {text}."

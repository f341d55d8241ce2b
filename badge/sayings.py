"""What is said about reminders and tasks, in both languages: pure, from values to sentences that can be spoken."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from providers.language import language_of
from providers.ports import Language

TIMER: dict[Language, str] = {"en": "the timer has run out", "zh": "计时结束了"}
"""What a timer is about."""

ALARM: dict[Language, str] = {"en": "this is your alarm", "zh": "闹钟时间到了"}
NOTHING: dict[Language, str] = {"en": "you wanted to be reminded now", "zh": "你要我现在提醒你"}
"""What an alarm is about, and a reminder of nothing in particular."""

SPOKEN = 5
"""Entries of a list that are read aloud."""

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


def will_remind(text: str, when: datetime, now: datetime, language: Language) -> str:
    """A reminder, timer or alarm is set."""
    if language == "zh":
        if text in (TIMER["zh"], ALARM["zh"], NOTHING["zh"]):
            return f"好的，我会在{moment(when, now, 'zh')}提醒你。"
        return f"好的，我会在{moment(when, now, 'zh')}提醒你：{text}。"
    if text in (TIMER["en"], ALARM["en"], NOTHING["en"]):
        return f"I will tell you {moment(when, now, 'en')}."
    return f"I will remind you {moment(when, now, 'en')}: {text}."


def ask_when(text: str, language: Language) -> str:
    """When to remind was not said; the answer has to be the whole wish, because nobody remembers this question."""
    if language == "zh":
        return f"什么时候提醒你？请说，比如：十分钟后提醒我{'' if text in NOTHING.values() else text}。"
    return "When shall I remind you? Say for example: remind me in ten minutes to stretch."


def reminders(waiting: Sequence[tuple[str, datetime]], now: datetime, language: Language) -> str:
    """What waits, as (text, when), the next first."""
    if language == "zh":
        if not waiting:
            return "你没有提醒。"
        told = "；".join(f"{moment(when, now, 'zh')}，{text}" for text, when in waiting[:SPOKEN])
        return f"你有{len(waiting)}个提醒：{told}{_more(len(waiting), 'zh')}。"
    if not waiting:
        return "You have no reminders."
    told = "; ".join(f"{moment(when, now, 'en')}, {text}" for text, when in waiting[:SPOKEN])
    return f"You have {_count(len(waiting), 'reminder')}: {told}{_more(len(waiting), 'en')}."


def cancelled(count: int, language: Language) -> str:
    """So many reminders are forgotten."""
    if language == "zh":
        return f"好的，取消了{count}个提醒。" if count else "你没有提醒。"
    return f"{_count(count, 'reminder').capitalize()} cancelled." if count else "You have no reminders."


# --- tasks --------------------------------------------------------------------------------------------------------------


def due_by(written: str | None, now: datetime, language: Language) -> str:
    """A due date in ISO 8601 as it is said, such as `due Friday`; empty when there is none or it cannot be read."""
    if not written:
        return ""
    try:
        when: date | datetime = date.fromisoformat(written) if len(written) <= 10 else datetime.fromisoformat(written)
    except ValueError:
        return ""
    if not isinstance(when, datetime):
        spoken = day(when, now.date(), language)
    else:
        spoken = moment(when if when.tzinfo else when.replace(tzinfo=now.tzinfo), now, language)
    return f"{spoken}到期" if language == "zh" else f"due {spoken}"


def added(title: str, written: str | None, now: datetime, language: Language) -> str:
    """A task was added."""
    return _sentence("已添加" if language == "zh" else "Added", _task(title, written, now, language), language)


def tasks(titles: Sequence[tuple[str, str | None]], now: datetime, language: Language) -> str:
    """What is to be done, as (title, due), the most urgent first."""
    if not titles:
        return "没有任务。" if language == "zh" else "There are no tasks."
    told = [_task(title, written, now, language) for title, written in titles[:SPOKEN]]
    more = _more(len(titles), language)
    if language == "zh":
        return f"有{len(titles)}个任务：{'；'.join(told)}{more}。"
    return f"There {'is' if len(titles) == 1 else 'are'} {_count(len(titles), 'task')}: {'; '.join(told)}{more}."


def ask_what(language: Language) -> str:
    """What the new task is was not said."""
    if language == "zh":
        return "是什么任务？请说，比如：添加任务买牛奶。"
    return "What is the task? Say for example: add task buy milk."


def renamed(title: str, language: Language) -> str:
    """The task is called so now."""
    return _sentence(
        "任务改成了" if language == "zh" else "Your task is now", _task(title, None, None, language), language
    )


def due_changed(title: str, written: str | None, now: datetime, language: Language) -> str:
    """The task is due then now; at no time when `written` is None."""
    if language == "zh":
        return _sentence("好的", _task(title, written, now, "zh") + ("" if written else "，没有截止日期"), "zh")
    return _sentence("OK", _task(title, written, now, "en") + ("" if written else ", with no due date"), "en")


def released(title: str, language: Language) -> str:
    """Somebody else may have the task."""
    return _sentence("任务已退回" if language == "zh" else "Given back", title, language)


def no_task(language: Language) -> str:
    """There is no task of the user's that could be edited."""
    if language == "zh":
        return "你现在没有任务。请先认领一个任务。"
    return "You have no task at the moment. Claim one first."


def failed(language: Language) -> str:
    """It is not done, and nobody knows why."""
    return "抱歉，没有成功，请稍后再试。" if language == "zh" else "Sorry, that did not work. Please try again later."


def _task(title: str, written: str | None, now: datetime | None, language: Language) -> str:
    by = due_by(written, now, language) if now else ""
    return f"{title}{'，' if language == 'zh' else ', '}{by}" if by else title


def _sentence(opening: str, rest: str, language: Language) -> str:
    return f"{opening}：{rest}。" if language == "zh" else f"{opening}: {rest}."


def _count(number: int, thing: str) -> str:
    return f"one {thing}" if number == 1 else f"{number} {thing}s"


def _more(number: int, language: Language) -> str:
    if number <= SPOKEN:
        return ""
    return f"；还有{number - SPOKEN}个" if language == "zh" else f"; and {number - SPOKEN} more"

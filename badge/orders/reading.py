"""What one utterance asks for."""

from __future__ import annotations

import re
from datetime import date, datetime, time

import attrs

from badge.moments import Said, find, read_span
from badge.orders.patterns import (
    ABOUT,
    ADD,
    AGAIN,
    ALARM_ENGLISH,
    DUE,
    QUESTION,
    REMIND_CHINESE,
    REMIND_ENGLISH,
    RENAME,
    TIMER_CHINESE,
    TIMER_ENGLISH,
)
from badge.orders.tables import PHRASES
from badge.orders.values import AddTask, Order, Remind, RemindWhat, RenameTask, SetDue
from badge.phrases import bare, forms
from badge.sayings import ALARM, NOTHING, TIMER
from providers.language import language_of, without_gaps

LONGEST_TITLE = 200
LONGEST_TEXT = 300
"""Characters of what a task or a reminder is about; more is cut off."""

LONGEST_ORDER = 400
"""Characters; more is no order."""

MORNING = time(9)
"""When one is reminded on a day for which no time was said."""


def order(text: str, now: datetime) -> Order | None:
    """What one utterance asks for, spoken or typed; None when it is talk. Never raises."""
    text = without_gaps(text).strip(" .!?。！？,，;；")
    if not text or len(text) > LONGEST_ORDER:
        return None
    for words in forms(bare(text)):
        if words in PHRASES:
            return PHRASES[words]
    return _reminder(text, now) or _edit(text, now) or _new_task(text, now)


# --- reminders ----------------------------------------------------------------------------------------------------------


def _reminder(text: str, now: datetime) -> Remind | RemindWhat | None:
    if AGAIN.search(text):
        return None
    if language_of(text) == "en":
        if found := REMIND_ENGLISH.fullmatch(text):
            return _remind_english(found["rest"].strip(" ,:"), now)
        return _timer_english(text, now)
    if found := REMIND_CHINESE.fullmatch(text):
        return _remind_chinese(found, now)
    return _timer_chinese(text, now)


def _remind_english(rest: str, now: datetime) -> Remind | RemindWhat | None:
    said, rest = find(rest, now, "start") or (None, rest)
    about = ABOUT.fullmatch(rest)
    what = about["what"] if about else rest if said else ""
    if rest and (not what or QUESTION.match(what)):
        return None
    later = find(what, now, "end")
    if later and later[1] and (said is None or (said.span is None and said.clock is None and later[0].day is None)):
        said, what = (said.joined(later[0]) if said else later[0]), later[1]
    if said is None and rest.lower().startswith("of "):
        return None  # remind me of your name
    return _remind(what or NOTHING["en"], said, now)


def _remind_chinese(found: re.Match[str], now: datetime) -> Remind | RemindWhat | None:
    before, what = found["before"].strip(" ，,的"), found["rest"].strip(" ，,：:")
    said = None
    if before:
        early = find(before, now, "start")
        if early is None or early[1]:
            return None
        said = early[0]
    if early := find(what, now, "start"):
        said, what = (said.joined(early[0]) if said else early[0]), early[1]
    elif said is None and (later := find(what, now, "end")) and later[1]:
        said, what = later
    what = re.sub(r"^(?:要|一下|该)", "", what).strip(" ，,")
    if QUESTION.match(what) or (said is None and "提醒" not in found["verb"]):
        return None
    if said is not None and (found["verb"] == "叫醒我" or "起床" in what):
        said = _waking(said)
    return _remind(what or (ALARM if found["verb"] == "叫醒我" else NOTHING)["zh"], said, now)


def _timer_english(text: str, now: datetime) -> Remind | RemindWhat | None:
    for pattern in TIMER_ENGLISH:
        if found := pattern.fullmatch(text):
            return _timer(found["rest"].strip(" ,-").removeprefix("for "), TIMER["en"], now)
    if found := ALARM_ENGLISH.fullmatch(text):
        return _timer(found["rest"].strip(" ,"), ALARM["en"], now, waking=bool(found["wake"]))
    return None


def _timer_chinese(text: str, now: datetime) -> Remind | RemindWhat | None:
    for pattern in TIMER_CHINESE:
        if found := pattern.fullmatch(text):
            what = (ALARM if found["what"][0] == "闹" else TIMER)["zh"]
            when = found["rest"].strip(" ，,的")
            fewer = re.sub(r"^一?个", "", when)  # 一个半小时 is half an hour more than 一个, 半小时
            return (_timer(when, what, now) if when else None) or _timer(fewer, what, now)
    return None


def _timer(when: str, what: str, now: datetime, *, waking: bool = False) -> Remind | RemindWhat | None:
    """A timer for a length of time, or an alarm at a time."""
    if not when:
        return RemindWhat(what)
    found = find(when, now, "start")
    if found is None or found[1]:
        found = read_span(when.replace("-", " "))
    if found is None or found[1]:
        return None
    return _remind(what, _waking(found[0]) if waking else found[0], now)


def _waking(said: Said) -> Said:
    """People are woken in the morning."""
    return attrs.evolve(said, part="am") if said.clock and not said.part else said


def _remind(what: str, said: Said | None, now: datetime) -> Remind | RemindWhat:
    what = what[:LONGEST_TEXT].strip()
    due = _at(said, now)
    if isinstance(due, datetime):
        return Remind(what, due)
    if due is None or due <= now.date():
        return RemindWhat(what)
    return Remind(what, datetime.combine(due, MORNING, now.tzinfo))


# --- tasks --------------------------------------------------------------------------------------------------------------


def _new_task(text: str, now: datetime) -> AddTask | None:
    found = next(filter(None, (pattern.fullmatch(text) for pattern in ADD)), None)
    if found is None:
        return None
    title = found["title"]
    timed = find(title, now, "end") or find(title, now, "start")
    if timed is None or not timed[1] or (due := _at(timed[0], now)) is None:
        return AddTask(_title(title))
    return AddTask(_title(timed[1]), _by_day(timed[0], due))


def _edit(text: str, now: datetime) -> RenameTask | SetDue | None:
    for pattern in DUE:
        if (found := pattern.fullmatch(text)) and (timed := find(found["due"], now, "start")) and not timed[1]:
            due = _at(timed[0], now)
            return SetDue(_by_day(timed[0], due)) if due is not None else None
    for pattern in RENAME:
        if found := pattern.fullmatch(text):
            return RenameTask(_title(found["title"]))
    return None


def _title(text: str) -> str:
    text = re.sub(r"^to\s+(?=\S)", "", text.strip(" ,，:：\"'“”"), flags=re.IGNORECASE)
    return text[:LONGEST_TITLE].strip()


def _by_day(said: Said, due: date | datetime) -> date | datetime:
    """The day only, when the time was given in days."""
    if isinstance(due, datetime) and said.span is not None and not said.span.seconds:
        return due.date()
    return due


def _at(said: Said | None, now: datetime) -> date | datetime | None:
    try:
        return None if said is None else said.at(now)
    except (OverflowError, ValueError):
        return None

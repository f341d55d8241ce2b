"""English days: near ones, weekdays, dates."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

import attrs

from badge.moments.said import Day, Part, Said, add_months, calendar_day, weekday
from providers.llm.skills.numerals import read_english

_PREPOSITIONS = ("on", "by", "before", "until", "till", "for")
_NEAR = {
    "the day after tomorrow": 2, "day after tomorrow": 2, "tomorrow": 1, "today": 0, "next week": 7,
}  # fmt: skip
_PARTS: dict[str, Part] = {"morning": "morning", "afternoon": "afternoon", "evening": "evening", "night": "night"}


def _numbered(*names: str) -> dict[str, int]:
    """Several names for one number, counted from 0."""
    return {name: number for number, several in enumerate(names) for name in several.split()}


_WEEKDAYS = _numbered(
    "monday mon", "tuesday tue tues", "wednesday wed", "thursday thu thurs", "friday fri", "saturday sat", "sunday sun"
)
_MONTHS = _numbered(
    "_", "january jan", "february feb", "march mar", "april apr", "may", "june jun", "july jul", "august aug",
    "september sep sept", "october oct", "november nov", "december dec",
)  # fmt: skip
_ORDINALS = _numbered(
    "_", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
    "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth",
    "twentieth",
) | {"thirtieth": 30}  # fmt: skip

Found = tuple[Said, int] | None


def day(words: Sequence[str], place: int, now: datetime) -> Found:
    """`tomorrow morning`, `on friday`, `the 3rd of december`; a weekday alone is not sure to be one."""
    start = place + (_word(words, place) in _PREPOSITIONS)
    named = start > place
    found = (
        _near(words, start, now) or _weekday(words, start, now, named=named) or _date(words, start, now, named=named)
    )
    if found is None:
        return None
    said, end = found
    if said.part is None and (part := _PARTS.get(_word(words, end))):
        return attrs.evolve(said, part=part), end + 1
    return said, end


def _near(words: Sequence[str], place: int, now: datetime) -> Found:
    for name, days in _NEAR.items():
        wanted = name.split()
        if list(words[place : place + len(wanted)]) == wanted:
            return Said(day=Day(now.date() + timedelta(days=days))), place + len(wanted)
    if words[place : place + 2] == ["next", "month"]:
        return Said(day=Day(add_months(now, 1).date())), place + 2
    if _word(words, place) == "tonight":
        return Said(day=Day(now.date()), part="night"), place + 1
    if _word(words, place) == "this" and (part := _PARTS.get(_word(words, place + 1))):
        return Said(day=Day(now.date()), part=part), place + 2
    return None


def _weekday(words: Sequence[str], place: int, now: datetime, *, named: bool) -> Found:
    """`friday`, `this friday`, and `next friday`, which is one of next week."""
    which = _word(words, place)
    described = which in ("next", "this")
    name = _word(words, place + described)
    if name not in _WEEKDAYS or (name in ("sat", "sun", "mon", "wed") and not named and not described):
        return None
    return (
        Said(day=weekday(_WEEKDAYS[name], 1 if which == "next" else None, now), sure=named or described),
        place + described + 1,
    )


def _date(words: Sequence[str], place: int, now: datetime, *, named: bool) -> Found:
    word = _word(words, place)
    if re.fullmatch(r"\d{4}-\d\d?-\d\d?", word):
        year, month, number = map(int, word.split("-"))
        return _said(calendar_day(number, month, year, now), place + 1)
    if word in _MONTHS:
        return _month_first(words, place, now)
    the = word == "the"
    ordinal = _ordinal(words, place + the)
    found = ordinal or _plain(words, place + the)
    if found is None:
        return None
    number, end = found
    end += _word(words, end) == "of"
    if _word(words, end) in _MONTHS:
        return _of_year(words, number, _MONTHS[_word(words, end)], end + 1, now)
    return _said(calendar_day(number, None, None, now), found[1]) if ordinal and the and named else None


def _month_first(words: Sequence[str], place: int, now: datetime) -> Found:
    """`december 3`, `december the third`."""
    after = place + 1 + (_word(words, place + 1) == "the")
    found = _ordinal(words, after) or _plain(words, after)
    return _of_year(words, found[0], _MONTHS[_word(words, place)], found[1], now) if found else None


def _of_year(words: Sequence[str], number: int, month: int, place: int, now: datetime) -> Found:
    year = int(_word(words, place)) if re.fullmatch(r"20\d\d", _word(words, place), re.ASCII) else None
    return _said(calendar_day(number, month, year, now), place + (year is not None))


def _said(day: Day | None, place: int) -> Found:
    return (Said(day=day), place) if day is not None else None


def _plain(words: Sequence[str], place: int) -> tuple[int, int] | None:
    found = read_english(words[: place + 2], place)
    if found is None or found[0].denominator != 1 or not 1 <= found[0] <= 31:
        return None
    return int(found[0]), found[1]


def _ordinal(words: Sequence[str], place: int) -> tuple[int, int] | None:
    """`third`, `twenty first`, `3rd`."""
    word, after = _word(words, place), _word(words, place + 1)
    if word in ("twenty", "thirty") and 0 < _ORDINALS.get(after, 0) < 10:
        return {"twenty": 20, "thirty": 30}[word] + _ORDINALS[after], place + 2
    if word in _ORDINALS and word != "_":
        return _ORDINALS[word], place + 1
    if re.fullmatch(r"\d\d?", word, re.ASCII) and after in ("st", "nd", "rd", "th"):
        return int(word), place + 2
    return None


def _word(words: Sequence[str], place: int) -> str:
    return words[place] if place < len(words) else ""

"""English times: which moment words stand for, read from left to right.

Every function takes the words, in lower case, and the place where to begin, and gives what it found and the place after
it, or None.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from typing import TypeVar

from badge.moments.english_days import day
from badge.moments.said import Clock, Part, Said
from providers.llm.skills.numerals import read_english

TOKEN = re.compile(
    r"\d{4}-\d\d?-\d\d?|[ap]\.\s?m\b\.?|\d+[:.]\d\d(?!\d)|\d[\d,]*(?:\.\d+)?|[^\W\d_]+(?:['’][^\W\d_]+)*", re.IGNORECASE
)
"""What counts as a word. `5pm` and `3rd` are two."""

_T = TypeVar("_T")
Found = tuple[_T, int] | None
Words = Sequence[str]

_UNITS = {
    "second": 1, "seconds": 1, "sec": 1, "secs": 1, "minute": 60, "minutes": 60, "min": 60, "mins": 60, "hour": 3600,
    "hours": 3600, "hr": 3600, "hrs": 3600, "day": 86400, "days": 86400, "week": 604800, "weeks": 604800,
    "fortnight": 1209600,
}  # fmt: skip
_MONTHS = {"month": 1, "months": 1, "year": 12, "years": 12}
_SURE = ("at", "by", "before", "until", "till")
_PREPOSITIONS = (*_SURE, "around", "about", "for")
"""What may stand before a time; after some of them a number may also be one of anything, as in `a table for two`."""

_NAMED = {"noon": 12, "midday": 12, "midnight": 24}
_O_CLOCK = ("o'clock", "o’clock", "oclock")


def read(words: Words, place: int, now: datetime) -> Found[Said]:
    """A time: how long from now, or a day and a time of day in either order."""
    if found := _from_now(words, place):
        return found
    if found := day(words, place, now):
        said, end = found
        later = _clock(words, end, expected=True)
        return (said.joined(later[0]), later[1]) if later else found
    if found := _clock(words, place):
        said, end = found
        later = day(words, end, now)
        return (said.joined(later[0]), later[1]) if later else found
    return None


# --- how long -----------------------------------------------------------------------------------------------------------


def span(words: Words, place: int) -> Found[Said]:
    """`ten minutes`, `an hour and a half`, `two hours and five minutes`."""
    months, seconds, end = Fraction(0), Fraction(0), 0
    while (part := _amount(words, place)) is not None:
        (value, unit), end = part
        months += value * _MONTHS.get(unit, 0)
        seconds += value * _UNITS.get(unit, 0)
        place = end + (_word(words, end) == "and")
    if not end:
        return None
    whole, rest = divmod(months, 1)
    seconds = min(seconds + rest * 30 * 86400, Fraction(10**12))  # beyond the calendar, but not beyond a timedelta
    return Said(months=min(int(whole), 10**6), span=timedelta(seconds=float(seconds))), end


def _amount(words: Words, place: int) -> Found[tuple[Fraction, str]]:
    if after := _phrase(words, place, "a couple of"):
        value, place = Fraction(2), after
    elif found := read_english(words, place):
        value, place = found
        place += _word(words, place) == "of"
        place += _word(words, place) in ("a", "an")
    elif _word(words, place) in ("a", "an"):
        value, place = Fraction(1), place + 1
    else:
        return None
    unit = _word(words, place)
    if unit not in _UNITS and unit not in _MONTHS:
        return None
    for more, share in (("and a half", Fraction(1, 2)), ("and a quarter", Fraction(1, 4))):
        if after := _phrase(words, place + 1, more):
            return (value + share, unit), after
    return (value, unit), place + 1


def _from_now(words: Words, place: int) -> Found[Said]:
    """`in ten minutes`, `ten minutes from now`."""
    begins = _word(words, place) in ("in", "within")
    found = span(words, place + begins)
    if found is None:
        return None
    ends = _phrase(words, found[1], "from now") or _phrase(words, found[1], "later")
    return (found[0], ends or found[1]) if begins or ends else None


# --- what time ----------------------------------------------------------------------------------------------------------


def _clock(words: Words, place: int, *, expected: bool = False) -> Found[Said]:
    """`at five`, `5:30 pm`, `half past nine`, `ten in the morning`; `expected` after a day, where no `at` is needed."""
    if part := _part(words, place):
        return Said(part=part[0]), part[1]
    start = place + (_word(words, place) in _PREPOSITIONS)
    found = _relative(words, start) or _face(words, start)
    if found is None:
        return None
    (clock, plain), end = found
    half = _half(words, end)
    if plain and start == place and not half and not expected:
        return None
    sure = not plain or expected or bool(half) or _word(words, place) in _SURE
    return Said(clock=clock, part=half[0] if half else None, sure=sure), half[1] if half else end


def _part(words: Words, place: int) -> Found[Part]:
    """`in the morning`, `at night`."""
    parts: tuple[tuple[str, Part], ...] = (
        ("in the morning", "morning"),
        ("in the afternoon", "afternoon"),
        ("in the evening", "evening"),
        ("at night", "night"),
    )
    return next(((part, end) for name, part in parts if (end := _phrase(words, place, name))), None)


def _half(words: Words, place: int) -> Found[Part]:
    """Before noon or after: `pm`, `p.m.`, `p m` as some recognisers write it, `in the evening`."""
    halves: tuple[Part, ...] = ("am", "pm")
    for half in halves:
        if _word(words, place).replace(".", "").replace(" ", "") == half:
            return half, place + 1
        if after := _phrase(words, place, " ".join(half)):
            return half, after
    return _part(words, place)


def _face(words: Words, place: int) -> Found[tuple[Clock, bool]]:
    """`five`, `five thirty`, `5:30`, `noon`, and whether it could be any other number."""
    word = _word(words, place)
    if word in _NAMED:
        return (Clock(_NAMED[word], exact=True), False), place + 1
    if digits := re.fullmatch(r"(\d\d?)([:.])(\d\d)", word):
        hour, minute = int(digits[1]), int(digits[3])
        clock = Clock(hour, minute, exact=not 0 < hour <= 12 or word.startswith("0"))
        return ((clock, digits[2] == "."), place + 1) if hour < 24 and minute < 60 else None
    hours = _count(words, place, 24)
    if hours is None:
        return None
    hour, end = hours
    exact = not 0 < hour <= 12
    if _word(words, end) in _O_CLOCK:
        return (Clock(hour, exact=exact), False), end + 1
    zero = _word(words, end) in ("oh", "o")
    minutes = _count(words, end + zero, 59)
    if minutes and hour < 24 and (minutes[0] > 9) != zero:
        return (Clock(hour, minutes[0], exact=exact), True), minutes[1]
    return (Clock(hour, exact=exact), True), end


def _relative(words: Words, place: int) -> Found[tuple[Clock, bool]]:
    """`half past nine`, `a quarter to ten`, `five minutes past three`."""
    start = place + (_word(words, place) == "a")
    if (name := _word(words, start)) in ("half", "quarter"):
        minutes, place = {"half": 30, "quarter": 15}[name], start + 1
    elif number := _count(words, place, 59):
        minutes, place = number
        place += _word(words, place) in ("minutes", "minute")
    else:
        return None
    found = _count(words, place + 1, 12)
    if _word(words, place) not in ("past", "after", "to", "before") or found is None or not found[0]:
        return None
    hour, end = found
    end += _word(words, end) in _O_CLOCK
    if _word(words, place) in ("past", "after"):
        return (Clock(hour, minutes), False), end
    return (Clock(hour - 1 or 12, 60 - minutes), False), end


def _count(words: Words, place: int, most: int) -> Found[int]:
    """A whole number in one word, or two such as `twenty one`."""
    word, after = _word(words, place), _word(words, place + 1)
    first = read_english((word,), 0)
    if first is None or first[0].denominator != 1 or not 0 <= first[0] <= most:
        return None
    both = read_english((word, after), 0)
    if not word[0].isdigit() and both is not None and both[1] == 2 and first[0] in (20, 30, 40, 50) and both[0] <= most:
        return int(both[0]), place + 2
    return int(first[0]), place + 1


def _word(words: Words, place: int) -> str:
    return words[place] if place < len(words) else ""


def _phrase(words: Words, place: int, phrase: str) -> int:
    """The place after a phrase, or 0."""
    wanted = phrase.split()
    return place + len(wanted) if list(words[place : place + len(wanted)]) == wanted else 0

"""Where in a text a time stands: at its beginning or at its end."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from badge.moments import chinese, english
from badge.moments.said import Said
from providers.language import language_of

LONGEST = 1000
"""Characters of a text that is looked at."""

REACH = 16
"""Words, or Chinese characters, that a time takes at most."""

Side = Literal["start", "end"]
_NUMERALS = "0123456789零〇一二三四五六七八九十月年第"
_EDGES = " ,.;:!?，。、；：！？"


def read_moment(text: str, now: datetime) -> tuple[date | datetime, str] | None:
    """The time at the beginning or the end of a text, as a date when it has no time of day, and the text without it.
    Never in the past, except for a time that was said to be today's."""
    found = find(text, now, "start") or find(text, now, "end")
    if found is None:
        return None
    try:
        return found[0].at(now), found[1]
    except OverflowError:
        return None


def find(text: str, now: datetime, side: Side) -> tuple[Said, str] | None:
    """The time on one side of a text, and the text without it."""
    if len(text) > LONGEST:
        return None
    try:
        return (_find_chinese if language_of(text) == "zh" else _find_english)(text, now, side)
    except (OverflowError, ValueError):
        return None  # numbers beyond all calendars


def read_span(text: str) -> tuple[Said, str] | None:
    """The length of time with which a text begins, and the rest."""
    if len(text) > LONGEST:
        return None
    try:
        if language_of(text) == "zh":
            spoken = chinese.span(text, 0)
            return (spoken[0], text[spoken[1] :].strip(_EDGES)) if spoken else None
        tokens = list(english.TOKEN.finditer(text))
        found = english.span([token[0].lower() for token in tokens], 0)
        return (found[0], text[tokens[found[1] - 1].end() :].strip(_EDGES)) if found else None
    except (OverflowError, ValueError):
        return None


def _find_english(text: str, now: datetime, side: Side) -> tuple[Said, str] | None:
    tokens = list(english.TOKEN.finditer(text.replace("：", ":")))
    words = [token[0].lower() for token in tokens]
    if side == "start":
        found = english.read(words, 0, now)
        return (found[0], text[tokens[found[1] - 1].end() :].strip(_EDGES)) if found else None
    for place in range(max(0, len(words) - REACH), len(words)):
        found = english.read(words, place, now)
        if found and found[1] == len(words) and (found[0].sure or place == 0):
            return found[0], text[: tokens[place].start()].strip(_EDGES)
    return None


def _find_chinese(text: str, now: datetime, side: Side) -> tuple[Said, str] | None:
    text = text.strip(_EDGES)
    if side == "start":
        found = chinese.read(text, 0, now)
        return (found[0], text[found[1] :].strip(_EDGES)) if found else None
    for place in range(max(0, len(text) - 2 * REACH), len(text)):
        if place and text[place - 1] in _NUMERALS:
            continue  # in the middle of a number
        found = chinese.read(text, place, now)
        if found and found[1] == len(text) and (found[0].sure or place == 0):
            return found[0], text[:place].strip(_EDGES)
    return None

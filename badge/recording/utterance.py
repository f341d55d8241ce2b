"""What stays of an utterance that is masked: the words that decide on the course of the session. Pure."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator

import attrs

from badge.modes.insight import TELLING
from badge.orders import AddTask, Order, Remind, RemindWhat, RenameTask, order
from badge.orders.reading import LONGEST_TITLE
from badge.phrases import NoSwitch, Phrases, SwitchMode, command
from badge.recording.shape import shape
from badge.sayings import ALARM, NOTHING, TIMER

_SWITCHES = Phrases(wake=(), exits=())

_OURS = frozenset((*TIMER.values(), *ALARM.values(), *NOTHING.values()))
"""What a timer is about, and an alarm: words of ours."""

_NOW = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
"""Where the words of an order are its user's own does not depend on the time."""


def decides(text: str) -> bool:
    """Whether a text switches modes, says that this is not wanted, or commands something about the tasks; nothing in it
    is the user's own."""
    return isinstance(_SWITCHES.interpret(text), SwitchMode | NoSwitch) or command(text) is not None


def order_shape(text: str) -> str | None:
    """An order with the shape of what it is about: what kind of order it is, and when, stays. None when it is none, or
    would be another one."""
    found = order(text, _NOW)
    if found is None:
        return None
    own = _own_words(found)
    if not own or own in _OURS:
        return text
    masked = _reworded(found, shape(own))
    return next((one for one in _with_shape_of(text, own) if order(one, _NOW) == masked), None)


def line_shape(text: str) -> str:
    """A line of a log: what tells of trouble stays."""
    at, pieces = 0, []
    for told in TELLING.finditer(text):
        pieces += [shape(text[at : told.start()]), told[0]]
        at = told.end()
    return "".join((*pieces, shape(text[at:])))


def _own_words(found: Order) -> str:
    """What of an order is in its user's own words."""
    match found:
        case Remind() | RemindWhat():
            return found.text
        case AddTask() | RenameTask():
            return found.title
    return ""


def _reworded(found: Order, words: str) -> Order:
    """The same order about something else."""
    match found:
        case Remind() | RemindWhat():
            return attrs.evolve(found, text=words)
        case AddTask() | RenameTask():
            return attrs.evolve(found, title=words)
    return found


def _with_shape_of(text: str, own: str) -> Iterator[str]:
    """The text with one occurrence of some words masked, wherever there are spaces in them."""
    pattern = r"\s*".join(map(re.escape, "".join(own.split())))
    for found in re.finditer(f"(?=({pattern}))", text):
        if len(text) > LONGEST_TITLE:  # then some of these words may be cut off
            yield text[: found.start(1)] + shape(text[found.start(1) :])
            continue
        yield text[: found.start(1)] + shape(found[1]) + text[found.end(1) :]

"""The minutes as a document: what is in it, how long it may be, and its JSON."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable
from typing import Any, Literal, TypeVar

import attrs
from attrs import field, frozen

from badge.storage.records import Hole
from protocol.strict import Mistake, make_converter, structure

TITLE, TEXT, NAME = 120, 400, 60
"""Characters of a title; of a point; of an owner or a date as said."""

REFERENCES = 20
"""Segments that one point may name."""

LISTED = 100
"""Points of one kind that the minutes hold."""

Method = Literal["model", "extract", "mixed"]
"""Who made the minutes: a language model; rules that pick key sentences; or the one here and the other there."""


@frozen(kw_only=True)
class Point:
    """One thing that the minutes say, and the numbers of the segments that it rests on."""

    text: str = field(repr=False)
    segments: tuple[int, ...]


@frozen(kw_only=True)
class Action(Point):
    """Something to be done; `owner` and `due` as far as they were said, `due` as an ISO 8601 date where it could be
    worked out, else in the words of the speaker."""

    owner: str | None = field(default=None, repr=False)
    due: str | None = None


@frozen(kw_only=True)
class Content:
    """What was said, in short."""

    title: str = field(repr=False)
    summary: tuple[Point, ...]
    decisions: tuple[Point, ...]
    actions: tuple[Action, ...]
    questions: tuple[Point, ...]


@frozen(kw_only=True)
class Minutes(Content):
    """The minutes of one meeting. `left_out` are sentences that say what is not in them, and why; `session` is the one in
    which the meeting ended, empty when there was none."""

    holes: tuple[Hole, ...] = ()
    method: Method = "model"
    left_out: tuple[str, ...] = ()
    session: str = ""

    @property
    def text(self) -> str:
        """The summary as plain text."""
        return "\n".join(point.text for point in self.summary)


_CONVERTER = make_converter(forbid_unknown=False)


def document(minutes: Minutes) -> dict[str, Any]:
    """The minutes as a JSON object, without the session, which is no part of them."""
    return attrs.asdict(minutes, filter=attrs.filters.exclude("session"))


def dumps(minutes: Minutes) -> str:
    """The minutes as they are stored."""
    return json.dumps(attrs.asdict(minutes), ensure_ascii=False, separators=(",", ":"))


def loads(text: str) -> Minutes:
    """Stored minutes. Raises `ValueError` when the text is something else."""
    found = structure(_CONVERTER, json.loads(text), Minutes)
    if isinstance(found, list):
        raise ValueError(f"these are no minutes: {found[0]}")
    return found


def content_of(value: object) -> Content | list[Mistake]:
    """What a model says about a transcript, or what is wrong with it."""
    return structure(_CONVERTER, value, Content)


P = TypeVar("P", bound=Point)


def fit(content: Content, shown: Container[int]) -> Content:
    """The same within the bounds: texts cut, with a mark; of the segments only those that were shown."""
    return Content(
        title=cut(content.title, TITLE),
        summary=_fit(content.summary, shown),
        decisions=_fit(content.decisions, shown),
        actions=tuple(
            attrs.evolve(action, owner=_name(action.owner), due=_name(action.due))
            for action in _fit(content.actions, shown)
        ),
        questions=_fit(content.questions, shown),
    )


def _fit(points: tuple[P, ...], shown: Container[int]) -> tuple[P, ...]:
    return tuple(
        attrs.evolve(point, text=cut(point.text, TEXT), segments=_numbers(point.segments, shown))
        for point in points[:LISTED]
        if point.text.strip()
    )


def _numbers(numbers: Iterable[int], shown: Container[int]) -> tuple[int, ...]:
    return tuple(sorted({number for number in numbers if number in shown})[:REFERENCES])


def _name(text: str | None) -> str | None:
    return cut(text, NAME) or None if text else None


def cut(text: str, limit: int) -> str:
    """At most `limit` characters on one line; what is cut ends in a mark."""
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"

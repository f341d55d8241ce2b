"""What parts of a meeting have brought to light: gathered without repetitions, and bounded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic

import attrs

from badge.meetings.document import LISTED, REFERENCES, Action, Content, P, Point
from badge.phrases import bare


class Collection(Generic[P]):
    """Points without repetitions: what is said twice is there once, and rests on the segments of both."""

    def __init__(self) -> None:
        self._found: dict[str, P] = {}
        self.surplus = 0
        """points that there was no room for"""

    def add(self, points: Iterable[P]) -> None:
        """More of them, in order."""
        for point in points:
            key = bare(point.text)
            known = self._found.get(key)
            if known is not None:
                numbers = tuple(sorted({*known.segments, *point.segments})[:REFERENCES])
                self._found[key] = attrs.evolve(known, segments=numbers)
            elif len(self._found) < LISTED:
                self._found[key] = point
            else:
                self.surplus += 1

    @property
    def points(self) -> tuple[P, ...]:
        """All of them."""
        return tuple(self._found.values())


def united(points: Iterable[P]) -> tuple[P, ...]:
    """The same without repetitions."""
    collection = Collection[P]()
    collection.add(points)
    return collection.points


class Findings:
    """Decisions, actions and questions of a whole meeting."""

    def __init__(self) -> None:
        self._decisions, self._questions = Collection[Point](), Collection[Point]()
        self._actions = Collection[Action]()

    def add(self, content: Content) -> None:
        """Those of the next part."""
        self._decisions.add(content.decisions)
        self._actions.add(content.actions)
        self._questions.add(content.questions)

    @property
    def decisions(self) -> tuple[Point, ...]:
        """What was decided."""
        return self._decisions.points

    @property
    def actions(self) -> tuple[Action, ...]:
        """What is to be done."""
        return self._actions.points

    @property
    def questions(self) -> tuple[Point, ...]:
        """What is open."""
        return self._questions.points

    @property
    def surplus(self) -> int:
        """How much of it there was no room for."""
        return self._decisions.surplus + self._actions.surplus + self._questions.surplus

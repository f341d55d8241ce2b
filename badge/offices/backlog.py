"""What had waited for a badge when it came, until all of it is settled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import trio
from attrs import define, field

from badge.offices.wording import SPOKEN
from badge.storage.records import Letter

Key = tuple[str, str]
"""A letter as its receiver knows it: sender and id."""


@define(eq=False)
class Backlog:
    """The letters that were handed over from the arrival of a badge until none waited any more. `report` is told once, when
    it is known of each of them whether it arrived."""

    report: Callable[[Backlog], None]
    arrived: Counter[str] = field(factory=Counter)
    """sender -> how many of its letters have arrived"""
    spoken: int = 0
    """how many of them are for people"""
    dropped: int = 0
    size: int = 0
    closed: trio.Event = field(factory=trio.Event)
    """set when nothing more is added"""
    _open: set[Key] = field(factory=set)

    def add(self, letter: Letter) -> None:
        """A letter was handed over; unless the backlog is closed it belongs here."""
        if not self.closed.is_set():
            self.size += 1
            self._open.add((letter.sender, letter.id))

    def settle(self, letter: Letter, *, arrived: bool) -> None:
        """It is known what became of a letter."""
        key = letter.sender, letter.id
        if key not in self._open:
            return
        self._open.remove(key)
        if arrived:
            self.arrived[letter.sender] += 1
            self.spoken += letter.category in SPOKEN
        self._report_if_done()

    def close(self) -> None:
        """Nothing more is added: everything was handed over, or the connection is over."""
        if not self.closed.is_set():
            self.closed.set()
            self._report_if_done()

    def _report_if_done(self) -> None:
        if self.closed.is_set() and not self._open:
            self.report(self)

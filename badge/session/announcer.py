"""The announcer: what others want to have said, kept until the badge is free."""

from __future__ import annotations

from collections import deque

from badge.log import get_log
from badge.notices import Ending, Notice, Told

log = get_log(__name__)

WAITING = 16
"""Notices that wait for a moment; one more is not taken."""


class Announcer:
    """Keeps notices in their order, and sees to it that each is told what became of it exactly once."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Notice, Told]] = deque()
        self._speaking: Told | None = None

    def take(self, notice: Notice, told: Told) -> bool:
        """Keep a notice; false when too many wait."""
        if len(self._waiting) >= WAITING:
            return False
        self._waiting.append((notice, told))
        return True

    @property
    def next(self) -> Notice | None:
        """What wants to be said first; None when nothing does."""
        return self._waiting[0][0] if self._waiting else None

    def begun(self) -> None:
        """The next notice is being said."""
        _, self._speaking = self._waiting.popleft()

    def ended(self, ending: Ending) -> None:
        """The notice that was being said has ended; nothing happens when there was none."""
        if self._speaking is not None:
            told, self._speaking = self._speaking, None
            told(ending)

    def lose(self) -> None:
        """The connection is over: what was not said to its end may not have been heard."""
        self.ended("lost")
        while self._waiting:
            self._waiting.popleft()[1]("lost")

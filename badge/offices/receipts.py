"""Receipts on their way to one badge: as many at a time as it reads."""

from __future__ import annotations

from collections import deque

from badge.link import Mailbox
from badge.log import get_log

log = get_log(__name__)

UNPROVEN = 64
"""Receipts that may be on their way at once: a badge that wrote to a thousand others must not drown in the answers."""

MOST_WAITING = 4096
"""Receipts that wait beyond that; the oldest are dropped."""


class Receipts:
    """The receipts for one connection. They are news, not mail: those that it does not get are gone with it."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._waiting: deque[str] | None = None  # most badges never write to others
        self._unproven = 0

    def add(self, frame: str) -> None:
        """Send a receipt, after those before it."""
        if self._waiting is None:
            self._waiting = deque()
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            log.warning("a receipt was dropped: the badge reads too slowly", waiting=MOST_WAITING)
        self._waiting.append(frame)
        self._flow()

    def _flow(self) -> None:
        while self._waiting and self._unproven < UNPROVEN:
            if not self._mailbox.post(self._waiting[0], arrival=self._arrival):
                self._waiting.clear()
                return
            self._waiting.popleft()
            self._unproven += 1

    def _arrival(self, arrived: bool) -> None:  # noqa: FBT001 - the type of `Arrival`
        self._unproven -= 1
        if arrived:
            self._flow()

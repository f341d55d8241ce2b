"""Words and holes that wait for the store: in order, bounded, and what does not fit leaves a hole."""

from __future__ import annotations

from collections import deque

import attrs
from attrs import field, frozen

from badge.storage.records import Hole

WAITING = 10_000
CHARACTERS = 4_000_000
"""Entries, and characters, that may wait; what comes beyond them becomes a hole, because of overload."""


@frozen
class Words:
    """What was said, and when, in ms since the epoch."""

    text: str = field(repr=False)
    at: int


Entry = Words | Hole


class Backlog:
    """Entries that wait, the oldest first, behind the holes that their like have left."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()
        self._characters = 0
        self._lost: dict[str, Hole] = {}
        self.words = 0
        """how many of them are words"""

    def __len__(self) -> int:
        return len(self._entries) + len(self._lost)

    @property
    def first(self) -> Entry:
        """What is to be stored next."""
        return next(iter(self._lost.values()), None) or self._entries[0]

    def put(self, entry: Entry) -> bool:
        """Let it wait; False when there was no room, and it is lost."""
        if len(self._entries) >= WAITING or self._characters + _size(entry) > CHARACTERS:
            self._lose(entry, "overload")
            return False
        self._entries.append(entry)
        self._characters += _size(entry)
        self.words += isinstance(entry, Words)
        return True

    def done(self, entry: Entry) -> None:
        """The first is stored. A hole that has grown meanwhile is not: it is stored again, as what it is then."""
        if isinstance(entry, Hole) and entry.reason in self._lost:
            if self._lost[entry.reason] == entry:
                del self._lost[entry.reason]
        elif self._entries and self._entries[0] is entry:
            self._pop()

    def give_up(self) -> bool:
        """The first will never be stored: it is lost, unless it only says that something is. Whether anything was lost."""
        if self._lost or not self._entries:
            return False
        self._lose(self._pop(), "not-stored")
        return True

    def _pop(self) -> Entry:
        entry = self._entries.popleft()
        self._characters -= _size(entry)
        self.words -= isinstance(entry, Words)
        return entry

    def _lose(self, entry: Entry, reason: str) -> None:
        """There is a hole now; what follows for the same reason makes it longer."""
        hole = entry if isinstance(entry, Hole) else Hole(since=entry.at, until=entry.at, reason=reason)
        known = self._lost.get(hole.reason, hole)
        self._lost[hole.reason] = attrs.evolve(
            known, since=min(known.since, hole.since), until=max(known.until, hole.until)
        )


def _size(entry: Entry) -> int:
    return len(entry.text) if isinstance(entry, Words) else 0

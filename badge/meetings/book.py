"""The book of one meeting: what is known about it, and its way to the store."""

from __future__ import annotations

from typing import Any

import attrs
import trio

from badge.log import get_log
from badge.meetings.backlog import Backlog, Entry, Words
from badge.storage.ports import MeetingStore, StoreError
from badge.storage.records import MeetingRecord

log = get_log(__name__)

ATTEMPTS = 5
FIRST_PAUSE = 0.5
"""How often an entry is tried before it becomes a hole, and seconds before the second attempt; each pause is twice the one
before. What is known about the meeting itself is never given up."""


class Book:
    """Takes everything at once, and stores it in order: that there is a meeting, entries, and how the meeting is then."""

    def __init__(self, store: MeetingStore, record: MeetingRecord, session: str = "", *, begun: bool = False) -> None:
        self.record = record
        self.session = session
        """the latest session that had to do with the meeting"""
        self._store = store
        self._backlog = Backlog()
        self.begun = begun
        """whether it is stored that there is a meeting"""
        self._changed = False
        self._news, self._idle = trio.Event(), trio.Event()

    def write(self, entry: Entry) -> None:
        """The next entry."""
        if not self._backlog.put(entry):
            log.error("a meeting is not stored fast enough", meeting=self.record.id, waiting=len(self._backlog))
        self._wake()

    def update(self, **changes: Any) -> None:
        """Something about the meeting is different now."""
        self.record = attrs.evolve(self.record, **changes)
        self._changed = True
        self._wake()

    def see(self, at: int) -> None:
        """It went on at this moment; stored when something else is."""
        self.record = attrs.evolve(self.record, seen=max(self.record.seen, at))

    @property
    def pending(self) -> int:
        """Segments that the badge was not sent yet."""
        return self.record.segments - self.record.pushed + self._backlog.words

    async def settled(self) -> None:
        """Wait until everything so far is stored."""
        while self._is_behind():
            await self._idle.wait()

    async def run(self) -> None:
        """Store until cancelled."""
        while True:
            while self._is_behind():
                await self._store_next()
            self._idle.set()
            self._news = trio.Event()
            await self._news.wait()

    def _is_behind(self) -> bool:
        return not self.begun or self._changed or bool(self._backlog)

    def _wake(self) -> None:
        self._news.set()
        if self._idle.is_set():
            self._idle = trio.Event()

    async def _store_next(self) -> None:
        pause = FIRST_PAUSE
        for _ in range(ATTEMPTS):
            try:
                return await self._store_one()
            except StoreError as exc:
                log.warning("not stored yet", meeting=self.record.id, error=exc.detail, waiting=len(self._backlog))
            await trio.sleep(pause)
            pause *= 2
        if self.begun and self._backlog.give_up():  # it may be the entry that is wrong, and not the store
            log.error("not stored, and given up", meeting=self.record.id)
        return None

    async def _store_one(self) -> None:
        meeting = self.record.id
        if not self.begun:
            await self._store.begin(self.record)  # changes nothing where it has begun before
            self.begun = True
        elif self._backlog:
            entry = self._backlog.first
            if isinstance(entry, Words):
                number = await self._store.add(meeting, ts=entry.at, text=entry.text)
                self.record = attrs.evolve(self.record, segments=number)
            else:
                await self._store.miss(meeting, entry)
            self._backlog.done(entry)
        else:
            await self._save()

    async def _save(self) -> None:
        record = self.record
        await self._store.save(record)
        self._changed = self.record is not record

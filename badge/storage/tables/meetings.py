"""Meetings in SQLite."""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Connection
from typing import Any

import trio

from badge.storage.carrying import Carry
from badge.storage.ports import StoreError
from badge.storage.records import SEARCHED_MEETINGS, Found, Hole, MeetingRecord, Segment, search_words
from badge.storage.rows import build, columns, insert, names, values

_FROM = f"SELECT {columns(MeetingRecord)} FROM meetings"
_OLDEST_FIRST = "ORDER BY started, seq"
_NEWEST_FIRST = "ORDER BY started DESC, seq DESC"
_SAVED = [name for name in names(MeetingRecord) if name not in ("id", "segments")]
_SAVE = f"UPDATE meetings SET {', '.join(f'{name} = :{name}' for name in _SAVED)} WHERE id = :id"
_SEGMENTS = f"SELECT {columns(Segment)} FROM segments WHERE meeting = ? AND number > ? ORDER BY number LIMIT ?"
_HOLES = f"SELECT {columns(Hole)} FROM holes WHERE meeting = ? ORDER BY since, seq"
_PLACES = f"""
    WITH recent AS (SELECT * FROM meetings WHERE device = ? {_NEWEST_FIRST} LIMIT ?),
    places AS (
        SELECT id AS meeting, started, seq, 0 AS number, ended AS ts, minutes AS text FROM recent
        UNION ALL
        SELECT meeting, started, seq, number, ts, text FROM recent JOIN segments ON segments.meeting = recent.id
    )"""
_PLACES_IN_ORDER = "ORDER BY started DESC, seq DESC, number"


class SqliteMeetings:
    """A `MeetingStore`."""

    def __init__(self, carry: Carry) -> None:
        self._carry = carry

    async def begin(self, meeting: MeetingRecord) -> None:
        """A new meeting."""
        await self._carry(lambda db: _begin(db, meeting))

    async def get(self, meeting: str) -> MeetingRecord | None:
        """One meeting."""
        return await self._one("WHERE id = ?", meeting)

    async def current(self, device: str) -> MeetingRecord | None:
        """The device's newest meeting that is not finalised."""
        return await self._one(f"WHERE device = ? AND state <> 'finalised' {_NEWEST_FIRST} LIMIT 1", device)

    async def latest(self, *, device: str | None = None, limit: int = 100) -> tuple[MeetingRecord, ...]:
        """The newest meetings, the newest first."""
        if device is None:
            return await self._all(f"{_NEWEST_FIRST} LIMIT ?", limit)
        return await self._all(f"WHERE device = ? {_NEWEST_FIRST} LIMIT ?", device, limit)

    async def unfinished(self) -> tuple[MeetingRecord, ...]:
        """All meetings that are not finalised, the oldest first."""
        return await self._all(f"WHERE state <> 'finalised' {_OLDEST_FIRST}")

    async def undelivered(self, device: str) -> tuple[MeetingRecord, ...]:
        """Finalised meetings whose minutes the badge has not got, the oldest first."""
        return await self._all(f"WHERE device = ? AND state = 'finalised' AND NOT delivered {_OLDEST_FIRST}", device)

    async def add(self, meeting: str, *, ts: int, text: str) -> int:
        """Append a segment."""
        return await self._carry(lambda db: _add(db, meeting, ts, text))

    async def miss(self, meeting: str, hole: Hole) -> None:
        """Something was not heard."""
        await self._carry(lambda db: _miss(db, meeting, hole))

    async def segments(self, meeting: str, *, after: int = 0, limit: int = 1_000_000) -> tuple[Segment, ...]:
        """Segments with numbers above `after`, in order."""
        return await self._carry(lambda db: build(Segment, db.execute(_SEGMENTS, (meeting, after, limit))))

    async def holes(self, meeting: str) -> tuple[Hole, ...]:
        """What was not heard, in order of time."""
        return await self._carry(lambda db: build(Hole, db.execute(_HOLES, (meeting,))))

    async def search(self, device: str, words: str, *, limit: int = 20) -> tuple[Found, ...]:
        """Where the words stand in segments and minutes."""
        wanted = search_words(words)
        if not wanted:
            await trio.lowlevel.checkpoint()
            return ()
        return await self._carry(lambda db: _search(db, device, wanted, limit))

    async def save(self, meeting: MeetingRecord) -> None:
        """Replace all that is known about a meeting but its segments."""
        await self._carry(lambda db: _save(db, meeting))

    async def _all(self, clauses: str, *parameters: str | int) -> tuple[MeetingRecord, ...]:
        return await self._carry(lambda db: build(MeetingRecord, db.execute(f"{_FROM} {clauses}", parameters)))

    async def _one(self, clauses: str, *parameters: str | int) -> MeetingRecord | None:
        return next(iter(await self._all(clauses, *parameters)), None)


def _begin(db: Connection, meeting: MeetingRecord) -> None:
    if insert(db, "meetings", meeting, clause="ON CONFLICT DO NOTHING"):
        db.execute("UPDATE meetings SET segments = 0 WHERE id = ?", (meeting.id,))


def _add(db: Connection, meeting: str, ts: int, text: str) -> int:
    _known(meeting, db.execute("UPDATE meetings SET segments = segments + 1 WHERE id = ?", (meeting,)).rowcount)
    (number,) = db.execute("SELECT segments FROM meetings WHERE id = ?", (meeting,)).fetchone()
    insert(db, "segments", Segment(number=number, ts=ts, text=text), meeting=meeting)
    return int(number)


def _miss(db: Connection, meeting: str, hole: Hole) -> None:
    _known(meeting, db.execute("SELECT count(*) FROM meetings WHERE id = ?", (meeting,)).fetchone()[0])
    insert(db, "holes", hole, meeting=meeting)


def _search(db: Connection, device: str, words: Sequence[str], limit: int) -> tuple[Found, ...]:
    stands = " AND ".join(["instr(lower(text), ?) > 0"] * len(words))
    sql = f"{_PLACES} SELECT {columns(Found)} FROM places WHERE {stands} {_PLACES_IN_ORDER} LIMIT ?"
    return build(Found, db.execute(sql, (device, SEARCHED_MEETINGS, *words, limit)))


def _save(db: Connection, meeting: MeetingRecord) -> None:
    fields: dict[str, Any] = dict(zip(names(MeetingRecord), values(meeting), strict=True))
    _known(meeting.id, db.execute(_SAVE, fields).rowcount)


def _known(meeting: str, rows: int) -> None:
    if not rows:
        raise unknown_meeting(meeting)


def unknown_meeting(meeting: str) -> StoreError:
    """The error of those who write into an unknown meeting."""
    return StoreError(f"there is no meeting {meeting!r}.", remedy="Begin it first.")

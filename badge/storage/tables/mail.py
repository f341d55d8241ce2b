"""Letters in SQLite."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from sqlite3 import Connection

from badge.storage.carrying import Carry
from badge.storage.records import Letter, Posted, Waiting
from badge.storage.rows import build, columns, insert

_QUEUED = "\"to\" = ? AND status = 'queued'"
_OLDEST = f"SELECT seq, sender, id FROM letters WHERE {_QUEUED} ORDER BY seq LIMIT ?"
_MARK = (
    "UPDATE letters SET status = ?, payload = '' WHERE \"to\" = ? AND sender = ? AND id = ? "
    "AND (status = 'queued' OR status = 'delivered' AND ?)"
)
_DROP = "INSERT INTO drops VALUES (?, ?) ON CONFLICT DO UPDATE SET number = number + excluded.number"


class SqliteMail:
    """A `MailStore`."""

    def __init__(self, carry: Carry) -> None:
        self._carry = carry

    async def post(self, letter: Letter, *, bound: int, sparing: Collection[tuple[str, str]] = frozenset()) -> Posted:
        """Keep a letter."""
        return await self._carry(lambda db: _post(db, letter, bound, sparing))

    async def waiting(self, device: str, *, now: int, limit: int = 1_000_000) -> Waiting:
        """What waits for a device."""
        return await self._carry(lambda db: _waiting(db, device, now, limit))

    async def unread(self, sender: str) -> int:
        """How many letters of a sender wait."""
        return await self._carry(lambda db: _unread(db, sender))

    async def mark(
        self, device: str, ids: Sequence[tuple[str, str]], *, heard: bool = False
    ) -> tuple[tuple[str, str], ...]:
        """Letters have been delivered, or heard."""
        return await self._carry(lambda db: _mark(db, device, ids, heard=heard))

    async def expire(self, *, now: int) -> int:
        """Forget everything that has expired."""
        return await self._carry(lambda db: _expire(db, now))


def _post(db: Connection, letter: Letter, bound: int, sparing: Collection[tuple[str, str]]) -> Posted:
    if not insert(db, "letters", letter, clause="ON CONFLICT DO NOTHING"):
        found = 'SELECT status FROM letters WHERE "to" = ? AND sender = ? AND id = ?'
        (status,) = db.execute(found, (letter.to, letter.sender, letter.id)).fetchone()
        return Posted(status=status, duplicate=True)
    displaced = _make_room(db, letter, bound, sparing)
    _count(db, [(letter.to, len(displaced))])
    return Posted(status=letter.status, displaced=tuple(displaced))


def _make_room(
    db: Connection, letter: Letter, bound: int, sparing: Collection[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Drop the oldest letters of a device that there are too many of; gives their names."""
    surplus = db.execute(f"SELECT count(*) FROM letters WHERE {_QUEUED}", (letter.to,)).fetchone()[0] - bound
    if surplus <= 0:
        return []
    spared = {*sparing, (letter.sender, letter.id)}
    oldest = db.execute(_OLDEST, (letter.to, surplus + len(spared))).fetchall()
    loose = [(seq, (sender, number)) for seq, sender, number in oldest if (sender, number) not in spared][:surplus]
    db.executemany("DELETE FROM letters WHERE seq = ?", [(seq,) for seq, _ in loose])
    return [key for _, key in loose]


def _unread(db: Connection, sender: str) -> int:
    count: int = db.execute(
        "SELECT count(*) FROM letters WHERE sender = ? AND status = 'queued'", (sender,)
    ).fetchone()[0]
    return count


def _mark(db: Connection, device: str, ids: Sequence[tuple[str, str]], *, heard: bool) -> tuple[tuple[str, str], ...]:
    status = "heard" if heard else "delivered"
    return tuple(key for key in ids if db.execute(_MARK, (status, device, *key, heard)).rowcount)


def _waiting(db: Connection, device: str, now: int, limit: int) -> Waiting:
    lost = db.execute(f"DELETE FROM letters WHERE {_QUEUED} AND expires <= ?", (device, now)).rowcount
    row = db.execute("SELECT number FROM drops WHERE device = ?", (device,)).fetchone()
    if row is not None:
        db.execute("DELETE FROM drops WHERE device = ?", (device,))
    letters = db.execute(f"SELECT {columns(Letter)} FROM letters WHERE {_QUEUED} ORDER BY seq LIMIT ?", (device, limit))
    return Waiting(letters=build(Letter, letters), dropped=lost + (row[0] if row else 0))


def _expire(db: Connection, now: int) -> int:
    sql = 'SELECT "to", count(*) FROM letters WHERE expires <= ? AND status = \'queued\' GROUP BY "to"'
    lost: list[tuple[str, int]] = db.execute(sql, (now,)).fetchall()
    db.execute("DELETE FROM letters WHERE expires <= ?", (now,))
    _count(db, lost)
    return sum(number for _, number in lost)


def _count(db: Connection, dropped: Iterable[tuple[str, int]]) -> None:
    db.executemany(_DROP, [(device, number) for device, number in dropped if number])

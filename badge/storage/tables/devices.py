"""Who belongs here, in SQLite."""

from __future__ import annotations

from sqlite3 import Connection

from badge.storage.carrying import Carry
from badge.storage.registry import DeviceEdit, DeviceRecord, Visit, edited, needs_code, visited
from badge.storage.rows import build, columns, insert, renewed

_ALL = f"SELECT {columns(DeviceRecord)} FROM registry"
_KEEP = f"ON CONFLICT (device) DO UPDATE SET {renewed(DeviceRecord)}"
_SPEAK = """INSERT INTO spoken VALUES (?, ?, ?) ON CONFLICT (device) DO UPDATE SET
    characters = excluded.characters + CASE WHEN day = excluded.day THEN characters ELSE 0 END, day = excluded.day
    RETURNING characters"""


class SqliteDevices:
    """A `DeviceStore`."""

    def __init__(self, carry: Carry) -> None:
        self._carry = carry

    async def get(self, device: str) -> DeviceRecord | None:
        """What is known of a device."""
        return await self._carry(lambda db: _get(db, device))

    async def of_code(self, code: str, *, now: int) -> DeviceRecord | None:
        """The device that waits with this code."""
        return await self._carry(lambda db: _waiting(db, code, now))

    async def known(self, *, limit: int = 1_000_000) -> tuple[DeviceRecord, ...]:
        """All devices, those that were seen last first."""
        sql = f"{_ALL} ORDER BY seen DESC, device LIMIT ?"
        return await self._carry(lambda db: build(DeviceRecord, db.execute(sql, (limit,))))

    async def visit(self, visit: Visit, *, most: int) -> DeviceRecord:
        """A device came."""
        return await self._carry(lambda db: _visit(db, visit, most))

    async def edit(self, device: str, edit: DeviceEdit, *, now: int) -> DeviceRecord:
        """The operator changes something."""
        return await self._carry(lambda db: _keep(db, edited(_get(db, device), device, edit, now)))

    async def speak(self, device: str, day: str, characters: int) -> int:
        """So many characters were spoken on this day."""
        total: int = await self._carry(lambda db: db.execute(_SPEAK, (device, day, characters)).fetchone()[0])
        return total


def _get(db: Connection, device: str) -> DeviceRecord | None:
    return next(iter(build(DeviceRecord, db.execute(f"{_ALL} WHERE device = ?", (device,)))), None)


def _waiting(db: Connection, code: str, now: int) -> DeviceRecord | None:
    sql = f"{_ALL} WHERE code = ? AND code <> '' AND expires > ?"
    return next(iter(build(DeviceRecord, db.execute(sql, (code, now)))), None)


def _visit(db: Connection, visit: Visit, most: int) -> DeviceRecord:
    known, code = _get(db, visit.device), ""
    if needs_code(known, visit.client, visit.at):
        code = next((one for one in visit.codes if _waiting(db, one, visit.at) is None), "")
        if not code and known is None:
            return visited(None, visit, "")
        if known is None:
            _make_room(db, most)
    record = visited(known, visit, code)
    return record if record == known else _keep(db, record)


def _keep(db: Connection, record: DeviceRecord) -> DeviceRecord:
    insert(db, "registry", record, clause=_KEEP)
    return record


def _make_room(db: Connection, most: int) -> None:
    (unbound,) = db.execute("SELECT count(*) FROM registry WHERE NOT bound").fetchone()
    oldest = "SELECT device FROM registry WHERE NOT bound ORDER BY seen, device LIMIT ?"
    db.execute(f"DELETE FROM registry WHERE device IN ({oldest})", (max(0, unbound - most + 1),))

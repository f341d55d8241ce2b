"""Devices in SQLite."""

from __future__ import annotations

from badge.storage.carrying import Carry

_SEEN = (
    'INSERT INTO devices VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET "group" = excluded."group", seen = excluded.seen'
)


class SqlitePresence:
    """A `PresenceStore`."""

    def __init__(self, carry: Carry) -> None:
        self._carry = carry

    async def seen(self, device: str, group: str, *, now: int) -> None:
        """A device is here, and belongs to this group now."""
        await self._carry(lambda db: db.execute(_SEEN, (device, group, now)).rowcount)

    async def members(self, group: str) -> tuple[str, ...]:
        """All devices of a group, in the order of their ids."""
        sql = 'SELECT device FROM devices WHERE "group" = ? ORDER BY device'
        return await self._carry(lambda db: tuple(row[0] for row in db.execute(sql, (group,))))

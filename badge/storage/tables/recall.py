"""Memories in SQLite."""

from __future__ import annotations

from badge.storage.carrying import Carry

_SAVE = "INSERT INTO memories VALUES (?, ?) ON CONFLICT DO UPDATE SET memory = excluded.memory"


class SqliteRecall:
    """A `RecallStore`."""

    def __init__(self, carry: Carry) -> None:
        self._carry = carry

    async def load(self, device: str) -> str:
        """The memory of a device."""
        sql = "SELECT memory FROM memories WHERE device = ?"
        row = await self._carry(lambda db: db.execute(sql, (device,)).fetchone())
        return "" if row is None else str(row[0])

    async def save(self, device: str, memory: str) -> None:
        """Replace it."""
        await self._carry(lambda db: db.execute(_SAVE, (device, memory)).rowcount)

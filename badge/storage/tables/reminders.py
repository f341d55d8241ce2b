"""Reminders in SQLite."""

from __future__ import annotations

from badge.storage.carrying import Carry
from badge.storage.records import Reminder
from badge.storage.rows import build, columns, insert


class SqliteReminders:
    """A `ReminderStore`."""

    def __init__(self, carry: Carry) -> None:
        self._carry = carry

    async def add(self, reminder: Reminder) -> None:
        """Keep a reminder."""
        await self._carry(lambda db: insert(db, "reminders", reminder, clause="ON CONFLICT DO NOTHING"))

    async def next(self, *, after: int) -> int | None:
        """When the first one after this time is due."""
        sql = "SELECT min(due) FROM reminders WHERE due > ?"
        due: int | None = await self._carry(lambda db: db.execute(sql, (after,)).fetchone()[0])
        return due

    async def due(self, *, now: int) -> tuple[Reminder, ...]:
        """All that are due by now, the oldest first."""
        return await self._where("due <= ?", now)

    async def of(self, device: str) -> tuple[Reminder, ...]:
        """All of one device, the next first."""
        return await self._where("device = ?", device)

    async def remove(self, reminder: str) -> bool:
        """It was said, or is not wanted any more."""
        sql = "DELETE FROM reminders WHERE id = ?"
        return await self._carry(lambda db: db.execute(sql, (reminder,)).rowcount > 0)

    async def _where(self, condition: str, parameter: str | int) -> tuple[Reminder, ...]:
        sql = f"SELECT {columns(Reminder)} FROM reminders WHERE {condition} ORDER BY due, seq"
        return await self._carry(lambda db: build(Reminder, db.execute(sql, (parameter,))))

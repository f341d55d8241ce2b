"""Tasks of groups in SQLite."""

from __future__ import annotations

from sqlite3 import Connection

import attrs

from badge.storage.carrying import Carry
from badge.storage.rows import build, columns, insert, renewed
from badge.storage.tasks import Command, Decision, Snapshot, Task, decide

_ALL = f'SELECT {columns(Task)} FROM tasks WHERE "group" = ? ORDER BY seq'
_KEEP = f'ON CONFLICT ("group", id) DO UPDATE SET {renewed(Task)}'


class SqliteTasks:
    """A `TaskStore`."""

    def __init__(self, carry: Carry) -> None:
        self._carry = carry

    async def snapshot(self, group: str) -> Snapshot:
        """All tasks of a group."""
        return await self._carry(lambda db: Snapshot(revision=_revision(db, group), tasks=_tasks(db, group)))

    async def carry_out(self, group: str, command: Command) -> Decision:
        """Decide on a command, and store what it changes."""
        return await self._carry(lambda db: _carry_out(db, group, command))


def _tasks(db: Connection, group: str) -> tuple[Task, ...]:
    return build(Task, db.execute(_ALL, (group,)))


def _revision(db: Connection, group: str) -> int:
    row = db.execute("SELECT revision FROM groups WHERE name = ?", (group,)).fetchone()
    return 0 if row is None else int(row[0])


def _carry_out(db: Connection, group: str, command: Command) -> Decision:
    decision = decide({task.id: task for task in _tasks(db, group)}, command)
    changed = decision.changed
    db.executemany('DELETE FROM tasks WHERE "group" = ? AND id = ?', [(group, one) for one in decision.forgotten])
    for task in changed:
        insert(db, "tasks", task, clause=_KEEP, group=group)
    if changed or decision.forgotten:
        db.execute("INSERT INTO groups VALUES (?, 1) ON CONFLICT DO UPDATE SET revision = revision + 1", (group,))
    return attrs.evolve(decision, revision=_revision(db, group))

"""Tasks of groups in SQLite."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from sqlite3 import Connection

import attrs

from badge.storage import tasks
from badge.storage.carrying import Carry
from badge.storage.rows import build, columns, insert, renewed
from badge.storage.tasks import (
    Assign,
    Change,
    Claim,
    Command,
    Complete,
    Create,
    Decision,
    Finish,
    Snapshot,
    Task,
    decide,
)

_OF_GROUP = f'SELECT {columns(Task)} FROM tasks WHERE "group" = ?'
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


def _tasks(db: Connection, group: str, condition: str = "TRUE", *parameters: str, limit: int = -1) -> tuple[Task, ...]:
    sql = f"{_OF_GROUP} AND {condition} ORDER BY seq LIMIT ?"
    return build(Task, db.execute(sql, (group, *parameters, limit)))


def _concerned(db: Connection, group: str, command: Command) -> Iterable[Task]:
    """The tasks on which the decision depends, which are few of many: the same is decided about them as about all."""
    match command:
        case Assign():
            return _named(db, group, [command.id])
        case Complete():
            return _named(db, group, command.ids)
        case Change():
            return _named(db, group, [edit.id for edit in command.edits])
        case Claim():
            return _oldest(db, group, "")
        case Finish():
            return (*_oldest(db, group, command.device), *_oldest(db, group, ""))
        case Create():
            (there,) = db.execute('SELECT count(*) FROM tasks WHERE "group" = ?', (group,)).fetchone()
            if there + len(command.drafts) > tasks.MOST_TASKS:
                return _tasks(db, group)
            return _named(db, group, [draft.id for draft in command.drafts])


def _named(db: Connection, group: str, ids: Iterable[str]) -> Iterable[Task]:
    return chain.from_iterable(_tasks(db, group, "id = ?", one) for one in ids)


def _oldest(db: Connection, group: str, owner: str) -> tuple[Task, ...]:
    return _tasks(db, group, "status = 'open' AND owner = ?", owner, limit=1)


def _revision(db: Connection, group: str) -> int:
    row = db.execute("SELECT revision FROM groups WHERE name = ?", (group,)).fetchone()
    return 0 if row is None else int(row[0])


def _carry_out(db: Connection, group: str, command: Command) -> Decision:
    decision = decide({task.id: task for task in _concerned(db, group, command)}, command)
    changed = decision.changed
    db.executemany('DELETE FROM tasks WHERE "group" = ? AND id = ?', [(group, one) for one in decision.forgotten])
    for task in changed:
        insert(db, "tasks", task, clause=_KEEP, group=group)
    if changed or decision.forgotten:
        db.execute("INSERT INTO groups VALUES (?, 1) ON CONFLICT DO UPDATE SET revision = revision + 1", (group,))
    return attrs.evolve(decision, revision=_revision(db, group))

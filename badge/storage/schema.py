"""The tables, and how those of older versions become those of this one."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

APPLICATION = 0x42414447
"""What marks a file as ours: `BADG`."""

Script = Sequence[str]
"""Statements that lead from one version to the next."""

_FIRST: Script = (
    f"PRAGMA application_id = {APPLICATION}",
    "CREATE TABLE groups (name TEXT NOT NULL PRIMARY KEY, revision INTEGER NOT NULL) WITHOUT ROWID",
    """CREATE TABLE tasks (
        seq INTEGER PRIMARY KEY, "group" TEXT NOT NULL, id TEXT NOT NULL, title TEXT NOT NULL, status TEXT NOT NULL,
        owner TEXT NOT NULL, due TEXT, "by" TEXT NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL,
        source TEXT NOT NULL, UNIQUE ("group", id)
    )""",
    'CREATE INDEX tasks_of_group ON tasks ("group", seq)',
    """CREATE TABLE letters (
        seq INTEGER PRIMARY KEY, id TEXT NOT NULL, sender TEXT NOT NULL, "to" TEXT NOT NULL, category TEXT NOT NULL,
        payload TEXT NOT NULL, sent INTEGER NOT NULL, expires INTEGER NOT NULL, status TEXT NOT NULL,
        UNIQUE ("to", sender, id)
    )""",
    "CREATE INDEX letters_waiting ON letters (\"to\", seq) WHERE status = 'queued'",
    "CREATE INDEX letters_unread ON letters (sender) WHERE status = 'queued'",
    "CREATE INDEX letters_expiring ON letters (expires)",
    "CREATE TABLE drops (device TEXT NOT NULL PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID",
    """CREATE TABLE meetings (
        seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, device TEXT NOT NULL, started INTEGER NOT NULL,
        state TEXT NOT NULL, ended INTEGER NOT NULL, seen INTEGER NOT NULL, pushed INTEGER NOT NULL,
        pushes INTEGER NOT NULL, segments INTEGER NOT NULL, checkpoint TEXT NOT NULL, minutes TEXT NOT NULL,
        delivered INTEGER NOT NULL
    )""",
    "CREATE INDEX meetings_of_device ON meetings (device, started, seq)",
    "CREATE INDEX meetings_in_time ON meetings (started, seq)",
    "CREATE INDEX meetings_unfinished ON meetings (started, seq) WHERE state <> 'finalised'",
    """CREATE TABLE segments (
        meeting TEXT NOT NULL REFERENCES meetings (id), number INTEGER NOT NULL, ts INTEGER NOT NULL,
        text TEXT NOT NULL, PRIMARY KEY (meeting, number)
    ) WITHOUT ROWID""",
    """CREATE TABLE holes (
        seq INTEGER PRIMARY KEY, meeting TEXT NOT NULL REFERENCES meetings (id), since INTEGER NOT NULL,
        until INTEGER NOT NULL, reason TEXT NOT NULL
    )""",
    "CREATE INDEX holes_of_meeting ON holes (meeting, since, seq)",
    "CREATE TABLE memories (device TEXT NOT NULL PRIMARY KEY, memory TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE reminders (
        seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, device TEXT NOT NULL, due INTEGER NOT NULL,
        text TEXT NOT NULL, created INTEGER NOT NULL
    )""",
    "CREATE INDEX reminders_due ON reminders (due, seq)",
    "CREATE INDEX reminders_of_device ON reminders (device, due, seq)",
    'CREATE TABLE devices (device TEXT NOT NULL PRIMARY KEY, "group" TEXT NOT NULL, seen INTEGER NOT NULL) WITHOUT ROWID',
    'CREATE INDEX devices_of_group ON devices ("group", device)',
)

_SECOND: Script = (
    "DROP TABLE memories",
    """CREATE TABLE exchanges (
        number INTEGER PRIMARY KEY AUTOINCREMENT, device TEXT NOT NULL, session TEXT NOT NULL, at INTEGER NOT NULL,
        user TEXT NOT NULL, answer TEXT NOT NULL, read INTEGER NOT NULL
    )""",
    "CREATE INDEX exchanges_of_device ON exchanges (device, number)",
    "CREATE INDEX exchanges_unread ON exchanges (device, number) WHERE NOT read",
    "CREATE INDEX exchanges_in_time ON exchanges (at) WHERE read",
    """CREATE TABLE facts (
        seq INTEGER PRIMARY KEY, id TEXT NOT NULL, device TEXT NOT NULL, text TEXT NOT NULL, kind TEXT NOT NULL,
        session TEXT NOT NULL, created INTEGER NOT NULL, used INTEGER NOT NULL, vector BLOB NOT NULL,
        embedder TEXT NOT NULL, owner TEXT NOT NULL, terms TEXT NOT NULL, UNIQUE (device, id)
    )""",
    "CREATE INDEX facts_of_device ON facts (device, used, seq)",
    """CREATE VIRTUAL TABLE found USING fts5 (
        owner, terms, content = 'facts', content_rowid = 'seq', tokenize = 'ascii'
    )""",
    """CREATE TRIGGER facts_come AFTER INSERT ON facts BEGIN
        INSERT INTO found (rowid, owner, terms) VALUES (new.seq, new.owner, new.terms);
    END""",
    """CREATE TRIGGER facts_go AFTER DELETE ON facts BEGIN
        INSERT INTO found (found, rowid, owner, terms) VALUES ('delete', old.seq, old.owner, old.terms);
    END""",
    """CREATE TRIGGER facts_change AFTER UPDATE OF terms ON facts BEGIN
        INSERT INTO found (found, rowid, owner, terms) VALUES ('delete', old.seq, old.owner, old.terms);
        INSERT INTO found (rowid, owner, terms) VALUES (new.seq, new.owner, new.terms);
    END""",
    """CREATE TABLE pauses (
        device TEXT NOT NULL PRIMARY KEY, pauses TEXT NOT NULL, at INTEGER NOT NULL
    ) WITHOUT ROWID""",
)


_THIRD: Script = (
    """CREATE TABLE registry (
        device TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, owner TEXT NOT NULL, bound INTEGER NOT NULL,
        client TEXT NOT NULL, asking TEXT NOT NULL, code TEXT NOT NULL, expires INTEGER NOT NULL, serial TEXT NOT NULL,
        first INTEGER NOT NULL, seen INTEGER NOT NULL
    ) WITHOUT ROWID""",
    "CREATE INDEX registry_codes ON registry (code) WHERE code <> ''",
    "CREATE INDEX registry_unbound ON registry (seen, device) WHERE NOT bound",
    "CREATE TABLE spoken (device TEXT NOT NULL PRIMARY KEY, day TEXT NOT NULL, characters INTEGER NOT NULL) WITHOUT ROWID",
)

MIGRATIONS: Sequence[Script] = (_FIRST, _SECOND, _THIRD)
"""One script for each version, in order. Those that were ever released never change: files are at any of them."""

VERSION = len(MIGRATIONS)


def version_of(connection: sqlite3.Connection) -> int:
    """How many migrations a file has seen."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection, migrations: Sequence[Script] = MIGRATIONS) -> None:
    """Bring a file to the version of this program, one transaction for each step: a file is never between versions."""
    for number in range(version_of(connection), len(migrations)):
        with connection:  # commits, or takes everything back
            connection.execute("BEGIN IMMEDIATE")
            for statement in migrations[number]:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number + 1}")

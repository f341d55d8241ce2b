"""Opening a database file: it is looked at before anything is written, and belongs to one server at a time."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from attrs import frozen

from badge.config.team import StoreSettings
from badge.storage.ports import StoreError
from badge.storage.schema import APPLICATION, VERSION, migrate, version_of
from badge.storage.trouble import damaged, trouble

BUSY_S = 5.0
"""Seconds that we wait for another program, such as a person's sqlite3, to end its transaction."""

SCRUB_MS = 200
"""Milliseconds that emptying the log waits for those who read."""

WAL_PAGES = 1000
WAL_BYTES = 16 * 1_048_576
"""The log is written back into the file about every 4 MB; what it took on disk beyond this is given back."""


@frozen(kw_only=True)
class Database:
    """An open database and the lock that makes it ours."""

    file: Path
    connection: sqlite3.Connection
    lock: int

    def close(self) -> None:
        """Write the log back into the file, and let go of both."""
        try:
            self.connection.close()
        finally:
            os.close(self.lock)


def open_database(settings: StoreSettings) -> Database:
    """Open the file of the settings, made when there is none, at the version of this program. Raises `StoreError`;
    a file that cannot be used is left as it is, to the byte.

    In WAL mode a transaction is appended to a log beside the file. `synchronous = FULL` has the disk confirm the log
    at each commit, so that an acknowledged write survives a power failure. `NORMAL` leaves that to the operating
    system: writes survive the end of the process, `kill -9` included, and a power failure may take the last of them
    but damages nothing.
    """
    file = Path(settings.file).expanduser().absolute().resolve()
    with ExitStack() as undo:
        lock = _lock(file)
        undo.callback(os.close, lock)
        try:
            _make(file)
            inspect(file)
            connection = connect(file, "rw")
            undo.callback(connection.close)
            _prepare(connection, file, settings.synchronous)
        except (sqlite3.Error, OSError) as exc:
            raise trouble(file, exc) from exc
        undo.pop_all()
    return Database(file=file, connection=connection, lock=lock)


def _lock(file: Path) -> int:
    """A lock on a file beside the database: SQLite's own would keep out those who only read. It names the process that
    holds it and goes with that process, whatever ends it."""
    beside = file.with_name(f"{file.name}.lock")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(beside, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as exc:
        raise StoreError(
            f"{file.parent} cannot be written to: {exc.strerror}.",
            remedy="Make it writable for the server, or let store.file name a file in another folder.",
        ) from exc
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        holder = os.pread(lock, 20, 0).decode(errors="replace").strip()
        os.close(lock)
        raise StoreError(
            f"{file} is in use by another server{f' (process {holder})' if holder else ''}.",
            remedy="Stop it, or let store.file name another file.",
        ) from exc
    os.truncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def _make(file: Path) -> None:
    """Make an empty file if there is none, for nobody else's eyes; SQLite gives its log the same rights."""
    try:
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        if not file.is_file():
            raise StoreError(f"{file} is no file.", remedy="Let store.file name a file.") from None


def inspect(file: Path) -> int:
    """The version of a file that is ours and whole. Raises `StoreError`; nothing is written."""
    try:
        return _inspect(file, "ro")
    except sqlite3.OperationalError as exc:
        if exc.sqlite_errorcode != sqlite3.SQLITE_READONLY_ROLLBACK:
            raise trouble(file, exc) from exc
    except sqlite3.Error as exc:
        raise trouble(file, exc) from exc
    try:
        return _inspect(file, "rw")  # a transaction before WAL mode was cut off, and is to be taken back
    except sqlite3.Error as exc:
        raise trouble(file, exc) from exc


def _inspect(file: Path, mode: str) -> int:
    connection = connect(file, mode)
    try:
        version = check_version(connection, file)
        if connection.execute("PRAGMA quick_check(1)").fetchall() != [("ok",)]:
            raise damaged(file)
    finally:
        connection.close()
    return version


def check_version(connection: sqlite3.Connection, file: Path) -> int:
    """The version of a file. Raises `StoreError` when it is not ours, or newer than this program."""
    version = version_of(connection)
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    empty = not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application != APPLICATION and not (empty and version == 0):
        raise StoreError(f"{file} is the database of another program.", remedy="Let store.file name another file.")
    if version > VERSION:
        raise StoreError(
            f"{file} was written by a newer version of this program ({version}; this one knows {VERSION}).",
            remedy="Use that version, or let store.file name another file.",
        )
    return version


def connect(file: Path, mode: str) -> sqlite3.Connection:
    """A connection in a mode of SQLite's URIs: ro, rw. One thread at a time may use it, any one."""
    return sqlite3.connect(
        f"{file.as_uri()}?mode={mode}", uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False
    )


def scrub(settings: StoreSettings) -> bool:
    """Write the log back into the file of an open store, and empty it: it may hold what was deleted since. False for a log
    that somebody reads just now, which stays. Raises `StoreError`."""
    file = Path(settings.file).expanduser().absolute().resolve()
    try:
        with closing(connect(file, "rw")) as connection:
            connection.execute(f"PRAGMA busy_timeout = {SCRUB_MS}")  # meanwhile nobody can write
            (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as exc:
        raise trouble(file, exc) from exc
    return not busy


def _prepare(connection: sqlite3.Connection, file: Path, synchronous: str) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise StoreError(f"{file} is on a disk without shared memory.", remedy="Put it on a disk of this machine.")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten
    connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
    migrate(connection)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(f"PRAGMA user_version = {VERSION}")  # a file that can only be read was opened, too, so far
    connection.execute("ROLLBACK")
    with suppress(PermissionError):  # somebody else's file, who decides
        file.chmod(0o600)

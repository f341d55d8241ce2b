"""What is wrong with a database file, in words that an operator can act on."""

from __future__ import annotations

import sqlite3
from math import inf
from pathlib import Path

import trio

from badge.log import get_log
from badge.storage.ports import StoreError

log = get_log(__name__)

SILENCE_S = 10.0
"""Seconds between two lines of the log about trouble, of which there may be much at once."""

_PRIMARY = 0xFF
"""The part of an SQLite error code that says what kind of error it is."""

_KNOWN = {
    sqlite3.SQLITE_FULL: (
        "there is no room left to store anything in",
        "Make room on its disk; nothing has to be restarted.",
    ),
    sqlite3.SQLITE_IOERR: ("reading or writing failed in", "Look at the disk and the kernel's log."),
    sqlite3.SQLITE_READONLY: ("nothing can be written to", "Make the file and its folder writable for the server."),
    sqlite3.SQLITE_PERM: ("access is denied to", "Make the file and its folder accessible to the server."),
    sqlite3.SQLITE_CANTOPEN: (
        "something beside it keeps the server from opening",
        "Make the file and its folder writable for the server.",
    ),
    sqlite3.SQLITE_BUSY: ("another program keeps locked", "End what else writes to it."),
    sqlite3.SQLITE_LOCKED: ("another program keeps locked", "End what else writes to it."),
    sqlite3.SQLITE_TOOBIG: ("a value is too large for", "Send less at once."),
    sqlite3.SQLITE_NOTADB: (
        "this is no database:",
        "Move it away, or let store.file name another file, and a new one is made.",
    ),
    sqlite3.SQLITE_CORRUPT: (
        "this database is damaged:",
        "Stop the server and put a backup in its place, or move it away with its -wal file, and a new one is made.",
    ),
}


def trouble(file: Path, error: sqlite3.Error | OSError) -> StoreError:
    """The error of an operator, for what SQLite, or the system, raised about a file."""
    code = getattr(error, "sqlite_errorcode", None) or 0
    what, remedy = _KNOWN.get(code & _PRIMARY, ("something unforeseen happened to", "Look at the server's log."))
    name = getattr(error, "sqlite_errorname", None) or type(error).__name__
    return StoreError(f"{what} {file} ({name}).", remedy=remedy)


def damaged(file: Path) -> StoreError:
    """SQLite can read the file, but finds it inconsistent."""
    what, remedy = _KNOWN[sqlite3.SQLITE_CORRUPT]
    return StoreError(f"{what} {file}.", remedy=remedy)


class Explanation:
    """Explains what operations on a file raise; of trouble with the file itself the operator reads in the log, too."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._silent_until = -inf

    def __call__(self, error: BaseException) -> BaseException:
        """The error for those who asked: a `StoreError`, or a fault of the program as it is."""
        if isinstance(error, UnicodeError):
            return StoreError("a text has characters that Unicode does not know.", remedy="Send valid Unicode.")
        if isinstance(error, OverflowError):
            return StoreError("a number has more than 64 bits.", remedy="Send a smaller one.")
        if not isinstance(error, sqlite3.Error):
            return error
        explained = trouble(self._file, error)
        explained.__cause__ = error
        if trio.current_time() >= self._silent_until:
            self._silent_until = trio.current_time() + SILENCE_S
            log.error("the store cannot do its work", error=explained.detail, remedy=explained.remedy)
        return explained

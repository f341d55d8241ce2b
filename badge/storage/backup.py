"""A copy of a database file, made while a server writes to it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from badge.clock import WallClock
from badge.storage.opening import connect, inspect
from badge.storage.ports import StoreError
from badge.storage.reading import open_to_read
from badge.storage.trouble import damaged, trouble

PAGES = 1000
"""Pages, of 4 KB, that are copied between two reports of progress."""

Progress = Callable[[int, int], None]
"""Told how many pages are copied, and of how many."""


def place(target: Path, source: Path, clock: WallClock) -> Path:
    """Where a backup goes: a new file, or in a folder one that is named after source and time."""
    if not target.is_dir():
        return target
    return target / f"{source.stem}-{clock.now():%Y%m%d-%H%M%S}{source.suffix}"


def backup(source: Path, target: Path, progress: Progress) -> None:
    """Copy a database as it is at this moment, whatever is written to it meanwhile. The copy is complete, looked through
    and on the disk before it gets its name. Raises `StoreError`; then there is no copy."""
    if target.exists() or target.is_symlink():
        raise StoreError(f"{target} exists already.", remedy="Name a file that does not exist, or a folder.")
    with open_to_read(source) as original, _beside(target) as copy:
        try:
            _copy(original, copy, progress)
        except sqlite3.Error as exc:
            raise trouble(copy if exc.sqlite_errorcode == sqlite3.SQLITE_FULL else source, exc) from exc
        _verify(copy, source)
        _confirm(copy)
        copy.rename(target)
        _confirm(target.parent)


def _copy(original: sqlite3.Connection, copy: Path, progress: Progress) -> None:
    with closing(connect(copy, "rw")) as connection:
        original.execute("BEGIN")
        original.execute("SELECT count(*) FROM sqlite_master").fetchone()  # from now on this one moment is what is read
        original.backup(connection, pages=PAGES, progress=lambda _, left, total: progress(total - left, total))
        connection.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it


def _verify(copy: Path, source: Path) -> None:
    try:
        inspect(copy)
    except StoreError:
        raise damaged(source) from None  # pages are copied as they are


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A new file for the owner only, in the folder of the target; it is gone afterwards, unless it was renamed."""
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as exc:
        raise StoreError(f"{target} cannot be made: {exc.strerror}.", remedy="Name a folder that takes files.") from exc
    try:
        yield part
    except OSError as exc:
        raise StoreError(f"{target} cannot be written: {exc.strerror}.", remedy="Name another folder.") from exc
    finally:
        for left in (part, Path(f"{part}-journal"), Path(f"{part}-wal"), Path(f"{part}-shm")):
            left.unlink(missing_ok=True)


def _confirm(path: Path) -> None:
    """Have the disk confirm a file or a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

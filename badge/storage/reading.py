"""Looking into a database file, whether or not a server is using it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

from badge.storage.carrying import Operation, T
from badge.storage.opening import check_version, connect
from badge.storage.ports import StoreError
from badge.storage.schema import VERSION
from badge.storage.tables import Tables
from badge.storage.trouble import trouble


@contextmanager
def read_only(file: Path) -> Iterator[Tables]:
    """The stores of a file, for commands that look. They answer at once, in the thread that asks; what would change
    something raises `StoreError`, as does a file that cannot be read."""
    with open_to_read(file) as connection:

        async def carry(operation: Operation[T]) -> T:
            await trio.lowlevel.checkpoint()
            try:
                return operation(connection)
            except sqlite3.Error as exc:
                raise trouble(file, exc) from exc

        yield Tables(carry)


@contextmanager
def open_to_read(file: Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write, to a file of this program's version. Raises `StoreError`."""
    file = file.expanduser().absolute().resolve()
    if not file.is_file():
        raise StoreError(f"there is no {file}.", remedy="A server makes it when it starts; see store.file.")
    try:
        connection = connect(file, "ro")
    except sqlite3.Error as exc:
        raise trouble(file, exc) from exc
    try:
        _check(connection, file)
        yield connection
    finally:
        connection.close()


def _check(connection: sqlite3.Connection, file: Path) -> None:
    try:
        version = check_version(connection, file)
    except sqlite3.Error as exc:
        raise trouble(file, exc) from exc
    if version < VERSION:
        raise StoreError(
            f"{file} was written by an older version of this program ({version}; this one knows {VERSION}).",
            remedy="Start the server once: it brings the file up to date.",
        )

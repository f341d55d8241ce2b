"""Operations on a database: plain functions of a connection, carried out many to a transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from outcome import Error, Outcome, Value, capture

T = TypeVar("T")
Operation = Callable[[sqlite3.Connection], T]
"""Reads and writes, in the transaction that it finds; it may be carried out again after it failed."""


class Carry(Protocol):
    """Has an operation carried out."""

    async def __call__(self, operation: Operation[T], /) -> T:
        """The operation's result, when it is durable. Raises `StoreError`."""


def carry_out(connection: sqlite3.Connection, operations: Sequence[Operation[Any]]) -> list[Outcome[Any]]:
    """Carry out operations in order, with one commit for all. An operation that fails takes back what it did and
    nothing else; when it is the commit that fails, each gets a transaction of its own, and those that can succeed do.
    """
    try:
        if len(operations) > 1:
            together = capture(_together, connection, operations)
            if isinstance(together, Value):
                return together.unwrap()
        return _one_by_one(connection, operations)
    finally:
        with suppress(sqlite3.Error):  # what begins next tries again
            _clean(connection)


def _one_by_one(connection: sqlite3.Connection, operations: Sequence[Operation[Any]]) -> list[Outcome[Any]]:
    outcomes: list[Outcome[Any]] = []
    for operation in operations:
        result = capture(_alone, connection, operation)
        if isinstance(result, Error) and isinstance(result.error, _NotBegunError):
            return outcomes + [Error(result.error.cause) for _ in operations[len(outcomes) :]]
        outcomes.append(result)
    return outcomes


class _NotBegunError(Exception):
    """There is no transaction to be had now; whoever tries again waits as long in vain."""

    def __init__(self, cause: sqlite3.Error) -> None:
        super().__init__()
        self.cause = cause


def _begin(connection: sqlite3.Connection) -> None:
    try:
        _clean(connection)
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.Error as exc:
        raise _NotBegunError(exc) from exc


def _clean(connection: sqlite3.Connection) -> None:
    """Take back what a failure left."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _together(connection: sqlite3.Connection, operations: Sequence[Operation[Any]]) -> list[Outcome[Any]]:
    _begin(connection)
    outcomes = [_apart(connection, operation) for operation in operations]
    connection.execute("COMMIT")
    return outcomes


def _apart(connection: sqlite3.Connection, operation: Operation[T]) -> Outcome[T]:
    """One of many operations in a transaction. When SQLite ends that by itself, as it may when a disk is full, the
    savepoint has gone, and this fails."""
    connection.execute("SAVEPOINT apart")
    result = capture(operation, connection)
    if isinstance(result, Error):
        connection.execute("ROLLBACK TO apart")
    connection.execute("RELEASE apart")
    return result


def _alone(connection: sqlite3.Connection, operation: Operation[T]) -> T:
    _begin(connection)
    result = operation(connection)
    connection.execute("COMMIT")
    return result

"""Values to rows and back: the columns of a table are named as the fields of what it keeps."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from functools import cache
from typing import Any, TypeVar

import attrs

T = TypeVar("T", bound=attrs.AttrsInstance)


@cache
def names(kind: type[attrs.AttrsInstance]) -> tuple[str, ...]:
    """The fields of a class."""
    return tuple(field.name for field in attrs.fields(kind))


def columns(kind: type[attrs.AttrsInstance]) -> str:
    """Its columns, for a SELECT."""
    return ", ".join(f'"{name}"' for name in names(kind))


def values(value: attrs.AttrsInstance) -> tuple[Any, ...]:
    """One value, for the columns of its class."""
    return tuple(getattr(value, name) for name in names(type(value)))


@cache
def _truths(kind: type[attrs.AttrsInstance]) -> frozenset[str]:
    """Fields that are true or false, for which SQLite has only numbers."""
    return frozenset(field.name for field in attrs.fields(attrs.resolve_types(kind)) if field.type is bool)


def build(kind: type[T], rows: Iterable[tuple[Any, ...]]) -> tuple[T, ...]:
    """Values of rows that were selected by `columns`."""
    fields, truths = names(kind), _truths(kind)
    if not truths:
        return tuple(kind(**dict(zip(fields, row, strict=True))) for row in rows)
    return tuple(
        kind(**{name: bool(cell) if name in truths else cell for name, cell in zip(fields, row, strict=True)})
        for row in rows
    )


def insert(
    connection: sqlite3.Connection, table: str, value: attrs.AttrsInstance, *, clause: str = "", **more: Any
) -> int:
    """Add a row, with columns that are not the value's own in `more`, and an ON CONFLICT clause; gives how many were
    written."""
    sql = _insertion(table, (*more, *names(type(value))), clause)
    return connection.execute(sql, (*more.values(), *values(value))).rowcount


@cache
def _insertion(table: str, into: tuple[str, ...], clause: str) -> str:
    listed, marks = ", ".join(f'"{name}"' for name in into), ", ".join("?" * len(into))
    return f"INSERT INTO {table} ({listed}) VALUES ({marks}) {clause}"


def renewed(kind: type[attrs.AttrsInstance]) -> str:
    """What an ON CONFLICT clause sets: every field as it is in the new row."""
    return ", ".join(f'"{name}" = excluded."{name}"' for name in names(kind))

"""Stores for tests, and values to put into them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from badge.config.team import StoreSettings
from badge.storage.memory import MemoryStore
from badge.storage.ports import Store, StoreError
from badge.storage.recollections import Exchanged, Fact
from badge.storage.records import Letter, MeetingRecord, Reminder
from badge.storage.sqlite import SqliteStore

KINDS = ("memory", "sqlite")


def store_of(kind: str, folder: Path) -> Store:
    if kind == "memory":
        return MemoryStore()
    return SqliteStore(StoreSettings(file=str(folder / "badge.db")))


@asynccontextmanager
async def opened(store: Store) -> AsyncIterator[Store]:
    """The store, while it runs."""
    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        yield store
        nursery.cancel_scope.cancel("the test is over")


def sqlite(folder: Path, **settings: Any) -> Any:
    """A durable store, while it runs."""
    return opened(SqliteStore(StoreSettings(file=str(folder / "badge.db"), **settings)))


async def opening_fails(folder: Path) -> StoreError:
    """Why the store in a folder cannot be opened."""
    store = SqliteStore(StoreSettings(file=str(folder / "badge.db")))
    with pytest.RaisesGroup(StoreError) as caught:
        async with opened(store):
            raise AssertionError("it was opened")
    (error,) = caught.value.exceptions
    assert isinstance(error, StoreError)
    assert error.remedy
    return error


def letter(number: str, *, to: str = "b", sender: str = "a", sent: int = 0, expires: int = 100, **more: Any) -> Letter:
    fields = {"category": "message", "payload": f'{{"n": "{number}"}}'} | more
    return Letter(id=number, sender=sender, to=to, sent=sent, expires=expires, **fields)


def meeting(number: str, *, device: str = "a", started: int = 0, **more: Any) -> MeetingRecord:
    return MeetingRecord(id=number, device=device, started=started, **more)


def reminder(number: str, *, due: int, device: str = "a") -> Reminder:
    return Reminder(id=number, device=device, due=due, text=f"text {number}", created=0)


def exchange(user: str, *, device: str = "a", at: int = 0, **more: Any) -> Exchanged:
    return Exchanged(device=device, at=at, user=user, **{"session": "s", "answer": f"answer to {user}"} | more)


def fact(number: str, text: str, *, device: str = "a", created: int = 0, **more: Any) -> Fact:
    return Fact(id=number, device=device, text=text, created=created, **{"used": created} | more)


async def save(store: Store, device: str, text: str, *, keep: int = 1) -> None:
    """Something that a device said."""
    await store.recall.add(exchange(text, device=device), keep=keep)


async def load(store: Store, device: str) -> str:
    """What it said, one after the other."""
    return " ".join([one.user for one in await store.recall.exchanges(device)])

"""A program that stores as fast as it can, and says what was acknowledged: `python -m tests.storage.writing FILE SYNCHRONOUS NAME`."""

from __future__ import annotations

import os
import sys
from typing import Literal

import structlog
import trio

from badge.config.team import StoreSettings
from badge.storage.sqlite import SqliteStore
from badge.storage.tasks import Create, Draft
from tests.storage.stores import letter, meeting, save


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


async def remember(store: SqliteStore, name: str) -> None:
    number = 0
    while True:
        number += 1
        await save(store, name, str(number))
        say(f"memory {name} {number}")


async def post(store: SqliteStore, name: str) -> None:
    number = 0
    while True:
        number += 1
        await store.mail.post(letter(str(number), to=name, expires=1 << 50, payload="x" * 300), bound=1_000_000)
        say(f"letter {name} {number}")


async def talk(store: SqliteStore, name: str) -> None:
    await store.meetings.begin(meeting(name))
    while True:
        number = await store.meetings.add(name, ts=1, text="words " * 50)
        say(f"segment {name} {number}")


async def plan(store: SqliteStore, name: str) -> None:
    for number in range(1000):
        drafts = (Draft(id=str(number), title="t" * 100), Draft(id=f"also {number}", title="t"))
        await store.tasks.carry_out(f"{name} {number // 300}", Create(device="a", at=1, drafts=drafts))
        say(f"tasks {name} {number // 300} {number}")
    await trio.sleep_forever()


async def main(file: str, synchronous: Literal["full", "normal"], name: str) -> None:
    store = SqliteStore(StoreSettings(file=file, synchronous=synchronous))
    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        say("open")
        for work in (remember, post, talk, plan):
            for number in range(3):
                nursery.start_soon(work, store, f"{name}.{number}")


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())  # only acknowledgements are said
    trio.run(main, *sys.argv[1:])

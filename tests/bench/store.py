"""What the durable store takes: writes per second and latency, and how long it keeps everybody else waiting.

Each row is one way to write letters of 300 bytes: `plain` is Python's sqlite3 alone, one commit for each write; the
others go through the store, from so many tasks at once. `step` is the longest that any task kept the Trio thread, by
the clock and by the processor (which does not count other programs, nor waiting for the interpreter's lock); `pause`
the longest that a task which wants to run every millisecond came too late.

    python tests/bench/store.py [--seconds 3] [--folder .]
"""

from __future__ import annotations

import argparse
import gc
import sqlite3
import statistics
import sys
import tempfile
from pathlib import Path
from time import perf_counter, thread_time

import structlog
import trio

sys.path.insert(0, str(Path(__file__).parents[2]))

from badge.config.team import StoreSettings
from badge.housekeeping import settle
from badge.storage.records import Letter, MeetingRecord
from badge.storage.sqlite import SqliteStore
from badge.storage.tasks import Assign, Change, Create, Draft, Edit
from badge.storage.writer import Writer

TEXT = '{"text": "' + "x" * 288 + '"}'
FULL_GROUP = 1000
SEGMENTS = 10_000


class Steps(trio.abc.Instrument):
    """The longest steps of any task, by the clock and by the processor."""

    def __init__(self) -> None:
        self.longest = 0.0, 0.0
        self._begun = 0.0, 0.0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._begun = perf_counter(), thread_time()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        clock, processor = perf_counter() - self._begun[0], thread_time() - self._begun[1]
        self.longest = max(self.longest[0], clock), max(self.longest[1], processor)


class Batches:
    """How many batches the writer carried out."""

    def __init__(self) -> None:
        self.number = 0
        tell = Writer._tell

        def counting(writer: Writer, jobs: object, served: object) -> None:
            self.number += 1
            tell(writer, jobs, served)  # type: ignore[arg-type]

        Writer._tell = counting  # type: ignore[method-assign,assignment]


def letter(number: int, sender: str) -> Letter:
    to = f"d{number % 50}"
    return Letter(id=str(number), sender=sender, to=to, category="message", payload=TEXT, sent=0, expires=1)


def plain(file: Path, synchronous: str, seconds: float) -> list[float]:
    """One commit for each write, with nothing around it; gives how long each took."""
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute("CREATE TABLE letters (id, sender, receiver, payload, PRIMARY KEY (receiver, sender, id))")
    took: list[float] = []
    end = perf_counter() + seconds
    while perf_counter() < end:
        begun = perf_counter()
        one = letter(len(took), "a")
        connection.execute("INSERT INTO letters VALUES (?, ?, ?, ?)", (one.id, one.sender, one.to, one.payload))
        took.append(perf_counter() - begun)
    connection.close()
    return took


async def talk(store: SqliteStore, number: int) -> None:
    for _ in range(SEGMENTS // 100):
        await store.meetings.add("m", ts=number, text="what somebody says in a few seconds of a meeting " * 2)


async def late(worst: list[float]) -> None:
    while True:
        begun = perf_counter()
        await trio.sleep(0.001)
        worst[0] = max(worst[0], perf_counter() - begun - 0.001)


async def through(
    file: Path, synchronous: str, writers: int, seconds: float, what: str, steps: Steps
) -> tuple[list[float], tuple[float, float], float]:
    """From so many tasks at once; gives how long each write took, the longest step, and the longest pause."""
    store = SqliteStore(StoreSettings(file=str(file), synchronous=synchronous))
    took: list[float] = []
    worst = [0.0]

    async def write(number: int) -> None:
        sender, mine, end = f"s{number}", 0, perf_counter() + seconds
        while perf_counter() < end:
            begun = perf_counter()
            if what == "letters":
                await store.mail.post(letter(mine, sender), bound=1_000_000)
            elif what == "segments":
                assert len(await store.meetings.segments("m")) == SEGMENTS
            else:
                edit = Edit(id=str(number), title=str(mine))
                await store.tasks.carry_out("g", Change(device=sender, at=mine, edits=(edit,)))
            took.append(perf_counter() - begun)
            mine += 1

    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        if what == "tasks":
            drafts = tuple(Draft(id=str(number), title="a title of usual length") for number in range(FULL_GROUP))
            await store.tasks.carry_out("g", Create(device="a", at=0, drafts=drafts))
            for number in range(writers):
                await store.tasks.carry_out("g", Assign(device=f"s{number}", at=0, id=str(number)))
        if what == "segments":
            await store.meetings.begin(MeetingRecord(id="m", device="a", started=0))
            async with trio.open_nursery() as callers:
                for number in range(100):
                    callers.start_soon(talk, store, number)
        settle()
        await trio.sleep(0.1)
        steps.longest = 0.0, 0.0
        nursery.start_soon(late, worst)
        async with trio.open_nursery() as callers:
            for number in range(writers):
                callers.start_soon(write, number)
        longest = steps.longest
        nursery.cancel_scope.cancel()
    return took, longest, worst[0]


def row(name: str, synchronous: str, took: list[float], seconds: float, more: str = "") -> None:
    cuts = statistics.quantiles(took, n=100)
    print(
        f"{name:<26} {synchronous:<7} {len(took) / seconds:>9.0f} {cuts[49] * 1000:>8.2f} {cuts[98] * 1000:>8.2f} "
        f"{max(took) * 1000:>8.2f} {more}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--folder", type=Path, help="where to write (default: the system's folder for such things)")
    args = parser.parse_args()
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    batches = Batches()
    print(
        f"{'':<34} {'writes/s':>9} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8}  per commit   step ms: clock, cpu   pause ms"
    )
    for synchronous in ("full", "normal"):
        for name, writers, what in (
            ("plain", 0, "letters"),
            ("letters, 1 task", 1, "letters"),
            ("letters, 16 tasks", 16, "letters"),
            ("letters, 200 tasks", 200, "letters"),
            (f"group of {FULL_GROUP}, 16 tasks", 16, "tasks"),
            (f"read {SEGMENTS} segments", 1, "segments"),
        ):
            with tempfile.TemporaryDirectory(dir=args.folder) as folder:
                file = Path(folder) / "badge.db"
                if not writers:
                    row(name, synchronous, plain(file, synchronous, args.seconds), args.seconds)
                    continue
                steps, before = Steps(), batches.number
                arguments = file, synchronous, writers, args.seconds, what, steps
                took, longest, pause = trio.run(through, *arguments, instruments=[steps])
                gc.unfreeze()
                per = len(took) / (batches.number - before)
                more = f"{per:>11.1f} {longest[0] * 1000:>14.2f} {longest[1] * 1000:>6.2f} {pause * 1000:>10.1f}"
                row(name, synchronous, took, args.seconds, more)


if __name__ == "__main__":
    main()

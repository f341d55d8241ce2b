"""How long a turn waits for what is remembered: one recall, with its store in a file, by the number of facts.

`mine` is the number of facts of the device that asks, `others` of all other devices in the same file. `busy` means that
meanwhile other devices store something as fast as they can. Times are in ms, from the question to the notes for the prompt.

    python tests/bench/memory.py [--rounds 300] [--folder .]
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from array import array
from pathlib import Path
from time import perf_counter

import structlog
import trio

sys.path.insert(0, str(Path(__file__).parents[2]))

from badge.clock import SystemClock
from badge.components import Component
from badge.config.memory import MemorySettings
from badge.config.team import StoreSettings
from badge.recall.meanings import Meanings
from badge.recall.recaller import Recaller
from badge.storage.recollections import Exchanged, Fact, Lesson
from badge.storage.sqlite import SqliteStore
from providers.ports import Embedder

WORDS = [
    "tea",
    "coffee",
    "dog",
    "cat",
    "sister",
    "brother",
    "Berlin",
    "Rome",
    "red",
    "blue",
    "bicycle",
    "car",
    "morning",
    "evening",
    "physics",
    "music",
    "piano",
    "garden",
    "doctor",
    "school",
    "holiday",
    "train",
    "book",
    "film",
    "soup",
    "bread",
    "winter",
    "summer",
    "river",
    "mountain",
    "喝茶",
    "咖啡",
    "小狗",
    "姐姐",
    "上海",
    "北京",
    "红色",
    "自行车",
    "早上",
    "音乐",
    "学校",
    "火车",
]
QUESTIONS = ("what tea do I like in the morning", "我喜欢喝什么茶", "where does my sister live", "good morning")
NUMBERS = 1024


class Noise:
    """An embedder that takes no time."""

    name = model = "noise"

    def __init__(self) -> None:
        self._random = random.Random(3)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        task_status.started()
        await trio.sleep_forever()

    async def embed(self, texts: list[str]) -> tuple[bytes, ...]:
        await trio.lowlevel.checkpoint()
        return tuple(array("f", (self._random.uniform(-1, 1) for _ in range(NUMBERS))).tobytes() for _ in texts)


async def fill(store: SqliteStore, device: str, count: int, *, seed: int, vectors: bool) -> None:
    chance, noise = random.Random(seed), Noise()
    for start in range(0, count, 2000):
        facts = []
        for number in range(start, min(count, start + 2000)):
            text = "The user " + " ".join(chance.sample(WORDS, 6))
            (vector,) = await noise.embed([text]) if vectors else (b"",)
            facts.append(
                Fact(
                    id=str(number),
                    device=device,
                    text=text,
                    created=number,
                    used=number,
                    vector=vector,
                    embedder="noise",
                )
            )
        said = Exchanged(device=device, session="s", at=0, user="u", answer="a")
        number = await store.recall.add(said, keep=10)
        await store.recall.learn(Lesson(device=device, upto=number, facts=tuple(facts)), keep=1_000_000, summaries=9)


async def measure(
    folder: str, rounds: int, mine: int, others: int, *, busy: bool = False, vectors: bool = False
) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as place:
        store = SqliteStore(StoreSettings(file=f"{place}/badge.db"))
        async with trio.open_nursery() as nursery:
            await nursery.start(store.run)
            embedder = Component[Embedder]("embeddings", (Noise(),) if vectors else ())
            nursery.start_soon(embedder.run)
            await fill(store, "mine", mine, seed=1, vectors=vectors)
            for number in range(others // 200):
                await fill(store, f"other {number}", 200, seed=number, vectors=False)
            recaller = Recaller(
                store=store.recall,
                meanings=Meanings(embedder, 1),
                settings=MemorySettings(),
                clock=SystemClock(),
            )
            if busy:
                for number in range(8):
                    nursery.start_soon(talk, store, f"busy {number}")
            times = []
            for number in range(rounds):
                begun = perf_counter()
                notes = await recaller.recall("mine", QUESTIONS[number % len(QUESTIONS)])
                times.append((perf_counter() - begun) * 1000)
                assert notes
            times.sort()
            name = f"{mine:6d} {others:7d} {'busy' if busy else '':5} {'vectors' if vectors else '':8}"
            print(f"{name} p50 {times[rounds // 2]:6.2f}   p99 {times[rounds * 99 // 100]:6.2f}   max {times[-1]:6.2f}")
            nursery.cancel_scope.cancel()


async def talk(store: SqliteStore, device: str) -> None:
    while True:
        await store.recall.add(Exchanged(device=device, session="s", at=0, user="u" * 80, answer="a" * 200), keep=200)


async def main(folder: str, rounds: int) -> None:
    print("  mine  others")
    for mine in (1, 1000, 10_000):
        await measure(folder, rounds, mine, 0)
    await measure(folder, rounds, 300, 100_000)
    await measure(folder, rounds, 300, 10_000, busy=True)
    await measure(folder, rounds, 300, 0, vectors=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--folder", default=".")
    arguments = parser.parse_args()
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    trio.run(main, arguments.folder, arguments.rounds)

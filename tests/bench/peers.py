"""Messages between badges: how long from sending until the other badge has it, until the sender is answered, and until it
is told that it was delivered; alone and among many, with the store in memory and in a file; and a message for everybody.
`loop` is how late a task of the server was that wants to run every 5 ms, from the end of the row before.

    python tests/bench/peers.py [--messages 300] [--badges 200]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

import load

from badge.client.device import Badge, Introduction, connect

SERVER = Path(__file__).with_name("bench_server.py")


@asynccontextmanager
async def badges(port: int, count: int) -> AsyncIterator[list[Badge]]:
    """So many badges that read, and answer pings."""
    here: dict[int, Badge] = {}
    full = trio.Event()

    async def one(number: int) -> None:
        me = Introduction(device=f"peer-{number}", client="bench")
        async with connect(f"ws://127.0.0.1:{port}/xiaozhi/v1/", me) as here[number]:
            if len(here) == count:
                full.set()
            await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        for number in range(count):
            nursery.start_soon(one, number)
        await full.wait()
        yield [here[number] for number in range(count)]
        nursery.cancel_scope.cancel()


async def when(badge: Badge, event: str | None, number: str, count: int = 1) -> float:
    """When the last of so many messages about one letter came; `event` None is the answer to the sender."""
    while True:
        heard = await badge.inbox.receive()
        message = heard.message or {}
        if message.get("type") == "peer" and (message.get("event"), message.get("id")) == (event, number):
            assert message.get("status", "ok") in ("ok", "delivered"), message
            count -= 1
            if not count:
                return heard.at


async def exchange(here: list[Badge], messages: int) -> dict[str, list[float]]:
    """Send messages one by one; seconds until each of the three things that follow."""
    a, b = here[:2]
    times: dict[str, list[float]] = {"received": [], "answered": [], "told delivered": []}
    for number in (f"{len(here)}-{count}" for count in range(messages)):  # the same one again would not be delivered
        begun = trio.current_time()
        await a.tell(type="peer", to=["peer-1"], id=number, category="event", payload={"text": "x" * 100})
        times["answered"].append(await when(a, None, number) - begun)
        times["received"].append(await when(b, "message", number) - begun)
        times["told delivered"].append(await when(a, "receipt", number) - begun)
    return times


async def everybody(all_badges: list[Badge], rounds: int) -> dict[str, list[float]]:
    """One message for everybody: seconds until the last one has it, and until the last receipt."""
    first, *others = all_badges
    times: dict[str, list[float]] = {"last received": [], "answered": [], "all told delivered": []}
    for number in (f"all-{count}" for count in range(rounds)):
        begun = trio.current_time()
        await first.tell(type="peer", to=["*"], id=number, category="event", payload={"text": "x" * 100})
        times["answered"].append(await when(first, None, number) - begun)
        times["last received"].append(max([await when(badge, "message", number) for badge in others]) - begun)
        times["all told delivered"].append(await when(first, "receipt", number, len(others)) - begun)
    return times


def show(title: str, times: dict[str, list[float]]) -> None:
    """Median and 99th percentile in ms."""
    print(title)
    for what, values in times.items():
        values.sort()
        p50, p99 = statistics.median(values), values[int(len(values) * 0.99)]
        print(f"  {what:20} p50 {p50 * 1000:7.2f} ms   p99 {p99 * 1000:7.2f} ms")


def stalls(what: str, process: subprocess.Popen[str]) -> None:
    """How late the server's loop was since the last time."""
    took = load.ask(process)
    print(f"{what:22} p99 {took['stall_p99_ms']:7.2f} ms   max {took['stall_max_ms']:7.2f} ms")


async def measure(messages: int, count: int) -> None:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:  # on a real disk
        for store in ("", f"{folder}/bench.db"):
            process = load.start(SERVER, "--stalls", *(["--store", store] if store else []))
            try:
                assert process.stdout is not None
                port = json.loads(await trio.to_thread.run_sync(process.stdout.readline))["port"]
                load.keep_off()
                where = "in a file, synchronous=full" if store else "in memory"
                for present in (2, count):
                    async with badges(port, present) as here:
                        stalls(f"{present} badges come", process)
                        show(f"{messages} messages, {present} badges, store {where}", await exchange(here, messages))
                        stalls("  loop", process)
                        if present > 2:
                            show(
                                f"20 messages for everybody, {present} badges, store {where}", await everybody(here, 20)
                            )
                            stalls("  loop", process)
            finally:
                process.kill()
                process.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=300)
    parser.add_argument("--badges", type=int, default=200)
    args = parser.parse_args()
    trio.run(measure, args.messages, args.badges)

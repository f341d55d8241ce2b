"""Memory per idle connection, connection set-up time and start-up time of the real server.

python tests/bench/idle.py [--connections 500]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import trio

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

import load

from badge.client.device import Introduction, connect

SERVER = Path(__file__).parent / "bench_server.py"


def rss(pid: int) -> float:
    """Resident memory in KiB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Rss:"):
            return float(line.split()[1])
    raise RuntimeError("no Rss")


def start(*arguments: str) -> tuple[subprocess.Popen[str], dict[str, float], float]:
    """A server process, what it said, and how long it took to say it."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, str(SERVER), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    return process, ready, time.perf_counter() - begun


async def hold(port: int, count: int, full: trio.Event, release: trio.Event, times: list[float]) -> None:
    in_flight = trio.Semaphore(20)
    url = f"ws://127.0.0.1:{port}/xiaozhi/v1/"

    async def one(number: int) -> None:
        await in_flight.acquire()
        begun = trio.current_time()
        async with connect(url, Introduction(device=f"idle-{count}-{number}", client="c")):
            times.append(trio.current_time() - begun)
            in_flight.release()
            if len(times) == count:
                full.set()
            await release.wait()

    async with trio.open_nursery() as nursery:
        for number in range(count):
            nursery.start_soon(one, number)


async def measure(count: int) -> None:
    process, ready, started = start()
    try:
        await trio.sleep(1)
        times: list[float] = []
        first_full, full, release = trio.Event(), trio.Event(), trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hold, ready["port"], 1, first_full, release, [])
            await first_full.wait()
            await trio.sleep(1)
            one, threads = rss(process.pid), load.ask(process)["threads"]
            nursery.start_soon(hold, ready["port"], count, full, release, times)
            await full.wait()
            await trio.sleep(2)
            many, threads_many = rss(process.pid), load.ask(process)["threads"]
            print(f"start-up until accepting (scripted providers): {started:.2f} s")
            print(f"one connection: {one / 1024:.1f} MiB, {count} more: {many / 1024:.1f} MiB")
            print(f"per idle connection over the first: {(many - one) / count:.1f} KiB")
            print(f"threads: {threads:.0f} with one connection, {threads_many:.0f} with {count + 1}")
            times.sort()
            print(
                f"set-up until both welcomes (20 at a time): p50 {times[len(times) // 2] * 1000:.1f} ms, p99 {times[int(len(times) * 0.99)] * 1000:.1f} ms"
            )
            nursery.cancel_scope.cancel()
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=500)
    trio.run(measure, parser.parse_args().connections)

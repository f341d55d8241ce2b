"""What a call of a tool costs: in the server, in a thread, and in a process of its own.

`plain` is the function itself, with nothing around it, in the same run. `start` is the first call of a plugin whose
process is not there; `memory` what such a process takes, beside that of an empty one of the same kind.

    python tests/bench/tools.py [--calls 2000]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter

import structlog
import trio

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.tools.counter import Counter, opened, sandboxes, write

PLUGIN = '''
@tool
def {name}_sync(a: int, b: int = 1) -> str:
    """Add."""
    return str(a + b)

@tool
async def {name}_async(a: int, b: int = 1) -> str:
    """Add."""
    return str(a + b)

@tool(effects=True)
async def {name}_effects(a: int, b: int = 1) -> str:
    """Add."""
    return str(a + b)
'''


async def plain(a: int, b: int = 1) -> str:
    """The same, with nothing around it."""
    return str(a + b)


async def timed(calls: int, call: Callable[[], Awaitable[object]]) -> list[float]:
    """Seconds of each call."""
    took = []
    for _ in range(calls):
        begun = perf_counter()
        await call()
        took.append(perf_counter() - begun)
    return took


def show(name: str, took: list[float]) -> None:
    took = sorted(took)
    middle, late = statistics.median(took), took[int(len(took) * 0.99)]
    print(f"{name:28} median {middle * 1e6:9.1f} us   p99 {late * 1e6:9.1f} us")


async def measure(calls: int, folder: Path) -> None:
    write(folder, {"inside": PLUGIN.format(name="in"), "apart": PLUGIN.format(name="out")})
    begun = perf_counter()
    async with opened(plugins=str(folder), trusted=["inside"], plugin_idle_s=1.0) as counter:
        print(f"{'office opened in':28} {(perf_counter() - begun) * 1e3:9.0f} ms, with two plugins")
        show("plain", await timed(calls, lambda: plain(1)))
        for name in ("in_async", "in_effects", "in_sync"):
            show(name.replace("in_", "trusted, "), await timed(calls, one(counter, name)))
        show("untrusted, sync", await timed(calls, one(counter, "out_sync")))
        show("untrusted, async", await timed(calls // 10, one(counter, "out_async")))
        (child,) = sandboxes()
        print(f"{'memory of its process':28} {child.memory_full_info().uss / (1 << 20):9.1f} MB of its own")
        started = []
        for _ in range(5):
            while sandboxes():
                await trio.sleep(0.1)
            started += await timed(1, one(counter, "out_sync"))
        print(f"{'start of its process':28} median {statistics.median(started) * 1e3:7.0f} ms")
    begun = perf_counter()
    await trio.run_process([sys.executable, "-c", "pass"])
    print(f"{'an empty Python starts in':28} {(perf_counter() - begun) * 1e3:14.0f} ms")


def one(counter: Counter, name: str) -> Callable[[], Awaitable[object]]:
    async def call() -> None:
        assert (await counter.call(name, a=1)).text == "2"

    return call


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=2000)
    arguments = parser.parse_args()
    structlog.configure(processors=[drop])
    with tempfile.TemporaryDirectory() as folder:
        trio.run(measure, arguments.calls, Path(folder) / "plugins")


def drop(*_: object) -> None:
    raise structlog.DropEvent


if __name__ == "__main__":
    main()

"""MCP: what a call costs over each transport, alone and among many; what a server costs in memory; how long it is away when it
is killed under load, and how long calls of that time took; and what the tools of a badge cost its session.

    python tests/bench/mcp_servers.py [--calls 500] [--callers 50] [--kills 5]
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import psutil
import structlog
import trio

sys.path.insert(0, str(Path(__file__).parents[2]))

from badge.config.mcp import McpSettings
from badge.session.devicemcp import DeviceMcp
from badge.tools.mcp.servers import McpServers
from tests.mcp.firmware import TOOLS
from tests.mcp.running import ask, free_port, listening, raw, sdk, serving, until_listed


def memory() -> float:
    return psutil.Process().memory_info().rss / 1e6


async def timed(call: Callable[[], Awaitable[object]], times: int, callers: int) -> list[float]:
    """ms of each call."""
    took: list[float] = []

    async def caller() -> None:
        for _ in range(times // callers):
            began = trio.current_time()
            await call()
            took.append((trio.current_time() - began) * 1000)

    async with trio.open_nursery() as nursery:
        for _ in range(callers):
            nursery.start_soon(caller)
    return took


def figures(took: list[float]) -> str:
    return f"median {statistics.median(took):7.2f} ms   99 % {sorted(took)[int(len(took) * 0.99)]:7.2f} ms"


async def calls(arguments: argparse.Namespace) -> None:
    for kind in ("process", "http", "sse"):
        async with AsyncExitStack() as stack:
            if kind == "process":
                settings = sdk()
            else:
                port = free_port()
                await stack.enter_async_context(listening("streamable-http" if kind == "http" else "sse", port))
                url = f"http://127.0.0.1:{port}/{'mcp' if kind == 'http' else 'sse'}"
                settings = McpSettings(url=url, transport=kind)
            before, began = memory(), trio.current_time()
            servers: McpServers = await stack.enter_async_context(serving(tested=settings))
            await until_listed(servers, "add")
            up = trio.current_time() - began
            first = memory() - before

            async def add(servers: McpServers = servers) -> None:
                assert (await ask(servers, "add", a=1, b=2)).text == "3"

            alone = await timed(add, arguments.calls, 1)
            began, cpu = trio.current_time(), time.process_time()
            many = await timed(add, arguments.calls, arguments.callers)
            rate = len(many) / (trio.current_time() - began)
            cost = (time.process_time() - cpu) / len(many) * 1000
            print(f"{kind:8} up in {up:5.2f} s, {first:5.1f} MB here   alone {figures(alone)}")
            print(
                f"{'':8} {arguments.callers} callers, 8 at a time: {figures(many)}   {rate:5.0f}/s, {cost:.2f} ms of ours each"
            )


async def kills(arguments: argparse.Namespace) -> None:
    away, failed_after, failed, done = [], [], 0, 0
    with tempfile.TemporaryDirectory() as folder:
        async with serving(tested=raw(Path(folder))) as servers, trio.open_nursery() as nursery:
            await until_listed(servers, "pid")

            async def caller() -> None:
                nonlocal failed, done
                while True:
                    began = trio.current_time()
                    if (await ask(servers, "echo", text="hi")).kind == "failed":
                        failed += 1
                        failed_after.append((trio.current_time() - began) * 1000)
                        await trio.sleep(0.25)  # it is said to the user
                    else:
                        done += 1

            for _ in range(arguments.callers):
                nursery.start_soon(caller)
            for _ in range(arguments.kills):
                await trio.sleep(1)
                pid = (await ask(servers, "pid")).text
                os.kill(int(pid), signal.SIGKILL)
                began = trio.current_time()
                while (again := await ask(servers, "pid")).kind == "failed" or again.text == pid:
                    await trio.sleep(0.01)
                away.append(trio.current_time() - began)
            nursery.cancel_scope.cancel()
    print(
        f"killed {arguments.kills} times under {arguments.callers} callers: away {', '.join(f'{s:.2f}' for s in away)} s (the pause doubles)"
    )
    print(
        f"         {done} calls done, {failed} failed, those after at most {max(failed_after, default=0):.0f} ms; none lost"
    )


async def badges() -> None:
    count = 2000
    before = memory()
    clients = []
    began = time.process_time()
    for _ in range(count):
        client = DeviceMcp(lambda _: None, "s")
        client.begin()
        client.receive({"id": 1, "result": {}})
        client.receive({"id": 2, "result": {"tools": TOOLS}})
        clients.append(client)
    took = (time.process_time() - began) / count * 1000
    print(f"a badge  handshake with {len(TOOLS)} tools {took:.2f} ms, {(memory() - before) / count * 1000:.1f} kB each")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--callers", type=int, default=50)
    parser.add_argument("--kills", type=int, default=5)
    arguments = parser.parse_args()
    before, began = memory(), time.process_time()
    from badge.tools.mcp import server  # noqa: F401 - what it costs to have the library at all

    print(f"library  {time.process_time() - began:.2f} s to load, {memory() - before:.1f} MB")
    await badges()
    await calls(arguments)
    await kills(arguments)


structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
logging.disable()
trio.run(main)

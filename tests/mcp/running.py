"""Real MCP servers for tests, and the source of tools that talks to them."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from badge.config.mcp import McpSettings
from badge.desk import ToolResult
from badge.tools.mcp.servers import McpServers
from badge.tools.source import Request

DEVICE = "aa:bb:cc:00:00:01"
HERE = Path(__file__).parent
SDK, RAW = str(HERE / "sdk_server.py"), str(HERE / "raw_server.py")


def sdk(**settings: Any) -> McpSettings:
    """A server made with the library, as a process of its own."""
    return McpSettings(command=sys.executable, args=[SDK, "stdio"], **settings)


def raw(folder: Path, *misdeeds: str, **settings: Any) -> McpSettings:
    """A server without a library, that misbehaves."""
    return McpSettings(command=sys.executable, args=[RAW, str(folder), *misdeeds], **settings)


@asynccontextmanager
async def serving(environment: Mapping[str, str] | None = None, **settings: McpSettings) -> AsyncIterator[McpServers]:
    """The servers, until the block ends."""
    async with trio.open_nursery() as nursery:
        servers = McpServers(settings, "zh", environment or {})
        await nursery.start(servers.run)
        yield servers
        nursery.cancel_scope.cancel()


async def until_listed(servers: McpServers, *names: str, within: float = 30) -> None:
    """Wait until these tools are on offer."""
    with trio.fail_after(within):
        while not set(names) <= {tool.spec.name for tool in servers.tools(DEVICE)}:
            await trio.sleep(0.02)


async def ask(servers: McpServers, tool: str, **arguments: Any) -> ToolResult:
    return await servers.call(Request(device=DEVICE, tool=tool, arguments=arguments))


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@asynccontextmanager
async def listening(transport: str, port: int) -> AsyncIterator[trio.Process]:
    """A server made with the library, that listens on a port, until the block ends."""
    command = [sys.executable, SDK, transport, str(port)]
    process = await trio.lowlevel.open_process(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with trio.fail_after(30):
            while True:
                try:
                    stream = await trio.open_tcp_stream("127.0.0.1", port)
                except OSError:
                    await trio.sleep(0.05)
                else:
                    await stream.aclose()
                    break
        yield process
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()

"""A connection to an MCP server that works: its calls, and the door at which calls wait for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import anyio
import httpx2
import mcp_types
import trio
from mcp import Client, MCPError

from badge.boundary import boundary
from badge.log import get_log

log = get_log(__name__)

TROUBLE = (
    OSError,
    MCPError,
    httpx2.HTTPError,
    httpx2.InvalidURL,
    ValueError,
    RuntimeError,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
)
"""What the library raises when a server does not work, or sends what it should not."""

MOST_PAGES = 32
"""Pages of one list of tools."""


async def tools_of(client: Client, *, most: int) -> list[mcp_types.Tool]:
    """The tools that a server lists, page by page; a list that does not end is cut."""
    tools: list[mcp_types.Tool] = []
    seen: set[str] = set()
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        page = await client.list_tools(cursor=cursor)
        tools += page.tools
        cursor = page.next_cursor
        if not cursor or cursor in seen or len(tools) >= most:
            break
        seen.add(cursor)
    return tools[:most]


class Link:
    """A server that has started. Calls are tasks of its own, so that one that is given up keeps nobody waiting."""

    def __init__(self, client: Client, calls: trio.Nursery, limit: trio.Semaphore, refused: Callable[[], None]) -> None:
        """`limit`: how many calls may be under way, more wait for their turn; `refused` is told when the server, or what is
        in its place, has answered that there is no result."""
        self._client = client
        self._calls = calls
        self._limit = limit
        self._refused = refused

    async def call(self, tool: str, arguments: dict[str, Any]) -> mcp_types.CallToolResult | None:
        """Call a tool; None when there was no result."""
        results: list[mcp_types.CallToolResult] = []
        over, scope = trio.Event(), trio.CancelScope()

        async def work() -> None:
            try:
                with scope, boundary("a call of an MCP server", log):
                    results.extend(await self._result(tool, arguments))
            finally:
                over.set()

        self._calls.start_soon(work)
        try:
            await over.wait()
        finally:
            scope.cancel("nobody waits for the result any more")
        return results[0] if results else None

    async def _result(self, tool: str, arguments: dict[str, Any]) -> list[mcp_types.CallToolResult]:
        """The result, if there is one; a refusal is one that is an error. The words of either are not for the log: they may
        quote the user."""
        async with self._limit:
            try:
                return [await self._client.call_tool(tool, arguments)]
            except MCPError as exc:
                log.info("a call of an MCP server is refused", code=exc.code)
                self._refused()
                return [] if exc.code == mcp_types.CONNECTION_CLOSED else [_error(exc.message)]
            except (ValueError, RuntimeError) as exc:
                log.info("an MCP server has answered a call with what is no result", error=type(exc).__name__)
                return [_error()]
            except TROUBLE as exc:
                log.info("a call of an MCP server has no result", error=type(exc).__name__)
                return []


def _error(words: str = "") -> mcp_types.CallToolResult:
    return mcp_types.CallToolResult(content=[mcp_types.TextContent(type="text", text=words)], is_error=True)


class Door:
    """Where calls find the connection, or wait while the server starts; nobody waits for one that did not start."""

    def __init__(self) -> None:
        self._state: Link | Literal["starting", "broken"] = "starting"
        self._moved = trio.Event()

    def put(self, state: Link | Literal["starting", "broken"]) -> None:
        """How the server is now."""
        self._state = state
        self._moved.set()
        self._moved = trio.Event()

    async def link(self, *, within: float) -> Link | None:
        """The connection, as soon as there is one; None when there is none within so many seconds."""
        await trio.lowlevel.checkpoint()  # who asks again and again must not keep others from having it started
        with trio.move_on_after(within):
            while self._state == "starting":
                await self._moved.wait()
        return self._state if isinstance(self._state, Link) else None

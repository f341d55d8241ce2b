"""One MCP server: kept running, listed, and asked. Its trouble is nobody else's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from math import inf
from typing import Any

import httpx2
import mcp_types
import trio
from mcp import Client, MCPError
from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost

import badge
from badge.boundary import boundary, leaves
from badge.config.mcp import McpSettings
from badge.desk import ToolResult
from badge.log import get_log, shorten
from badge.tools.mcp.forms import MOST_TOOLS, Listed, UnsetError, listed, result_of
from badge.tools.mcp.link import TROUBLE, Door, Link, tools_of
from badge.tools.mcp.transport import Complaints, way_to

log = get_log(__name__)

START_WITHIN = 30.0
"""Seconds that a server has to start and to list its tools."""

LOOK_EVERY, LOOK_WITHIN, LOOK_GAP = 60.0, 10.0, 0.5
"""Seconds between two looks at a server's tools, that a look may take without any answer, and that pass after one in any
case. A look also tells whether the server is still alive, so there is one right away when a call was not answered. Many do
one thing at a time, so every other look may take as long as a call."""

FIRST_PAUSE, LONGEST_PAUSE, STEADY = 0.5, 60.0, 60.0
"""Seconds before a server that has died is started again, doubled until it stays up for so long as is `STEADY`."""

COMES_BACK_WITHIN = 5.0
"""Seconds that a call waits for a server that is being started."""

LEAVE_WITHIN = 5.0
"""Seconds for the goodbye to an address."""


class LostError(Exception):
    """The server is gone, or does not answer."""


class McpServer:
    """Supervises one server."""

    def __init__(
        self, name: str, settings: McpSettings, environment: Mapping[str, str], changed: Callable[[], None]
    ) -> None:
        """`changed` is told when its tools have changed."""
        self.name = name
        self.tools: tuple[Listed, ...] = ()
        self._settings = settings
        self._environment = environment
        self._changed = changed
        self._door = Door()
        self._limit = trio.Semaphore(settings.calls)
        self._doubt: Callable[[], None] = _nothing
        self._answers = 0

    async def run(self) -> None:
        """Keep it running until cancelled."""
        pause = FIRST_PAUSE
        while True:
            began, complaints = trio.current_time(), Complaints()
            with boundary("an MCP server", log):
                try:
                    await self._live(complaints)
                except* (*TROUBLE, LostError) as group:
                    reason = ": ".join(filter(None, (_reason(group), complaints.last)))
                    log.warning("an MCP server does not work", server=self.name, error=reason, again_in_s=pause)
            if trio.current_time() - began >= STEADY:
                pause = FIRST_PAUSE
            if complaints.heeded or pause > COMES_BACK_WITHIN:  # it did not start, or will not soon
                self._door.put("broken")
            await trio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def call(self, tool: str, arguments: dict[str, Any]) -> ToolResult | None:
        """Call a tool by the server's own name for it; None when nothing came back within the deadline."""
        with trio.move_on_after(self._settings.seconds):
            link = await self._door.link(within=COMES_BACK_WITHIN)
            result = await link.call(tool, arguments) if link is not None else None
            if result is not None:
                return result_of(result, longest=self._settings.longest)
        log.warning("a call of an MCP server failed", server=self.name, tool=tool)
        self._doubt()
        return None

    async def _live(self, complaints: Complaints) -> None:
        """Start it, and look after it until it is lost."""
        bell, rung = trio.open_memory_channel[float](1)

        def look(within: float) -> None:
            with suppress(trio.WouldBlock, trio.ClosedResourceError):
                bell.send_nowait(within)

        news, self._doubt = partial(look, self._busy_for), partial(look, LOOK_WITHIN)
        with trio.CancelScope(deadline=trio.current_time() + START_WITHIN) as scope:
            way = way_to(self._settings, self._environment, complaints, answered=self._answered, ended=bell.close)
            async with _client(way, news) as client, trio.open_nursery() as calls:
                self._note(await tools_of(client, most=MOST_TOOLS))
                complaints.ignore()
                scope.deadline = inf
                try:
                    calls.start_soon(_listen, client, news)
                    await self._serve(Link(client, calls, self._limit, refused=news), client, rung)
                finally:
                    scope.deadline = trio.current_time() + LEAVE_WITHIN
        raise LostError("does not answer")

    async def _serve(self, link: Link, client: Client, rung: trio.MemoryReceiveChannel[float]) -> None:
        log.info("an MCP server works", server=self.name, tools=len(self.tools))
        self._door.put(link)
        try:
            await self._look_after(client, rung)
        finally:
            self._door.put("starting")

    async def _look_after(self, client: Client, rung: trio.MemoryReceiveChannel[float]) -> None:
        while True:
            within = self._busy_for
            with trio.move_on_after(LOOK_EVERY):
                try:
                    within = await rung.receive()
                except trio.EndOfChannel:
                    raise LostError("has ended") from None
            answers = self._answers
            with trio.move_on_after(within) as look:
                self._note(await tools_of(client, most=MOST_TOOLS))
            if look.cancelled_caught and self._answers == answers:
                raise LostError("does not answer")
            await trio.sleep(LOOK_GAP)

    @property
    def _busy_for(self) -> float:
        """Seconds that it may be busy with one call."""
        return max(LOOK_WITHIN, self._settings.seconds)

    def _answered(self) -> None:
        self._answers += 1

    def _note(self, tools: list[mcp_types.Tool]) -> None:
        found = listed(tools, self._settings)
        if found != self.tools:
            self.tools = found
            self._changed()


def _client(way: Any, ring: Callable[[], None]) -> Client:
    async def heard(message: object) -> None:
        await trio.lowlevel.checkpoint()
        if isinstance(message, mcp_types.ToolListChangedNotification):
            ring()

    return Client(
        way,
        cache=None,  # it is only listed when something may have changed
        message_handler=heard,
        client_info=mcp_types.Implementation(name="badge", version=badge.__version__),
    )


async def _listen(client: Client, ring: Callable[[], None]) -> None:
    """Hear of changes from servers that tell them only to those who ask, from the protocol of 2026 on."""
    with boundary("listening to an MCP server", log):
        try:
            async with client.listen(tools_list_changed=True) as changes:
                async for _ in changes:
                    ring()
        except* (ListenNotSupportedError, SubscriptionLost, MCPError, TimeoutError):
            pass


def _reason(group: BaseExceptionGroup[BaseException]) -> str:
    """What went wrong, in words that hold no secret: an HTTP error quotes the address."""
    exc = next(leaves(group))
    if isinstance(exc, httpx2.HTTPStatusError):
        return f"HTTP {exc.response.status_code}"
    if isinstance(exc, OSError | MCPError | LostError | UnsetError):
        return shorten(str(exc), 200)
    return type(exc).__name__


def _nothing() -> None:
    pass

"""All MCP servers of the configuration, as one source of tools."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import trio

from badge import texts
from badge.config.mcp import McpSettings
from badge.desk import Tool, ToolResult
from badge.tools.offering import free_name, model_name
from badge.tools.source import Request
from providers.ports import Language

if TYPE_CHECKING:
    from badge.tools.mcp.server import McpServer


class McpServers:
    """The servers that are configured, started once for all badges and ended with the program, each in a task of its own.

    A server that dies is started again. Its tools stay on offer meanwhile, because nobody else may take their names: a
    call of one fails, in words.
    """

    def __init__(
        self, settings: Mapping[str, McpSettings], language: Language, environment: Mapping[str, str] = os.environ
    ) -> None:
        """`language`: in which users are told that a tool did not work; `environment`: what settings may refer to."""
        self._language = language
        self._servers = _servers(settings, environment, self._rename)
        self._names: dict[str, tuple[str, str]] = {}
        self._tools: tuple[Tool, ...] = ()

    def tools(self, _device: str) -> Sequence[Tool]:
        """What all of them offer at this moment. A tool keeps its name for a model as long as it is listed."""
        return self._tools

    def seconds(self, _tool: str) -> float | None:
        """Each server has a deadline of its own."""
        return None

    async def call(self, request: Request) -> ToolResult:
        """Call a tool by the name that the model knows; the end comes within the server's deadline, whatever happens."""
        server, name = self._names.get(request.tool, ("", ""))
        if not server:
            return ToolResult(kind="unknown", text=texts.TOOL_FAILED[self._language])
        result = await self._servers[server].call(name, request.arguments)
        return result or ToolResult(kind="failed", text=texts.TOOL_FAILED[self._language])

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep all of them running until cancelled. Nobody waits until they have started: their tools come when they have."""
        async with trio.open_nursery() as nursery:
            for server in self._servers.values():
                nursery.start_soon(server.run)
            task_status.started()
            await trio.sleep_forever()

    def _rename(self) -> None:
        """Give each tool a name that is its own: that of its server, or, where that is taken, with the server's before it."""
        listed = {(server.name, tool.name): tool for server in self._servers.values() for tool in server.tools}
        self._names = {name: origin for name, origin in self._names.items() if origin in listed}
        named = set(self._names.values())
        for server, tool in listed:
            if (server, tool) not in named:
                self._names[free_name(self._names, model_name(tool), model_name(server, tool))] = (server, tool)
        names = {origin: name for name, origin in self._names.items()}
        self._tools = tuple(tool.offered(names[origin]) for origin, tool in listed.items())


def _servers(
    settings: Mapping[str, McpSettings], environment: Mapping[str, str], changed: Callable[[], None]
) -> dict[str, McpServer]:
    if not settings:
        return {}
    from badge.tools.mcp.server import McpServer  # the library takes a second to load: only for those who use it

    return {name: McpServer(name, one, environment, changed) for name, one in settings.items()}

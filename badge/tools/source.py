"""Where tools come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import trio
from attrs import frozen

from badge.desk import Tool, ToolResult


class Source(Protocol):
    """Some of the tools of the server."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Load, report `started` within seconds, and live until cancelled. What cannot be loaded is logged."""

    def tools(self, device: str) -> Sequence[Tool]:
        """The tools that this device may call now."""

    def seconds(self, tool: str) -> float | None:
        """How long a call of this tool may take, where it has less time than any; waiting for others counts."""

    async def call(self, request: Request) -> ToolResult:
        """Call one of the tools. What goes wrong is a result; who waits too long, cancels."""


@frozen(kw_only=True)
class Request:
    """One call."""

    device: str
    tool: str
    arguments: dict[str, Any]

"""What the model of one session can call: the tools of the server, and those of the badge itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from badge.desk import Tool, ToolResult


class ToolSource(Protocol):
    """One place where tools are."""

    async def offered(self) -> Sequence[Tool]:
        """Its tools at this moment; never waits for a badge."""

    async def call(self, key: str, tool: str, arguments: dict[str, Any]) -> ToolResult:
        """Call one of the tools that it offers. Ends within its own deadline; what goes wrong is a result. `key` names the
        call, for tools that do nothing twice."""

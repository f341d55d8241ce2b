"""Counters that are closed: what the desk says where a part of the back office is switched off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from badge.desk import Past, Said, Terms, Tool, ToolResult


class NoTools:
    """A `ToolDesk` without tools."""

    async def offered(self, _device: str) -> tuple[Tool, ...]:  # noqa: ASYNC124 - a question at the desk
        """Nothing."""
        return ()

    async def call(self, _device: str, _key: str, tool: str, _arguments: dict[str, Any]) -> ToolResult:  # noqa: ASYNC124
        """There is no such tool."""
        return ToolResult(kind="unknown", text=f"There is no tool {tool}.")


class NoMemory:
    """A `MemoryDesk` that forgets."""

    async def past(self, _device: str) -> Past:  # noqa: ASYNC124 - a question at the desk
        """Nothing is known."""
        return Past()

    def said(self, device: str, session: str, said: Said) -> None:
        """Forgotten."""

    def paused(self, device: str, pauses: Sequence[float]) -> None:
        """Forgotten."""

    def over(self, device: str, session: str) -> None:
        """Nothing to do."""


class OpenBinding:
    """A `DeviceDesk` that takes everybody, as the settings of the server say."""

    async def terms(self, _device: str, _client: str) -> Terms:  # noqa: ASYNC124 - a question at the desk
        """Nothing differs."""
        return Terms()

    async def spoke(self, _device: str, _characters: int) -> bool:  # noqa: ASYNC124 - a question at the desk
        """There is no limit."""
        return True


class NoReports:
    """A `ReportDesk` that nobody reads."""

    def report(
        self, device: str, session: str, kind: Literal["user", "agent", "tool"], text: str, audio: str, at: int
    ) -> None:
        """Forgotten."""

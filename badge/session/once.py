"""What a badge does for an answer is done once, also when the answer is begun anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from badge import texts
from badge.desk import Tool, ToolResult
from badge.session.toolbox import ToolSource

MOST = 64
"""Calls that are remembered; the oldest is forgotten first."""


class Once:
    """A source whose calls with effects are made once under their key. One that comes again gets the result of the first;
    as long as there is none, the model is told that it may have been done."""

    def __init__(self, source: ToolSource) -> None:
        self._source = source
        self._results: dict[str, ToolResult] = {}

    async def offered(self) -> Sequence[Tool]:
        """As the source has it."""
        return await self._source.offered()

    async def call(self, key: str, tool: str, arguments: dict[str, Any]) -> ToolResult:
        """Have the source call it, unless that was done."""
        if not any(one.effects for one in await self.offered() if one.spec.name == tool):
            return await self._source.call(key, tool, arguments)
        if key not in self._results:
            self._results[key] = ToolResult(kind="answer", text=texts.ASKED_BEFORE)
            for old in list(self._results)[:-MOST]:
                del self._results[old]
            self._results[key] = await self._source.call(key, tool, arguments)
        return self._results[key]

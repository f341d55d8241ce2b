"""Louder and softer: a tool for badges that can be told a volume, which only know absolute ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from badge import texts
from badge.desk import Tool, ToolResult
from badge.session.devicemcp import DeviceMcp, text_of
from badge.session.iot import IotThings
from providers.ports import ToolSpec

NAME = "change_volume"
SET, STATUS = "self.audio_speaker.set_volume", "self.get_device_status"
"""The badge's own tools."""

THING, PROPERTY, METHODS = "Speaker", "volume", ("set_volume", "SetVolume")
"""The same in the legacy way; firmware has written the method in both ways."""

SET_OK = ToolResult(kind="answer", text="true")
"""What firmware answers when it has set the volume. Whatever else a badge says is no success that we would vouch for."""

TOOL = Tool(
    spec=ToolSpec(
        NAME,
        "Makes the badge louder or softer by some steps of its volume, which goes from 0 to 100. For an absolute volume use "
        "the tool that sets it.",
        {
            "type": "object",
            "properties": {
                "by": {
                    "type": "integer",
                    "minimum": -100,
                    "maximum": 100,
                    "description": "steps; negative is softer; a little is 10",
                }
            },
            "required": ["by"],
        },
    ),
    effects=True,
    origin="badge",
)


class Volume:
    """Reads the volume from the badge and sets another one."""

    def __init__(self, mcp: DeviceMcp, iot: IotThings) -> None:
        self._mcp = mcp
        self._iot = iot

    async def offered(self) -> Sequence[Tool]:  # noqa: ASYNC124 - a question of the toolbox
        """The tool, where the badge has a volume."""
        return (TOOL,) if self._setter or self._method else ()

    async def call(self, _key: str, tool: str, arguments: dict[str, Any]) -> ToolResult:
        """Change it; what went wrong is told to the model, or said if the badge wants so."""
        by, setter, method = arguments.get("by"), self._setter, self._method
        if tool != NAME or not (setter or method):
            return ToolResult(kind="unknown", text=f"There is no tool {tool}.")
        if isinstance(by, bool) or not isinstance(by, int | float) or not -100 <= by <= 100:
            return ToolResult(kind="answer", text="by: must be a number from -100 to 100")
        before = await self._reported() if setter else _number(self._iot.state(THING, PROPERTY))
        if before is None:
            return ToolResult(kind="answer", text=f"{texts.DEVICE_TOOL_FAILED}: the volume is not known")
        after = max(0, min(100, round(before + by)))
        if setter:
            result = await self._mcp.call("", setter, {PROPERTY: after})
            if result != SET_OK:
                return result
        else:
            self._iot.command(THING, method, {PROPERTY: after})
        return ToolResult(kind="answer", text=f"The volume was {before:g} and is {after} now.")

    @property
    def _setter(self) -> str:
        """The tool of the badge that sets a volume that can be read; empty when there is none."""
        return self._mcp.knows(SET) if self._mcp.knows(STATUS) else ""

    @property
    def _method(self) -> str:
        """The legacy method that sets a volume that can be read; empty when there is none."""
        thing = self._iot.thing(THING)
        if thing is None or PROPERTY not in thing.properties:
            return ""
        return next((m for m in METHODS if m in thing.methods and PROPERTY in thing.methods[m].parameters), "")

    async def _reported(self) -> float | None:
        reply = await self._mcp.request(STATUS, {})
        try:
            status = json.loads(text_of(reply)) if reply is not None else None
        except (ValueError, RecursionError):
            return None
        speaker = status.get("audio_speaker") if isinstance(status, dict) else None
        return _number(speaker.get("volume")) if isinstance(speaker, dict) else None


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 100 else None

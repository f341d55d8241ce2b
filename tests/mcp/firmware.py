"""The MCP server of a badge, as firmware speaks it, in the hand of a test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio

from badge.desk import ToolResult
from badge.session.session import Session
from tests.house import Guest


def tool(name: str, description: str = "", properties: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties or {}, "required": [*(properties or {})]}
    return {"name": name, "description": description or name, "inputSchema": schema, **more}


VOLUME = {"volume": {"type": "integer", "minimum": 0, "maximum": 100}}
TOOLS = [
    tool("self.get_device_status", "How the badge is. Call it before self.audio_speaker.set_volume is called."),
    tool(
        "self.audio_speaker.set_volume",
        "Set the volume; see self.get_device_status, not self.get_device_statuses.",
        VOLUME,
    ),
    tool("self.reboot", "Reboots.", annotations={"audience": ["user"]}),
    tool("self.screen.set_theme", "Set the theme.", {"theme": {"type": "string"}}),
    tool("self.camera.take_photo", "Take a photo.", {"question": {"type": "string"}}),
    tool("self.upgrade_firmware", "Upgrades.", {"url": {"type": "string"}}, annotations={"audience": ["user"]}),
    tool("self.lamp-on", "Both may see this.", annotations={"audience": ["user", "assistant"]}),
]


def words(text: str, *, wrong: bool = False) -> dict[str, Any]:
    return {"result": {"content": [{"type": "text", "text": text}], "isError": wrong}}


class Firmware:
    """Answers what a session asks its badge over MCP: pages of two tools, numeric ids, errors without a code."""

    def __init__(self, badge: Guest, tools: list[dict[str, Any]] = TOOLS) -> None:
        self._badge = badge
        self.tools = tools
        self.asked: list[dict[str, Any]] = []
        self.volume = 50
        self.answers: dict[str, Callable[[dict[str, Any]], dict[str, Any] | None]] = {
            "self.get_device_status": lambda _: words(f'{{"audio_speaker":{{"volume":{self.volume}}},"battery":{{}}}}'),
            "self.audio_speaker.set_volume": self._set_volume,
        }

    async def run(self) -> None:
        while True:
            asked = [message["payload"] for message in self._badge.of("mcp")]
            for payload in asked[len(self.asked) :]:
                self.asked.append(payload)
                if "method" in payload and (answer := self._answer(payload)) is not None:
                    self.say({"jsonrpc": "2.0", "id": payload["id"], **answer})
            await self._badge.wire.news()

    def say(self, payload: Any) -> None:
        self._badge.tell(session_id="x", type="mcp", payload=payload)

    @property
    def calls(self) -> list[dict[str, Any]]:
        return [payload for payload in self.asked if payload.get("method") == "tools/call"]

    def _answer(self, payload: dict[str, Any]) -> dict[str, Any] | None:
        params = payload.get("params", {})
        match payload["method"]:
            case "initialize":
                info = {"name": "bread-compact-wifi", "version": "2.2.0"}
                return {"result": {"protocolVersion": "2024-11-05", "capabilities": {"tools": {}}, "serverInfo": info}}
            case "tools/list":
                names = [one["name"] for one in self.tools]
                at = names.index(params["cursor"]) if params.get("cursor") else 0
                more = {"nextCursor": names[at + 3]} if at + 3 < len(names) else {}
                return {"result": {"tools": self.tools[at : at + 3], **more}}
            case "tools/call":
                answer = self.answers.get(params["name"])
                return (
                    answer(params["arguments"]) if answer else {"error": {"message": f"Unknown tool: {params['name']}"}}
                )
        return {"error": {"message": f"Method not implemented: {payload['method']}"}}

    def _set_volume(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if arguments["volume"] > 100:
            return {"error": {"message": "Value exceeds maximum allowed: 100"}}
        self.volume = arguments["volume"]
        return words("true")


async def offered(session: Session) -> dict[str, str]:
    """All tools of the badge: name -> description."""
    return {
        tool.spec.name: tool.spec.description
        for source in session.device_tools.sources
        for tool in await source.offered()
    }


async def call(session: Session, name: str, **arguments: Any) -> ToolResult:
    """Call a tool of the badge where it is."""
    for source in session.device_tools.sources:
        if name in [tool.spec.name for tool in await source.offered()]:
            return await source.call("key", name, arguments)
    raise LookupError(name)


async def introduced(nursery: trio.Nursery, badge: Guest, tools: list[dict[str, Any]] = TOOLS) -> Firmware:
    """Say hello with an MCP server, and let all be asked that is asked."""
    firmware = Firmware(badge, tools)
    nursery.start_soon(firmware.run)
    badge.tell(type="hello", version=1, features={"mcp": True}, transport="websocket")
    await badge.until("hello", count=2)
    await badge.quiet()
    return firmware

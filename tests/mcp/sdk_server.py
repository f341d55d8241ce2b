"""An MCP server made with the official library. sdk_server.py stdio | streamable-http PORT | sse PORT"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

import anyio
import mcp_types
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError

server = MCPServer("tested", log_level="CRITICAL")
ONE_PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def text(words: str) -> mcp_types.TextContent:
    return mcp_types.TextContent(type="text", text=words)


@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@server.tool(name="weather.today")
def weather(city: str = "Berlin") -> str:
    """The weather of today."""
    return f"Sunny in {city}."


@server.tool(structured_output=False)
def several() -> list[mcp_types.ContentBlock]:
    """Says two things and shows a picture."""
    picture = mcp_types.ImageContent(type="image", data=ONE_PIXEL, mime_type="image/png")
    return [text("first"), picture, text("second")]


@server.tool(structured_output=False)
def picture() -> list[mcp_types.ContentBlock]:
    """Shows a picture."""
    return [mcp_types.ImageContent(type="image", data=ONE_PIXEL, mime_type="image/png")]


@server.tool()
def broken() -> str:
    """Fails."""
    raise ToolError("no such city")


@server.tool()
async def slow(seconds: float) -> str:
    """Takes its time."""
    await anyio.sleep(seconds)
    return "done"


@server.tool()
def long(size: int) -> str:
    """Says much."""
    return "x" * size


@server.tool()
def die() -> str:
    """Ends the server."""
    os._exit(3)


@server.tool()
def variable(name: str) -> str:
    """A variable of the environment."""
    return os.environ.get(name, "unset")


@server.tool()
def header(name: str, context: Context) -> str:
    """A header of the request."""
    return (context.headers or {}).get(name, "none")


@server.tool()
async def grow(context: Context) -> str:
    """Adds a tool."""

    def extra() -> str:
        return "extra"

    server.add_tool(extra, name="extra", description="Was not there before.")
    await context.notify_tools_changed()
    with suppress(Exception):  # only in the protocol before 2026
        await context.session.send_tool_list_changed()
    return "grown"


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        server.run("stdio")
    else:
        server.run(sys.argv[1], port=int(sys.argv[2]))  # type: ignore[arg-type]

"""What config.toml says about MCP servers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from attrs import frozen

from providers.settings import between, setting

MCP_DOC = (
    "MCP servers whose tools the model may call: a table [mcp.NAME] for each. A process of its own has a command, and may "
    'have args = ["…"] and env = { NAME = "value" }; one elsewhere has a url, and may have transport ("http", or "sse" '
    'for older servers) and headers = { Authorization = "Bearer ${MY_TOKEN}" }. ${NAME} stands for an environment '
    "variable. All may have seconds (longest wait for a call, 25; less than tools.call_s), calls (at one time, 8), longest (characters of a "
    "result, 16000), tools (the only ones that are offered), exclude, and effects (tools that change something, so that "
    "the same call is never made twice)"
)


@frozen(kw_only=True)
class McpSettings:
    """One MCP server. Any number of [mcp.NAME] tables, each with a command or a url. In args, env, url and headers ${NAME} stands
    for an environment variable."""

    command: str = setting(
        "", "program of a server that is a process of its own, and is spoken to by its standard input"
    )
    args: list[str] = setting([], "its arguments")
    env: dict[str, str] = setting(
        {}, "its environment, beside PATH, HOME and their like; it gets no other variable of the server", hidden=True
    )
    url: str = setting(
        "",
        "address of a server that runs elsewhere",
        check=lambda v: not v or v.startswith(("http://", "https://", "${")),
        expected="empty or an address that begins with http:// or https://",
        hidden=True,
    )
    transport: Literal["http", "sse"] = setting("http", "how it speaks: http (streamable HTTP), or sse (older servers)")
    headers: dict[str, str] = setting(
        {}, 'sent with each request, such as { Authorization = "Bearer ${MY_TOKEN}" }', hidden=True
    )
    seconds: float = setting(
        25.0, "longest wait for a call; less than tools.call_s, which ends any", **between(0.1, 600)
    )
    calls: int = setting(8, "calls at one time; more wait", **between(1, 256))
    longest: int = setting(16000, "characters of a result that the model gets to see", **between(100, 1000000))
    tools: list[str] = setting([], "the only tools that are offered, by their names on that server; empty: all")
    exclude: list[str] = setting([], "tools that are not offered")
    effects: list[str] = setting([], "tools that change something, so that the same call is never made twice")


def wrong_servers(servers: Mapping[str, McpSettings], *, call_s: float) -> list[tuple[str, object, str]]:
    """Servers that cannot be reached as they are described, or that nobody would wait for; `call_s` is the time after which any
    call ends. (key, value, what would be right); no value is shown that may be a secret."""
    found: list[tuple[str, object, str]] = []
    for name, server in servers.items():
        if bool(server.command) == bool(server.url):
            found.append((f"mcp.{name}", "…", "must have either a command or a url"))
        if server.seconds >= call_s:
            found.append(
                (f"mcp.{name}.seconds", server.seconds, f"must be less than tools.call_s, which is {call_s:g}")
            )
    return found

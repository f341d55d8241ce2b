"""MCP servers at an address that misbehave, each over a real socket."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
import structlog
import trio

from badge import texts
from badge.config.mcp import McpSettings
from badge.tools.mcp import transport
from tests.mcp.running import ask, serving, until_listed
from tests.providers.openai_server import Exchange, openai_server

TEXT = "application/json"
STREAM = "text/event-stream"


LARGE = [b"x" * 65_536] * (transport.LARGEST_ANSWER // 65_536 + 2)
MISDEEDS: dict[str, tuple[dict[str, str], list[bytes]]] = {
    "large": ({"content-type": TEXT}, LARGE),
    "large event": ({"content-type": STREAM}, [b"data: ", *LARGE]),
    "half event": ({"content-type": STREAM}, [b"data: {"]),
    "page": ({"content-type": "text/html"}, [b"<html>"]),
    "no json": ({"content-type": TEXT}, [b"{"]),
}


class Misdeed:
    """An MCP server that answers the first call as `how` says, and all else properly."""

    def __init__(self, how: str) -> None:
        self.how = how
        self.begun = 0

    async def __call__(self, exchange: Exchange) -> None:
        asked = exchange.body
        match asked.get("method"):
            case None:  # GET and DELETE
                await exchange.plain(405)
            case "initialize":
                self.begun += 1
                info = {"name": "odd", "version": "1"}
                await self._answer(
                    exchange, {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": info}
                )
            case "tools/list":
                await self._answer(
                    exchange, {"tools": [{"name": "echo", "inputSchema": {"type": "object", "properties": {}}}]}
                )
            case "tools/call":
                how, self.how = self.how, "well"
                await self._misbehave(exchange, how)
            case method if "id" in asked:
                error = {"code": -32601, "message": f"Method not found: {method}"}
                await exchange.plain(404, {"jsonrpc": "2.0", "id": asked["id"], "error": error})
            case _:
                await exchange.plain(202)

    async def _answer(self, exchange: Exchange, result: dict[str, Any]) -> None:
        await exchange.plain(200, {"jsonrpc": "2.0", "id": exchange.body["id"], "result": result})

    async def _misbehave(self, exchange: Exchange, how: str) -> None:
        body = {"jsonrpc": "2.0", "id": exchange.body["id"], "result": {"content": [{"type": "text", "text": "hi"}]}}
        text = json.dumps(body)
        if how in MISDEEDS:
            headers, pieces = MISDEEDS[how]
            await exchange.head(200, headers)
            for piece in pieces:
                await exchange.data(piece)
            await exchange.end()
            return
        match how:
            case "compressed":
                await exchange.head(200, {"content-type": TEXT, "content-encoding": "gzip"})
                await exchange.data(gzip.compress(text.encode()))
                await exchange.end()
            case "half":
                await exchange.head(200, {"content-type": TEXT})
                await exchange.data(text[:20])
                await exchange.reset()
            case "silent":
                await exchange.gone.wait()
            case "elsewhere":
                await exchange.plain(307, None, {"location": "http://127.0.0.1:1/mcp"})
            case "accepted" | "status":
                await exchange.plain(202 if how == "accepted" else 500, {"my words": True})
            case "other id":
                await exchange.plain(200, {**body, "id": 4711})
            case "event":
                await exchange.head(200, {"content-type": STREAM})
                await exchange.data(f"data: {text}\n\n")
                await exchange.end()
            case _:
                await exchange.plain(200, body)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the library leaves its generators open
@pytest.mark.req("MC-6", "MC-8", "B-51")
@pytest.mark.parametrize(
    ("how", "kind"),
    [
        ("well", "answer"),
        ("event", "answer"),
        ("large", "error"),
        ("large event", "failed"),
        ("compressed", "failed"),
        ("half", "failed"),
        ("half event", "failed"),
        ("silent", "failed"),
        ("other id", "failed"),
        ("elsewhere", "error"),
        ("accepted", "error"),
        ("page", "error"),
        ("status", "error"),
        ("no json", "error"),
    ],
)
async def test_a_call_that_is_answered_badly_is_told_and_the_next_one_works(how: str, kind: str) -> None:
    misdeed = Misdeed(how)
    async with openai_server() as http:
        http.plan(misdeed)
        settings = McpSettings(url=f"{http.base_url}/mcp", seconds=1.5)
        async with serving(tested=settings) as servers:
            await until_listed(servers, "echo")
            result = await ask(servers, "echo")
            if kind == "failed":
                assert (result.kind, result.text) == ("failed", texts.TOOL_FAILED["zh"])
            elif kind == "error":
                assert result.kind == "answer"
                assert result.text.startswith("工具调用出错: ")
            else:
                assert (result.kind, result.text) == ("answer", "hi")
            with trio.fail_after(20):
                while (await ask(servers, "echo")).text != "hi":
                    await trio.sleep(0.05)


@pytest.mark.req("MC-3")
@pytest.mark.parametrize("kind", ["http", "sse"])
async def test_the_log_says_how_an_address_has_refused(kind: str) -> None:
    async def refuse(exchange: Exchange) -> None:
        await exchange.plain(401, {"error": "s3cret"})

    async with openai_server() as http:
        http.plan(refuse)
        settings = McpSettings(url=f"{http.base_url}?key=s3cret", transport=kind)  # type: ignore[arg-type]
        with structlog.testing.capture_logs() as logs:
            async with serving(tested=settings):
                with trio.fail_after(20):
                    while not logs:
                        await trio.sleep(0.05)
    assert logs[0]["event"] == "an MCP server does not work"
    assert logs[0]["error"].endswith("HTTP 401")
    assert "s3cret" not in repr(logs)


@pytest.mark.req("MC-3")
@pytest.mark.parametrize("url", ["http://[s3cret", "http://s3cret:port/mcp", "ftp://s3cret", "", "http://"])
@pytest.mark.parametrize("kind", ["http", "sse"])
async def test_an_address_that_is_none_is_trouble_like_any_other(url: str, kind: str) -> None:
    with structlog.testing.capture_logs() as logs:
        settings = McpSettings(url="${URL}", transport=kind)  # type: ignore[arg-type]
        async with serving({"URL": url}, tested=settings):
            with trio.fail_after(20):
                while not logs:
                    await trio.sleep(0.05)
    assert logs[0]["event"] == "an MCP server does not work"
    assert "s3cret" not in repr(logs)

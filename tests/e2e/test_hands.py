"""Answers with hands: a plugin, an MCP server of others and a tool of the badge itself, asked for by a model over HTTP."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from badge.app import assemble, choose
from badge.clock import Ids, SystemClock
from badge.config.llm import LlmSettings
from badge.config.mcp import McpSettings
from providers.llm.openai_settings import OpenAiSettings
from tests.e2e.running import Client, client, local, running
from tests.house import changed
from tests.mcp.firmware import TOOLS, words
from tests.providers.openai_server import Exchange, openai_server, says

EXAMPLES = Path(__file__).parents[2] / "docs/examples/plugins"


def asks_for(name: str, **arguments: Any) -> Any:
    """Calls a tool once, and then says what it answered."""

    async def reply(exchange: Exchange) -> None:
        last = exchange.body["messages"][-1]
        if last["role"] == "tool":
            await says("It says: ", last["content"][:200], ".")(exchange)
            return
        function = {"name": name, "arguments": json.dumps(arguments)}
        await exchange.head()
        await exchange.chunk(role="assistant", content="")
        await exchange.chunk(tool_calls=[{"index": 0, "id": "call-1", "type": "function", "function": function}])
        await exchange.done("tool_calls")

    return reply


async def answer_mcp(badge: Client, calls: list[dict[str, Any]]) -> None:
    """The MCP server of a badge whose volume can be set."""
    answered = 0
    while True:
        asked = [message["payload"] for message in badge.of("mcp")]
        for payload in asked[answered:]:
            match payload.get("method"):
                case "initialize":
                    info = {"name": "bread-compact-wifi", "version": "2.2.0"}
                    result: Any = {"protocolVersion": "2024-11-05", "capabilities": {"tools": {}}, "serverInfo": info}
                case "tools/list":
                    result = {"tools": TOOLS[:3]}
                case "tools/call":
                    calls.append(payload["params"])
                    result = words("true")["result"]
                case _:
                    continue
            await badge.tell(type="mcp", payload={"jsonrpc": "2.0", "id": payload["id"], "result": result})
        answered = len(asked)
        await trio.sleep(0.02)


def names(exchange: Exchange) -> Sequence[str]:
    return [tool["function"]["name"] for tool in exchange.body.get("tools", ())]


@pytest.mark.req("CH-13", "CH-15", "MC-3", "MC-4", "PL-1", "PL-2")
async def test_a_plugin_an_mcp_server_and_the_badge_itself_lend_a_hand(tmp_path: Path) -> None:
    pytest.importorskip("mcp_server_time", reason="mcp-server-time is not installed: pip install badge[test] brings it")
    shutil.copy(EXAMPLES / "dice.py", tmp_path)
    clock = McpSettings(command=sys.executable, args=["-m", "mcp_server_time", "--local-timezone", "Asia/Shanghai"])
    async with openai_server() as model, trio.open_nursery() as nursery:
        openai = OpenAiSettings(base_url=model.base_url)
        settings = local(changed(tools={"plugins": str(tmp_path)}, asr={"use": "none"}, tts={"use": "none"}))
        settings = attrs.evolve(
            settings, llm={"default": LlmSettings(use="openai", openai=openai)}, mcp={"clock": clock}
        )
        wall = SystemClock()
        office = assemble(settings, choose(settings, {}, wall), wall, Ids())
        async with running(office) as server, client(server, device_id="aa:bb:cc:00:00:01", client_id="c") as badge:
            calls: list[dict[str, Any]] = []
            nursery.start_soon(answer_mcp, badge, calls)
            await badge.tell(type="hello", features={"mcp": True})

            async def say(text: str, count: int) -> str:
                await badge.tell(type="listen", state="detect", text=text)
                await badge.until("tts", "stop", count=count, within=60)
                return " ".join(m["text"] for m in badge.of("tts", "sentence_start"))

            wanted = {"throw_dice", "convert_time", "self_audio_speaker_set_volume"}
            model.plan(says("Yes."))
            turns = 0
            with trio.fail_after(60):  # servers and plugins start beside the first conversations
                while not turns or not wanted <= set(names(model.exchanges[-1])):
                    turns += 1
                    await say(f"are you there, {turns}", turns)
                    await trio.sleep(0.2)
            assert "self_reboot" not in names(model.exchanges[-1])

            model.plan(asks_for("throw_dice", sides=1, count=3))
            assert "together 3" in await say("throw three dice", turns + 1)

            arguments = {"source_timezone": "Asia/Shanghai", "time": "16:30", "target_timezone": "UTC"}
            model.plan(asks_for("convert_time", **arguments))
            await say("when is half past four in Shanghai", turns + 2)
            results = [m["content"] for m in model.exchanges[-1].body["messages"] if m["role"] == "tool"]
            assert "T08:30:00+00:00" in results[-1]

            model.plan(asks_for("self_audio_speaker_set_volume", volume=66))
            assert "true" in await say("louder please", turns + 3)
            assert calls == [{"name": "self.audio_speaker.set_volume", "arguments": {"volume": 66}}]
            shown = [m["text"] for m in badge.of("stt")]
            assert any("self_audio_speaker_set_volume" in text for text in shown)
        nursery.cancel_scope.cancel()

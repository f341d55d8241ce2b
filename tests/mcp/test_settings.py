"""What the configuration says of MCP servers, and what of it is never shown."""

from __future__ import annotations

import json
import logging
from io import StringIO
from pathlib import Path

import attrs
import mcp_types
import pytest
import structlog
import trio
from hypothesis import given
from hypothesis import strategies as st

from badge.config.file import ConfigError, load, render
from badge.config.mcp import McpSettings
from badge.config.settings import Settings
from badge.log import logging_to
from badge.recording.recorder import session_settings
from badge.tools.mcp.forms import MOST_TOOLS, UnsetError, filled, listed, result_of
from badge.tools.mcp.link import MOST_PAGES, tools_of
from badge.tools.offering import LARGEST_SCHEMA, brief, object_schema
from tests.mcp.running import ask, free_port, listening, raw, serving, until_listed

TABLES = """
[mcp.weather]
url = "https://weather.example/mcp?key=${WEATHER_KEY}"
headers = { Authorization = "Bearer abc123" }
seconds = 5

[mcp.files]
command = "uvx"
args = ["mcp-server-files", "/srv"]
env = { FILES_KEY = "abc123" }
effects = ["write"]
"""


def test_a_table_for_each_server(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(TABLES)
    settings = load(path, {})
    assert settings.mcp["weather"].seconds == 5
    assert settings.mcp["files"].args == ["mcp-server-files", "/srv"]
    assert "abc123" not in repr(settings)
    assert "WEATHER_KEY" not in repr(settings)
    again = tmp_path / "again.toml"
    again.write_text(render(settings))
    assert load(again, {}) == settings


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ("[mcp.x]", "mcp.x = "),
        ('[mcp.x]\nurl = "http://b"\nseconds = 30', "must be less than tools.call_s, which is 30"),
        ('[tools]\ncall_s = 20\n[mcp.x]\nurl = "http://b"', "mcp.x.seconds = 25.0: must be less than tools.call_s"),
        ("[tools]\ncall_s = 40", "tools.call_s = 40.0: must not be above chat.tool_s"),
        ('[mcp.x]\ncommand = "a"\nurl = "http://b"', "must have either a command or a url"),
        ('[mcp.x]\nurl = "ftp://b"', "begins with http:// or https://"),
        ('[mcp.x]\nurl = "http://b"\ntransport = "pigeon"', "mcp.x.transport"),
        ('[mcp.x]\ncommand = "a"\nseconds = 0', "between 0.1 and 600"),
        ('[mcp.x]\ncommand = "a"\ncomand = "b"', "is not known here"),
        ('[mcp.x]\ncommand = "a"\nheaders = "Bearer abc123"', "mcp.x.headers = ***"),
        ('[mcp.x]\ncommand = "a"\nenv = { KEY = 123 }', "mcp.x.env.KEY = ***"),
    ],
)
def test_wrong_tables_are_named_and_secrets_are_not(table: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(table)
    with pytest.raises(ConfigError) as info:
        load(path, {})
    assert complaint in str(info.value)
    assert "123" not in str(info.value)


def test_recordings_do_not_hold_them() -> None:
    servers = {"weather": McpSettings(url="http://x", headers={"Authorization": "abc123"})}
    settings = attrs.evolve(Settings(), mcp=servers)
    assert "abc123" not in json.dumps(session_settings(settings))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ("${A}", "1"),
        ("x${A}y${B}z", "x1y2z"),
        ("$A {A} ${A", "$A {A} ${A"),
        ("${A}}", "1}"),
    ],
)
def test_variables_are_filled_in(value: str, text: str) -> None:
    assert filled(value, {"A": "1", "B": "2"}) == text


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(UnsetError, match="the environment variable MISSING is not set"):
        filled("${MISSING}", {"A": "1"})


@pytest.mark.req("MC-3")
async def test_the_log_says_why_a_server_does_not_start(tmp_path: Path) -> None:
    missing = McpSettings(command="x", env={"K": "${MISSING}"})
    dies = raw(tmp_path, "initialize:die", "initialize:die")
    with structlog.testing.capture_logs() as logs:
        async with serving(dies=dies, missing=missing, absent=McpSettings(command="no-such-program")) as servers:
            await until_listed(servers, "echo")
    told = {line["server"]: line["error"] for line in reversed(logs) if line["log_level"] == "warning"}
    assert told["dies"].endswith("the disk is on fire")
    assert told["missing"] == "the environment variable MISSING is not set"
    assert "no-such-program" in told["absent"]


@pytest.mark.req("MC-3")
async def test_the_log_holds_no_secret_and_no_words(tmp_path: Path) -> None:
    """Not even with everything logged that can be, and a server that misbehaves."""
    port = free_port()
    address = McpSettings(
        url=f"http://127.0.0.1:{port}/mcp?key=s3cret", headers={"X-Key": "s3cret"}, seconds=2, tools=["weather.today"]
    )
    stream = StringIO()
    with logging_to(stream, form="json", level="debug", max_message_length=10_000):
        async with serving(
            process=raw(tmp_path, "tools/call:garbage", env={"KEY": "s3cret"}), address=address
        ) as servers:
            await until_listed(servers, "echo")
            await ask(servers, "echo", text="my words")
            async with listening("streamable-http", port):
                await until_listed(servers, "weather_today")
                assert (await ask(servers, "weather_today", city="my words")).text == "Sunny in my words."
            await ask(servers, "weather_today", city="my words")
    assert "an MCP server works" in stream.getvalue()
    assert "s3cret" not in stream.getvalue()
    assert "my words" not in stream.getvalue()
    assert logging.getLogger("mcp").getEffectiveLevel() > logging.CRITICAL


# --- what servers say -----------------------------------------------------------------------------------------------------


def tool(name: str, **fields: object) -> mcp_types.Tool:
    return mcp_types.Tool.model_validate({"name": name, "inputSchema": {"type": "object"}, **fields})


def test_a_list_is_put_in_order() -> None:
    annotated = tool("b", annotations={"readOnlyHint": False})
    harmless = tool("c", annotations={"readOnlyHint": True})
    large = tool("large", inputSchema={"type": "object", "x": "y" * LARGEST_SCHEMA})
    many = [tool(f"t{number}") for number in range(500)]
    found = listed([tool("a"), annotated, harmless, large, tool("a"), *many], McpSettings(command="x", effects=["a"]))
    assert [one.name for one in found[:4]] == ["a", "b", "c", "t0"]
    assert [one.effects for one in found[:4]] == [True, True, False, False]
    assert len(found) == MOST_TOOLS


@pytest.mark.parametrize("same", [True, False])
async def test_a_list_without_end_is_cut(same: bool) -> None:
    class Endless:
        pages = 0

        async def list_tools(self, *, cursor: str | None) -> mcp_types.ListToolsResult:
            await trio.lowlevel.checkpoint()
            self.pages += 1
            following = "again" if same else str(self.pages)
            return mcp_types.ListToolsResult(tools=[tool(f"t{self.pages}")], next_cursor=following)

    endless = Endless()
    tools = await tools_of(endless, most=1000)  # type: ignore[arg-type]
    assert len(tools) == endless.pages == (2 if same else MOST_PAGES)


@pytest.mark.req("MC-6")
@given(
    st.lists(st.sampled_from(["text", "empty", "image"]), max_size=6),
    st.booleans(),
    st.integers(1, 50),
)
def test_a_result_is_always_text(parts: list[str], is_error: bool, longest: int) -> None:
    make = {
        "text": lambda: mcp_types.TextContent(type="text", text="words"),
        "empty": lambda: mcp_types.TextContent(type="text", text=""),
        "image": lambda: mcp_types.ImageContent(type="image", data="", mime_type="image/png"),
    }
    result = result_of(
        mcp_types.CallToolResult(content=[make[part]() for part in parts], is_error=is_error), longest=longest
    )
    assert result.kind == "answer"
    whole = "\n".join("words" for part in parts if part == "text")
    text = whole if len(whole) <= longest else whole[:longest] + " …"
    if not whole:
        assert result.text == "工具调用出错"
    else:
        assert result.text == (f"工具调用出错: {text}" if is_error else text)


@pytest.mark.parametrize(
    ("schema", "found"),
    [
        (None, {"type": "object", "properties": {}}),
        ({}, {"type": "object", "properties": {}}),
        ({"properties": 5}, {"type": "object", "properties": {}}),
        (
            {"type": "object", "properties": {"a": {}}, "more": [1]},
            {"type": "object", "properties": {"a": {}}, "more": [1]},
        ),
        ({"type": "string"}, None),
        ([], None),
        ("x", None),
        ({"a": float("nan")}, None),
        ({"a": object()}, None),
        ({"a": "\ud800"}, {"type": "object", "properties": {}, "a": "\ufffd"}),
    ],
    ids=str,
)
def test_schemas_of_arguments(schema: object, found: object) -> None:
    assert object_schema(schema) == found


def test_descriptions_are_bounded() -> None:
    assert len(brief("x" * 5000)) == 1024
    assert brief(None) == brief(5) == ""
    brief("\ud800").encode()

"""Tools of MCP servers, with real servers: processes of their own, and addresses."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from badge import texts
from badge.config.mcp import McpSettings
from badge.tools.arguments import parse_arguments
from badge.tools.mcp import server, transport
from badge.tools.mcp.link import Door
from badge.tools.mcp.servers import McpServers
from badge.tools.offering import free_name, model_name
from tests.mcp.running import RAW, ask, free_port, listening, raw, sdk, serving, until_listed


@pytest.mark.req("MC-3", "MC-6")
async def test_a_process_is_started_and_asked() -> None:
    async with serving(tested=sdk(effects=["slow"], exclude=["die"])) as servers:
        await until_listed(servers, "add", "weather_today")
        tools = {tool.spec.name: tool for tool in servers.tools("")}
        assert "die" not in tools
        assert tools["add"].spec.description == "Adds two numbers."
        assert set(tools["add"].spec.parameters["properties"]) == {"a", "b"}
        assert tools["slow"].effects
        assert not tools["add"].effects
        assert (await ask(servers, "add", a=2, b=3)).text == "5"
        assert (await ask(servers, "weather_today")).text == "Sunny in Berlin."
        assert (await ask(servers, "nobody")).kind == "unknown"


@pytest.mark.req("MC-6", "B-46")
async def test_what_a_result_becomes() -> None:
    async with serving(tested=sdk(longest=100)) as servers:
        await until_listed(servers, "several")
        several = await ask(servers, "several")
        assert (several.kind, several.text) == ("answer", "first\nsecond")
        picture = await ask(servers, "picture")
        assert (picture.kind, picture.text) == ("answer", "工具调用出错")
        broken = await ask(servers, "broken")
        assert broken.kind == "answer"
        assert broken.text.startswith("工具调用出错: ")
        assert "no such city" in broken.text
        assert (await ask(servers, "add", a="x")).text.startswith("工具调用出错: ")
        assert (await ask(servers, "long", size=5000)).text == "x" * 100 + " …"


@pytest.mark.req("MC-3")
async def test_only_some_tools_and_each_name_once() -> None:
    async with serving(one=sdk(tools=["add"]), two=sdk(tools=["add", "weather.today"])) as servers:
        await until_listed(servers, "add", "weather_today")
        with trio.fail_after(20):
            while len(servers.tools("")) < 3:
                await trio.sleep(0.02)
        names = {tool.spec.name for tool in servers.tools("")}
        assert names in ({"add", "two_add", "weather_today"}, {"add", "one_add", "weather_today"})
        for name in names - {"weather_today"}:
            assert (await ask(servers, name, a=1, b=1)).text == "2"


@pytest.mark.req("MC-3")
async def test_secrets_come_from_the_environment() -> None:
    environment = {"WEATHER_KEY": "s3cret"}
    settings = sdk(env={"KEY": "key-${WEATHER_KEY}"})
    async with serving(environment, tested=settings, other=sdk(env={"KEY": "${MISSING}"})) as servers:
        await until_listed(servers, "variable")
        assert (await ask(servers, "variable", name="KEY")).text == "key-s3cret"
        assert (await ask(servers, "variable", name="OPENAI_API_KEY")).text == "unset"
        assert not any(tool.spec.name.startswith("other") for tool in servers.tools(""))
    assert "WEATHER" not in repr(settings)


@pytest.mark.req("MC-3", "MC-6")
@pytest.mark.parametrize(("transport", "kind", "path"), [("http", "streamable-http", "mcp"), ("sse", "sse", "sse")])
async def test_an_address_is_asked_and_may_go_and_come_back(transport: str, kind: str, path: str) -> None:
    port = free_port()
    settings = McpSettings(
        url=f"http://127.0.0.1:{port}/{path}",
        transport=transport,  # type: ignore[arg-type]
        headers={"X-Key": "Bearer ${KEY}"},
        seconds=5,
    )
    async with serving({"KEY": "s3cret"}, tested=settings) as servers:
        await trio.sleep(0.3)  # it is not there yet
        assert (await ask(servers, "add", a=1, b=2)).kind == "unknown"
        async with listening(kind, port):
            await until_listed(servers, "add")
            assert (await ask(servers, "add", a=1, b=2)).text == "3"
            if transport == "http":
                assert (await ask(servers, "header", name="x-key")).text == "Bearer s3cret"
        with trio.fail_after(8):
            down = await ask(servers, "add", a=1, b=2)
        assert (down.kind, down.text) == ("failed", texts.TOOL_FAILED["zh"])
        async with listening(kind, port):
            with trio.fail_after(30):
                while (await ask(servers, "add", a=1, b=2)).text != "3":
                    await trio.sleep(0.1)


@pytest.mark.req("MC-3")
@pytest.mark.parametrize("kind", ["stdio", "streamable-http", "sse"])
async def test_tools_that_come_later_are_offered(kind: str) -> None:
    if kind == "stdio":
        async with serving(tested=sdk()) as servers:
            await _grows(servers)
        return
    port = free_port()
    url = f"http://127.0.0.1:{port}/{'sse' if kind == 'sse' else 'mcp'}"
    async with (
        listening(kind, port),
        serving(tested=McpSettings(url=url, transport="sse" if kind == "sse" else "http")) as servers,
    ):
        await _grows(servers)


async def _grows(servers: McpServers) -> None:
    await until_listed(servers, "grow")
    assert (await ask(servers, "grow")).text == "grown"
    await until_listed(servers, "extra", within=10)
    assert (await ask(servers, "extra")).text == "extra"


@pytest.mark.req("MC-3", "MC-8", "B-51")
@pytest.mark.parametrize(
    "misdeed",
    [
        "start:die",
        "start:garbage",
        "start:close",
        "initialize:die",
        "initialize:garbage",
        "tools/list:die",
        "tools/list:garbage",
        "notifications/initialized:die",
        "notifications/initialized:close",
        "tools/list:half",
        "tools/list:endless",
    ],
)
async def test_a_server_that_misbehaves_while_it_starts_is_started_again(misdeed: str, tmp_path: Path) -> None:
    async with serving(tested=raw(tmp_path, misdeed)) as servers:
        await until_listed(servers, "echo")
        while (await ask(servers, "echo", text="hi")).text != "hi":  # it may be gone right after it has started
            await trio.sleep(0.02)


@pytest.mark.req("MC-3", "MC-4")
async def test_tools_are_those_of_the_last_start(tmp_path: Path) -> None:
    async with serving(tested=raw(tmp_path, "tools/call:die")) as servers:
        await until_listed(servers, "first")
        assert (await ask(servers, "first")).kind == "failed"
        await until_listed(servers, "second")
        assert "first" not in {tool.spec.name for tool in servers.tools("")}


@pytest.mark.req("MC-8", "B-51")
@pytest.mark.parametrize("how", ["die", "close", "half", "endless"])
async def test_a_server_that_dies_in_a_call_fails_it_and_comes_back(how: str, tmp_path: Path) -> None:
    async with serving(tested=raw(tmp_path, f"tools/call:{how}")) as servers:
        await until_listed(servers, "echo")
        began = trio.current_time()
        result = await ask(servers, "echo", text="hi")
        assert (result.kind, result.text) == ("failed", texts.TOOL_FAILED["zh"])
        assert trio.current_time() - began < 5
        assert (await ask(servers, "echo", text="again")).text == "again"  # waits for it
        assert (tmp_path / "starts").read_text() == "2"


@pytest.mark.req("MC-6")
@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("refuse", "工具调用出错: the city is missing"),
        ("nonsense", "工具调用出错"),
        ("wrong", "right"),
        ("garbage", "hi"),
        ("chatter", "hi"),
    ],
)
async def test_what_is_answered_is_for_the_model_whatever_it_is(how: str, text: str, tmp_path: Path) -> None:
    async with serving(tested=raw(tmp_path, f"tools/call:{how}")) as servers:
        await until_listed(servers, "echo")
        for _ in range(2):
            result = await ask(servers, "echo", text="hi")
            assert (result.kind, result.text) == ("answer", text)
        assert (tmp_path / "starts").read_text() == "1"


@pytest.mark.req("MC-6")
async def test_nobody_is_kept_waiting_by_a_result_that_is_not_as_it_was_described(tmp_path: Path) -> None:
    async with serving(tested=raw(tmp_path)) as servers:
        await until_listed(servers, "liar")
        assert (await ask(servers, "liar")).text == "true"


@pytest.mark.req("MC-8")
async def test_a_flood_does_not_take_the_time_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = 0

    async def taking(messages: Any) -> Any:
        nonlocal taken
        async for message in messages:
            taken += 1
            yield message

    paced = transport._paced
    monkeypatch.setattr(transport, "_paced", lambda read, send, answered: paced(taking(read), send, answered))
    async with serving(tested=raw(tmp_path, "notifications/initialized:flood")) as servers:
        await trio.sleep(2)
        assert servers.tools("") == ()
    assert 500 < taken <= 3 * transport.MOST_AT_ONCE / transport.AT_ONCE


@pytest.mark.req("MC-8", "B-51")
async def test_a_call_that_is_not_answered_ends_at_its_deadline(tmp_path: Path) -> None:
    async with serving(tested=raw(tmp_path, seconds=0.5)) as servers:
        await until_listed(servers, "deaf")
        began = trio.current_time()
        assert (await ask(servers, "deaf")).kind == "failed"
        assert 0.4 < trio.current_time() - began < 2


@pytest.mark.req("MC-3", "MC-8", "B-51")
@pytest.mark.parametrize("step", ["start", "initialize", "tools/list"])
async def test_a_server_that_hangs_while_it_starts_is_started_again(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "START_WITHIN", 1.0)
    async with serving(tested=raw(tmp_path, f"{step}:hang")) as servers:
        await until_listed(servers, "echo")
        assert (tmp_path / "starts").read_text() == "2"


@pytest.mark.req("MC-3", "MC-8", "B-51")
async def test_a_server_that_hangs_in_a_call_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "LOOK_WITHIN", 0.5)
    async with serving(tested=raw(tmp_path, seconds=0.5)) as servers:
        await until_listed(servers, "deaf")
        assert (await ask(servers, "deaf")).kind == "failed"
        with trio.fail_after(20):
            while (await ask(servers, "echo", text="hi")).text != "hi":
                await trio.sleep(0.05)
        assert (tmp_path / "starts").read_text() == "2"


@pytest.mark.req("MC-3", "MC-8")
async def test_a_server_that_is_busy_with_calls_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "LOOK_EVERY", 0.2)
    monkeypatch.setattr(server, "LOOK_GAP", 0.1)
    monkeypatch.setattr(server, "LOOK_WITHIN", 0.4)
    async with serving(tested=raw(tmp_path, seconds=2)) as servers:
        await until_listed(servers, "slow")
        assert (await ask(servers, "slow", seconds=1.5)).text == "done"

        async def waits_for_others() -> None:
            await ask(servers, "slow", seconds=0.3)

        async with trio.open_nursery() as nursery:  # the last of them in vain
            for _ in range(8):
                nursery.start_soon(waits_for_others)
        assert (await ask(servers, "echo", text="hi")).text == "hi"
        assert (tmp_path / "starts").read_text() == "1"


@pytest.mark.req("MC-3", "MC-5")
async def test_a_server_of_others() -> None:
    pytest.importorskip("mcp_server_time", reason="mcp-server-time is not installed: pip install badge[test] brings it")
    settings = McpSettings(command=sys.executable, args=["-m", "mcp_server_time", "--local-timezone", "Asia/Shanghai"])
    async with serving(clock=settings) as servers:
        await until_listed(servers, "get_current_time", "convert_time")
        arguments = parse_arguments('{"source_timezone": "Asia/Shanghai", "time": "16:30", "target_timezone": "UTC"}')
        assert arguments is not None
        converted = await ask(servers, "convert_time", **arguments)
        assert converted.kind == "answer"
        assert "T08:30:00+00:00" in converted.text
        refused = await ask(servers, "get_current_time", timezone="Mars/Olympus")
        assert refused.text.startswith("工具调用出错")


@pytest.mark.req("MC-5", "B-46")
@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("", {}),
        ("  ", {}),
        ("{}", {}),
        ("null", {}),
        ('{"volume": 5}', {"volume": 5}),
        ('"{\\"volume\\": 5}"', {"volume": 5}),
        ('""', {}),
        ("[1]", None),
        ("5", None),
        ('{"a":1}{"b":2}', None),
        ('{"a":', None),
        ('{"a": NaN}', None),
        ('"\\"text\\""', None),
        ("[" * 100_000, None),
    ],
)
def test_arguments_as_models_write_them(text: str, arguments: dict[str, Any] | None) -> None:
    assert parse_arguments(text) == arguments


@given(st.text())
def test_no_text_makes_arguments_raise(text: str) -> None:
    parse_arguments(text)


@given(st.lists(st.tuples(st.text(max_size=80), st.text(max_size=80)), max_size=40))
def test_names_are_such_as_models_take_and_each_its_own(names: list[tuple[str, str]]) -> None:
    taken: set[str] = set()
    for server_name, tool in names:
        name = free_name(taken, model_name(tool), model_name(server_name, tool))
        assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name)
        assert name not in taken
        taken.add(name)


@pytest.mark.req("MC-8", "B-51")
async def test_a_call_that_is_given_up_keeps_nobody_waiting(tmp_path: Path) -> None:
    async with serving(tested=raw(tmp_path)) as servers:
        await until_listed(servers, "deaf")
        began = trio.current_time()
        with trio.move_on_after(0.2):
            await ask(servers, "deaf")
        assert trio.current_time() - began < 0.5


@pytest.mark.req("MC-3")
async def test_a_server_that_is_killed_is_started_again(tmp_path: Path) -> None:
    async with serving(tested=raw(tmp_path)) as servers:
        await until_listed(servers, "pid")
        first = int((await ask(servers, "pid", text="")).text)
        os.kill(first, signal.SIGKILL)
        with trio.fail_after(10):
            second = await ask(servers, "pid")
            while second.kind == "failed":
                second = await ask(servers, "pid")
        assert int(second.text) != first


@pytest.mark.req("MC-3")
async def test_the_end_of_the_program_is_the_end_of_its_servers(tmp_path: Path) -> None:
    for name in ("good", "stays", "hangs"):
        (tmp_path / name).mkdir()
    async with serving(
        good=raw(tmp_path / "good"),
        stays=raw(tmp_path / "stays", "end:stay"),
        hangs=raw(tmp_path / "hangs", "start:hang"),
    ) as servers:
        with trio.fail_after(30):
            while sum(tool.spec.name.endswith("pid") for tool in servers.tools("")) < 2:
                await trio.sleep(0.02)
    with trio.fail_after(5):  # what is killed takes its time to be gone
        while processes_of(tmp_path):
            await trio.sleep(0.05)


@pytest.mark.req("MC-3")
@pytest.mark.parametrize("misdeed", ["-", "end:stay", "start:hang", "start:endless"])
async def test_a_program_that_is_killed_takes_its_servers_along(misdeed: str, tmp_path: Path) -> None:
    """Those, too, that do not care."""
    code = f"""
import trio
from tests.mcp.running import raw, serving
from pathlib import Path
async def main():
    async with serving(tested=raw(Path({str(tmp_path)!r}), {misdeed!r})):
        await trio.sleep_forever()
trio.run(main)
"""
    process = await trio.lowlevel.open_process([sys.executable, "-c", code])
    try:
        with trio.fail_after(30):
            while not (tmp_path / "starts").exists():
                await trio.sleep(0.05)
            await trio.sleep(0.3)
            assert processes_of(tmp_path)
    finally:
        process.kill()
        await process.wait()
    with trio.fail_after(10):
        while processes_of(tmp_path):
            await trio.sleep(0.1)


@pytest.mark.req("MC-3")
async def test_what_a_server_has_started_ends_with_it(tmp_path: Path) -> None:
    """A wrapper that is killed leaves the real server behind, which holds on to all that it has."""
    command = f"{sys.executable} {RAW} {tmp_path} start:hang & while :; do sleep 1; done"
    async with serving(tested=McpSettings(command="sh", args=["-c", command])):
        with trio.fail_after(20):
            while len(processes_of(tmp_path)) < 3:  # the keeper, the shell and the server
                await trio.sleep(0.05)
        (wrapper,) = [one for one in processes_of(tmp_path) if one.name() in ("sh", "dash", "bash")]
        left = [one for one in processes_of(tmp_path) if one != wrapper]
        wrapper.kill()
        with trio.fail_after(10):
            while any(one.is_running() for one in left):
                await trio.sleep(0.05)


def processes_of(folder: Path) -> list[psutil.Process]:
    """All whose arguments name the folder, but those that do not run any more."""

    def of(process: psutil.Process) -> bool:
        try:
            arguments = " ".join(process.cmdline()[1:])
            return f"{folder}" in arguments and "-c import" not in arguments and process.status() != "zombie"
        except psutil.NoSuchProcess:
            return False

    return [process for process in psutil.process_iter() if process.pid != os.getpid() and of(process)]


@pytest.mark.req("MC-8")
async def test_who_calls_a_broken_server_again_and_again_keeps_nobody_from_his_work() -> None:
    door = Door()
    door.put("broken")
    calls = 0

    async def insist() -> None:
        nonlocal calls
        while calls < 1000:
            calls += 1
            assert await door.link(within=5) is None

    async with trio.open_nursery() as nursery:
        nursery.start_soon(insist)
        for _ in range(10):
            await trio.lowlevel.checkpoint()
        assert calls < 50
        nursery.cancel_scope.cancel()


@pytest.mark.req("MC-3")
async def test_no_such_program(tmp_path: Path) -> None:
    async with serving(tested=McpSettings(command="no-such-program"), good=raw(tmp_path)) as servers:
        await until_listed(servers, "echo")


@pytest.mark.req("MC-3")
async def test_many_calls_at_once_are_bounded() -> None:
    async with serving(tested=sdk(calls=2)) as servers:
        await until_listed(servers, "slow")
        began = trio.current_time()
        results: list[str] = []

        async def one() -> None:
            results.append((await ask(servers, "slow", seconds=0.3)).text)

        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(one)
        assert results == ["done"] * 4
        assert 0.55 < trio.current_time() - began < 3


@pytest.mark.req("MC-3")
async def test_a_program_without_servers_does_not_load_the_library() -> None:
    code = "import sys, badge.app; from badge.tools.mcp.servers import McpServers; McpServers({}, 'en'); assert 'mcp' not in sys.modules"
    await trio.run_process([sys.executable, "-c", code])

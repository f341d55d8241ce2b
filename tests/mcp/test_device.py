"""The badge as an MCP server, over real sessions: conformance item 10."""

from __future__ import annotations

import json
from collections.abc import Container
from contextlib import suppress
from typing import Any

import pytest
import structlog.testing
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from badge.session.devicemcp import CALL_WITHIN, MOST_ATTEMPTS, MOST_CALLS, STEP_WITHIN, DeviceMcp
from badge.session.listing import LARGEST_LIST, MOST_PAGES, MOST_TOOLS
from protocol import RemoteProtocolError
from protocol.jsonrpc import Nonsense, Question, Reply, read
from tests.house import Guest, House, Spawned
from tests.mcp.firmware import TOOLS, Firmware, call, introduced, offered, tool, words

NAMES = {
    "self_get_device_status",
    "self_audio_speaker_set_volume",
    "self_screen_set_theme",
    "self_camera_take_photo",
    "self_lamp-on",
    "change_volume",
}


async def alive(badge: Guest) -> None:
    before = len(badge.of("pong"))
    badge.tell(type="ping")
    await badge.until("pong", count=before + 1)


# --- the handshake --------------------------------------------------------------------------------------------------------


@pytest.mark.req("MC-1", "WL-4")
async def test_the_handshake_is_as_firmware_expects_it(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    badge = await House(nursery).enter()
    firmware = await introduced(nursery, badge)
    info = {"name": "badge", "version": "1.0.0"}
    first = {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": info}
    assert firmware.asked == [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": first},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
        {"jsonrpc": "2.0", "id": 3, "method": "tools/list", "params": {"cursor": "self.screen.set_theme"}},
        {"jsonrpc": "2.0", "id": 4, "method": "tools/list", "params": {"cursor": "self.lamp-on"}},
    ]
    assert all(set(message) == {"type", "payload"} for message in badge.of("mcp"))
    assert badge.story[:2] == ["hello", "hello"]
    assert not badge.of("error")


@pytest.mark.req("MC-1", "MC-4")
async def test_names_are_mapped_and_tools_for_users_are_hidden(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    badge = await House(nursery).enter()
    await introduced(nursery, badge)
    tools = await offered(badge.session)
    assert set(tools) == NAMES
    assert tools["self_get_device_status"].endswith("before self_audio_speaker_set_volume is called.")
    # a name that is only the beginning of a word is another one
    assert "see self_get_device_status, not self.get_device_statuses." in tools["self_audio_speaker_set_volume"]


@pytest.mark.req("B-42", "MC-4")
async def test_the_list_of_tools_does_not_grow(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    badge = await House(nursery).enter()
    firmware = await introduced(nursery, badge)
    for _ in range(3):
        got = [await source.offered() for source in badge.session.device_tools.sources]
        assert [len(tools) for tools in got] == [5, 0, 1]
    for hello in range(3, 6):
        badge.tell(type="hello", features={"mcp": True})
        await badge.until("hello", count=hello)
        await badge.quiet()
        assert len(await offered(badge.session)) == 6
    assert [payload["id"] for payload in firmware.asked] == [*range(1, 17)]


@pytest.mark.req("MC-1", "WL-4")
async def test_another_hello_begins_again_and_may_take_all_back(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    badge = await House(nursery).enter()
    firmware = await introduced(nursery, badge)
    firmware.tools = TOOLS[:1]
    badge.tell(type="hello", features={"mcp": True})
    await badge.until("hello", count=3)
    await badge.quiet()
    assert set(await offered(badge.session)) == {"self_get_device_status"}
    badge.tell(type="hello")  # says nothing about it
    await badge.until("hello", count=4)
    assert set(await offered(badge.session)) == {"self_get_device_status"}
    badge.tell(type="hello", features={"mcp": False})
    await badge.until("hello", count=5)
    assert await offered(badge.session) == {}


@pytest.mark.req("MC-1")
async def test_news_of_the_list_have_it_read_again(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    badge = await House(nursery).enter()
    firmware = await introduced(nursery, badge)
    firmware.tools = TOOLS[:2]
    firmware.say({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
    await badge.quiet()
    assert set(await offered(badge.session)) == {
        "self_get_device_status",
        "self_audio_speaker_set_volume",
        "change_volume",
    }


@pytest.mark.req("MC-1")
async def test_a_list_that_changes_while_it_is_read_is_read_anew(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    badge = await House(nursery).enter()
    badge.tell(type="hello", features={"mcp": True})

    async def asked(count: int) -> dict[str, Any]:
        payload: dict[str, Any] = (await badge.until("mcp", count=count))["payload"]
        return payload

    def say(**payload: Any) -> None:
        badge.tell(type="mcp", payload={"jsonrpc": "2.0", **payload})

    changed = "notifications/tools/list_changed"
    say(method=changed)  # the list comes in any case
    say(id=(await asked(1))["id"], result={})
    say(id=(await asked(2))["id"], result={"tools": [tool("self.old")], "nextCursor": "self.gone"})
    old = await asked(3)
    assert old["params"] == {"cursor": "self.gone"}
    say(method=changed)
    again = await asked(4)
    assert (again["method"], "params" in again) == ("tools/list", False)
    say(id=old["id"], result={"tools": [tool("self.gone")]})  # was on its way
    say(id=again["id"], result={"tools": [tool("self.new")]})
    await alive(badge)
    assert set(await offered(badge.session)) == {"self_new"}
    assert len(badge.of("mcp")) == 4


@pytest.mark.req("MC-1", "WL-4")
async def test_a_hello_in_the_middle_of_the_list_begins_with_the_first_step(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    badge = await House(nursery).enter()
    badge.tell(type="hello", features={"mcp": True})
    await badge.until("mcp")
    badge.tell(type="mcp", payload={"id": 1, "result": {}})
    await badge.until("mcp", count=2)
    badge.tell(type="hello", features={"mcp": True})
    again = (await badge.until("mcp", count=3))["payload"]
    assert again["method"] == "initialize"
    badge.tell(type="mcp", payload={"id": 2, "result": {"tools": [tool("self.old")]}})  # of the handshake before
    badge.tell(type="mcp", payload={"id": again["id"], "result": {"tools": [tool("self.odd")]}})
    first = (await badge.until("mcp", count=4))["payload"]
    assert (first["method"], "params" in first) == ("tools/list", False)
    assert await offered(badge.session) == {}


@pytest.mark.req("MC-1", "MC-8")
async def test_calls_end_with_the_badges_mcp_server(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    badge = await House(nursery).enter()
    firmware = await introduced(nursery, badge)
    firmware.answers["self.screen.set_theme"] = lambda _: None
    began = trio.current_time()
    async with trio.open_nursery() as calls:

        @calls.start_soon
        async def _() -> None:
            assert (await call(badge.session, "self_screen_set_theme", theme="dark")).text == "MCP工具调用失败"

        await badge.until("stt")
        badge.tell(type="hello", features={"mcp": False})
    assert trio.current_time() == began


@pytest.mark.req("MC-1", "MC-4")
async def test_names_that_become_the_same_are_kept_apart(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    badge = await House(nursery).enter()
    own = ["self.a.b", "self.a_b", "self_a_b", "self.a-b", "x" * 70, "x" * 70 + "y", "自"]
    firmware = await introduced(nursery, badge, [tool(name, f"Not {own[1]}.") for name in own])
    names = ["self_a_b", "self_a_b_2", "self_a_b_3", "self_a-b", "x" * 64, "x" * 62 + "_2", "_"]
    assert await offered(badge.session) == dict.fromkeys(names, "Not self_a_b_2.")
    for name in names:
        await call(badge.session, name)
    assert [made["params"]["name"] for made in firmware.calls] == own


@pytest.mark.req("MC-2")
@pytest.mark.parametrize("hello", [None, {}, {"features": {}}, {"features": {"mcp": False}}], ids=str)
async def test_mcp_without_a_client_is_answered_with_an_error(
    nursery: trio.Nursery, autojump_clock: MockClock, hello: dict[str, Any] | None
) -> None:
    badge = await House(nursery).enter()
    if hello is not None:
        badge.tell(type="hello", **hello)
    badge.tell(type="mcp", payload={"jsonrpc": "2.0", "id": 1, "result": {}})
    error = await badge.until("error")
    assert (error["code"], error["ref"]) == ("unavailable", {"type": "mcp"})
    assert "features.mcp" in error["message"]
    await alive(badge)
    assert not badge.of("mcp")


@pytest.mark.req("MC-1")
async def test_a_badge_that_does_not_answer_or_refuses_has_no_tools(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    badge = await House(nursery).enter()
    badge.tell(type="hello", features={"mcp": True})
    await badge.until("mcp")
    with Spawned() as spawned:
        await trio.sleep(100)
    assert spawned.count == 0
    assert len(badge.of("mcp")) == 1, "nobody wanted to know"
    badge.tell(type="mcp", payload={"jsonrpc": "2.0", "id": 1, "error": {"message": "Missing params"}})
    badge.tell(type="mcp", payload={"jsonrpc": "2.0", "id": 1, "result": {}})  # nobody waits for it any more
    await alive(badge)
    assert await offered(badge.session) == {}
    assert len(badge.of("mcp")) == 1


class Forgetful(Firmware):
    """Loses its answers to some requests, by their numbers."""

    def __init__(self, badge: Guest, lost: Container[int]) -> None:
        super().__init__(badge)
        self.lost = lost

    def _answer(self, payload: dict[str, Any]) -> dict[str, Any] | None:
        answer = super()._answer(payload)
        return None if payload["id"] in self.lost else answer

    @property
    def steps(self) -> list[tuple[str, str]]:
        """What was asked, by method and cursor."""
        return [(payload["method"], payload.get("params", {}).get("cursor", "")) for payload in self.asked]

    async def introduce(self, nursery: trio.Nursery, badge: Guest) -> None:
        nursery.start_soon(self.run)
        badge.tell(type="hello", features={"mcp": True})
        await badge.until("hello", count=2)
        await badge.quiet()


INITIALIZE, LIST = ("initialize", ""), ("tools/list", "")
PAGES = [LIST, ("tools/list", "self.screen.set_theme"), ("tools/list", "self.lamp-on")]
CHANGED = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}


@pytest.mark.req("MC-1")
@pytest.mark.parametrize(("lost", "again"), [(1, [INITIALIZE, *PAGES]), (2, PAGES), (3, PAGES), (4, PAGES)])
async def test_an_answer_that_is_lost_is_asked_for_again(
    nursery: trio.Nursery, autojump_clock: MockClock, lost: int, again: list[tuple[str, str]]
) -> None:
    badge = await House(nursery).enter()
    firmware = Forgetful(badge, {lost})
    await firmware.introduce(nursery, badge)
    before = [INITIALIZE, *PAGES][:lost]
    await trio.sleep(STEP_WITHIN - 0.1)
    assert await offered(badge.session) == {}
    await badge.quiet()
    assert firmware.steps == before, "it has some time"
    await trio.sleep(0.2)
    with structlog.testing.capture_logs() as logs:
        await offered(badge.session)
        await badge.quiet()
        assert set(await offered(badge.session)) == NAMES
    assert firmware.steps == before + again
    assert [(line["event"], line["step"]) for line in logs if line["log_level"] == "warning"] == [
        ("the badge does not say what it can do, and is asked again", "initialize" if lost == 1 else "list")
    ]
    await trio.sleep(100)
    await offered(badge.session)
    await badge.quiet()
    assert firmware.steps == before + again, "all is known"


@pytest.mark.req("MC-1")
@pytest.mark.parametrize("kept", [0, 1, 2])
async def test_a_badge_that_never_answers_is_not_asked_for_ever(
    nursery: trio.Nursery, autojump_clock: MockClock, kept: int
) -> None:
    """Also where it has answered the first steps."""
    badge = await House(nursery).enter()
    firmware = Forgetful(badge, range(kept + 1, 100))
    await firmware.introduce(nursery, badge)
    with structlog.testing.capture_logs() as logs:
        for _ in range(20):
            await trio.sleep(STEP_WITHIN)
            assert await offered(badge.session) == {}
            await badge.quiet()
    assert len(firmware.asked) == kept + MOST_ATTEMPTS
    assert len([line for line in logs if line["log_level"] == "warning"]) == 1
    firmware.lost = ()
    badge.tell(type="hello", features={"mcp": True})
    await badge.until("hello", count=3)
    await badge.quiet()
    assert set(await offered(badge.session)) == NAMES


@pytest.mark.req("MC-1")
async def test_late_answers_to_earlier_attempts_are_nobodys_and_the_last_one_is_never_too_late(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    badge = await House(nursery).enter()
    firmware = Forgetful(badge, range(5, 100))
    await firmware.introduce(nursery, badge)
    firmware.say(CHANGED)
    for _ in range(MOST_ATTEMPTS):
        await badge.quiet()
        await trio.sleep(STEP_WITHIN)
        assert set(await offered(badge.session)) == NAMES, "the list before holds meanwhile"
    *early, last = [payload["id"] for payload in firmware.asked][4:]
    assert len(early) == MOST_ATTEMPTS - 1
    for number in early:
        firmware.say({"jsonrpc": "2.0", "id": number, "result": {"tools": [tool("self.old")], "nextCursor": "x"}})
    await alive(badge)
    assert set(await offered(badge.session)) == NAMES
    firmware.say({"jsonrpc": "2.0", "id": last, "result": {"tools": [tool("self.new")]}})
    await alive(badge)
    assert set(await offered(badge.session)) == {"self_new"}
    assert firmware.steps == [INITIALIZE, *PAGES] + [LIST] * MOST_ATTEMPTS


@pytest.mark.req("MC-1")
@pytest.mark.parametrize("lost", [1, 2, 3, 4])
@pytest.mark.parametrize("attempts", [0, MOST_ATTEMPTS])
async def test_news_of_the_list_have_a_lost_answer_asked_for_again(
    nursery: trio.Nursery, autojump_clock: MockClock, lost: int, attempts: int
) -> None:
    """However often that was done before."""
    badge = await House(nursery).enter()
    firmware = Forgetful(badge, range(lost, 100))
    await firmware.introduce(nursery, badge)
    await trio.sleep(STEP_WITHIN)
    for _ in range(attempts):
        await offered(badge.session)
        await badge.quiet()
        await trio.sleep(STEP_WITHIN)
    before = len(firmware.asked)
    firmware.lost = {before + 1}
    firmware.say(CHANGED)
    await badge.quiet()
    await trio.sleep(STEP_WITHIN)
    await offered(badge.session)
    await badge.quiet()
    first, *then = [INITIALIZE, *PAGES] if lost == 1 else PAGES
    assert firmware.steps[before:] == [first, first, *then]
    assert set(await offered(badge.session)) == NAMES


@pytest.mark.req("MC-1")
async def test_a_badge_has_time_for_each_answer(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    badge = await House(nursery).enter()
    firmware = Forgetful(badge, range(100))
    await firmware.introduce(nursery, badge)
    for number in range(4):
        await trio.sleep(STEP_WITHIN - 1)
        assert await offered(badge.session) == {}
        assert len(firmware.asked) == number + 1
        answer = Firmware(badge)._answer(firmware.asked[-1])
        firmware.say({"jsonrpc": "2.0", "id": number + 1, **(answer or {})})
        await badge.quiet()
    assert set(await offered(badge.session)) == NAMES


@pytest.mark.req("MC-1")
async def test_the_client_costs_no_task(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    badge = await House(nursery).enter()
    firmware = Firmware(badge)
    nursery.start_soon(firmware.run)
    await badge.quiet()
    with Spawned() as spawned:
        badge.tell(type="hello", features={"mcp": True})
        await badge.until("hello", count=2)
        await badge.quiet()
        assert set(await offered(badge.session)) == NAMES
    assert spawned.count == 0


# --- calls ----------------------------------------------------------------------------------------------------------------


@pytest.mark.req("MC-7", "CH-13")
async def test_a_call_is_shown_and_made_under_the_badges_own_name(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    badge = await House(nursery).enter()
    firmware = await introduced(nursery, badge)
    result = await call(badge.session, "self_audio_speaker_set_volume", volume=66)
    assert (result.kind, result.text) == ("answer", "true")
    assert firmware.volume == 66
    arguments = {"name": "self.audio_speaker.set_volume", "arguments": {"volume": 66}}
    assert firmware.calls == [{"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": arguments}]
    shown = {"type": "stt", "text": "% self_audio_speaker_set_volume", "session_id": badge.session.traits.session_id}
    assert badge.messages[-2:] == [shown, {"type": "mcp", "payload": firmware.calls[0]}]


@pytest.mark.req("MC-7")
@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (words("true"), "answer", "true"),
        (words("-4"), "answer", "-4"),
        (words('{"battery":{"level":5}}'), "answer", '{"battery":{"level":5}}'),
        (words('{"success":true,"action":"RESPONSE","response":"A cat."}'), "spoken", "A cat."),
        (words('{"action":"response","response":"A cat."}'), "spoken", "A cat."),
        (words('{"action":"REQLLM","response":"cat"}'), "answer", "cat"),
        (words('{"action":"REQLLM"}'), "answer", '{"action":"REQLLM"}'),
        (words('{"action":"NONE"}'), "silent", ""),
        (words('{"action":"ERROR","response":"No camera."}'), "failed", "No camera."),
        (words('{"action":"RESPONSE"}'), "answer", '{"action":"RESPONSE"}'),
        (words('{"action":"DANCE","response":"x"}'), "answer", '{"action":"DANCE","response":"x"}'),
        (words('{"action":7}'), "answer", '{"action":7}'),
        (words('["action"]'), "answer", '["action"]'),
        (words("Out of memory", wrong=True), "answer", "MCP工具调用失败: Out of memory"),
        ({"error": {"message": "Unknown tool: self.x"}}, "answer", "MCP工具调用失败: Unknown tool: self.x"),
        ({"error": "bare"}, "answer", "MCP工具调用失败: bare"),
        ({"error": {}}, "answer", "MCP工具调用失败"),
        ({"error": 5}, "answer", "MCP工具调用失败"),
        ({"result": None}, "answer", "MCP工具调用失败"),
        ({"result": {}}, "answer", "MCP工具调用失败"),
        ({"result": {"content": [{"type": "image", "image": "{}"}]}}, "answer", "MCP工具调用失败"),
        (
            {"result": {"content": [{"type": "text", "text": "one"}, {"text": 2}, 3, {"type": "text", "text": "two"}]}},
            "answer",
            "one\ntwo",
        ),
        (words("x" * 20_000), "answer", "x" * 16_000 + " …"),
    ],
)
async def test_what_an_answer_becomes(
    nursery: trio.Nursery, autojump_clock: MockClock, answer: dict[str, Any], kind: str, text: str
) -> None:
    badge = await House(nursery).enter()
    firmware = await introduced(nursery, badge)
    firmware.answers["self.camera.take_photo"] = lambda _: answer
    result = await call(badge.session, "self_camera_take_photo", question="what is it")
    assert (result.kind, result.text) == (kind, text)


@pytest.mark.req("MC-8", "B-51")
async def test_a_call_that_is_not_answered_fails_in_time_and_a_late_answer_is_nothing(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    badge = await House(nursery).enter()
    firmware = await introduced(nursery, badge)
    firmware.answers["self.screen.set_theme"] = lambda _: None
    began = trio.current_time()
    result = await call(badge.session, "self_screen_set_theme", theme="dark")
    assert (result.kind, result.text) == ("answer", "MCP工具调用失败")
    assert trio.current_time() - began == pytest.approx(CALL_WITHIN)
    firmware.say({"jsonrpc": "2.0", "id": firmware.calls[0]["id"], **words("late")})
    firmware.say({"jsonrpc": "2.0", "id": 4711, **words("nobody's")})
    firmware.say({"jsonrpc": "2.0", "id": -1, "error": {"message": "nobody's"}})
    assert (await call(badge.session, "self_audio_speaker_set_volume", volume=1)).text == "true"
    assert not badge.of("error")


@pytest.mark.req("MC-8", "B-51")
async def test_a_call_ends_with_the_turn_that_makes_it(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    badge = await House(nursery).enter()
    firmware = await introduced(nursery, badge)
    firmware.answers["self.screen.set_theme"] = lambda _: None
    began = trio.current_time()
    for _ in range(3 * MOST_CALLS):
        with trio.move_on_after(1):
            await call(badge.session, "self_screen_set_theme", theme="dark")
    assert trio.current_time() - began == pytest.approx(3 * MOST_CALLS)
    for asked in firmware.calls:
        firmware.say({"jsonrpc": "2.0", "id": asked["id"], **words("late")})
    assert (await call(badge.session, "self_audio_speaker_set_volume", volume=1)).text == "true"
    ids = [payload["id"] for payload in firmware.asked]
    assert ids == sorted(set(ids))


@pytest.mark.req("MC-8", "B-51")
async def test_a_badge_that_goes_takes_its_calls_along(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    badge = await House(nursery).enter()
    firmware = await introduced(nursery, badge)
    firmware.answers["self.screen.set_theme"] = lambda _: None
    ended: list[str] = []

    async def work() -> None:
        try:
            await call(badge.session, "self_screen_set_theme", theme="dark")
        finally:
            ended.append("ended")

    badge.session.spawn(work)
    await badge.until("stt")
    badge.vanish()
    began = trio.current_time()
    await badge.gone.wait()
    assert ended == ["ended"]
    assert trio.current_time() == began


@pytest.mark.req("MC-8")
async def test_answers_find_their_calls_in_any_order_and_calls_are_bounded(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    badge = await House(nursery).enter()
    firmware = await introduced(nursery, badge)
    firmware.answers["self.screen.set_theme"] = lambda _: None
    results: dict[str, str] = {}

    async def one(theme: str) -> None:
        results[theme] = (await call(badge.session, "self_screen_set_theme", theme=theme)).text

    async with trio.open_nursery() as calls:
        for number in range(MOST_CALLS + 1):
            calls.start_soon(one, str(number))
            await badge.quiet()
        assert results == {str(MOST_CALLS): "MCP工具调用失败"}
        for asked in reversed(firmware.calls):
            firmware.say({"jsonrpc": "2.0", "id": asked["id"], **words(asked["params"]["arguments"]["theme"] + "!")})
    assert {theme: text for theme, text in results.items() if theme != str(MOST_CALLS)} == {
        str(number): f"{number}!" for number in range(MOST_CALLS)
    }


@pytest.mark.req("MC-1")
async def test_what_the_badge_asks_is_answered_or_ignored(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    badge = await House(nursery).enter()
    firmware = await introduced(nursery, badge)
    before = len(firmware.asked)
    firmware.say({"jsonrpc": "2.0", "method": "notifications/initialized"})
    firmware.say({"jsonrpc": "2.0", "id": 9, "method": "sampling/createMessage", "params": {}})
    firmware.say({"jsonrpc": "2.0", "id": "a", "method": "ping"})
    await badge.quiet()
    assert firmware.asked[before:] == [
        {"jsonrpc": "2.0", "id": 9, "error": {"code": -32601, "message": "Method not found"}},
        {"jsonrpc": "2.0", "id": "a", "result": {}},
    ]


@pytest.mark.req("CH-13")
async def test_the_badges_mcp_comes_before_its_legacy_things(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    badge = await House(nursery).enter()
    await introduced(nursery, badge, [tool("lamp_on", "By MCP.")])
    badge.tell(type="iot", descriptors=[{"name": "lamp", "methods": {"on": {}}}])
    await badge.quiet()
    both = [[tool.spec.name for tool in await s.offered()] for s in badge.session.device_tools.sources]
    assert both == [["lamp_on"], ["lamp_on"], []]
    kit = await badge.session.toolbox.kit()
    assert kit.tools["lamp_on"][0].spec.description == "By MCP."
    assert kit.tools["lamp_on"][1] is badge.session.device_tools.for_answers[0]


# --- hostile badges -------------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
TOOL = st.fixed_dictionaries(
    {},
    optional={
        "name": JSON | st.sampled_from(["self.a", "self_a", "self.b", "\ud800", "a" * 300]),
        "description": JSON | st.just("see self.a"),
        "inputSchema": JSON | st.fixed_dictionaries({"type": st.just("object"), "properties": JSON}),
        "annotations": JSON | st.just({"audience": ["user"]}),
    },
)
RESULT = st.fixed_dictionaries(
    {},
    optional={
        "tools": JSON | st.lists(TOOL | JSON, max_size=5),
        "nextCursor": JSON | st.text(max_size=4),
        "content": JSON,
    },
)
PAYLOAD = JSON.filter(lambda value: isinstance(value, dict)) | st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": JSON,
        "id": JSON | st.integers(0, 12),
        "method": JSON | st.sampled_from(["ping", "tools/list", "notifications/tools/list_changed"]),
        "result": JSON | RESULT,
        "error": JSON,
    },
)


@pytest.mark.req("MC-1", "MC-2")
@given(st.lists(PAYLOAD, max_size=30))
def test_no_payload_is_more_than_refused(payloads: list[dict[str, Any]]) -> None:
    client = DeviceMcp(lambda message: json.dumps(message.payload), "s", now=lambda: 0.0)  # type: ignore[attr-defined]
    client.begin()
    for payload in payloads:
        with suppress(RemoteProtocolError):
            client.receive(payload)
        if isinstance(payload.get("id"), int) and "result" in payload:  # let the handshake go on
            client.receive({"id": client._handshake or 0, "result": payload["result"]})
    for one, (_, offer) in client._tools.items():
        assert offer.spec.name == one
        json.dumps(offer.spec.parameters).encode()
        offer.spec.description.encode()


@given(PAYLOAD)
def test_every_payload_means_something(payload: dict[str, Any]) -> None:
    assert isinstance(read(payload), Reply | Question | Nonsense)


@pytest.mark.req("MC-1")
@pytest.mark.parametrize("cursor", ["same", "new"])
def test_a_list_that_does_not_end_is_cut(cursor: str) -> None:
    asked: list[dict[str, Any]] = []
    client = DeviceMcp(lambda message: asked.append(message.payload), "s", now=lambda: 0.0)  # type: ignore[attr-defined]
    client.begin()
    client.receive({"id": 1, "result": {}})
    for number in range(2, 500):
        tools = [tool(f"t{number}.{index}", "d" * 5000) for index in range(8)]
        following = cursor if cursor == "same" else f"{cursor}{number}"
        client.receive({"id": number, "result": {"tools": tools, "nextCursor": following}})
    assert len(asked) <= MOST_PAGES + 1
    tools_held = [offer for _, offer in client._tools.values()]
    assert 0 < len(tools_held) <= MOST_TOOLS
    assert sum(len(json.dumps(t.spec.parameters)) + len(t.spec.description) for t in tools_held) <= LARGEST_LIST
    if cursor == "same":
        assert len(asked) == 3


@pytest.mark.req("MC-1")
def test_pages_without_tools_do_not_go_on_for_ever() -> None:
    asked: list[dict[str, Any]] = []
    client = DeviceMcp(lambda message: asked.append(message.payload), "s", now=lambda: 0.0)  # type: ignore[attr-defined]
    client.begin()
    client.receive({"id": 1, "result": {}})
    for number in range(2, 500):
        client.receive({"id": number, "result": {"tools": [], "nextCursor": str(number)}})
    assert len(asked) == MOST_PAGES + 1


async def test_a_session_outlives_a_hostile_badge(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    badge = await House(nursery).enter()
    badge.tell(type="hello", features={"mcp": True})
    deep: Any = "x"
    for _ in range(400):
        deep = {"properties": deep}
    hostile: list[Any] = [
        {"id": 1, "result": {"tools": 5}},
        {"id": 2, "result": {"tools": [None, {}, {"name": 5}, tool("ok.tool"), {"name": "deep", "inputSchema": deep}]}},
        {"id": 2, "result": {"tools": [tool(str(number)) for number in range(2000)]}},
        {"id": None, "error": None},
        {"id": True, "result": {}},
        {"id": 1.5, "result": {}},
        {"method": 5},
        {"method": {}, "id": []},
        {},
    ]
    for payload in hostile:
        badge.tell(type="mcp", payload=payload)
    await alive(badge)
    assert "ok_tool" in await offered(badge.session)
    assert {error["code"] for error in badge.of("error")} == {"bad-message"}

"""Things of a badge in the legacy way, over real sessions: conformance item 11; and the volume that both ways have."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from badge.session.iot import MOST_MEMBERS, MOST_THINGS, IotThings
from protocol import RemoteProtocolError
from protocol.inbound import Iot
from tests.house import Guest, House
from tests.mcp.firmware import TOOLS, call, introduced, offered, words
from tests.mcp.test_device import JSON, alive

SPEAKER = {
    "name": "Speaker",
    "description": "扬声器",
    "properties": {"volume": {"description": "当前音量值", "type": "number"}},
    "methods": {
        "set_volume": {"description": "设置音量", "parameters": {"volume": {"description": "0到100", "type": "number"}}}
    },
}
LAMP = {
    "name": "Lamp",
    "properties": {"power": {"type": "boolean"}, "colour": {"type": "string"}},
    "methods": {"TurnOn": {}, "Paint": {"parameters": {"colour": {"type": "string"}, "bright": {"type": "boolean"}}}},
}
SAID = {"response_success": "It is {value}.", "response_failure": "I do not know."}


async def with_things(badge: Guest, *things: dict[str, Any]) -> None:
    """One message per thing, as firmware sends them."""
    for thing in things:
        badge.tell(session_id="x", type="iot", update=True, descriptors=[thing])
    await badge.quiet()


def commands(badge: Guest) -> list[dict[str, Any]]:
    return [one for message in badge.of("iot") for one in message["commands"]]


@pytest.mark.req("IO-1")
async def test_descriptors_become_tools(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    badge = await House(nursery).enter()
    await with_things(badge, SPEAKER, LAMP, {"name": "Clock"}, {"name": "Door", "properties": None, "methods": {}})
    assert await offered(badge.session) == {
        "get_speaker_volume": "扬声器: 当前音量值",
        "speaker_set_volume": "扬声器: 设置音量",
        "get_lamp_power": "",
        "get_lamp_colour": "",
        "lamp_turnon": "",
        "lamp_paint": "",
        "change_volume": (await badge.session.device_tools.sources[2].offered())[0].spec.description,
    }
    things = {tool.spec.name: tool for tool in await badge.session.device_tools.sources[1].offered()}
    assert {name for name, tool in things.items() if tool.effects} == {
        "speaker_set_volume",
        "lamp_turnon",
        "lamp_paint",
    }
    tool = things["lamp_paint"]
    assert tool.spec.parameters["required"] == ["colour", "bright", "response_success", "response_failure"]
    assert tool.spec.parameters["properties"]["bright"]["type"] == "boolean"
    assert not badge.of("error")
    await with_things(badge, SPEAKER, LAMP)  # the same again
    assert len(await offered(badge.session)) == 7


@pytest.mark.req("IO-1")
async def test_a_method_is_a_command_to_the_badge(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    badge = await House(nursery).enter()
    await with_things(badge, SPEAKER, LAMP)
    result = await call(badge.session, "speaker_set_volume", volume=66.0, **SAID)
    assert (result.kind, result.text) == ("spoken", "It is 66.")
    await badge.quiet()
    assert badge.messages[-1] == {
        "type": "iot",
        "commands": [{"name": "Speaker", "method": "set_volume", "parameters": {"volume": 66}}],
    }
    assert '"volume":66}' in [frame for _, frame in badge.wire.sent if isinstance(frame, str)][-1]
    result = await call(badge.session, "lamp_turnon")
    await badge.quiet()
    assert (result.kind, result.text) == ("answer", "done")
    assert commands(badge)[-1] == {"name": "Lamp", "method": "TurnOn", "parameters": {}}


@pytest.mark.req("IO-1")
@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        ({"colour": "red"}, "bright: must be a boolean"),
        ({"colour": "red", "bright": 1}, "bright: must be a boolean"),
        ({"colour": 5, "bright": True}, "colour: must be a string"),
        ({}, "colour: must be a string; bright: must be a boolean"),
    ],
)
async def test_wrong_arguments_are_told_to_the_model_and_not_to_the_badge(
    nursery: trio.Nursery, autojump_clock: MockClock, arguments: dict[str, Any], refusal: str
) -> None:
    badge = await House(nursery).enter()
    await with_things(badge, LAMP)
    result = await call(badge.session, "lamp_paint", **arguments, **SAID)
    assert (result.kind, result.text) == ("answer", refusal)
    assert not commands(badge)


@pytest.mark.req("IO-1")
@pytest.mark.parametrize("volume", [10**400, -(10**400), float("inf"), float("nan"), True, "5", None])
async def test_what_no_badge_reads_as_a_number_is_none(
    nursery: trio.Nursery, autojump_clock: MockClock, volume: Any
) -> None:
    badge = await House(nursery).enter()
    await with_things(badge, SPEAKER)
    result = await call(badge.session, "speaker_set_volume", volume=volume, **SAID)
    assert (result.kind, result.text) == ("answer", "volume: must be a number")
    assert not commands(badge)


@pytest.mark.req("IO-1", "IO-2")
async def test_a_property_is_what_the_badge_said_last(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    badge = await House(nursery).enter()
    await with_things(badge, SPEAKER, LAMP)
    unknown = await call(badge.session, "get_speaker_volume", **SAID)
    assert (unknown.kind, unknown.text) == ("spoken", "I do not know.")
    states = [{"name": "Speaker", "state": {"volume": 50}}, {"name": "Lamp", "state": {"power": True, "more": 1}}]
    badge.tell(type="iot", update=True, states=states)
    badge.tell(type="iot", update=True, states=[{"name": "Speaker", "state": {"volume": 70}}])
    await badge.quiet()
    assert (await call(badge.session, "get_speaker_volume", **SAID)).text == "It is 70."
    assert (await call(badge.session, "get_lamp_power", **SAID)).text == "It is true."
    told = await call(badge.session, "get_speaker_volume")
    assert (told.kind, told.text) == ("answer", '{"volume": 70}')
    assert not badge.of("error")


@pytest.mark.req("IO-1", "IO-2")
async def test_what_is_known_of_a_thing_outlives_its_description_as_far_as_it_fits(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    badge = await House(nursery).enter()
    await with_things(badge, LAMP)
    badge.tell(type="iot", states=[{"name": "Lamp", "state": {"power": True, "colour": "red"}}])
    other = {**LAMP, "properties": {"power": {"type": "boolean"}, "colour": {"type": "number"}}}
    await with_things(badge, other)
    assert (await call(badge.session, "get_lamp_power", **SAID)).text == "It is true."
    assert (await call(badge.session, "get_lamp_colour", **SAID)).text == "I do not know."


@pytest.mark.req("IO-1", "IO-2", "B-22")
async def test_descriptors_come_before_states_however_much_work_they_are(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    badge = await House(nursery).enter()
    wide = {f"p{n}": {"type": "number"} for n in range(MOST_MEMBERS)}
    slow = [{"name": f"thing{n}", "properties": wide, "methods": {}} for n in range(MOST_THINGS - 1)]
    badge.tell(type="iot", descriptors=[*slow, SPEAKER], states=[{"name": "Speaker", "state": {"volume": 1}}])
    badge.tell(type="iot", states=[{"name": "Speaker", "state": {"volume": 2}}])
    badge.tell(type="iot", states=[{"name": "Speaker", "state": {"volume": 3}}])
    await badge.quiet()
    assert (await call(badge.session, "get_speaker_volume", **SAID)).text == "It is 3."
    assert not badge.of("error")
    badge.vanish()
    await badge.gone.wait()


@pytest.mark.req("IO-1", "B-22")
@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        ({"descriptors": [{}]}, "descriptors[0].name: must be a text of 1 to 64 characters"),
        ({"descriptors": [{"name": ""}]}, "descriptors[0].name: "),
        ({"descriptors": [{"name": "x", "properties": []}]}, "descriptors[0].properties: must be an object"),
        (
            {"descriptors": [{"name": "x", "properties": {"p": {"type": "colour"}}}]},
            "descriptors[0].properties.p.type: must be one of number, boolean, string",
        ),
        ({"descriptors": [{"name": "x", "properties": {"p": 5}}]}, "descriptors[0].properties.p.type: "),
        ({"descriptors": [{"name": "x", "methods": {"m": 5}}]}, "descriptors[0].methods.m: must be an object"),
        (
            {"descriptors": [{"name": "x", "methods": {"m": {"parameters": {"a": {"type": []}}}}}]},
            "descriptors[0].methods.m.parameters.a.type: ",
        ),
        ({"states": [{"name": "Ghost", "state": {}}]}, "states[0].name: must be that of a thing that was described"),
        ({"states": [{"name": "Speaker", "state": 5}]}, "states[0].state: must be an object"),
        ({"states": [{"name": "Speaker", "state": {"volume": "loud"}}]}, "states[0].state.volume: must be a number"),
        ({"states": [{"name": "Speaker", "state": {"volume": True}}]}, "states[0].state.volume: must be a number"),
    ],
)
async def test_what_is_malformed_is_reported_and_the_rest_is_applied(
    nursery: trio.Nursery, autojump_clock: MockClock, message: dict[str, Any], complaint: str
) -> None:
    badge = await House(nursery).enter()
    await with_things(badge, SPEAKER)
    badge.tell(type="iot", states=[{"name": "Speaker", "state": {"volume": 9}}])
    good = (
        {"descriptors": [LAMP]}
        if "descriptors" in message
        else {"states": [{"name": "Speaker", "state": {"volume": 7}}]}
    )
    badge.tell(type="iot", **{key: [*value, *good[key]] for key, value in message.items()})
    error = await badge.until("error")
    assert error["code"] == "bad-message"
    assert error["message"].startswith(f"iot: {complaint}")
    assert error["ref"]["field"] == complaint.partition(":")[0]
    await badge.quiet()
    if "descriptors" in message:
        assert "lamp_turnon" in await offered(badge.session)
    else:
        assert (await call(badge.session, "get_speaker_volume", **SAID)).text == "It is 7."
    await alive(badge)


# --- the volume -----------------------------------------------------------------------------------------------------------


@pytest.mark.req("MC-7")
async def test_the_volume_by_steps_over_mcp(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    badge = await House(nursery).enter()
    firmware = await introduced(nursery, badge)
    firmware.volume = 40
    assert (await call(badge.session, "change_volume", by=10)).text == "The volume was 40 and is 50 now."
    assert firmware.volume == 50
    assert (await call(badge.session, "change_volume", by=-90)).text == "The volume was 50 and is 0 now."
    assert firmware.volume == 0
    assert [m["text"] for m in badge.of("stt")] == ["% self_audio_speaker_set_volume"] * 2
    for by in (None, "10", True, 500):
        assert (await call(badge.session, "change_volume", by=by)).text.startswith("by: must be")
    firmware.answers["self.audio_speaker.set_volume"] = lambda _: words("broken", wrong=True)
    assert (await call(badge.session, "change_volume", by=1)).text == "MCP工具调用失败: broken"
    for status in (
        words("[]"),
        words("{"),
        words('{"audio_speaker":{"volume":"x"}}'),
        {"error": {}},
        words('{"audio_speaker":5}'),
    ):
        firmware.answers["self.get_device_status"] = lambda _, status=status: status  # type: ignore[misc]
        assert (await call(badge.session, "change_volume", by=1)).text.startswith("MCP工具调用失败")


@pytest.mark.req("MC-7", "MC-8")
@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (words('{"action":"ERROR","response":"I am busy."}'), "failed", "I am busy."),
        (words('{"action":"NOTFOUND","response":"I have no speaker."}'), "failed", "I have no speaker."),
        (words('{"action":"ERROR","response":"true"}'), "failed", "true"),
        (words('{"action":"REQLLM","response":"busy"}'), "answer", "busy"),
        (words('{"action":"RESPONSE","response":"As you like."}'), "spoken", "As you like."),
        (words('{"action":"NONE"}'), "silent", ""),
        (words("false"), "answer", "false"),
        (words("true", wrong=True), "answer", "MCP工具调用失败: true"),
        ({"error": {"message": "true"}}, "answer", "MCP工具调用失败: true"),
        ({"result": {}}, "answer", "MCP工具调用失败"),
        (None, "answer", "MCP工具调用失败"),
    ],
)
async def test_a_volume_that_a_badge_does_not_set_is_never_told_as_set(
    nursery: trio.Nursery, autojump_clock: MockClock, answer: dict[str, Any] | None, kind: str, text: str
) -> None:
    badge = await House(nursery).enter()
    firmware = await introduced(nursery, badge)
    firmware.answers["self.audio_speaker.set_volume"] = lambda _: answer
    result = await call(badge.session, "change_volume", by=10)
    assert (result.kind, result.text) == (kind, text)


@pytest.mark.req("MC-7", "MC-8")
async def test_a_volume_that_cannot_be_set_any_more_when_it_was_read(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    badge = await House(nursery).enter()
    firmware = await introduced(nursery, badge)
    firmware.answers["self.get_device_status"] = lambda _: None
    results = []
    async with trio.open_nursery() as calls:

        @calls.start_soon
        async def _() -> None:
            results.append(await call(badge.session, "change_volume", by=10))

        await badge.quiet()
        firmware.tools = TOOLS[:1]
        firmware.say({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
        await badge.quiet()
        firmware.say({"jsonrpc": "2.0", "id": firmware.calls[0]["id"], **words('{"audio_speaker":{"volume":40}}')})
    (result,) = results
    assert (result.kind, result.text) == ("unknown", "There is no tool self_audio_speaker_set_volume.")
    assert not badge.of("iot")


@pytest.mark.req("IO-1")
@pytest.mark.parametrize("method", ["set_volume", "SetVolume"])
async def test_the_volume_by_steps_of_a_legacy_badge(
    nursery: trio.Nursery, autojump_clock: MockClock, method: str
) -> None:
    badge = await House(nursery).enter()
    await with_things(badge, {**SPEAKER, "methods": {method: SPEAKER["methods"]["set_volume"]}})  # type: ignore[index]
    assert (await call(badge.session, "change_volume", by=10)).text == "MCP工具调用失败: the volume is not known"
    badge.tell(type="iot", states=[{"name": "Speaker", "state": {"volume": 95}}])
    await badge.quiet()
    assert (await call(badge.session, "change_volume", by=10)).text == "The volume was 95 and is 100 now."
    await badge.quiet()
    assert commands(badge) == [{"name": "Speaker", "method": method, "parameters": {"volume": 100}}]


async def test_no_volume_no_tool(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    badge = await House(nursery).enter()
    await introduced(nursery, badge, [one for one in TOOLS if "status" not in one["name"]])
    await with_things(badge, LAMP, {**SPEAKER, "methods": {}})
    assert "change_volume" not in await offered(badge.session)


# --- hostile badges -------------------------------------------------------------------------------------------------------

KIND = JSON | st.fixed_dictionaries({"type": st.sampled_from(["number", "boolean", "string"])})
NAME = st.sampled_from(["a", "b", "get_a", "", "\ud800", "A" * 70]) | JSON
MEMBERS = JSON | st.dictionaries(st.text(max_size=4), KIND, max_size=4)
METHODS = JSON | st.dictionaries(st.text(max_size=4), JSON | st.fixed_dictionaries({"parameters": MEMBERS}), max_size=3)
THING = st.fixed_dictionaries(
    {}, optional={"name": NAME, "description": JSON, "properties": MEMBERS, "methods": METHODS}
)
STATE = st.fixed_dictionaries({}, optional={"name": NAME, "state": JSON | st.dictionaries(st.text(max_size=4), JSON)})


@pytest.mark.req("IO-1", "B-22")
@given(st.lists(st.tuples(st.lists(THING, max_size=4), st.lists(STATE, max_size=4)), max_size=6), JSON)
def test_no_message_is_more_than_refused(messages: list[tuple[list[Any], list[Any]]], argument: Any) -> None:
    things = IotThings(lambda message: json.dumps(message.commands))  # type: ignore[attr-defined]
    for descriptors, states in messages:
        with suppress(RemoteProtocolError):
            things.receive(Iot(descriptors=descriptors, states=states))

    async def use_all() -> None:
        for tool in await things.offered():
            json.dumps(tool.spec.parameters, ensure_ascii=False).encode()
            arguments = dict.fromkeys(tool.spec.parameters["properties"], argument)
            (await things.call("", tool.spec.name, arguments)).text.encode()

    trio.run(use_all)


async def test_what_a_badge_may_describe_is_bounded(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    badge = await House(nursery).enter()
    badge.tell(type="iot", descriptors=[{"name": f"t{n}", "properties": {"p": {"type": "string"}}} for n in range(200)])
    error = await badge.until("error")
    assert f"there are {MOST_THINGS} things already" in error["message"]
    badge.tell(type="iot", descriptors=[{"name": "t0", "methods": {str(n): {} for n in range(1000)}}])
    assert f"at most {MOST_MEMBERS} members" in (await badge.until("error", count=2))["message"]
    badge.tell(type="iot", states=[{"name": "t1", "state": {"p": "x" * 100_000}}])
    await badge.quiet()
    assert len((await call(badge.session, "get_t1_p", **SAID)).text) < 1100
    assert len(await offered(badge.session)) == MOST_THINGS
    await alive(badge)

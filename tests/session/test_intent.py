"""A model of its own decides on a tool: real sessions with scripted models."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from badge.components import Component
from badge.llms import Purpose
from badge.llms.fixed import FixedLlms
from badge.session.intent import read_intent
from badge.texts import LLM_FAILED, TOOL_FAILED
from providers.ports import ProviderError
from providers.scripted import Reply, ScriptedLlm
from tests.house import House, Workshop, changed
from tests.session.test_tools import ask, sunny


def wants(name: str, **arguments: Any) -> str:
    return json.dumps({"function_call": {"name": name, "arguments": arguments}})


def house_of(
    nursery: trio.Nursery, intent: list[Reply | str], chat: list[Reply | str], tools: Workshop
) -> tuple[House, ScriptedLlm]:
    """A house whose intent model is another than the one that answers."""
    house = House(
        nursery, llm=ScriptedLlm(chat), tools=tools, settings=changed(chat={"intent": "intent_llm"}), start=False
    )
    decides = ScriptedLlm(intent)
    models = {"default": house.services.llms.of(Purpose.CHAT), "intent": Component("llm.intent", (decides,))}
    by_purpose = {purpose: "intent" if purpose is Purpose.INTENT else "default" for purpose in Purpose}
    house.services = attrs.evolve(house.services, llms=FixedLlms(models, by_purpose))
    for component in house.services.components():
        nursery.start_soon(component.run)
    return house, decides


@pytest.mark.req("IN-1", "IN-2", "B-120")
async def test_the_model_of_the_intent_decides_and_the_other_one_answers(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    tools = Workshop(weather=sunny)
    house, decides = house_of(
        nursery, [wants("weather", city="Rome"), wants("continue_chat")], ["It is sunny.", "You are welcome."], tools
    )
    badge = await house.enter()
    assert await ask(badge, "how is the weather in Rome") == ["It is sunny."]
    assert await ask(badge, "thank you", turns=2) == ["It is sunny.", "You are welcome."]
    assert tools.begun == [("weather", {"city": "Rome"})]
    chat = house.llm
    assert isinstance(chat, ScriptedLlm)
    assert all(prompt.tools == () for prompt in chat.prompts)
    assert "Sunny in Rome." in chat.prompts[0].messages[0].content
    assert "Sunny" not in chat.prompts[1].messages[0].content
    assert [m.role for m in chat.prompts[1].messages] == ["system", "user", "assistant", "user"]
    first, second = decides.prompts
    assert "weather" in first.messages[0].content
    assert [m.content for m in second.messages[1:]] == ["how is the weather in Rome", "It is sunny.", "thank you"]
    assert first.schema is not None
    assert first.schema.json["properties"]["function_call"]["properties"]["name"]["enum"] == [
        "weather",
        "continue_chat",
    ]


@pytest.mark.req("IN-1", "B-120")
@pytest.mark.parametrize(
    "answer",
    [
        "hm",
        "{}",
        '{"function_call": 5}',
        wants("rm"),
        wants("continue_chat"),
        "[" * 50_000,
        Reply(first=1e6),
        Reply(error=ProviderError("llm", "broke")),
    ],
    ids=["words", "empty", "no call", "unknown", "chat", "nested", "mute", "failing"],
)
async def test_without_a_decision_the_user_gets_an_ordinary_answer(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, answer: Reply | str
) -> None:
    tools = Workshop(weather=sunny)
    house, _ = house_of(nursery, [answer], ["Good morning."], tools)
    assert await ask(await house.enter(), "hello") == ["Good morning."]
    assert tools.begun == []


@pytest.mark.req("IN-1", "CH-16")
async def test_a_tool_that_fails_is_excused(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    async def fail() -> str:
        raise ProviderError("tool", "broke")

    house, _ = house_of(nursery, [wants("fail")], ["never"], Workshop(fail=fail))
    assert " ".join(await ask(await house.enter())) == TOOL_FAILED["en"]


@pytest.mark.req("IN-1")
async def test_the_answering_model_fails_aloud(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    house, _ = house_of(
        nursery, [wants("weather")], [Reply(error=ProviderError("llm", "broke"))], Workshop(weather=sunny)
    )
    assert " ".join(await ask(await house.enter())) == LLM_FAILED["en"]


@pytest.mark.req("IN-3", "B-75")
async def test_two_badges_at_once_have_their_own_words_decided(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    tools = Workshop(weather=sunny)
    house, decides = house_of(nursery, [Reply(pieces=[wants("continue_chat")], first=2)], ["Yes."], tools)
    anna, bert = await house.enter("anna"), await house.enter("bert")
    anna.tell(type="listen", state="detect", text="my name is anna")
    bert.tell(type="listen", state="detect", text="my name is bert")
    await anna.until("tts", "stop")
    await bert.until("tts", "stop")
    asked = sorted(tuple(m.content for m in prompt.messages[1:]) for prompt in decides.prompts)
    assert asked == [("my name is anna",), ("my name is bert",)]


@pytest.mark.req("IN-1")
async def test_without_intent_nobody_asks_for_tools(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    class Locked(Workshop):
        async def offered(self, device: str) -> Any:
            raise AssertionError("asked")

    house = House(nursery, tools=Locked(weather=sunny), settings=changed(chat={"intent": "none"}))
    assert await ask(await house.enter()) == ["It is half past nine."]


@pytest.mark.req("IN-1")
@pytest.mark.parametrize(
    "answer",
    ["Sure: {} done", "```json\n{}\n```", "<think>The user {{wants}} the {{weather}}.</think>\n{}"],
    ids=["words", "fence", "thoughts"],
)
def test_the_decision_is_found_among_words(answer: str) -> None:
    call = read_intent(answer.format(wants("weather", city="Rome")), "n")
    assert call is not None
    assert (call.id, call.name, json.loads(call.arguments)) == ("n", "weather", {"city": "Rome"})


@pytest.mark.req("IN-1")
@pytest.mark.parametrize(
    ("tables", "started"),
    [
        ({}, True),
        ({"chat": {"intent": "intent_llm"}}, True),
        ({"chat": {"intent": "none"}}, False),
        ({"chat": {"intent": "none"}, "devices": {"binding": "console"}}, True),  # which may want them for a badge
        ({"tools": {"use": "none"}, "devices": {"binding": "console"}}, False),
    ],
)
async def test_without_intent_neither_plugins_nor_servers_of_tools_are_started(
    nursery: trio.Nursery, tables: dict[str, dict[str, Any]], started: bool
) -> None:
    house = House(nursery, settings=changed(**tables), start=False)
    assert (house.office.tools is not None) is started

"""Tools in a conversation: real sessions, with a scripted model and functions as tools."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing

from badge import texts
from badge.desk import ToolResult
from badge.texts import LLM_FAILED, ONE_MOMENT, TOOL_FAILED
from providers.ports import ChatMessage, Prompt, ProviderError, ToolCallDelta
from providers.scripted import Reply, ScriptedAsr, ScriptedLlm, ScriptedTts, Utterance
from tests.house import Guest, House, Workshop, changed
from tests.mcp.firmware import introduced


def call(name: str, index: int = 0, identity: str = "", **arguments: Any) -> ToolCallDelta:
    return ToolCallDelta(index=index, id=identity, name=name, arguments=json.dumps(arguments))


def said(badge: Guest) -> list[str]:
    return [m["text"] for m in badge.of("tts", "sentence_start")]


async def ask(badge: Guest, text: str = "what now", *, turns: int = 1) -> list[str]:
    badge.tell(type="listen", state="detect", text=text)
    await badge.until("tts", "stop", count=turns, within=400)
    return said(badge)


def paired(prompt: Prompt) -> None:
    """Every call has exactly one result, right after it, and every user message an answer before the next."""
    waiting: list[str] = []
    previous: ChatMessage | None = None
    for message in prompt.messages:
        if message.role == "tool":
            assert message.call == waiting.pop(0)
        else:
            assert not waiting
            waiting = [one.id for one in message.calls]
            assert len(set(waiting)) == len(waiting)
        if message.role == "user":
            assert previous is None or previous.role in ("system", "assistant")
        previous = message
    assert not waiting


def house_of(nursery: trio.Nursery, replies: list[Reply | str], tools: Workshop | None, **settings: Any) -> House:
    return House(nursery, llm=ScriptedLlm(replies), tools=tools, settings=changed(**settings))


def prompts(house: House) -> list[Prompt]:
    assert isinstance(house.llm, ScriptedLlm)
    for prompt in house.llm.prompts:
        paired(prompt)
    return house.llm.prompts


async def sunny(city: str = "here") -> str:
    return f"Sunny in {city}."


@pytest.mark.req("CH-7", "CH-15", "CH-19", "I-5")
@pytest.mark.parametrize("identity", ["", "abc"])
async def test_a_tool_answers_the_model_which_answers_the_user(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, identity: str
) -> None:
    tools = Workshop(weather=sunny)
    house = house_of(
        nursery, [Reply(pieces=[call("weather", identity=identity, city="Rome")]), "It is sunny.", "Fine."], tools
    )
    badge = await house.enter()
    assert await ask(badge, "how is the weather in Rome") == ["It is sunny."]
    assert tools.begun == [("weather", {"city": "Rome"})]
    first, second = prompts(house)
    assert [tool.name for tool in first.tools] == ["weather"]
    user, assistant, tool = second.messages[1:]
    assert (user.role, user.content) == ("user", "how is the weather in Rome")
    assert (assistant.role, assistant.content, len(assistant.calls)) == ("assistant", "", 1)
    assert (tool.role, tool.content, tool.call) == ("tool", "Sunny in Rome.", assistant.calls[0].id)
    assert tool.call
    assert tool.call == (identity or tool.call)
    await ask(badge, "thanks", turns=2)
    assert [m.role for m in prompts(house)[-1].messages] == ["system", "user", "assistant", "tool", "assistant", "user"]


@pytest.mark.req("CH-8", "B-37", "I-5")
async def test_calls_of_one_round_run_at_the_same_time_with_arguments_of_their_own(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    async def slow(seconds: float) -> str:
        await trio.sleep(seconds)
        return f"{seconds:g}"

    tools = Workshop(slow=slow)
    pieces = [
        ToolCallDelta(index=1, name="slow", arguments='{"seconds": 1}'),
        ToolCallDelta(index=0, name="slow", arguments='{"sec'),
    ]
    replies = [Reply(pieces=[*pieces, ToolCallDelta(index=0, arguments='onds": 2}')]), "Done."]
    house = house_of(nursery, replies, tools, chat={"filler_ms": 0})
    badge = await house.enter()
    started = trio.current_time()
    badge.tell(type="listen", state="detect", text="go")
    await badge.until("tts", "sentence_start")
    assert trio.current_time() - started < 2.5
    assert sorted(arguments["seconds"] for _, arguments in tools.begun) == [1, 2]
    assert [m.content for m in prompts(house)[1].messages if m.role == "tool"] == ["2", "1"]


@pytest.mark.req("CH-8")
async def test_what_changes_something_happens_one_after_the_other(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    made: list[str] = []

    async def change(to: int) -> str:
        made.append(f"begin {to}")
        await trio.sleep(3 - to)
        made.append(f"end {to}")
        return "done"

    tools = Workshop("change", change=change)
    replies = [Reply(pieces=[call("change", n, to=n) for n in range(3)]), "Done."]
    house = house_of(nursery, replies, tools)
    await ask(await house.enter())
    assert made == ["begin 0", "end 0", "begin 1", "end 1", "begin 2", "end 2"]
    assert len(set(tools.keys)) == 3


@pytest.mark.req("CH-9", "CH-10", "B-35")
async def test_the_text_form_of_a_call_is_carried_out_and_never_said(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    tools = Workshop(weather=sunny)
    pieces = ["<tool", '_call>\n{"name": "weather", "argum', 'ents": {"city": "Oslo"}}\n', "</tool_call>"]
    house = house_of(nursery, [Reply(pieces=pieces), "It is sunny."], tools)
    assert await ask(await house.enter()) == ["It is sunny."]
    assert tools.begun == [("weather", {"city": "Oslo"})]
    assert "tool_call" not in str([m.content for m in prompts(house)[-1].messages])


@pytest.mark.req("CH-11", "CH-12", "B-36", "DG-1")
@pytest.mark.parametrize("text", ['<tool_call>{"name":', "<tool_call>hm</tool_call>"])
async def test_a_call_that_cannot_be_read_is_excused_and_forgotten(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, text: str
) -> None:
    tools = Workshop(weather=sunny)
    house = house_of(nursery, [Reply(pieces=list(text)), "Fine."], tools)
    badge = await house.enter()
    assert " ".join(await ask(badge)) == LLM_FAILED["en"]
    assert tools.begun == []
    await ask(badge, "again", turns=2)
    assert [m.content for m in prompts(house)[-1].messages][2] == LLM_FAILED["en"]


@pytest.mark.req("CH-12", "CH-18", "CH-20", "B-36", "B-43", "DG-1")
@pytest.mark.parametrize(
    "then",
    [
        ["<tool_call>hm</tool_call>"],
        [call("nothing")],
        [call("weather")],
        [call("hang")],
    ],
    ids=["malformed", "empty result", "empty answer", "failed"],
)
async def test_words_that_only_announce_an_answer_are_none(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, then: list[Any]
) -> None:
    async def nothing() -> str:
        return ""

    async def hang() -> str:
        await trio.sleep_forever()
        return ""

    replies = [Reply(pieces=["Let me look. ", *then]), Reply(pieces=[])]
    house = house_of(nursery, replies, Workshop(weather=sunny, nothing=nothing, hang=hang))
    excuse = TOOL_FAILED if then == [call("hang")] else LLM_FAILED
    assert " ".join(await ask(await house.enter())) == f"Let me look. {excuse['en']}"


@pytest.mark.req("CH-21", "CH-25")
async def test_words_after_the_last_call_are_an_answer(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    broken = Reply(pieces=["It is sun"], error=ProviderError("llm", "broke"))
    house = house_of(nursery, [Reply(pieces=["Let me look.", call("weather")]), broken], Workshop(weather=sunny))
    assert await ask(await house.enter()) == ["Let me look.", "It is sun"]


@pytest.mark.req("CH-14", "CH-16", "CH-21")
@pytest.mark.parametrize("kind", ["spoken", "failed", "unknown"])
async def test_a_result_that_is_to_be_said_is_said_and_remembered(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, kind: Any
) -> None:
    async def result() -> ToolResult:
        return ToolResult(kind=kind, text="The light is on.")

    house = house_of(nursery, [Reply(pieces=[call("light")]), "Fine."], Workshop(light=result))
    badge = await house.enter()
    assert await ask(badge) == ["The light is on."]
    await ask(badge, "thanks", turns=2)
    last = [m for m in prompts(house)[-1].messages if m.role == "assistant"][-1]
    assert last.content == "The light is on."
    assert len(prompts(house)) == 2


@pytest.mark.req("CH-16", "B-44")
async def test_a_tool_that_there_is_not_is_excused(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = house_of(nursery, [Reply(pieces=[call("rm")]), "Fine."], Workshop(weather=sunny))
    assert " ".join(await ask(await house.enter())) == TOOL_FAILED["en"]


@pytest.mark.req("CH-17")
async def test_a_silent_result_ends_the_turn(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    async def hush() -> ToolResult:
        return ToolResult(kind="silent")

    house = house_of(nursery, [Reply(pieces=[call("hush")])], Workshop(hush=hush))
    badge = await house.enter()
    assert await ask(badge) == []
    assert badge.turn == ["stt", "tts start", "tts stop"]
    assert len(prompts(house)) == 1


@pytest.mark.req("CH-17")
async def test_the_same_words_after_a_silent_result_want_the_same_again(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    async def next_song() -> ToolResult:
        return ToolResult(kind="silent")

    tools = Workshop("next_song", next_song=next_song)
    house = house_of(nursery, [Reply(pieces=[call("next_song")])], tools)
    badge = await house.enter()
    await ask(badge, "next song")
    await ask(badge, "next song", turns=2)
    assert len(set(tools.keys)) == 2
    told = [(m.role, m.content) for m in prompts(house)[1].messages[1:]]
    assert told == [
        ("user", "next song"),
        ("assistant", ""),
        ("tool", "(no result)"),
        ("assistant", "(done)"),
        ("user", "next song"),
    ]


@pytest.mark.req("CH-18", "B-43")
async def test_an_empty_result_does_not_end_in_silence(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    async def nothing() -> str:
        return ""

    house = house_of(nursery, [Reply(pieces=[call("nothing")])], Workshop(nothing=nothing))
    assert " ".join(await ask(await house.enter())) == LLM_FAILED["en"]
    assert len(prompts(house)) == 1


@pytest.mark.req("CH-17", "CH-18")
@pytest.mark.parametrize(
    ("other", "sentences", "rounds"),
    [
        (ToolResult(kind="silent"), [], 1),
        (ToolResult(kind="spoken", text="It is on."), ["It is on."], 1),
        (ToolResult(kind="failed", text="It is broken."), ["It is broken."], 1),
        (ToolResult(kind="unknown", text="There is none."), ["There is none."], 1),
        (ToolResult(kind="answer", text="on"), ["Fine."], 2),
        (ToolResult(kind="spoken"), ["Excuse"], 1),
        (ToolResult(kind="failed"), ["Excuse"], 1),
        (ToolResult(kind="unknown"), ["Excuse"], 1),
        (ToolResult(kind="answer"), ["Excuse"], 1),
    ],
    ids=lambda value: f"{value.kind} {value.text}" if isinstance(value, ToolResult) else "",
)
@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
async def test_a_turn_is_silent_only_if_all_of_its_results_are(
    nursery: trio.Nursery,
    autojump_clock: trio.testing.MockClock,
    other: ToolResult,
    sentences: list[str],
    rounds: int,
    first: bool,
) -> None:
    async def hush() -> ToolResult:
        return ToolResult(kind="silent")

    async def speak() -> ToolResult:
        return other

    names = ["hush", "speak"] if first else ["speak", "hush"]
    calls = Reply(pieces=[call(name, index) for index, name in enumerate(names)])
    house = house_of(nursery, [calls, "Fine.", "Next."], Workshop(hush=hush, speak=speak))
    badge = await house.enter()
    heard = " ".join(await ask(badge))
    assert heard == " ".join(sentences).replace("Excuse", LLM_FAILED["en"])
    assert len(prompts(house)) == rounds
    await ask(badge, "and then", turns=2)
    answer = [m for m in prompts(house)[-1].messages if m.role == "assistant"][-1]
    assert answer.content == (heard or "(done)")


@pytest.mark.req("CH-20", "B-41")
async def test_a_model_that_always_calls_has_to_answer_in_the_end(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    tools = Workshop(weather=sunny)
    house = house_of(nursery, [Reply(pieces=[call("weather")])], tools)
    badge = await house.enter()
    assert " ".join(await ask(badge)) == LLM_FAILED["en"]
    assert len(tools.begun) == 5
    assert [bool(prompt.tools) for prompt in prompts(house)] == [True] * 5 + [False]
    answering = house_of(nursery, [*[Reply(pieces=[call("weather")])] * 5, "Enough."], tools)
    assert await ask(await answering.enter()) == ["Enough."]


@pytest.mark.req("CH-21", "B-38")
async def test_words_before_a_call_are_said_at_once_and_stay(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    async def slow() -> str:
        await trio.sleep(8)
        return "22 degrees"

    replies = [Reply(pieces=["Let me look", call("slow")]), "It is 22 degrees.", "Fine."]
    house = house_of(nursery, replies, Workshop(slow=slow))
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="temperature")
    await badge.until("tts", "sentence_start")
    began = trio.current_time()
    await badge.until("tts", "stop")
    assert trio.current_time() - began > 7
    assert said(badge) == ["Let me look", "It is 22 degrees."]
    assert (badge.turn.count("tts start"), badge.turn.count("tts stop")) == (1, 1)
    await ask(badge, "thanks", turns=2)
    kept = [m.content for m in prompts(house)[-1].messages if m.role == "assistant"]
    assert kept == ["Let me look", "It is 22 degrees."]


@pytest.mark.req("MC-8", "B-51", "CH-16")
@pytest.mark.parametrize("failure", ["hangs", "raises", "refuses"])
async def test_a_tool_that_fails_ends_in_words(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, failure: str
) -> None:
    async def fail() -> str:
        if failure == "hangs":
            await trio.sleep_forever()
        raise KeyError("secret") if failure == "raises" else ProviderError("tool", "broke")

    house = house_of(nursery, [Reply(pieces=[call("fail")]), "Fine."], Workshop(fail=fail), chat={"filler_ms": 0})
    badge = await house.enter()
    started = trio.current_time()
    assert " ".join(await ask(badge)) == TOOL_FAILED["en"]
    assert trio.current_time() - started < (40 if failure == "hangs" else 10)
    assert (await ask(badge, "again", turns=2))[-1] == "Fine."


@pytest.mark.req("MC-8", "B-51", "CH-23")
@pytest.mark.parametrize("end", ["abort", "vanish"])
async def test_a_call_ends_with_its_turn(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, end: str
) -> None:
    left: list[str] = []

    async def hang() -> str:
        try:
            await trio.sleep_forever()
        finally:
            left.append("left")
        return ""

    house = house_of(nursery, [Reply(pieces=[call("hang")]), "Fine."], Workshop(hang=hang))
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="go")
    await trio.sleep(1)
    if end == "vanish":
        badge.vanish()
        await badge.gone.wait()
        assert left == ["left"]
        return
    badge.tell(type="abort")
    await badge.quiet()
    assert left == ["left"]
    assert said(badge) == []
    assert await ask(badge, "again", turns=2) == ["Fine."]
    assert all(not m.calls for m in prompts(house)[-1].messages)


@pytest.mark.req("MC-5")
async def test_arguments_that_cannot_be_read_go_back_to_the_model(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    tools = Workshop(weather=sunny)
    house = house_of(
        nursery, [Reply(pieces=[ToolCallDelta(index=0, name="weather", arguments="{oops")]), "Sorry."], tools
    )
    assert await ask(await house.enter()) == ["Sorry."]
    assert [m.content for m in prompts(house)[1].messages if m.role == "tool"] == [texts.ARGUMENTS_UNREADABLE]
    assert tools.begun == []


@pytest.mark.req("MC-5", "I-5")
@pytest.mark.parametrize(
    "pieces",
    [
        [ToolCallDelta(index=0, id="\ud800", name="weather", arguments='{"city": "\ud800"}')],
        ['<tool_call>{"name": "wea\\ud800ther", "arguments": {"city": "\\ud800"}}</tool_call>'],
        [call("weather", 0, "same"), call("weather", 1, "same")],
        [ToolCallDelta(index=0, name="weather", arguments="{oops")],
    ],
)
async def test_no_call_spoils_what_is_asked_later(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, pieces: list[Any]
) -> None:
    """Whatever stands in the dialogue goes to the server again with each question."""
    house = house_of(nursery, [Reply(pieces=pieces), "Fine."], Workshop(weather=sunny))
    badge = await house.enter()
    await ask(badge)
    await ask(badge, "again", turns=2)
    for message in prompts(house)[-1].messages:
        assert message.content.encode() is not None
        for one in message.calls:
            assert (one.id + one.name).encode().isascii() or one.id == "\ufffd"
            assert isinstance(json.loads(one.arguments.encode()), dict)


@pytest.mark.req("MC-5", "B-46")
async def test_a_tool_without_arguments_runs(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    tools = Workshop(weather=sunny)
    house = house_of(nursery, [Reply(pieces=[ToolCallDelta(index=0, name="weather", arguments="")]), "Sunny."], tools)
    await ask(await house.enter())
    assert tools.begun == [("weather", {})]


@pytest.mark.req("MC-4", "B-42")
async def test_the_list_of_tools_does_not_grow(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    house = house_of(nursery, ["Yes."], Workshop(weather=sunny, clock=sunny))
    badge = await house.enter()
    for turn in range(3):
        await ask(badge, f"question {turn}", turns=turn + 1)
    assert [len(prompt.tools) for prompt in prompts(house)] == [2, 2, 2]


# --- waiting ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("takes", "filler_ms", "heard"), [(1.0, 1500, False), (6.0, 1500, True), (6.0, 0, False)])
async def test_nobody_waits_for_a_slow_tool_in_silence(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, takes: float, filler_ms: int, heard: bool
) -> None:
    async def slow() -> str:
        await trio.sleep(takes)
        return "done"

    replies = [Reply(pieces=[call("slow")]), Reply(pieces=[call("slow")]), "Here you are.", "Fine."]
    house = house_of(nursery, replies, Workshop(slow=slow), chat={"filler_ms": filler_ms})
    badge = await house.enter()
    assert await ask(badge) == [*([ONE_MOMENT["en"]] if heard else []), "Here you are."]
    await ask(badge, "thanks", turns=2)
    kept = [m.content for m in prompts(house)[-1].messages if m.role == "assistant"]
    assert kept == ["", "", "Here you are."]


async def test_words_that_only_pass_the_time_were_not_said(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    async def slow() -> str:
        await trio.sleep(20)
        return "done"

    house = house_of(nursery, [Reply(pieces=[call("slow")]), "Fine."], Workshop(slow=slow))
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="go")
    await badge.until("tts", "sentence_start")
    await trio.sleep(3)
    badge.tell(type="abort")
    await ask(badge, "again", turns=2)
    assert [m.content for m in prompts(house)[-1].messages][1:] == ["go", "(interrupted)", "again"]


# --- once -------------------------------------------------------------------------------------------------------------


async def cough_while(badge: Guest) -> None:
    """Somebody coughs: a voice interrupts, nothing was said, and the answer is begun anew."""
    await badge.sound("voice", 0.5)
    await badge.sound("silence", 0.8)


@pytest.mark.parametrize("done", [False, True], ids=["while it runs", "after it ran"])
async def test_an_answer_that_is_begun_anew_does_nothing_twice(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, done: bool
) -> None:
    async def order(what: str) -> str:
        await trio.sleep(0.1 if done else 10)
        return f"{what} ordered"

    tools = Workshop("order", order=order)
    pause = Reply(pieces=["It is ordered."], first=5.0)
    replies: list[Reply | str] = [
        Reply(pieces=[call("order", what="tea")]),
        *([pause] if done else []),
        "It is ordered.",
    ]
    if not done:
        replies.insert(1, Reply(pieces=[call("order", what="tea")]))
    settings = changed(chat={"filler_ms": 0})
    house = House(nursery, llm=ScriptedLlm(replies), tools=tools, asr=ScriptedAsr([""]), settings=settings)
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="order tea")
    await trio.sleep(0.7)
    await cough_while(badge)
    await badge.until("tts", "stop", count=2, within=100)
    assert said(badge) == ["It is ordered."]
    if done:
        assert len(tools.keys) == 1  # the second answer begins with what is known
    else:
        assert len(tools.keys) == 2
        assert len(set(tools.keys)) == 1  # the office knows that it is the same call


async def test_the_same_call_in_other_writing_is_the_same_call(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    async def order(what: str, count: int) -> str:
        await trio.sleep(10)
        return "ordered"

    tools = Workshop("order", order=order)
    replies = [
        Reply(pieces=[ToolCallDelta(index=0, name="order", arguments='{"what": "tea", "count": 2}')]),
        Reply(pieces=['<tool_call>{"name":"order","arguments":{"count":2,"what":"tea"}}</tool_call>']),
        "It is ordered.",
    ]
    settings = changed(chat={"filler_ms": 0})
    house = House(nursery, llm=ScriptedLlm(replies), tools=tools, asr=ScriptedAsr([""]), settings=settings)
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="order two teas")
    await trio.sleep(0.7)
    await cough_while(badge)
    await badge.until("tts", "stop", count=2, within=100)
    assert len(tools.keys) == 2
    assert len(set(tools.keys)) == 1


async def test_the_same_call_wanted_twice_is_made_twice(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    async def order(what: str) -> str:
        return "ordered"

    tools = Workshop("order", order=order)
    two = Reply(pieces=[call("order", 0, what="tea"), call("order", 1, what="tea")])
    house = house_of(nursery, [two, Reply(pieces=[call("order", what="tea")]), "Done.", "Done."], tools)
    badge = await house.enter()
    await ask(badge, "three teas, please")
    await ask(badge, "and once more", turns=2)
    assert len(set(tools.keys)) == len(tools.keys) == 3


@pytest.mark.req("MC-8")
async def test_a_badge_is_told_once_when_the_answer_is_begun_anew(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    darker = Reply(pieces=[call("self_screen_set_theme", theme="dark")])
    llm = ScriptedLlm([darker, darker, "It may be dark."])
    badge = await House(nursery, llm=llm, asr=ScriptedAsr([""]), settings=changed(chat={"filler_ms": 0})).enter()
    firmware = await introduced(nursery, badge)
    firmware.answers["self.screen.set_theme"] = lambda _: None
    badge.tell(type="listen", state="detect", text="make it dark")
    await trio.sleep(0.7)
    await cough_while(badge)
    await badge.until("tts", "stop", count=2, within=100)
    assert said(badge) == ["It may be dark."]
    assert len(firmware.calls) == 1


# --- under load -------------------------------------------------------------------------------------------------------


async def test_no_turn_ends_in_silence_whatever_tools_and_models_do(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    async def good() -> str:
        return "fine"

    async def bad() -> str:
        raise RuntimeError

    async def slow() -> str:
        await trio.sleep(100)
        return ""

    async def empty() -> str:
        return ""

    functions: dict[str, Callable[..., Awaitable[str]]] = {"good": good, "bad": bad, "slow": slow, "empty": empty}
    names = [*functions, "unknown"]
    rounds = [Reply(pieces=[call(a, 0), call(b, 1)]) for a in names for b in names]
    house = house_of(nursery, [*rounds, "The end."], Workshop(**functions))
    badge = await house.enter()
    turns = 0
    while len(prompts(house)) < len(rounds):
        turns += 1
        before = len(said(badge))
        await ask(badge, f"question {turns}", turns=turns)
        assert len(said(badge)) > before
    assert turns > 3


async def test_a_voice_is_no_part_of_it(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    """Results that are to be said go out as text where there is no voice."""

    async def result() -> ToolResult:
        return ToolResult(kind="spoken", text="It is on.")

    broken = ScriptedTts(lambda _: Utterance(error=ProviderError("tts", "broke")))
    house = House(nursery, llm=ScriptedLlm([Reply(pieces=[call("light")])]), tools=Workshop(light=result), tts=broken)
    assert await ask(await house.enter()) == ["It is on."]

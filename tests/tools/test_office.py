"""The office of tools: one list, deadlines, turns, and nothing done twice."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from badge.desk import ToolResult
from badge.tools.idempotency import IdempotentCalls
from badge.tools.source import Request
from badge.tools.turnstile import WAITING, BusyError, Turnstile
from tests.tools.counter import DEVICE, Counter, Shelf, logged, opened


async def answer(request: Request) -> str:
    return f"{request.tool} for {request.device}"


async def hang(_: Request) -> str:
    await trio.sleep_forever()
    raise AssertionError


async def crash(_: Request) -> str:
    raise RuntimeError("a secret word")


def naps(seconds: float, ended: list[float]) -> Any:
    async def nap(_: Request) -> str:
        await trio.sleep(seconds)
        ended.append(trio.current_time())
        return "slept"

    return nap


@pytest.mark.req("CH-13", "PL-2")
async def test_the_first_source_of_a_name_is_meant(autojump_clock: MockClock) -> None:
    """As the tools of MCP servers go before those of the server."""
    mcp, other = Shelf({"calculate": answer, "mine": answer}), Shelf({"mine": answer, "current_time": answer})
    async with opened([mcp, other]) as counter:
        names = await counter.names()
        assert names[:3] == ["calculate", "mine", "current_time"]
        assert len(names) == len(set(names))
        assert await counter.text("calculate", expression="1+1") == f"calculate for {DEVICE}"
        assert await counter.text("mine") == f"mine for {DEVICE}"
        assert (len(mcp.calls), len(other.calls)) == (2, 0)
        assert await counter.text("convert_units", amount=1, unit="km", target="m") == "1 kilometer is 1000 meters."


@pytest.mark.req("B-42")
async def test_the_list_of_tools_is_as_long_in_every_turn(autojump_clock: MockClock) -> None:
    async with opened([Shelf({"mine": answer})]) as counter:
        first = await counter.office.offered(DEVICE)
        assert isinstance(first, tuple)
        before = [(tool.spec.name, tool.spec.parameters) for tool in first]
        for _ in range(3):
            offered = [*await counter.office.offered(DEVICE)]
            offered.append(offered[0])  # a session adds the tools of its badge
            await counter.call("mine")
        again = await counter.office.offered(DEVICE)
        assert [(tool.spec.name, tool.spec.parameters) for tool in again] == before


async def test_a_tool_that_is_switched_off_is_not_there(autojump_clock: MockClock) -> None:
    async with opened(off=["calculate"]) as counter:
        assert "calculate" not in await counter.names()
        assert (await counter.call("calculate", expression="1")).kind == "unknown"


@pytest.mark.parametrize("name", ["nothing", "", "x" * 100_000, "__class__", "工具"])
async def test_an_unknown_tool_is_a_result(autojump_clock: MockClock, name: str) -> None:
    async with opened() as counter:
        result = await counter.call(name)
        assert (result.kind, result.text) == ("unknown", f"There is no tool {name[:64]}.")


@pytest.mark.req("MC-8")
@pytest.mark.parametrize("effects", [(), ("hang",)])
async def test_a_tool_that_hangs_ends_at_its_deadline(autojump_clock: MockClock, effects: tuple[str, ...]) -> None:
    async with opened([Shelf({"hang": hang}, effects=effects)], language="zh") as counter:
        begun = trio.current_time()
        with logged() as lines:
            result = await counter.call("hang")
        assert trio.current_time() - begun == pytest.approx(30)
        assert (result.kind, result.text) == ("failed", "工具 hang 超时了。")
        assert "a tool took too long" in [line["event"] for line in lines]


async def test_a_tool_may_have_less_time_but_not_more(autojump_clock: MockClock) -> None:
    for seconds, taken in ((5.0, 5), (100.0, 30)):
        async with opened([Shelf({"hang": hang}, seconds=seconds)]) as counter:
            begun = trio.current_time()
            with logged():
                await counter.call("hang")
            assert trio.current_time() - begun == pytest.approx(taken)


@pytest.mark.parametrize("effects", [(), ("crash",)])
async def test_a_tool_that_crashes_fails_alone_and_its_words_are_not_logged(
    autojump_clock: MockClock, effects: tuple[str, ...]
) -> None:
    async with opened([Shelf({"crash": crash, "mine": answer}, effects=effects)]) as counter:
        with logged() as lines:
            result = await counter.call("crash")
        assert (result.kind, result.text) == ("failed", "The tool crash did not work.")
        assert [line["error"] for line in lines] == ["RuntimeError"]
        assert "secret" not in repr([{**line, "exc_info": ""} for line in lines])
        assert await counter.text("mine") == f"mine for {DEVICE}"


async def test_megabytes_are_cut(autojump_clock: MockClock) -> None:
    async def much(_: Request) -> str:
        return "x" * 5_000_000

    async with opened([Shelf({"much": much})]) as counter:
        text = await counter.text("much")
        assert len(text) == 16_000
        assert text.endswith("(cut off: there were 5000000 characters)")


# --- effects --------------------------------------------------------------------------------------------------------------


async def test_a_call_with_effects_is_made_once_under_its_key(autojump_clock: MockClock) -> None:
    made: list[float] = []
    shelf = Shelf({"act": naps(2, made), "look": naps(2, [])}, effects=["act"])
    async with opened([shelf]) as counter:
        results: list[ToolResult] = []

        async def again(key: str, tool: str = "act", device: str = DEVICE) -> None:
            results.append(await counter.office.call(device, key, tool, {}))

        async with trio.open_nursery() as nursery:  # while it is under way
            for _ in range(3):
                nursery.start_soon(again, "k")
        await again("k")  # and after it
        assert (len(made), len(set(results)), len(results)) == (1, 1, 4)
        await again("other")
        await again("k", device="another badge")
        assert len(made) == 3
        await again("k", "look")
        await again("k", "look")  # without effects it is made again
        assert [request.tool for request in shelf.calls].count("look") == 2


async def test_a_call_with_effects_goes_on_when_nobody_waits_and_is_not_made_again(autojump_clock: MockClock) -> None:
    made: list[float] = []
    async with opened([Shelf({"act": naps(5, made)}, effects=["act"])]) as counter:
        with trio.move_on_after(1):
            await counter.office.call(DEVICE, "k", "act", {})
        assert not made
        assert (await counter.office.call(DEVICE, "k", "act", {})).text == "slept"
        assert made == [5.0]


async def test_a_call_without_effects_ends_with_who_waits_for_it(autojump_clock: MockClock) -> None:
    made: list[float] = []
    async with opened([Shelf({"look": naps(5, made)})]) as counter:
        with trio.move_on_after(1):
            await counter.call("look")
        await trio.sleep(10)
        assert not made


async def test_the_end_of_the_server_waits_for_what_was_begun(autojump_clock: MockClock) -> None:
    made: list[float] = []
    async with opened([Shelf({"act": naps(3, made), "hang": hang}, effects=["act", "hang"])]) as counter:
        with trio.move_on_after(1):
            await counter.office.call(DEVICE, "k", "act", {})
        await counter.office.settle()
        assert made == [3.0]


async def test_whoever_waits_when_the_office_closes_gets_a_result(autojump_clock: MockClock) -> None:
    results: list[ToolResult] = []
    shelf = Shelf({"hang": hang}, effects=["hang"])
    async with trio.open_nursery() as nursery, opened([shelf]) as counter:

        async def wait() -> None:
            results.append(await counter.office.call(DEVICE, "k", "hang", {}))

        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
    assert [result.kind for result in results] == ["failed"]
    assert (await counter.office.call(DEVICE, "new", "hang", {})).text == "The tool hang is not there at the moment."


async def test_what_is_remembered_is_bounded_in_number_and_time(autojump_clock: MockClock) -> None:
    calls = IdempotentCalls(most=3, lifetime=100)
    under_way = calls.begin("d", "running")
    for number in range(10):
        calls.begin("d", f"{number}").end(ToolResult(kind="silent"))
    assert [calls.find("d", f"{number}") is not None for number in range(10)] == [False] * 8 + [True] * 2
    assert calls.find("d", "running") is under_way
    assert calls.under_way() == [under_way]
    await trio.sleep(101)
    assert calls.find("d", "9") is None
    assert calls.find("d", "running") is under_way


# --- turns ----------------------------------------------------------------------------------------------------------------


async def call_many(counter: Counter, device: str, count: int, results: list[str]) -> None:
    async def one() -> None:
        result = await counter.call("nap", device)
        results.append(result.kind)

    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(one)
            await wait_all_tasks_blocked()


async def test_one_badge_does_not_keep_another_waiting(autojump_clock: MockClock) -> None:
    ended: list[float] = []
    results: list[str] = []
    async with opened([Shelf({"nap": naps(2, ended)})], calls=6, calls_per_device=4) as counter:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(call_many, counter, "greedy", WAITING + 3, results)
            await wait_all_tasks_blocked()
            assert (await counter.call("nap", "modest")).kind == "answer"
            assert trio.current_time() == pytest.approx(2)
        assert trio.current_time() == pytest.approx(2 * WAITING / 4)
    assert results.count("failed") == 3  # turned away at once
    assert results.count("answer") == WAITING
    assert max(ended.count(moment) for moment in ended) <= 5


async def test_turns_are_given_back_whatever_happens(autojump_clock: MockClock) -> None:
    turnstile = Turnstile(together=1, each=1, most=2)
    for _ in range(5):
        with pytest.raises(ZeroDivisionError):
            async with turnstile.turn("a"):
                raise ZeroDivisionError
        with trio.move_on_after(1):
            async with turnstile.turn("b"), turnstile.turn("c"):
                raise AssertionError("two at one time")
    async with turnstile.turn("a"), trio.open_nursery() as nursery:

        async def second() -> None:
            async with turnstile.turn("b"):
                pass

        nursery.start_soon(second)
        await wait_all_tasks_blocked()
        with pytest.raises(BusyError):
            async with turnstile.turn("c"):
                pass
        nursery.cancel_scope.cancel()


async def test_a_call_that_was_turned_away_may_be_made_again(autojump_clock: MockClock) -> None:
    made: list[float] = []
    shelf = Shelf({"act": naps(2, made)}, effects=["act"])
    async with opened([shelf], calls_per_device=1) as counter, trio.open_nursery() as nursery:
        for number in range(WAITING):
            nursery.start_soon(counter.office.call, DEVICE, f"{number}", "act", {})
        await wait_all_tasks_blocked()
        result = await counter.office.call(DEVICE, "late", "act", {})
        assert result.text == "The tool act is too busy. Please try again in a moment."
        await trio.sleep(25)
        assert (await counter.office.call(DEVICE, "late", "act", {})).text == "slept"

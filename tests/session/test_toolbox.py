from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import pytest
import trio
import trio.testing

from badge import texts
from badge.desk import RefusedError, Tool, ToolResult
from badge.dialogue import Exchange
from badge.session.once import MOST, Once
from badge.session.toolbox import MOST_TOOLS, Toolbox
from providers.ports import ToolCall, ToolSpec

Origin = Literal["mcp", "badge", "plugin"]


class Shelf:
    """A source with these tools; its results say where they come from."""

    def __init__(self, origin: Origin, *names: str, waits: float = 0.0, fails: bool = False) -> None:
        self._origin = origin
        self._names = names
        self._waits = waits
        self._fails = fails

    async def offered(self) -> Sequence[Tool]:
        await trio.sleep(self._waits)
        if self._fails:
            raise RefusedError("busy", "no")
        return [Tool(spec=ToolSpec(name, self._origin, {}), origin=self._origin) for name in self._names]

    async def call(self, key: str, tool: str, arguments: dict[str, Any]) -> ToolResult:
        return ToolResult(kind="answer", text=f"{self._origin} {tool}")


def call(name: str) -> ToolCall:
    return ToolCall(id="1", name=name)


@pytest.mark.req("CH-13")
@pytest.mark.parametrize("turned", [False, True])
async def test_an_mcp_server_goes_before_the_badge_and_the_badge_before_a_plugin(turned: bool) -> None:
    shelves = [Shelf("plugin", "a", "b", "c"), Shelf("badge", "a", "b", "d"), Shelf("mcp", "a", "e")]
    box = Toolbox(shelves[::-1] if turned else shelves, seconds=30)
    kit = await box.kit()
    assert sorted(spec.name for spec in kit.specs) == ["a", "b", "c", "d", "e"]
    results = await box.call(kit, [call(name) for name in "abcde"], Exchange("hi"))
    assert [result.text for result in results] == ["mcp a", "badge b", "plugin c", "badge d", "mcp e"]


@pytest.mark.req("CH-13", "MC-4")
async def test_a_model_is_told_of_as_many_tools_as_it_takes() -> None:
    many = [f"m{number}" for number in range(MOST_TOOLS)]
    kit = await Toolbox([Shelf("mcp", *many), Shelf("badge", "b"), Shelf("plugin", "p")], seconds=30).kit()
    assert [spec.name for spec in kit.specs] == ["p", "b", *many[:-2]]  # what servers have too many is left out


async def test_a_source_that_is_slow_or_refuses_keeps_nobody_waiting(autojump_clock: trio.testing.MockClock) -> None:
    box = Toolbox([Shelf("mcp", "a", waits=100), Shelf("badge", "b", fails=True), Shelf("plugin", "c")], seconds=30)
    started = trio.current_time()
    kit = await box.kit()
    assert [spec.name for spec in kit.specs] == ["c"]
    assert trio.current_time() - started < 2


@pytest.mark.req("PC-3", "MC-4")
async def test_only_some_of_the_server_may_be_meant_and_all_of_the_badge() -> None:
    kit = await Toolbox([Shelf("plugin", "a", "b", "c"), Shelf("badge", "d")], seconds=30).kit()
    assert sorted(spec.name for spec in kit.only(("b", "z")).specs) == ["b", "d"]
    assert kit.only(None) is kit
    assert [spec.name for spec in kit.only(()).specs] == ["d"]


class Lamp:
    """A source with an effect that takes a while, and a question."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    async def offered(self) -> Sequence[Tool]:
        return [Tool(spec=ToolSpec(n, "", {}), effects=n == "dim", origin="badge") for n in ("dim", "look")]

    async def call(self, key: str, tool: str, arguments: dict[str, Any]) -> ToolResult:
        self.calls.append(tool)
        await trio.sleep(5)
        return ToolResult(kind="answer", text=f"{tool} {len(self.calls)}")


async def test_a_badge_does_nothing_twice_under_one_key(autojump_clock: trio.testing.MockClock) -> None:
    lamp = Lamp()
    once = Once(lamp)
    with trio.move_on_after(1):
        await once.call("interrupted", "dim", {})
    assert (await once.call("interrupted", "dim", {})).text == texts.ASKED_BEFORE
    assert lamp.calls == ["dim"]
    assert [(await once.call("k", "dim", {})).text for _ in range(2)] == ["dim 2", "dim 2"]
    assert [(await once.call("k", "look", {})).text for _ in range(2)] == ["look 3", "look 4"]
    for number in range(MOST):
        await once.call(f"{number}", "dim", {})
    assert (await once.call("k", "dim", {})).text != "dim 2"  # forgotten
    assert len(once._results) == MOST


class Stuck:
    """A source whose tools never answer, unless they are asked to keep a time of their own."""

    def __init__(self, *, keeps: float = 1e9, effects: bool = False) -> None:
        self.called: list[str] = []
        self._keeps = keeps
        self._effects = effects

    async def offered(self) -> Sequence[Tool]:
        return [Tool(spec=ToolSpec(name, "", {}), effects=self._effects) for name in "abc"]

    async def call(self, key: str, tool: str, arguments: dict[str, Any]) -> ToolResult:
        self.called.append(tool)
        await trio.sleep(self._keeps)
        return ToolResult(kind="failed", text="it was late")


@pytest.mark.req("MC-8", "B-51")
@pytest.mark.parametrize(("effects", "called"), [(False, ["a", "b", "c"]), (True, ["a"])])
async def test_all_calls_of_a_round_together_have_one_time(
    autojump_clock: trio.testing.MockClock, effects: bool, called: list[str]
) -> None:
    """Also those that are made one after the other: what has no time left is not begun."""
    source = Stuck(effects=effects)
    box = Toolbox([source], seconds=30)
    started = trio.current_time()
    results = await box.call(await box.kit(), [call(name) for name in "abc"], Exchange("hi"))
    assert trio.current_time() - started == pytest.approx(31)
    assert sorted(source.called) == called
    assert [result.kind for result in results] == ["failed"] * 3


@pytest.mark.req("MC-8")
async def test_who_keeps_the_time_himself_says_why_he_is_late(autojump_clock: trio.testing.MockClock) -> None:
    box = Toolbox([Stuck(keeps=30)], seconds=30)
    (result,) = await box.call(await box.kit(), [call("a")], Exchange("hi"))
    assert result.text == "it was late"

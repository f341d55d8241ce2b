"""What the model of one session can call: the tools of the server, and those of the badge itself."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol

import trio
from attrs import field, frozen

from badge import texts
from badge.boundary import boundary
from badge.desk import RefusedError, Tool, ToolDesk, ToolResult
from badge.dialogue import Exchange
from badge.log import get_log
from badge.tools.arguments import parse_arguments
from providers.language import language_of
from providers.ports import ToolCall, ToolSpec

log = get_log(__name__)

OFFER_WITHIN = 1.0
"""Seconds that a source has to say what it offers."""

GRACE = 1.0
"""Seconds after the end of a round's time in which a source can still say itself why it is late."""


class ToolSource(Protocol):
    """A provider of tools."""

    async def offered(self) -> Sequence[Tool]:
        """Its tools at this moment; never waits for a badge."""

    async def call(self, key: str, tool: str, arguments: dict[str, Any]) -> ToolResult:
        """Call one of the tools that it offers. Ends within its own deadline; what goes wrong is a result. `key` names the
        call, for tools that do nothing twice."""


_ORIGINS = ("plugin", "badge", "mcp")
"""As the model is told of them. Where two tools have one name, that of the later origin is meant, and within one that of the
first source."""

MOST_TOOLS = 128
"""Tools of one turn: more are refused by OpenAI's interface, and with them the whole turn."""


@frozen(kw_only=True)
class Kit:
    """The tools of one turn, by name."""

    tools: dict[str, tuple[Tool, ToolSource]] = field(factory=dict)

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """What the model is told."""
        return tuple(tool.spec for tool, _ in self.tools.values())

    def has_effects(self, name: str) -> bool:
        """Whether a call of this tool changes something."""
        return name in self.tools and self.tools[name][0].effects

    def only(self, names: Collection[str] | None) -> Kit:
        """Of the plugins those of these names; None: all. Tools of the badge and of MCP servers stay."""
        if names is None:
            return self
        return Kit(tools={n: one for n, one in self.tools.items() if one[0].origin != "plugin" or n in names})


class DeskTools:
    """The tools of the server."""

    def __init__(self, desk: ToolDesk, device: str) -> None:
        self._desk = desk
        self._device = device

    async def offered(self) -> Sequence[Tool]:
        """All that the device may use."""
        return await self._desk.offered(self._device)

    async def call(self, key: str, tool: str, arguments: dict[str, Any]) -> ToolResult:
        """Have the back office call it."""
        return await self._desk.call(self._device, key, tool, arguments)


class Toolbox:
    """Calls tools, each in a boundary of its own and all of one round within one deadline: at the same time, but what changes
    something one after the other, in the order of the model."""

    def __init__(
        self,
        sources: Sequence[ToolSource],
        *,
        seconds: float,
        used: Callable[[str, dict[str, Any]], None] = lambda *_: None,
    ) -> None:
        """`seconds`: how long the calls of one round may take; `used` is told of each that is made."""
        self._sources = sources
        self._seconds = seconds
        self._used = used

    async def kit(self) -> Kit:
        """The tools on offer now; a source that fails or is slow contributes none."""
        found: list[tuple[Tool, ToolSource]] = []
        for source in self._sources:
            with boundary("tools", log), trio.move_on_after(OFFER_WITHIN) as patience:
                found += await _offered(source)
            if patience.cancelled_caught:
                log.warning("tools are not offered", code="too-slow", source=type(source).__name__)
        return _kit(found)

    async def call(self, kit: Kit, calls: Sequence[ToolCall], exchange: Exchange) -> list[ToolResult]:
        """Call the tools of one round: one result for each call, in the same order.

        The same call of the same exchange has the same key when the answer is begun anew.
        """
        failed = ToolResult(kind="failed", text=texts.TOOL_FAILED[language_of(exchange.user)])
        results = [failed] * len(calls)
        end = trio.current_time() + self._seconds

        async def call_one(place: int, key: str) -> None:
            with boundary("tool call", log), trio.move_on_at(end + GRACE) as patience:
                results[place] = await _called(kit, key, calls[place], failed, self._used)
            if patience.cancelled_caught:
                log.warning("a tool did not answer in time", tool=calls[place].name, seconds=self._seconds)

        keys = _keys(exchange, calls)
        ordered = [place for place, call in enumerate(calls) if kit.has_effects(call.name)]
        async with trio.open_nursery() as nursery:
            for place, key in enumerate(keys):
                if place not in ordered:
                    nursery.start_soon(call_one, place, key)
            for place in ordered:
                if trio.current_time() < end:
                    await call_one(place, keys[place])
                else:
                    log.warning("a tool is not called: those before it took all the time", tool=calls[place].name)
        return results


def _kit(found: Sequence[tuple[Tool, ToolSource]]) -> Kit:
    """One tool for each name, and not more than a model takes."""

    def rank(one: tuple[Tool, ToolSource]) -> int:
        return _ORIGINS.index(one[0].origin)

    meant: dict[str, tuple[Tool, ToolSource]] = {}
    for one in sorted(found, key=rank, reverse=True):
        meant.setdefault(one[0].spec.name, one)
    told = sorted(meant.items(), key=lambda item: rank(item[1]))
    if len(told) > MOST_TOOLS:
        log.warning("there are more tools than a model takes", tools=len(told), most=MOST_TOOLS)
    return Kit(tools=dict(told[:MOST_TOOLS]))


async def _offered(source: ToolSource) -> list[tuple[Tool, ToolSource]]:
    try:
        return [(tool, source) for tool in await source.offered()]
    except RefusedError as exc:
        log.warning("tools are not offered", code=exc.code)
        return []


async def _called(
    kit: Kit, key: str, call: ToolCall, failed: ToolResult, used: Callable[[str, dict[str, Any]], None]
) -> ToolResult:
    known, arguments = kit.tools.get(call.name), parse_arguments(call.arguments)
    if known is None:
        log.warning("the model has called an unknown tool", size=len(call.name))
        return ToolResult(kind="unknown", text=failed.text)
    if arguments is None:
        return ToolResult(kind="answer", text=texts.ARGUMENTS_UNREADABLE)
    used(call.name, arguments)
    try:
        result = await known[1].call(key, call.name, arguments)
    except RefusedError as exc:
        log.warning("a tool was not called", tool=call.name, code=exc.code)
        return failed
    log.info("a tool has answered", tool=call.name, kind=result.kind, size=len(result.text))
    return result


def _keys(exchange: Exchange, calls: Sequence[ToolCall]) -> list[str]:
    """A key for each call: what is called, and how many times that was called in this exchange before."""
    seen = Counter(_what(call) for one in exchange.rounds for call in one.calls)
    keys = []
    for call in calls:
        seen[_what(call)] += 1
        keys.append(f"{exchange.id}:{seen[_what(call)]}:{_what(call)}")
    return keys


def _what(call: ToolCall) -> str:
    """The same for the same arguments, however they are written."""
    return f"{call.name}({json.dumps(parse_arguments(call.arguments), sort_keys=True)})"

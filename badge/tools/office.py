"""The office of tools: one list from all sources, and one place where they are called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import trio

from badge.boundary import boundary
from badge.config.tools import ToolSettings
from badge.desk import Tool, ToolResult
from badge.log import get_log
from badge.tools.idempotency import IdempotentCall, IdempotentCalls
from badge.tools.results import cut
from badge.tools.source import Request, Source
from badge.tools.turnstile import BusyError, Turnstile
from badge.tools.wording import trouble
from providers.ports import Language

log = get_log(__name__)


class ToolOffice:
    """A `ToolDesk`.

    Where two tools have one name, the source that comes first is meant. A call ends within its deadline. One with effects
    belongs to the office: it goes on when nobody waits for it any more. One without ends with whoever waits.
    """

    def __init__(self, sources: Sequence[Source], settings: ToolSettings, language: Language) -> None:
        self._sources = tuple(sources)
        self._settings = settings
        self._language = language
        self._turnstile = Turnstile(together=settings.calls, each=settings.calls_per_device)
        self._calls = IdempotentCalls()
        self._nursery: trio.Nursery | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Load all sources at once, then serve until cancelled."""
        async with trio.open_nursery() as below:
            async with trio.open_nursery() as loading:
                for source in self._sources:
                    loading.start_soon(below.start, source.run)
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                try:
                    task_status.started()
                    await trio.sleep_forever()
                finally:
                    self._nursery = None

    async def settle(self) -> None:
        """Wait for the calls with effects that are under way."""
        for call in self._calls.under_way():
            await call.over.wait()

    async def offered(self, device: str) -> tuple[Tool, ...]:  # noqa: ASYNC124 - a question at the desk
        """All tools for this device, as a list of its own."""
        return tuple(tool for tool, _ in self._known(device).values())

    async def call(self, device: str, key: str, tool: str, arguments: dict[str, Any]) -> ToolResult:
        """Call a tool. See `ToolDesk`."""
        known = self._known(device).get(tool)
        if known is None:
            return trouble("unknown", tool, self._language)
        request = Request(device=device, tool=tool, arguments=arguments)
        if not known[0].effects:
            try:
                return await self._turn(known[1], request)
            except BusyError:
                return trouble("busy", tool, self._language)
        return await self._once(known[1], key, request)

    def _known(self, device: str) -> dict[str, tuple[Tool, Source]]:
        known: dict[str, tuple[Tool, Source]] = {}
        for source in self._sources:
            for tool in source.tools(device):
                if tool.spec.name not in self._settings.off:
                    known.setdefault(tool.spec.name, (tool, source))
        return known

    async def _once(self, source: Source, key: str, request: Request) -> ToolResult:
        call = self._calls.find(request.device, key)
        if call is None:
            if self._nursery is None:
                return trouble("closed", request.tool, self._language)
            call = self._calls.begin(request.device, key)
            self._nursery.start_soon(self._do, call, source, key, request)
        await call.over.wait()
        assert call.result is not None
        return call.result

    async def _do(self, call: IdempotentCall, source: Source, key: str, request: Request) -> None:
        """Make a call with effects, and tell all who wait for it; one that was turned away may be made again."""
        result = trouble("failed", request.tool, self._language)  # also when the office closes in the middle of it
        try:
            result = await self._turn(source, request)
        except BusyError:
            self._calls.forget(request.device, key)
            result = trouble("busy", request.tool, self._language)
        finally:
            call.end(result)

    async def _turn(self, source: Source, request: Request) -> ToolResult:
        """One call within its deadline and its boundary. Raises `BusyError`."""
        result = trouble("late", request.tool, self._language)
        seconds = min(self._settings.call_s, source.seconds(request.tool) or self._settings.call_s)
        with trio.move_on_after(seconds) as patience:
            async with self._turnstile.turn(request.device):
                result = await self._contained(source, request)
        if patience.cancelled_caught:
            log.warning("a tool took too long", tool=request.tool, device=request.device, seconds=seconds)
        return result

    async def _contained(self, source: Source, request: Request) -> ToolResult:
        result = trouble("failed", request.tool, self._language)
        with boundary(f"tool {request.tool}", log):
            result = await source.call(request)
        return attrs.evolve(result, text=cut(result.text))

"""All plugins as one source of tools."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import attrs
import trio
from attrs import frozen

from badge.clock import WallClock
from badge.config.tools import ToolSettings
from badge.desk import Tool, ToolResult
from badge.log import get_log
from badge.plugin import Context
from badge.tools.discovery import Plugin
from badge.tools.loading import LoadError, load
from badge.tools.sandbox import Sandbox
from badge.tools.source import Request
from badge.tools.trusted import TrustedTools
from providers.ports import Language, ProviderError

log = get_log(__name__)

LOAD_WITHIN = 15.0
"""Seconds that all plugins have to load; those that are not ready then are left out."""

AT_ONCE = 4
"""Plugins that are loaded at one time."""


@frozen(kw_only=True)
class _Loaded:
    """A plugin that can be called."""

    plugin: Plugin
    tools: tuple[Tool, ...]
    seconds: Callable[[str], float | None]
    call: Callable[[Request], Awaitable[ToolResult]]


class Plugins:
    """A `Source`. A plugin that cannot be loaded is left out and logged; where two tools have one name, the plugin that was
    found first has it."""

    def __init__(
        self,
        found: Sequence[Plugin],
        settings: ToolSettings,
        *,
        context: Callable[[str], Context],
        clock: WallClock,
        language: Language,
        threads: trio.CapacityLimiter,
    ) -> None:
        self._found = tuple(found)
        self._settings = settings
        self._context = context
        self._clock = clock
        self._language: Language = language
        self._threads = threads
        self._tools: dict[str, tuple[Tool, _Loaded]] = {}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Load all plugins, then keep them until cancelled."""
        needed = not all(plugin.trusted for plugin in self._found)
        async with _work_folder(needed=needed) as folder, trio.open_nursery() as nursery:
            if self._found:
                self._tools = _merged(await self._load(nursery, folder))
            task_status.started()
            await trio.sleep_forever()

    def tools(self, device: str) -> Sequence[Tool]:  # noqa: ARG002 - all are for everybody
        """All of them."""
        return tuple(tool for tool, _ in self._tools.values())

    def seconds(self, tool: str) -> float | None:
        """What the author of a trusted plugin said."""
        return self._tools[tool][1].seconds(tool)

    async def call(self, request: Request) -> ToolResult:
        """Call a tool of a plugin."""
        return await self._tools[request.tool][1].call(request)

    async def _load(self, nursery: trio.Nursery, folder: Path) -> list[_Loaded]:
        """All that can be loaded in time, in the order in which they were found."""
        loaded: dict[str, _Loaded] = {}
        turns = trio.Semaphore(AT_ONCE)

        async def load_one(plugin: Plugin) -> None:
            async with turns:
                try:
                    kept = await (self._trust(plugin) if plugin.trusted else self._confine(plugin, nursery, folder))
                except (LoadError, ProviderError) as exc:
                    reason = exc.detail if isinstance(exc, ProviderError) else str(exc)
                    log.warning("a plugin is not loaded", plugin=plugin.name, file=plugin.where, reason=reason)
                else:
                    loaded[plugin.where] = kept

        with trio.move_on_after(LOAD_WITHIN) as patience:
            async with trio.open_nursery() as loading:
                for plugin in self._found:
                    loading.start_soon(load_one, plugin)
        if patience.cancelled_caught:
            late = [plugin.name for plugin in self._found if plugin.where not in loaded]
            log.warning("plugins are left out", plugins=late, reason=f"all have {LOAD_WITHIN:g} s to load")
        return [loaded[plugin.where] for plugin in self._found if plugin.where in loaded]

    async def _trust(self, plugin: Plugin) -> _Loaded:
        work = partial(load, plugin.name, file=plugin.file, source=plugin.source, module=plugin.module)
        functions = await trio.to_thread.run_sync(work, abandon_on_cancel=True)
        inside = TrustedTools(
            functions, lambda device: attrs.evolve(self._context(device), settings=plugin.settings), self._threads
        )
        return _Loaded(plugin=plugin, tools=tuple(inside.tools("")), seconds=inside.seconds, call=inside.call)

    async def _confine(self, plugin: Plugin, nursery: trio.Nursery, folder: Path) -> _Loaded:
        own = folder / str(self._found.index(plugin))
        await trio.to_thread.run_sync(own.mkdir)
        sandbox = Sandbox(plugin, self._settings, folder=own, nursery=nursery, language=self._language)
        return _Loaded(
            plugin=plugin,
            tools=await sandbox.describe(),
            seconds=lambda _: None,  # its run time is bounded, but not its waiting for its turn
            call=lambda request: sandbox.call(request, self._clock.now()),
        )


def _merged(loaded: Sequence[_Loaded]) -> dict[str, tuple[Tool, _Loaded]]:
    """All tools by name; the first of a name is kept."""
    tools: dict[str, tuple[Tool, _Loaded]] = {}
    for one in loaded:
        log.info("a plugin is loaded", plugin=one.plugin.name, trusted=one.plugin.trusted, tools=len(one.tools))
        for tool in one.tools:
            _, first = tools.setdefault(tool.spec.name, (tool, one))
            if first is not one:
                log.warning(
                    "two plugins have a tool of one name; the first one's is kept",
                    tool=tool.spec.name,
                    kept=first.plugin.where,
                    left_out=one.plugin.where,
                )
    return tools


@asynccontextmanager
async def _work_folder(*, needed: bool) -> AsyncIterator[Path]:
    """A folder for what plugins write; deleted in the end, as far as that is done in 5 s."""
    if not needed:
        yield Path()
        return
    folder = await trio.to_thread.run_sync(partial(tempfile.mkdtemp, prefix="badge-plugins-"))
    try:
        yield Path(folder)
    finally:
        with trio.move_on_after(5, shield=True):
            await trio.to_thread.run_sync(partial(shutil.rmtree, folder, ignore_errors=True), abandon_on_cancel=True)

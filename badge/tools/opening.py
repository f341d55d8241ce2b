"""Puts the office of tools together."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import trio

from badge.clock import WallClock
from badge.config.tools import ToolSettings
from badge.plugin import Context, Offices
from badge.tools.discovery import discover
from badge.tools.functions import functions_of
from badge.tools.office import ToolOffice
from badge.tools.plugins import Plugins
from badge.tools.shipped.home import HomeTools
from badge.tools.shipped.meetings import Meetings
from badge.tools.shipped.moments import Moments
from badge.tools.shipped.reminders import Reminders
from badge.tools.shipped.sums import Sums
from badge.tools.shipped.tasks import Tasks
from badge.tools.shipped.weather import Weather
from badge.tools.shipped.websearch import WebSearch
from badge.tools.source import Source
from badge.tools.trusted import MakeContext, TrustedTools
from badge.tools.web import Web
from providers.ports import Language

THREADS = 16
"""Tools that may hold a thread at one time; one that hangs keeps its own."""


def open_tools(
    settings: ToolSettings,
    offices: Offices,
    clock: WallClock,
    language: Language,
    *,
    first: Sequence[Source] = (),
) -> ToolOffice:
    """The office with all that is configured. `first`: sources whose tools go before all others, such as MCP servers."""
    zone = ZoneInfo(settings.zone) if settings.zone else None
    threads = trio.CapacityLimiter(THREADS)

    def context(device: str) -> Context:
        now = clock.now()
        return Context(device=device, now=now.astimezone(zone) if zone else now, language=language, offices=offices)

    sources = [*first, *_shipped(settings, context, threads)]
    if settings.use == "all":
        sources.append(
            Plugins(discover(settings), settings, context=context, clock=clock, language=language, threads=threads)
        )
    return ToolOffice(sources, settings, language)


class ShippedTools(TrustedTools):
    """Tools of the server, with the HTTP client that some of them share."""

    def __init__(self, owners: Sequence[object], web: Web, context: MakeContext, threads: trio.CapacityLimiter) -> None:
        super().__init__([function for owner in owners for function in functions_of(owner)], context, threads)
        self._web = web

    async def run(  # noqa: ASYNC128 - the client reports
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Keep the client until cancelled."""
        await self._web.run(task_status=task_status)


def _shipped(settings: ToolSettings, context: MakeContext, threads: trio.CapacityLimiter) -> list[Source]:
    web = Web()
    owners: list[object] = [Moments(), Sums(), Reminders(), Tasks(), Meetings()]
    if settings.weather.url:
        owners.append(Weather(settings.weather, web))
    if settings.search.url:
        owners.append(WebSearch(settings.search, web))
    sources: list[Source] = [ShippedTools(owners, web, context, threads)]
    if settings.home.url and settings.home.token:
        sources.append(HomeTools(settings.home, web, context, threads))
    return sources

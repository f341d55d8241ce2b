"""A new configuration for a running server: language models change from the next turn on, everything else needs a restart."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import attrs
import trio

from badge.boundary import boundary
from badge.config.file import ConfigError
from badge.config.settings import Settings
from badge.llms.live import LiveLlms
from badge.llms.plan import Plan, Settle, plan_of
from badge.log import get_log
from providers.ports import ProviderError

log = get_log(__name__)

AT_ONCE = frozenset({"llm", "llm_by_purpose"})
"""Tables that take effect without a restart."""


class Reloading:
    """Reads the configuration again when it is asked to; what cannot be used changes nothing."""

    def __init__(self, settings: Settings, read: Callable[[], Settings], settle: Settle, llms: LiveLlms) -> None:
        """`settings`: those that the server was started with; `read` raises `ConfigError`."""
        self._started_with = settings
        self._read = read
        self._settle = settle
        self._llms = llms

    async def reload(self) -> None:
        """All of the new configuration takes effect, as far as it can, or nothing of it; the log says which."""
        with boundary("reading the configuration again", log):
            try:
                settings, plan = await trio.to_thread.run_sync(partial(_prepare, self._read, self._settle))
                await self._llms.adopt(plan)
            except ConfigError as exc:
                for line in exc.lines:
                    log.error("the configuration stays as it was", reason=line)
                return
            except ProviderError as exc:
                log.error("the configuration stays as it was", reason=str(exc))
                return
            log.info("the configuration was read again", models=sorted({one.model for one in plan.endpoints}))
            waiting = sorted(_different(self._started_with, settings) - AT_ONCE)
            if waiting:
                log.warning("some settings take effect when the server is restarted", tables=waiting)


def _prepare(read: Callable[[], Settings], settle: Settle) -> tuple[Settings, Plan]:
    """Everything that may fail or take time."""
    settings = read()
    return settings, plan_of(settings.llm, settings.llm_by_purpose, settle)


def _different(old: Settings, new: Settings) -> set[str]:
    names = [attribute.name for attribute in attrs.fields(Settings)]
    return {name for name in names if getattr(old, name) != getattr(new, name)}

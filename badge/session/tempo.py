"""Tempo: how long the user of one badge pauses within sentences, on this connection and before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from badge.boundary import boundary
from badge.config.settings import ListenSettings
from badge.desk import MemoryDesk, RefusedError, answered
from badge.log import get_log
from providers.pauses import PauseRules, Pauses

log = get_log(__name__)


class Tempo:
    """Asks the desk once, at the first utterance, without keeping that waiting; tells it at the end."""

    def __init__(self, settings: ListenSettings, device: str, desk: MemoryDesk) -> None:
        self._device = device
        self._desk = desk
        self._asked = False
        self._told = 0
        self.pauses = Pauses(_rules(settings)) if settings.adaptive else None
        """None: silence does not go by them"""

    def recall(self, spawn: Callable[[Callable[[], Awaitable[None]]], None]) -> None:
        """An utterance begins: have it asked how the user has paused before, unless it was asked."""
        if self.pauses is not None and not self._asked:
            self._asked = True
            spawn(self._ask)

    def remember(self) -> None:
        """The connection ends: tell what was learned."""
        if self.pauses is not None and self.pauses.learned > self._told:
            self._told = self.pauses.learned
            self._desk.paused(self._device, self.pauses.latest)

    async def _ask(self) -> None:
        assert self.pauses is not None
        with boundary("tempo", log):
            try:
                past = await answered(self._desk.past(self._device))
            except RefusedError as exc:
                log.info("nobody knows how the user pauses", code=exc.code)
            else:
                self.pauses.recall(past.pauses)


def _rules(settings: ListenSettings) -> PauseRules:
    return PauseRules(
        least=settings.adaptive_min_ms / 1000,
        most=settings.adaptive_max_ms / 1000,
        usual=settings.silence_ms / 1000,
    )

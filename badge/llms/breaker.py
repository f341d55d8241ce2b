"""When a model that fails is left alone: no clock and no I/O, times are told."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import Literal

from badge.config.llm import BreakerSettings

LONGEST_PAUSE = 600.0
"""Seconds; a server that asks for a longer pause is tried after this one."""


class Breaker:
    """Closed: all may ask. After some failures in a row it opens, and nobody may; after a pause it is half open, and one may
    try. A success closes it, a failure of the trial opens it again. Times are in s on any one clock."""

    def __init__(self, settings: BreakerSettings) -> None:
        self._settings = settings
        self._failures = 0
        self._until: float | None = None
        self._trying = False

    def state(self, now: float) -> Literal["closed", "open", "half-open"]:
        """What holds at this moment."""
        if self._until is None:
            return "closed"
        return "open" if now < self._until else "half-open"

    def admits(self, now: float) -> bool:
        """Whether to ask now. Who may, says `succeeded`, `failed` or `undecided` when that is known."""
        match self.state(now):
            case "closed":
                return True
            case "open":
                return False
            case "half-open":
                first, self._trying = not self._trying, True
                return first

    def succeeded(self) -> None:
        """There was an answer."""
        self._failures, self._until, self._trying = 0, None, False

    def failed(self, now: float, pause: float = 0.0) -> None:
        """There was none; the server may have named the s after which to ask again."""
        self._failures += 1
        self._trying = False
        if self._until is not None or self._failures >= self._settings.failures:
            pause = max(pause, self._settings.pause_s)
        if pause:
            self._until = max(self._until or 0.0, now + min(pause, LONGEST_PAUSE))

    def undecided(self) -> None:
        """Whoever asked has left, or asked for something that cannot be had: that says nothing about the model."""
        self._trying = False


class Breakers:
    """One breaker for each server and model, whatever purposes it answers."""

    def __init__(self, settings: BreakerSettings) -> None:
        self._settings = settings
        self._breakers: dict[Hashable, Breaker] = {}

    def of(self, server: Hashable) -> Breaker:
        """The breaker of one of them."""
        if server not in self._breakers:
            self._breakers[server] = Breaker(self._settings)
        return self._breakers[server]

    def retain(self, servers: Collection[Hashable]) -> None:
        """Forget all others."""
        self._breakers = {server: breaker for server, breaker in self._breakers.items() if server in servers}

"""When a model that fails is left alone: no clock and no I/O, times are told."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Hashable
from typing import Literal

from badge.config.llm import BreakerSettings

LONGEST_PAUSE = 600.0
"""Seconds; a server that asks for a longer pause is tried after this one."""

MOST = 10_000
"""Breakers; the one that was not needed for the longest time is forgotten. Servers have few, devices may have their own."""

State = Literal["closed", "half-open", "open"]
STATES: tuple[State, ...] = ("closed", "half-open", "open")
"""The better first."""


class Breaker:
    """Closed: all may ask. After some failures in a row it opens, and nobody may; after a pause it is half open, and one may
    try. His first word closes it, but only a whole answer makes the failures forgotten: until then one more opens it again.
    Times are in s on any one clock."""

    def __init__(self, settings: BreakerSettings) -> None:
        self.unreachable = False
        """there was no connection to be had, when last it failed"""
        self._settings = settings
        self._failures = 0
        self._until: float | None = None
        self._trier: object = None  # those who have asked before it opened are not him, and decide nothing for him

    def state(self, now: float) -> State:
        """What holds at this moment."""
        if self._until is None:
            return "closed"
        return "open" if now < self._until else "half-open"

    def admits(self, now: float, who: object) -> bool:
        """Whether to ask now. Whoever may, says `began` and `succeeded`, or `failed`, or `left`, when that is known."""
        match self.state(now):
            case "closed":
                return True
            case "open":
                return False
            case "half-open":
                if self._trier is None:
                    self._trier = who
                return self._trier is who

    def began(self, who: object) -> None:
        """There is an answer; not all of it yet, and it may be spoken for minutes: others need not wait for its end."""
        if self._trier is who:
            self._until = self._trier = None

    def succeeded(self) -> None:
        """There was a whole answer."""
        if self._until is None:
            self._failures = 0

    def failed(self, now: float, pause: float = 0.0, *, unreachable: bool = False) -> None:
        """There was none, or no whole one; the server may have named the s after which to ask again."""
        self._failures += 1
        self._trier = None
        self.unreachable = unreachable
        if self._until is not None or self._failures >= self._settings.failures:
            pause = max(pause, self._settings.pause_s)
        if pause:
            self._until = max(self._until or 0.0, now + min(pause, LONGEST_PAUSE))

    def left(self, who: object) -> None:
        """Whoever asked has left, or asked for something that cannot be had: that says nothing about the model."""
        if self._trier is who:
            self._trier = None


class Breakers:
    """One breaker for each server and model, whatever purposes it answers."""

    def __init__(self, settings: BreakerSettings) -> None:
        self._settings = settings
        self._breakers: OrderedDict[Hashable, Breaker] = OrderedDict()

    def of(self, server: Hashable) -> Breaker:
        """The breaker of one of them."""
        breaker = self._breakers.setdefault(server, Breaker(self._settings))
        self._breakers.move_to_end(server)
        if len(self._breakers) > MOST:
            self._breakers.popitem(last=False)
        return breaker

    def retain(self, servers: Collection[Hashable]) -> None:
        """Forget all others."""
        for server in self._breakers.keys() - servers:
            del self._breakers[server]

"""Calls that changed something, remembered for a while so that none is made twice."""

from __future__ import annotations

import trio
from attrs import define, field

from badge.desk import ToolResult

MOST = 1000
"""Calls that are remembered; the oldest that have ended are forgotten first."""

LIFETIME = 600.0
"""Seconds after its end for which a call is remembered."""


@define(eq=False)
class IdempotentCall:
    """One call, under way until there is a result."""

    over: trio.Event = field(factory=trio.Event)
    result: ToolResult | None = None
    ended: float = 0.0
    """Trio time"""

    def end(self, result: ToolResult) -> None:
        """This came of it."""
        self.result, self.ended = result, trio.current_time()
        self.over.set()


class IdempotentCalls:
    """Calls by device and key. Those under way are never forgotten; others bound their number."""

    def __init__(self, most: int = MOST, lifetime: float = LIFETIME) -> None:
        self._most = most
        self._lifetime = lifetime
        self._calls: dict[tuple[str, str], IdempotentCall] = {}

    def find(self, device: str, key: str) -> IdempotentCall | None:
        """The call that was made under this key."""
        call = self._calls.get((device, key))
        return None if call is None or self._is_old(call) else call

    def begin(self, device: str, key: str) -> IdempotentCall:
        """A call is made for the first time."""
        self._make_room()
        call = self._calls[device, key] = IdempotentCall()
        return call

    def forget(self, device: str, key: str) -> None:
        """The call was not made after all."""
        self._calls.pop((device, key), None)

    def under_way(self) -> list[IdempotentCall]:
        """Calls that have not ended."""
        return [call for call in self._calls.values() if call.result is None]

    def _is_old(self, call: IdempotentCall) -> bool:
        return call.result is not None and call.ended + self._lifetime <= trio.current_time()

    def _make_room(self) -> None:
        """They stand in the order in which they began, which is nearly that in which they ended."""
        surplus = len(self._calls) + 1 - self._most
        going: list[tuple[str, str]] = []
        for name, call in self._calls.items():
            if len(going) >= surplus and not self._is_old(call):
                break
            if call.result is not None:
                going.append(name)
        for name in going:
            del self._calls[name]

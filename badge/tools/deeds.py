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
class Deed:
    """One call, under way until there is a result."""

    over: trio.Event = field(factory=trio.Event)
    result: ToolResult | None = None
    ended: float = 0.0
    """Trio time"""

    def end(self, result: ToolResult) -> None:
        """This came of it."""
        self.result, self.ended = result, trio.current_time()
        self.over.set()


class Deeds:
    """Calls by device and key. Those under way are never forgotten; others bound their number."""

    def __init__(self, most: int = MOST, lifetime: float = LIFETIME) -> None:
        self._most = most
        self._lifetime = lifetime
        self._deeds: dict[tuple[str, str], Deed] = {}

    def find(self, device: str, key: str) -> Deed | None:
        """The call that was made under this key."""
        deed = self._deeds.get((device, key))
        return None if deed is None or self._is_old(deed) else deed

    def begin(self, device: str, key: str) -> Deed:
        """A call is made for the first time."""
        self._make_room()
        deed = self._deeds[device, key] = Deed()
        return deed

    def forget(self, device: str, key: str) -> None:
        """The call was not made after all."""
        self._deeds.pop((device, key), None)

    def under_way(self) -> list[Deed]:
        """Calls that have not ended."""
        return [deed for deed in self._deeds.values() if deed.result is None]

    def _is_old(self, deed: Deed) -> bool:
        return deed.result is not None and deed.ended + self._lifetime <= trio.current_time()

    def _make_room(self) -> None:
        """They stand in the order in which they began, which is nearly that in which they ended."""
        surplus = len(self._deeds) + 1 - self._most
        going: list[tuple[str, str]] = []
        for name, deed in self._deeds.items():
            if len(going) >= surplus and not self._is_old(deed):
                break
            if deed.result is not None:
                going.append(name)
        for name in going:
            del self._deeds[name]

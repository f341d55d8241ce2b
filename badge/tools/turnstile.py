"""How many calls run at one time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from attrs import define, field

WAITING = 16
"""Calls of one device that may be here, waiting or running; one more is turned away."""


class BusyError(Exception):
    """Too many calls are here already."""


@define(eq=False)
class _Lane:
    """The calls of one device."""

    turns: trio.Semaphore
    here: int = field(default=0)


class Turnstile:
    """Lets `each` calls of one device run at one time, and `together` of all; others wait in the order in which they came.
    More than `WAITING` of a device, or than `most` of all, are turned away at once."""

    def __init__(self, *, together: int, each: int, most: int = 1000) -> None:
        self._turns = trio.Semaphore(together)
        self._each = each
        self._most = most
        self._here = 0
        self._lanes: dict[str, _Lane] = {}

    @asynccontextmanager
    async def turn(self, device: str) -> AsyncIterator[None]:
        """Hold a turn. Raises `BusyError`."""
        lane = self._lanes.get(device) or _Lane(trio.Semaphore(self._each))
        if lane.here >= WAITING or self._here >= self._most:
            raise BusyError
        self._lanes[device] = lane
        lane.here += 1
        self._here += 1
        try:
            async with lane.turns, self._turns:  # its own first: who waits for himself keeps nobody else waiting
                yield
        finally:
            self._here -= 1
            lane.here -= 1
            if not lane.here:
                del self._lanes[device]

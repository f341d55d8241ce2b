"""Errands: what a session has done for it outside its connection, one after the other, in the order of asking."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

import trio

from badge.boundary import boundary
from badge.log import get_log
from protocol import ErrorCode, RemoteProtocolError

log = get_log(__name__)

WAITING = 64
"""Errands that wait while messages bring more; then the badge is told to ask again later. What follows from a message that was
taken, and from what is said, finds room up to twice that; beyond it is dropped, and logged."""

Errand = Callable[[], Awaitable[None]]


class Errands:
    """A queue and the one task that works on it. A slow store delays the next errand of this session, nothing else."""

    def __init__(self, failed: Callable[[str], None]) -> None:
        """`failed` is told the name of an errand that failed through an error of ours."""
        self._failed = failed
        self._waiting: deque[tuple[str, Errand]] = deque()
        self._filled = trio.Event()

    def admit(self, name: str) -> None:
        """A message of this type wants errands. Raises `RemoteProtocolError` when too many wait."""
        if len(self._waiting) >= WAITING:
            raise RemoteProtocolError(
                ErrorCode.BUSY, f"{WAITING} requests wait already; ask again later", ref={"type": name}
            )

    def put(self, name: str, errand: Errand) -> None:
        """Have this done after everything before it."""
        if len(self._waiting) >= 2 * WAITING:
            log.error("an errand is dropped: too many wait", errand=name)
            return
        self._waiting.append((name, errand))
        self._filled.set()

    async def run(self) -> None:
        """Do them until cancelled."""
        while True:
            while not self._waiting:
                self._filled = trio.Event()
                await self._filled.wait()
            name, errand = self._waiting.popleft()
            with boundary(name, log, on_error=lambda name=name: self._failed(name)):  # type: ignore[misc]
                await errand()

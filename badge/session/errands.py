"""Errands: what a session has done for it outside its connection, one after the other, in the order of asking."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

import trio

from badge.boundary import boundary
from badge.desk import RefusedError
from badge.log import get_log
from protocol import ErrorCode, RemoteProtocolError

log = get_log(__name__)

WAITING = 64
"""Errands that wait while messages bring more; then the badge is told to ask again later. What follows from a message that was
taken, and from what is said, finds room up to twice that; beyond it is dropped, and logged."""

Errand = Callable[[], Awaitable[None]]


class Errands:
    """A queue and the one task that works on it. A slow store delays the next errand of this session, nothing else."""

    def __init__(self, complain: Callable[[str, str, dict[str, object]], None]) -> None:
        """`complain` tells the badge of an errand that failed or was refused: a code, a message, and which."""
        self._complain = complain
        self._waiting: deque[tuple[str, Errand]] = deque()
        self._filled = trio.Event()

    def admit(self, name: str) -> None:
        """A message of this type wants errands. Raises `RemoteProtocolError` when too many wait."""
        if len(self._waiting) >= WAITING:
            raise RemoteProtocolError(
                ErrorCode.BUSY, f"{WAITING} requests wait already; ask again later", ref={"type": name}
            )

    def put(self, name: str, errand: Errand, *, vital: bool = False) -> None:
        """Have this done after everything before it; `vital`: in any case, because it ends what others would keep open."""
        if len(self._waiting) >= 2 * WAITING and not vital:
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
            await self.do(*self._waiting.popleft())

    async def do(self, name: str, errand: Errand) -> None:
        """Do one; whatever goes wrong is told."""
        ref: dict[str, object] = {"type": name}
        with boundary(name, log, on_error=lambda: self._complain(ErrorCode.INTERNAL, f"{name} failed", ref)):
            try:
                await errand()
            except RefusedError as exc:
                self._complain(exc.code, exc.message, ref)

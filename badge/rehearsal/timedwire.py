"""The wire of a rehearsal: as willing as the recorded one was at each time."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

import trio

from badge.link import LinkClosedError, Wire
from badge.recording.records import Kind, Record
from badge.replay.script import Script

STUCK = 0.5
"""Seconds from which a message that was given up counts as one that the badge did not take."""


class TimedWire:
    """A `Wire` that is stuck while the recorded one was."""

    def __init__(self, wire: Wire, script: Script, begun: float) -> None:
        self.at_hand: int | None = None
        """number of the message that the session works on"""
        self._wire = wire
        self._count = 0
        self._begun = begun
        self._stuck = list(_stuck(script.records))
        self._lost = script.lost()
        self._silent = begun + _silent_from(script.records) - STUCK

    async def receive(self) -> str | bytes:
        """The next message."""
        self.at_hand = None
        try:
            frame = await self._wire.receive()
        except LinkClosedError:
            raise LinkClosedError(self._lost) from None
        self._count += 1
        self.at_hand = self._count
        return frame

    async def send(self, frame: str | bytes) -> None:
        """Write one message, when the badge takes any."""
        now = trio.current_time() - self._begun
        for start, end, code in self._stuck:
            if start <= now < end:
                await trio.sleep_until(self._begun + end)
                if code is not None:
                    raise LinkClosedError(code)
        await self._wire.send(frame)

    async def ping(self) -> None:
        """Wait for the pong, for ever where none came."""
        if trio.current_time() >= self._silent:
            await trio.sleep_forever()
        await self._wire.ping()

    async def close(self, code: int, reason: str) -> None:
        """Say goodbye and close."""
        await self._wire.close(code, reason)


def _stuck(records: tuple[Record, ...]) -> Iterator[tuple[float, float, int | None]]:
    """When the badge took nothing: from, to, in s, and with which code the connection was found to be gone then."""
    begun = 0.0
    for record in records:
        at = record.at / 1_000_000
        match record.kind:
            case Kind.OUT:
                begun = at
            case Kind.SENT:
                yield begun, at, None
            case Kind.UNSENT:
                yield begun, at, int(record.data[0])
            case Kind.CUT if at - begun > STUCK:
                yield begun, inf, None


def _silent_from(records: tuple[Record, ...]) -> float:
    """When the badge was asked for a sign of life and gave none."""
    asked = inf
    for record in records:
        if record.kind is Kind.PING:
            asked = record.at / 1_000_000
        elif record.kind is Kind.PONG:
            asked = inf
    return asked

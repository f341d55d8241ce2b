"""The wire of a replay: a real connection that is as slow, and as broken, as it was then."""

from __future__ import annotations

from collections import deque
from contextlib import suppress

import trio

from badge.link import LinkClosedError, Wire
from badge.recording.records import Kind, Record
from badge.replay.playback import Reel
from badge.replay.script import Script

PROMPT_SEND = 2
"""Passes of the scheduler that it takes to write a message to a socket that has room."""


class PlayedWire:
    """A `Wire` over a real connection, as slow as it was then."""

    def __init__(self, wire: Wire, script: Script) -> None:
        self._wire = wire
        self._pongs = Reel()
        self._slow = _slow_sends(script.records)
        self._sends = Reel()
        self._outgoing = Reel()
        self._written = trio.Event()
        self._count = 0
        self._arrived: deque[str | bytes] = deque()
        self._frames = Reel()
        self._lost = script.lost()

    async def fetch(self) -> None:
        """Take all that the badge sends, to be handed on when its time has come."""
        with suppress(LinkClosedError):
            while True:
                self._arrived.append(await self._wire.receive())

    async def receive(self) -> str | bytes:
        """The next message, when its time has come."""
        try:
            frame: str | bytes = await self._frames.receive()
        except trio.EndOfChannel:
            raise LinkClosedError(self._lost) from None
        return frame

    async def send(self, frame: str | bytes) -> None:
        """Write one message, and take as long as it took; that is nothing to do with how long it takes now."""
        self._count += 1
        how = self._slow.get(self._count)
        if how is not Kind.UNSENT:
            self._outgoing.push(frame)
        if how is None:
            for _ in range(PROMPT_SEND):
                await trio.lowlevel.checkpoint()
        else:
            try:
                answer = self._sends.receive_nowait()
            except trio.WouldBlock:
                answer = await self._sends.receive()
            if isinstance(answer, LinkClosedError):
                raise answer

    async def pump(self) -> None:
        """Write what is to be written."""
        try:
            with suppress(LinkClosedError, trio.EndOfChannel):
                while True:
                    await self._wire.send(await self._outgoing.receive())
        finally:
            self._written.set()

    async def ping(self) -> None:
        """Wait for the pong as long as it took."""
        answer = await self._pongs.receive()
        if isinstance(answer, LinkClosedError):
            raise answer

    async def close(self, code: int, reason: str) -> None:
        """Say goodbye and close, when everything is written."""
        self._outgoing.end()
        with trio.CancelScope(shield=True):
            await self._written.wait()
        await self._wire.close(code, reason)

    def happen(self, record: Record) -> None:
        """Something that was waited for has happened."""
        match record.kind:
            case Kind.IN:
                self._frames.push(self._arrived.popleft())
            case Kind.LOST:
                self._frames.end()
            case Kind.PONG:
                self._pongs.push(None)
            case Kind.UNPONGED:
                self._pongs.push(LinkClosedError(int(record.data[0])))
            case Kind.SENT:
                self._sends.push(None)
            case Kind.UNSENT:
                self._sends.push(LinkClosedError(int(record.data[0])))


def _slow_sends(records: tuple[Record, ...]) -> dict[int, Kind]:
    """The sends, by number, that did not end at once, and how they ended."""
    found: dict[int, Kind] = {}
    count = 0
    for record in records:
        if record.kind is Kind.OUT:
            count += 1
        elif record.kind in (Kind.SENT, Kind.UNSENT, Kind.CUT):
            found[count] = record.kind
    return found

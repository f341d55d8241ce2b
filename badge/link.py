"""The way to one badge: the transport behind `Wire`, the outbox in front of its only writer, and the mailbox for others."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Protocol

import trio
import trio_websocket
from attrs import frozen

from badge.log import get_log
from badge.notices import Notice, Told

log = get_log(__name__)

CONTROL_LIMIT = 256
"""JSON messages that may wait for a badge; one more ends the link with 1013."""

SPEECH_LIMIT = 16
"""Audio frames and sentence marks that may wait for their due time; the turn that speaks waits until half are gone."""

PING_EVERY = 20.0
PONG_WITHIN = 50.0
CLOSE_WITHIN = 5.0
HURRIED = 0.2
"""Seconds: keepalive interval, patience for a pong, patience for the closing handshake, and that in a hurry."""


class Goodbye(Enum):
    """Why the server ends a connection: close code and reason."""

    EXIT = (1000, "conversation finished")
    IDLE = (1000, "idle")
    SUPERSEDED = (1000, "superseded by a newer connection")
    SHUTDOWN = (1001, "server going away")
    FAILED = (1011, "internal error")
    SILENT = (1011, "keepalive timeout: no pong")
    REGISTER_FAILED = (1013, "registration failed, try again later")
    TOO_SLOW = (1013, "too slow: messages were not read")

    @property
    def code(self) -> int:
        """WebSocket close code."""
        return self.value[0]

    @property
    def reason(self) -> str:
        """WebSocket close reason."""
        return self.value[1]


class LinkClosedError(Exception):
    """The connection is gone; `code` is the close code, 1006 when there was no goodbye."""

    def __init__(self, code: int) -> None:
        super().__init__(f"link closed ({code})")
        self.code = code


class Wire(Protocol):
    """One connection, whatever transport it has. Every method may raise `LinkClosedError`."""

    async def receive(self) -> str | bytes:
        """The next whole message."""

    async def send(self, frame: str | bytes) -> None:
        """Write one whole message. When this is cancelled midway the connection is of no use any more."""

    async def ping(self) -> None:
        """Ask for a sign of life and wait for it."""

    async def close(self, code: int, reason: str) -> None:
        """Say goodbye and close; never raises."""


class WebSocketWire:
    """A `Wire` over trio-websocket."""

    def __init__(self, connection: trio_websocket.WebSocketConnection) -> None:
        self._connection = connection
        self._cut = False  # true while a frame is partly written

    async def receive(self) -> str | bytes:
        """The next whole message."""
        try:
            return await self._connection.get_message()
        except trio_websocket.ConnectionClosed as exc:
            raise _closed(exc) from None

    async def send(self, frame: str | bytes) -> None:
        """Write one whole message."""
        self._cut = True
        try:
            await self._connection.send_message(frame)
        except trio_websocket.ConnectionClosed as exc:
            raise _closed(exc) from None
        self._cut = False

    async def ping(self) -> None:
        """A protocol ping."""
        try:
            await self._connection.ping()
        except trio_websocket.ConnectionClosed as exc:
            raise _closed(exc) from None

    async def close(self, code: int, reason: str) -> None:
        """The closing handshake, bounded; the caller closes the stream below in any case.

        After a cut frame there is none: the badge could not tell it from the rest of that frame. And nobody waits for
        the badge's reply when everything is being cancelled, because nobody reads it any more.
        """
        if self._cut:
            return
        cancelled = trio.current_effective_deadline() <= trio.current_time()
        with trio.move_on_after(HURRIED if cancelled else CLOSE_WITHIN, shield=True):
            await self._connection.aclose(code, reason)


def _closed(exc: trio_websocket.ConnectionClosed) -> LinkClosedError:
    return LinkClosedError(int(exc.reason.code) if exc.reason is not None else 1006)


Arrival = Callable[[bool], None]
"""Is told once whether a message has certainly reached the badge, or may not have. Synchronous, never raises."""


@frozen
class _Note:
    """One text frame that waits; `stale` notes may be dropped for newer news."""

    frame: str
    stale: bool
    arrival: Arrival | None = None


@frozen
class _Utterance:
    """One audio frame or sentence mark that waits for its `due` time."""

    frame: str | bytes
    due: float
    lasts: float


class Outbox:
    """What waits to be written to one badge: control messages first and in order, speech when it is due.

    Control messages never wait and are never dropped, except that stale news make room first; when they do not fit the
    badge has stopped reading, and `on_overflow` is told (it must only take note). Speech of one turn at a time waits
    for room, and `silence` forgets it.
    """

    def __init__(
        self, on_overflow: Callable[[], None], *, control_limit: int = CONTROL_LIMIT, speech_limit: int = SPEECH_LIMIT
    ) -> None:
        self.wants_proof = trio.Event()
        """set when something has left of which somebody wants to know whether it arrived"""
        self._on_overflow = on_overflow
        self._limits = (control_limit, speech_limit)
        self._control: list[_Note] = []  # lists: an empty deque takes 760 bytes
        self._speech: list[_Utterance] = []
        self._speaker: object = None
        self._in_hand = False  # a frame of speech is being written
        self._played = 0.0
        self._left = 0
        self._finished = False
        self._work, self._room = trio.Event(), trio.Event()
        self._leaving: Arrival | None = None  # of the message that is being written
        self._unproven: list[Arrival] = []  # of messages that were written, and may have been lost on the way

    def post(self, frame: str, *, stale: bool = False, arrival: Arrival | None = None) -> bool:
        """Queue a control message; False when the link is ending and it will not be written.

        `stale` marks news that a later message replaces anyway. `arrival` is told what becomes of the message, unless
        this returns False.
        """
        if self._finished:
            log.debug("not sent: the link is closing")
            return False
        if len(self._control) >= self._limits[0]:
            self._control = [note for note in self._control if not note.stale]
        if len(self._control) >= self._limits[0]:
            log.warning("not sent: the badge does not read", waiting=len(self._control))
            self._on_overflow()
            return False
        self._control.append(_Note(frame, stale, arrival))
        self._work.set()
        return True

    @property
    def unproven(self) -> int:
        """How many messages have left of which somebody wants to know whether they arrived."""
        return len(self._unproven)

    def prove(self, count: int) -> None:
        """The badge has shown a sign of life that it could only give after the first so many of these."""
        proven, self._unproven = self._unproven[:count], self._unproven[count:]
        for arrival in proven:
            arrival(True)  # noqa: FBT003 - the one argument that there is

    def lose(self) -> None:
        """The link is gone: what is not known to have arrived may never have."""
        leaving = [self._leaving] if self._leaving else []
        lost = [*self._unproven, *leaving, *(note.arrival for note in self._control if note.arrival)]
        self._unproven, self._leaving = [], None
        self._control.clear()
        for arrival in lost:
            arrival(False)  # noqa: FBT003 - the one argument that there is

    def begin(self, speaker: object) -> None:
        """Let the speech of this turn in, and of no other."""
        self._speaker = speaker
        self._played = 0.0
        self._left = 0

    async def put(self, frame: str | bytes, speaker: object, *, due: float = 0.0, lasts: float = 0.0) -> bool:
        """Queue speech of a turn, to leave in order and not before `due` (Trio time); waits for room. `lasts`: seconds
        that it takes to play.

        False when this turn has been silenced.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._speaker is speaker and len(self._speech) >= self._limits[1]:
            while self._speaker is speaker and len(self._speech) > self._limits[1] // 2:
                self._room = trio.Event()
                await self._room.wait()
        if self._speaker is not speaker or self._finished:
            return False
        self._speech.append(_Utterance(frame, due, lasts))
        if len(self._speech) == 1:
            self._work.set()
        return True

    async def written(self, speaker: object) -> bool:
        """Wait until all speech of a turn so far has left; False when the turn has been silenced."""
        while self._speaker is speaker and (self._speech or self._in_hand):
            self._room = trio.Event()
            await self._room.wait()
        return self._speaker is speaker

    @property
    def played(self) -> float:
        """When the badge will have played all speech of this turn that has left (Trio time)."""
        return self._played

    @property
    def left(self) -> int:
        """How many items of this turn's speech have left, or are just leaving."""
        return self._left

    def silence(self) -> None:
        """Forget all speech that is not yet in the writer's hand, and refuse more until the next `begin`."""
        self._speaker = None
        self._speech.clear()
        self._room.set()

    def finish(self) -> None:
        """Take nothing more; the writer ends when the control messages are out."""
        self._finished = True
        self.silence()
        self._work.set()

    async def take(self) -> str | bytes | None:
        """The next frame to write; None when the outbox is finished and empty. Asking means that the last one left."""
        self._in_hand = False
        if self._leaving is not None:
            self._unproven.append(self._leaving)
            self._leaving = None
            self.wants_proof.set()
        while True:
            if len(self._speech) <= self._limits[1] // 2:
                self._room.set()  # whoever waits looks for himself
            if self._control:
                note = self._control.pop(0)
                self._leaving = note.arrival
                return note.frame
            if self._speech and self._speech[0].due <= (now := trio.current_time()):
                self._in_hand = True
                self._left += 1
                utterance = self._speech.pop(0)
                if utterance.lasts:
                    self._played = max(self._played, now) + utterance.lasts
                return utterance.frame
            if self._finished:
                return None
            self._work = trio.Event()
            if self._speech:
                with trio.move_on_at(self._speech[0].due):
                    await self._work.wait()
            else:
                await self._work.wait()


async def write_frames(wire: Wire, outbox: Outbox, *, stall: float) -> None:
    """Write what the outbox holds until it is finished: the only task that sends messages on this wire.

    Raises `trio.TooSlowError` when one frame does not leave within `stall` s.
    """
    while True:
        frame = await outbox.take()
        if frame is None:
            return
        with trio.move_on_after(stall) as patience:  # a third of the cost of fail_after, for every frame
            await wire.send(frame)
        if patience.cancelled_caught:
            raise trio.TooSlowError


async def keep_alive(wire: Wire, outbox: Outbox, *, every: float = PING_EVERY, within: float = PONG_WITHIN) -> None:
    """Ping until the badge does not answer in time; then return. Pings also prove that messages have arrived: a badge
    that answers one has read what was written before it."""
    while True:
        with trio.move_on_after(every):
            await outbox.wants_proof.wait()
        outbox.wants_proof = trio.Event()
        written = outbox.unproven
        with trio.move_on_after(within) as patience:
            await wire.ping()
        if patience.cancelled_caught:
            log.warning("no pong in time", seconds=within)
            return
        outbox.prove(written)


class Mailbox:
    """All that others see of a session."""

    def __init__(
        self,
        outbox: Outbox,
        retire: Callable[[Goodbye], None],
        announce: Callable[[Notice, Told], bool] = lambda *_: False,
        mode: Callable[[], str] = lambda: "chat",
        renew: Callable[[], None] = lambda: None,
        served: Callable[[], bool] = lambda: True,
    ) -> None:
        self._outbox = outbox
        self._retire = retire
        self._announce = announce
        self._mode = mode
        self._renew = renew
        self._served = served

    def post(self, frame: str, *, stale: bool = False, arrival: Arrival | None = None) -> bool:
        """Hand over a text frame; False when it will not be written, so keep it. `arrival` is told later whether the
        badge has got it."""
        return self._outbox.post(frame, stale=stale, arrival=arrival)

    def announce(self, notice: Notice, told: Told = lambda _: None) -> bool:
        """Have something spoken as soon as the badge is free; False when it will not be, so keep it. `told` hears later
        what became of it, unless this returns False."""
        return self._announce(notice, told)

    @property
    def mode(self) -> str:
        """The session's mode: chat, meeting, coding or working."""
        return self._mode()

    @property
    def served(self) -> bool:
        """Whether the badge is somebody's; news about others are not for one that is nobody's."""
        return self._served()

    def renew(self) -> None:
        """Tell the session that the terms on which its badge is served may have changed."""
        self._renew()

    def retire(self, goodbye: Goodbye) -> None:
        """Ask the session to end, in its own time and way."""
        self._retire(goodbye)

"""The seams between a session and its badge, and between a session and others: each passes everything on, and notes it."""

from __future__ import annotations

import datetime

import trio

from badge.clock import WallClock
from badge.dialogue import Dialogue
from badge.link import Arrival, Goodbye, LinkClosedError, Mailbox, Wire
from badge.notices import Notice, Told
from badge.peers.delivery import Delivery
from badge.peers.presence import HouseFullError, Presence, Resident
from badge.recording.journal import Note
from badge.recording.records import Kind

AT_ONCE = 0.001
"""Seconds within which a message that is written counts as written at once."""


class RecordedWire:
    """A `Wire`."""

    def __init__(self, wire: Wire, journal: Note) -> None:
        self._wire = wire
        self._note = journal.note

    async def receive(self) -> str | bytes:
        """The next whole message."""
        try:
            frame = await self._wire.receive()
        except LinkClosedError as exc:
            self._note(Kind.LOST, exc.code)
            raise
        self._note(Kind.IN, frame)
        return frame

    async def send(self, frame: str | bytes) -> None:
        """Write one whole message."""
        self._note(Kind.OUT, frame)
        begun = trio.current_time()
        try:
            await self._wire.send(frame)
        except LinkClosedError as exc:
            self._note(Kind.UNSENT, exc.code)
            raise
        except trio.Cancelled:
            self._note(Kind.CUT)
            raise
        if trio.current_time() - begun > AT_ONCE:
            self._note(Kind.SENT)

    async def ping(self) -> None:
        """Ask for a sign of life and wait for it."""
        self._note(Kind.PING)
        try:
            await self._wire.ping()
        except LinkClosedError as exc:
            self._note(Kind.UNPONGED, exc.code)
            raise
        self._note(Kind.PONG)

    async def close(self, code: int, reason: str) -> None:
        """Say goodbye and close."""
        self._note(Kind.CLOSE, code, reason)
        await self._wire.close(code, reason)


class RecordedMailbox(Mailbox):
    """A mailbox: what others put in and ask for."""

    def __init__(self, mailbox: Mailbox, journal: Note) -> None:
        self._mailbox = mailbox
        self._note = journal.note

    def post(self, frame: str, *, stale: bool = False, arrival: Arrival | None = None) -> bool:
        """Hand over a text frame."""
        self._note(Kind.POST, frame, stale, arrival is not None)
        return self._mailbox.post(frame, stale=stale, arrival=arrival)

    def announce(self, notice: Notice, told: Told = lambda _: None) -> bool:
        """Have something said."""
        self._note(Kind.ANNOUNCE, notice.kind, notice.text, list(notice.clip))
        return self._mailbox.announce(notice, told)

    @property
    def mode(self) -> str:
        """The session's mode."""
        return self._mailbox.mode

    @property
    def served(self) -> bool:
        """Whether the badge is somebody's."""
        return self._mailbox.served

    def renew(self) -> None:
        """Tell the session that its terms may have changed."""
        self._note(Kind.RENEW)
        self._mailbox.renew()

    def retire(self, goodbye: Goodbye) -> None:
        """Ask the session to end."""
        self._note(Kind.RETIRE, goodbye.name)
        self._mailbox.retire(goodbye)


class RecordedPresence(Presence):
    """The registry as one session sees it."""

    def __init__(self, presence: Presence, journal: Note) -> None:
        self._presence = presence
        self._journal = journal

    def enter(self, device: str, mailbox: Mailbox, dialogue: Dialogue) -> tuple[Resident, Mailbox | None]:
        """Register; the dialogue that the device had so far is noted."""
        mailbox = RecordedMailbox(mailbox, self._journal)
        try:
            resident, previous = self._presence.enter(device, mailbox, dialogue)
        except HouseFullError as exc:
            self._journal.note(Kind.ENTER, None, str(exc))
            raise
        said = [[exchange.user, exchange.answer] for exchange in resident.dialogue]
        self._journal.note(Kind.ENTER, said if previous is not None else None, "")
        if previous is not None and previous.mode != "chat":
            self._journal.note(Kind.INHERIT, previous.mode)
        return resident, previous

    def leave(self, device: str, resident: Resident) -> bool:
        """Unregister."""
        return self._presence.leave(device, resident)


class RecordedClock:
    """A `WallClock`."""

    def __init__(self, clock: WallClock, journal: Note) -> None:
        self._clock = clock
        self._note = journal.note

    def now(self) -> datetime.datetime:
        """The present moment."""
        moment = self._clock.now()
        self._note(Kind.NOW, moment.isoformat())
        return moment


class RecordedDelivery:
    """A `Delivery`; the mailboxes that it is handed are recorded ones already."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    def arrived(self, device: str, mailbox: Mailbox) -> None:
        """The device has registered; its mailbox is a recorded one already."""
        self._delivery.arrived(device, mailbox)

    def greeted(self, device: str, mailbox: Mailbox) -> None:
        """The device has said hello."""
        self._delivery.greeted(device, mailbox)

    def left(self, device: str) -> None:
        """The device has gone."""
        self._delivery.left(device)

"""Bringing minutes to their badge: until it has certainly got them, however often it has to come back for that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import attrs
import trio

from badge.boundary import boundary
from badge.link import Mailbox
from badge.log import get_log
from badge.meetings.document import document, loads
from badge.peers.presence import Presence
from badge.storage.ports import MeetingStore, StoreError
from badge.storage.records import MeetingRecord
from protocol.codec import encode_text
from protocol.outbound import MeetingSnippet, MeetingSummary

log = get_log(__name__)

ATTEMPTS = 5
FIRST_PAUSE = 1.0
"""How often it is tried to store that minutes have arrived, and seconds before the second attempt; then they are brought
once more when the badge comes again."""


class Courier:
    """Posts what meetings have for their badges. Whatever it is told takes effect at once, or is done by `run`, one after
    the other: one errand for each meeting and each device at most."""

    def __init__(self, *, store: MeetingStore, presence: Presence) -> None:
        self._store = store
        self._presence = presence
        self._on_the_way: dict[str, Mailbox] = {}
        self._errands: dict[str, Callable[[], Awaitable[None]]] = {}
        self._news = trio.Event()

    async def run(self) -> None:
        """Run errands until cancelled."""
        while True:
            while self._errands:
                errand = self._errands.pop(next(iter(self._errands)))
                with boundary("bringing minutes", log):
                    await errand()
            self._news = trio.Event()
            await self._news.wait()

    def is_near(self, device: str) -> bool:
        """Whether the badge is here."""
        return self._presence.is_online(device)

    def snippet(self, device: str, message: MeetingSnippet) -> bool:
        """Post a piece of the transcript; False when it will not arrive."""
        mailbox = self._presence.find(device)
        return mailbox is not None and mailbox.post(encode_text(message))

    def deliver(self, record: MeetingRecord) -> None:
        """Post the minutes, if the badge is here and they are not on their way to it already."""
        mailbox = self._presence.find(record.device)
        if mailbox is not None and self._on_the_way.get(record.id) is None:
            self._post(record, mailbox, again=False)

    def repeat(self, record: MeetingRecord, session: str) -> None:
        """Post the minutes because the badge asks for them once more."""
        mailbox = self._presence.find(record.device)
        if mailbox is not None:
            self._post(record, mailbox, again=True, session=session)

    def redeliver(self, device: str) -> None:
        """The badge is here: post all minutes that it has not got."""
        self._put(f"device {device}", partial(self._redeliver, device))

    async def _redeliver(self, device: str) -> None:
        try:
            waiting = await self._store.undelivered(device)
        except StoreError as exc:
            log.error("minutes that wait cannot be read", device=device, error=exc.detail)
            return
        for record in waiting:
            self.deliver(record)

    def _put(self, key: str, errand: Callable[[], Awaitable[None]]) -> None:
        self._errands[key] = errand
        self._news.set()

    def _post(self, record: MeetingRecord, mailbox: Mailbox, *, again: bool, session: str = "") -> None:
        frame = encode_text(summary_of(record, again=again, session=session))
        if mailbox.post(frame, arrival=partial(self._arrived, record, mailbox)):
            self._on_the_way[record.id] = mailbox

    def _arrived(self, record: MeetingRecord, mailbox: Mailbox, arrived: bool) -> None:  # noqa: FBT001 - an `Arrival`
        if arrived:
            self._put(f"meeting {record.id}", partial(self._mark, record))
            return
        if self._on_the_way.get(record.id) is mailbox:
            del self._on_the_way[record.id]
        if self._presence.find(record.device) not in (None, mailbox):
            self.deliver(record)  # it was on the way to a connection that a newer one has replaced

    async def _mark(self, record: MeetingRecord) -> None:
        """Until this is stored the minutes count as being on their way, so that nobody brings them again."""
        pause = FIRST_PAUSE
        for _ in range(ATTEMPTS):
            try:
                await self._store.save(attrs.evolve(record, delivered=True))
            except StoreError as exc:
                log.warning("not stored that minutes arrived", meeting=record.id, error=exc.detail)
            else:
                log.info("minutes delivered", meeting=record.id, device=record.device)
                break
            await trio.sleep(pause)
            pause *= 2
        self._on_the_way.pop(record.id, None)


def summary_of(record: MeetingRecord, *, again: bool, session: str = "") -> MeetingSummary:
    """The message with the minutes of a meeting; `again`: the badge had them before."""
    minutes = loads(record.minutes)
    return MeetingSummary(
        sessionId=session or minutes.session,
        meetingId=record.id,
        startedAt=record.started,
        endedAt=record.ended,
        segments=record.segments,
        summary=minutes.text,
        minutes=document(minutes),
        degraded=(minutes.method != "model" and record.segments > 0) or None,
        idempotent=again or None,
    )

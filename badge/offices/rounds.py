"""The rounds of the post: who is served by which connection, and who is told what became of letters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial

import trio
from attrs import frozen

from badge import texts
from badge.clock import WallClock, milliseconds
from badge.desk import Fate
from badge.link import Mailbox
from badge.log import get_log
from badge.offices.backlog import Backlog, Key
from badge.offices.carrier import Carrier
from badge.offices.marks import Marks
from badge.offices.readingout import ReadingOut
from badge.offices.receipts import Receipts
from badge.offices.wording import OPERATOR, Wording
from badge.storage.ports import MailStore
from badge.storage.records import Letter, Posted, Waiting
from protocol.codec import encode_text
from protocol.outbound import PeerReceipt, PeerRedelivered

log = get_log(__name__)


@frozen(kw_only=True, eq=False)
class Visit:
    """One connection of a device, as the post serves it."""

    carrier: Carrier
    receipts: Receipts
    reading: ReadingOut


class Rounds:
    """One visit for each device that is here: its newest connection."""

    def __init__(self, *, mail: MailStore, clock: WallClock, wording: Wording) -> None:
        self._mail = mail
        self._clock = clock
        self._wording = wording
        self._marks = Marks(mail)
        self._visits: dict[str, Visit] = {}
        self._answers: dict[tuple[str, Key], Fate] = {}  # of messages whose sender has not been answered yet
        self._aloft: defaultdict[tuple[str, Key], set[Carrier]] = defaultdict(set)
        self._nursery: trio.Nursery | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled. Badges that come before or after are not served: their letters wait."""
        try:
            async with trio.open_nursery() as self._nursery:
                self._nursery.start_soon(self._marks.run)
                task_status.started()
        finally:
            self._nursery = None
            for device in list(self._visits):
                self.end(device)

    # --- who is here ---

    def begin(self, device: str, mailbox: Mailbox) -> None:
        """A connection has registered; it replaces an older one of its device."""
        if self._nursery is None:
            return
        previous = self._visits.get(device)
        if previous:
            previous.carrier.end()
        reading = previous.reading if previous else ReadingOut(self._wording, self._read_out)
        backlog = Backlog(partial(self._tell_redelivered, device, mailbox))
        carrier = Carrier(
            mailbox=mailbox,
            read=partial(self._read, device),
            outcomes=self,
            backlog=backlog,
            spawn=self._nursery.start_soon,
        )
        visit = Visit(carrier=carrier, receipts=Receipts(mailbox), reading=reading)
        self._visits[device] = visit
        reading.move(mailbox)
        carrier.look()

    def end(self, device: str) -> None:
        """The device has gone."""
        if visit := self._visits.pop(device, None):
            visit.carrier.end()
            visit.reading.move(None)

    def backlog(self, device: str) -> trio.Event | None:
        """Set as soon as all that had waited for a device was handed over; None when it is not here."""
        visit = self._visits.get(device)
        return visit.carrier.backlog.closed if visit else None

    async def _read(self, device: str, limit: int) -> Waiting:
        return await self._mail.waiting(device, now=milliseconds(self._clock), limit=limit)

    # --- letters ---

    async def forward(self, letter: Letter, *, bound: int) -> Fate:
        """Keep a letter, and hand it over when its receiver is here; gives what has become of it by then. Waits for the
        store, never for a badge. Raises `StoreError`."""
        key = letter.sender, letter.id
        self._answers[letter.to, key] = "queued"
        try:
            posted = await self._keep(letter, bound)
            if posted.status != "queued":
                return posted.status
            if (visit := self._visits.get(letter.to)) is None:
                return "queued"
            await visit.carrier.look().wait()
            fate = self._answers.get((letter.to, key), "queued")
            return "sent" if fate == "queued" and key in visit.carrier.carried else fate
        finally:
            self._answers.pop((letter.to, key), None)

    async def _keep(self, letter: Letter, bound: int) -> Posted:
        """Store a letter; one that is on its way does not make room for it."""
        visit = self._visits.get(letter.to)
        posted = await self._mail.post(letter, bound=bound, sparing=visit.carrier.carried if visit else ())
        visit = self._visits.get(letter.to)
        for sender, number in posted.displaced:
            self._aloft.pop((letter.to, (sender, number)), None)
            if visit:
                visit.carrier.forget((sender, number))
            self._inform(sender, PeerReceipt(id=number, to=letter.to, status="dropped"))
        if posted.displaced:
            log.warning("letters were dropped, as too many wait", device=letter.to, dropped=posted.dropped)
        return posted

    def heard(self, device: str, letters: Iterable[Key]) -> None:
        """Letters of this device were played."""
        visit = self._visits.get(device)
        for sender, number in letters:
            if visit:
                visit.carrier.prove((sender, number))
            self._note_heard(device, (sender, number))

    def _read_out(self, letter: Letter) -> None:
        self._note_heard(letter.to, (letter.sender, letter.id))

    def _note_heard(self, device: str, key: Key) -> None:
        self._marks.note(device, key, partial(self._heard, device, key), heard=True)

    def _heard(self, device: str, key: Key, new: bool) -> None:  # noqa: FBT001 - a callback
        if new:
            self._tell(device, key, "heard")

    # --- what carriers tell ---

    def handed_over(self, letter: Letter, carrier: Carrier) -> None:
        """It is on its way: that is an answer, but no receipt."""
        key = letter.to, (letter.sender, letter.id)
        self._aloft[key].add(carrier)
        if key in self._answers:
            self._answers[key] = "sent"

    def arrived(self, letter: Letter, then: Callable[[bool], None]) -> None:
        """The badge has it."""
        told = partial(self._delivered, letter, then)
        self._marks.note(letter.to, (letter.sender, letter.id), told)

    def lost(self, letter: Letter, carrier: Carrier) -> None:
        """It may never have reached the badge this way. Another connection of the device may carry it, too, or may have
        delivered it."""
        key = letter.to, (letter.sender, letter.id)
        carriers = self._aloft.get(key, set())
        if carrier not in carriers:
            return
        carriers.remove(carrier)
        if not carriers:
            del self._aloft[key]
            self._tell(*key, "queued")

    def _delivered(self, letter: Letter, then: Callable[[bool], None], new: bool) -> None:  # noqa: FBT001 - a callback
        key = letter.to, (letter.sender, letter.id)
        self._aloft.pop(key, None)
        if new:
            self._tell(*key, "delivered")
            if visit := self._visits.get(letter.to):
                visit.reading.add(letter)
        then(new)

    # --- what senders are told ---

    def _tell(self, device: str, key: Key, fate: Fate) -> None:
        if (device, key) in self._answers:
            self._answers[device, key] = fate
        else:
            sender, number = key
            self._inform(sender, PeerReceipt(id=number, to=device, status=fate))

    def _tell_redelivered(self, device: str, mailbox: Mailbox, backlog: Backlog) -> None:
        if backlog.size or backlog.dropped:
            sent = backlog.arrived.total()
            log.info(texts.LOG_REDELIVERED, device=device, sent=sent, dropped=backlog.dropped)
        for sender, count in backlog.arrived.items():
            self._inform(sender, PeerRedelivered(to=device, count=count))
        if notice := self._wording.waited(backlog.spoken):
            mailbox.announce(notice)

    def _inform(self, sender: str, news: PeerReceipt | PeerRedelivered) -> None:
        if sender != OPERATOR and (visit := self._visits.get(sender)):
            visit.receipts.add(encode_text(news))

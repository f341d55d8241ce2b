"""One meeting: what happens to it, and what follows."""

from __future__ import annotations

from functools import partial

import trio
from statemachine.exceptions import TransitionNotAllowed

from badge import texts
from badge.boundary import boundary
from badge.desk import Closing
from badge.log import get_log
from badge.machines.meeting import MeetingMachine
from badge.meetings.backlog import Entry, Words
from badge.meetings.book import Book
from badge.meetings.document import dumps
from badge.meetings.echoes import Echoes
from badge.meetings.room import Room, patiently
from badge.meetings.rounds import Rounds
from badge.meetings.writing import Order
from badge.storage.records import Hole, MeetingRecord

log = get_log(__name__)

WORDS_WITHIN = 3.0
"""Seconds in which the words that are being recognised when a meeting ends must be in."""


class Meeting:
    """A meeting that is not finalised, in whatever state it is found. `gap` is the reason of the hole that it has from the
    last sign of life until it is resumed; `begun`: it comes from the store. Everything that is no coroutine takes effect
    at once."""

    def __init__(
        self,
        *,
        room: Room,
        record: MeetingRecord,
        session: str = "",
        gap: str = "disconnected",
        begun: bool = False,
    ) -> None:
        self._room = room
        self._gap = gap
        self._book = Book(room.store, record, session, begun=begun)
        self._rounds = Rounds(room, self._book)
        self._echoes = Echoes()
        self._timers = trio.CancelScope()
        self._life = trio.CancelScope()
        room.nursery.start_soon(self._keep_book)
        self._machine = MeetingMachine(self, room.watch, start=record.state)

    # --- what happens to it ---

    @property
    def record(self) -> MeetingRecord:
        """What is known about it."""
        return self._book.record

    @property
    def state(self) -> str:
        """Where it is."""
        return self._machine.state

    @property
    def open(self) -> bool:
        """Whether it can go on."""
        return self.state in ("active", "interrupted")

    @property
    def begun(self) -> bool:
        """Whether it is stored that there is this meeting."""
        return self._book.begun

    def resume(self, session: str) -> None:
        """The badge is in it, again or still."""
        self._book.session = session
        if self.state == "interrupted":
            self._miss_since_seen()
        self._machine.resume()

    def interrupt(self) -> None:
        """The badge is gone."""
        if self.state == "active":
            self._book.see(self._room.now())
        self._machine.interrupt()

    def tell(self, entry: Entry) -> None:
        """Something was said, or missed."""
        try:
            self._machine.told(entry)
        except TransitionNotAllowed:
            size = len(entry.text) if isinstance(entry, Words) else 0
            log.warning("too late for a meeting", meeting=self.record.id, state=self.state, size=size)

    def finalise(self, session: str) -> Closing:
        """It shall end; the first time it does."""
        self._book.session = session
        first = self.open
        if self.state == "interrupted":
            self._miss_since_seen()
        if first:
            self._book.update(ended=self._room.now())
        self._machine.finalise()
        return Closing(
            meeting=self.record.id,
            started=self.record.started,
            pending=self._book.pending,
            status="closing" if first else "again",
        )

    def expire(self) -> None:
        """The badge has not come back: the meeting ended when it was last heard of, and may have gone on unheard."""
        seen = self.record.seen
        self._book.write(Hole(since=seen, until=seen, reason=self._gap))
        self._book.update(ended=seen)
        self._machine.finalise()
        self._machine.heard_out()

    def heard_out(self) -> None:
        """No more words are on their way."""
        self._machine.heard_out()

    def abandon(self) -> None:
        """It could not begin."""
        self._timers.cancel("the meeting could not begin")
        self._life.cancel("the meeting could not begin")

    async def settled(self) -> None:
        """Wait until everything so far is stored."""
        await self._book.settled()

    # --- what its machine makes happen ---

    def persist(self, state: str) -> None:
        """Have the state stored."""
        self._book.update(state=state)

    def start_timers(self) -> None:
        """Snippets and summaries so far."""
        self._timers = trio.CancelScope()
        self._room.nursery.start_soon(self._rounds.run, self._timers)

    def stop_timers(self) -> None:
        """No more of either."""
        self._timers.cancel("the meeting does not go on")
        log.info(texts.LOG_TIMERS_STOPPED, meeting=self.record.id)

    def keep(self, entry: Entry) -> None:
        """Have it stored, unless the recogniser only repeats itself."""
        if isinstance(entry, Hole):
            self._book.write(entry)
            return
        self._book.see(entry.at)
        if entry.text.strip() and not self._echoes.has(entry.text, entry.at):
            self._book.write(entry)

    def await_words(self) -> None:
        """Give recognition its time."""
        self._room.nursery.start_soon(self._wait_for_words)

    def make_minutes(self) -> None:
        """Have them written."""
        self._room.nursery.start_soon(self._make_minutes)

    def deliver(self) -> None:
        """The minutes go to the badge as soon as they are stored; nothing comes after that."""
        self._room.nursery.start_soon(self._end)

    # --- its tasks ---

    async def _keep_book(self) -> None:
        with boundary("the book of a meeting", log), self._life:
            await self._book.run()

    async def _wait_for_words(self) -> None:
        await trio.sleep(WORDS_WITHIN)
        self._machine.heard_out()

    async def _make_minutes(self) -> None:
        with boundary("ending a meeting", log):
            await self._book.settled()
            await self._rounds.push()
            record, store = self.record, self._room.store
            holes = await patiently(partial(store.holes, record.id), "holes")
            order = Order(
                read=lambda after: patiently(partial(self._room.page, record.id, after), "transcript"),
                holes=holes,
                date=self._room.date(record.started),
                session=self._book.session,
                device=record.device,
            )
            minutes = await self._room.writer.minutes(order)
            self._book.update(minutes=dumps(minutes))
            log.info("minutes written", meeting=record.id, segments=record.segments, method=minutes.method)
            self._machine.summarised()

    async def _end(self) -> None:
        with boundary("delivering minutes", log):
            await self._book.settled()
            self._room.courier.deliver(self.record)
        self._life.cancel("the meeting is over")
        self._room.over(self.record.id)

    def _miss_since_seen(self) -> None:
        self._book.write(Hole(since=self.record.seen, until=self._room.now(), reason=self._gap))
        self._gap = "disconnected"

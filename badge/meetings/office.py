"""The office of meetings: one meeting at a time for each device, whatever becomes of connections and of the server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import attrs
import trio

from badge import texts
from badge.boundary import boundary
from badge.clock import Ids, WallClock
from badge.config.team import MeetingSettings
from badge.desk import Closing, Opened, RefusedError, TaskDesk
from badge.link import Mailbox
from badge.llms import Llms
from badge.log import get_log
from badge.machines.base import Watch, unwatched
from badge.meetings.adopting import drafts_of
from badge.meetings.backlog import Entry, Words
from badge.meetings.courier import Courier
from badge.meetings.meeting import Meeting
from badge.meetings.register import Register
from badge.meetings.room import Room
from badge.meetings.writing import Writer
from badge.peers.presence import Presence
from badge.storage.ports import MeetingStore, Store, StoreError
from badge.storage.records import Hole, MeetingRecord
from badge.storage.tasks import Result

log = get_log(__name__)

LOOK = 60.0
"""Seconds between two looks for meetings whose badge has not come back."""

STORED_WITHIN = 2.5
"""Seconds that a meeting has to be stored when it begins, two more attempts included; otherwise it does not begin."""

ENDED_WITHIN = 0.5
"""Longest wait, in s, for it to be stored that a meeting shall end; it ends in any case."""

AFTER_ANSWER = 0.05
"""Seconds from the answer to a repeated wish to the minutes, so that the answer goes first."""

RECENT = 20
"""Meetings of a device among which the latest with minutes is looked for."""


class Meetings:
    """A `MeetingDesk` and a `Delivery`. It works from the moment when `run` reports `started`."""

    def __init__(
        self,
        *,
        store: Store,
        presence: Presence,
        llms: Llms,
        settings: Callable[[], MeetingSettings],
        clock: WallClock,
        ids: Ids,
        tasks: TaskDesk,
        watch: Watch = unwatched,
    ) -> None:
        self._store: MeetingStore = store.meetings
        self._ids = ids
        self._tasks = tasks
        self._register = Register()
        self._furnish = partial(
            _furnish,
            presence=presence,
            store=store.meetings,
            writer=Writer(llms=llms, settings=settings),
            settings=settings,
            clock=clock,
            watch=watch,
            over=self._register.remove,
        )
        self._room: Room | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Take up what a former run of the server has left, report `started`, and serve until cancelled. Raises
        `StoreError` when that cannot be read."""
        async with trio.open_nursery() as nursery:
            self._room = self._furnish(nursery)
            nursery.start_soon(self._room.courier.run)
            for record in await self._store.unfinished():
                await self._take_up(record)
            self._expire()
            task_status.started()
            while True:
                await trio.sleep(LOOK)
                with boundary("looking for meetings", log):
                    self._expire()

    async def settle(self) -> None:
        """Wait until everything that was told so far is stored."""
        for meeting in self._register:
            await meeting.settled()

    # --- the desk ---

    async def open(self, device: str, session: str) -> Opened:
        """Begin a meeting, or go on with the one that was interrupted."""
        meeting = self._register.newest(device)
        if meeting is not None and meeting.open:
            meeting.resume(session)
            if not meeting.begun:  # another connection is just beginning it
                await self._require_stored(meeting)
            log.info("meeting resumed", meeting=meeting.record.id, device=device)
            return Opened(meeting=meeting.record.id, started=meeting.record.started, resumed=True)
        now = self._at_work.now()
        record = MeetingRecord(id=self._ids.sentence(), device=device, started=now, seen=now)
        meeting = Meeting(room=self._at_work, record=record, session=session)
        self._register.add(meeting)
        await self._require_stored(meeting)
        log.info("meeting begun", meeting=record.id, device=device)
        return Opened(meeting=record.id, started=record.started)

    def add(self, device: str, text: str, at: int) -> None:
        """Somebody said this."""
        self._tell(device, Words(text, at))

    def miss(self, device: str, since: int, until: int, reason: str) -> None:
        """Something was said, and is lost."""
        self._tell(device, Hole(since=since, until=until, reason=reason))

    async def finalise(self, device: str, session: str) -> Closing:
        """Only words that are being recognised are awaited now, until `heard_out` or for 3 s."""
        log.info(texts.LOG_FINALIZE_REQUEST, device=device)
        meeting = self._register.newest(device)
        if meeting is None:
            return await self._finalise_again(device, session)
        closing = meeting.finalise(session)
        with trio.move_on_after(ENDED_WITHIN):
            await meeting.settled()
        return closing

    def heard_out(self, device: str) -> None:
        """All words of the meeting are in."""
        meeting = self._register.hearing(device)
        if meeting is not None:
            meeting.heard_out()

    async def adopt(self, device: str, meeting: str, items: Sequence[int] | None) -> tuple[Result, ...]:
        """Make tasks of action items."""
        return await self._tasks.create(device, drafts_of(await self._with_minutes(device, meeting), items))

    # --- what becomes of connections ---

    def arrived(self, device: str, mailbox: Mailbox) -> None:  # noqa: ARG002 - minutes go to the newest one there is
        """The device gets the minutes that it has not got yet."""
        self._at_work.courier.redeliver(device)

    def greeted(self, device: str, mailbox: Mailbox) -> None:
        """Hellos change nothing."""

    def left(self, device: str) -> None:
        """Without its device a meeting does not go on."""
        meeting = self._register.newest(device)
        if meeting is not None:
            meeting.interrupt()

    # --- behind the desk ---

    @property
    def _at_work(self) -> Room:
        assert self._room is not None, "the office is closed: run it first"
        return self._room

    def _tell(self, device: str, entry: Entry) -> None:
        meeting = self._register.hearing(device)
        if meeting is None:
            log.warning("words outside of any meeting", device=device)
        else:
            meeting.tell(entry)

    async def _require_stored(self, meeting: Meeting) -> None:
        with trio.move_on_after(STORED_WITHIN) as patience:
            await meeting.settled()
        if patience.cancelled_caught:
            meeting.abandon()
            self._register.remove(meeting.record.id)
            raise RefusedError("not-stored", "The meeting cannot be stored, so it does not begin; try again later.")

    async def _finalise_again(self, device: str, session: str) -> Closing:
        """There is no meeting, but there may just have been one."""
        try:
            latest = await self._store.latest(device=device, limit=1)
        except StoreError as exc:
            raise _unreadable(exc) from None
        oldest = self._at_work.now() - self._at_work.settings().resume_within_s * 1000
        if not latest or latest[0].state != "finalised" or latest[0].ended < oldest:
            return Closing(status="none")
        self._at_work.nursery.start_soon(self._repeat, latest[0], session)
        return Closing(meeting=latest[0].id, started=latest[0].started, status="again")

    async def _repeat(self, record: MeetingRecord, session: str) -> None:
        with boundary("repeating minutes", log):
            await trio.sleep(AFTER_ANSWER)
            self._at_work.courier.repeat(record, session)

    async def _with_minutes(self, device: str, meeting: str) -> MeetingRecord:
        try:
            if meeting:
                found = await self._store.get(meeting)
            else:
                latest = await self._store.latest(device=device, limit=RECENT)
                found = next((one for one in latest if one.state == "finalised"), None)
        except StoreError as exc:
            raise _unreadable(exc) from None
        if found is None or found.device != device:
            raise RefusedError(
                "no-meeting", "meetingId: this badge has no such meeting; leave it out for the latest one."
            )
        return found

    async def _take_up(self, record: MeetingRecord) -> None:
        """A meeting that was active when the server died is interrupted, from the last moment that is known of it."""
        gap = "disconnected"
        if record.state == "active":
            last = await self._store.segments(record.id, after=record.segments - 1)
            seen = max(record.seen, *(segment.ts for segment in last), 0)
            record, gap = attrs.evolve(record, state="interrupted", seen=seen), "server-restart"
        self._register.add(Meeting(room=self._at_work, record=record, gap=gap, begun=True))
        log.info("meeting taken up", meeting=record.id, state=record.state)

    def _expire(self) -> None:
        oldest = self._at_work.now() - self._at_work.settings().resume_within_s * 1000
        for meeting in self._register:
            if meeting.state == "interrupted" and meeting.record.seen < oldest:
                log.info("meeting not resumed", meeting=meeting.record.id)
                meeting.expire()


def _furnish(
    nursery: trio.Nursery,
    *,
    presence: Presence,
    store: MeetingStore,
    writer: Writer,
    settings: Callable[[], MeetingSettings],
    clock: WallClock,
    watch: Watch,
    over: Callable[[str], None],
) -> Room:
    return Room(
        store=store,
        courier=Courier(store=store, presence=presence),
        writer=writer,
        settings=settings,
        clock=clock,
        nursery=nursery,
        watch=watch,
        over=over,
    )


def _unreadable(exc: StoreError) -> RefusedError:
    log.error("meetings cannot be read", error=exc.detail)
    return RefusedError("not-stored", "The meetings cannot be read; try again later.")

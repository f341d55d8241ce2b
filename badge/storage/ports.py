"""What the server asks of a store. Every call is one round trip, whole or not at all, and durable when it returns."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

import trio

from badge.storage.recollections import END_OF_TIME, Exchanged, Fact, Known, Lesson, Part
from badge.storage.records import (
    Found,
    Hole,
    Letter,
    MeetingRecord,
    Posted,
    Reminder,
    Segment,
    Waiting,
)
from badge.storage.registry import DeviceEdit, DeviceRecord, Visit
from badge.storage.tasks import Command, Decision, Snapshot


class StoreError(Exception):
    """Something could not be stored or read: `detail` says what is wrong, `remedy` what the operator can do."""

    def __init__(self, detail: str, *, remedy: str = "") -> None:
        super().__init__(detail + (f" {remedy}" if remedy else ""))
        self.detail = detail
        self.remedy = remedy


class TaskStore(Protocol):
    """The tasks of all groups."""

    async def snapshot(self, group: str) -> Snapshot:
        """All tasks of a group; an unknown group is empty, with revision 0."""

    async def carry_out(self, group: str, command: Command) -> Decision:
        """Decide on a command by `badge.storage.tasks.decide`, and store what it changes; nobody comes between. The
        revision grows by one when anything changed."""


class MailStore(Protocol):
    """Letters on their way."""

    async def post(self, letter: Letter, *, bound: int, sparing: Collection[tuple[str, str]] = frozenset()) -> Posted:
        """Keep a letter. When more than `bound` wait for the device then, the oldest are dropped and counted, but neither
        this one nor those that are named in `sparing` by (sender, id). A letter that is there already, delivered ones
        included, stays as it is."""

    async def waiting(self, device: str, *, now: int, limit: int = 1_000_000) -> Waiting:
        """What waits for a device, the oldest `limit` of it. Letters that have expired are dropped and counted first; the
        count starts anew."""

    async def unread(self, sender: str) -> int:
        """How many letters of a sender wait, for whomever."""

    async def mark(
        self, device: str, ids: Sequence[tuple[str, str]], *, heard: bool = False
    ) -> tuple[tuple[str, str], ...]:
        """Letters, named by (sender, id), have been delivered, or heard; heard includes delivered. Others and unknown ones stay as
        they are; the payload of a delivered letter is forgotten, the letter itself stays known until it expires. Gives
        those that were not yet what they are now."""

    async def expire(self, *, now: int) -> int:
        """Forget everything that has expired; gives how many undelivered letters were among it. Those are counted as
        dropped for their device."""


class MeetingStore(Protocol):
    """Meetings, segment by segment."""

    async def begin(self, meeting: MeetingRecord) -> None:
        """A new meeting; one with this id that is there already stays as it is."""

    async def get(self, meeting: str) -> MeetingRecord | None:
        """One meeting."""

    async def current(self, device: str) -> MeetingRecord | None:
        """The device's newest meeting that is not finalised."""

    async def latest(self, *, device: str | None = None, limit: int = 100) -> tuple[MeetingRecord, ...]:
        """The newest meetings, of one device or of all, the newest first."""

    async def unfinished(self) -> tuple[MeetingRecord, ...]:
        """All meetings that are not finalised, the oldest first."""

    async def undelivered(self, device: str) -> tuple[MeetingRecord, ...]:
        """Finalised meetings whose minutes the badge has not got, the oldest first."""

    async def add(self, meeting: str, *, ts: int, text: str) -> int:
        """Append a segment; gives its number."""

    async def miss(self, meeting: str, hole: Hole) -> None:
        """Something was not heard."""

    async def segments(self, meeting: str, *, after: int = 0, limit: int = 1_000_000) -> tuple[Segment, ...]:
        """Segments with numbers above `after`, in order."""

    async def holes(self, meeting: str) -> tuple[Hole, ...]:
        """What was not heard, in order of time."""

    async def search(self, device: str, words: str, *, limit: int = 20) -> tuple[Found, ...]:
        """Where all of the words, separated by spaces, stand in one segment or in the minutes of a meeting of the device: the
        newest meetings first, within one its minutes before its segments. The case of A to Z does not matter. The
        latest `SEARCHED_MEETINGS` are searched."""

    async def save(self, meeting: MeetingRecord) -> None:
        """Replace all that is known about a meeting but its segments; their number is the store's own."""


class RecallStore(Protocol):
    """What devices said lately, and what is worth remembering about each. Nothing of one is ever shown to another."""

    async def add(self, exchange: Exchanged, *, keep: int) -> int:
        """Keep an exchange; gives its number, which is the store's own and never used again. Of more than `keep` exchanges
        of the device the oldest go."""

    async def exchanges(
        self, device: str, *, since: int = 0, until: int = END_OF_TIME, limit: int = 1_000_000
    ) -> tuple[Exchanged, ...]:
        """The latest exchanges of a device from `since` to `until`, in order."""

    async def unread(self, device: str, *, limit: int = 1_000_000) -> tuple[Exchanged, ...]:
        """Exchanges of which nothing was learned yet, the oldest first."""

    async def unread_devices(self) -> tuple[str, ...]:
        """Devices that have some, in the order of their ids."""

    async def learn(self, lesson: Lesson, *, keep: int, summaries: int) -> bool:
        """Keep what was learned, and know that it was. False, and nothing is kept, when the exchanges have been erased
        meanwhile. A fact that is there already stays as it is, and a revalued one that was erased meanwhile stays erased.
        Of more than `keep` facts of the device those go that have not served for the longest time, of more than
        `summaries` summaries the oldest."""

    async def expire(self, *, before: int, after: int = END_OF_TIME) -> int:
        """Forget exchanges of an earlier time, and of a later one, of which everything was learned; gives how many there
        were."""

    async def matching(self, device: str, words: Sequence[str], *, limit: int) -> tuple[Fact, ...]:
        """Facts with at least one of these terms (see `badge.storage.terms`), those with more and with rarer ones first."""

    async def facts(self, device: str, *, limit: int = 1_000_000) -> tuple[Fact, ...]:
        """The facts of a device, those first that came or served last."""

    async def serve(self, device: str, ids: Collection[str], *, now: int) -> None:
        """These facts have served."""

    async def keep_pauses(self, device: str, pauses: Sequence[float], *, now: int) -> None:
        """The latest pauses of a user, instead of those before."""

    async def pauses(self, device: str) -> tuple[float, ...]:
        """The latest pauses of a user."""

    async def devices(self) -> tuple[Known, ...]:
        """Everybody of whom something is remembered, in the order of their ids."""

    async def forget(self, device: str, *, part: Part = "all", fact: str = "") -> int:
        """Erase a part of a device's memory, or one fact; gives how many exchanges and facts there were. Nothing is left of
        it in the file. All includes the pauses; exchanges that are erased teach nothing any more."""


class ReminderStore(Protocol):
    """What is to be said later."""

    async def add(self, reminder: Reminder) -> None:
        """Keep a reminder; one with this id that is there already stays as it is."""

    async def next(self, *, after: int) -> int | None:
        """When the first one after this time is due; None when there is none."""

    async def due(self, *, now: int) -> tuple[Reminder, ...]:
        """All that are due by now, the oldest first."""

    async def of(self, device: str) -> tuple[Reminder, ...]:
        """All of one device, the next first."""

    async def remove(self, reminder: str) -> bool:
        """It was said, or is not wanted any more; false when there is none with this id."""


class PresenceStore(Protocol):
    """Who has ever been here."""

    async def seen(self, device: str, group: str, *, now: int) -> None:
        """A device is here, and belongs to this group now."""

    async def members(self, group: str) -> tuple[str, ...]:
        """All devices of a group, here or not, in the order of their ids."""


class DeviceStore(Protocol):
    """Who belongs here."""

    async def get(self, device: str) -> DeviceRecord | None:
        """What is known of a device."""

    async def of_code(self, code: str, *, now: int) -> DeviceRecord | None:
        """The device that waits with this code."""

    async def known(self, *, limit: int = 1_000_000) -> tuple[DeviceRecord, ...]:
        """All devices, those that were seen last first."""

    async def visit(self, visit: Visit, *, most: int) -> DeviceRecord:
        """A device came: what is known of it by now, by `badge.storage.registry.visited`. Codes are unique among those
        that are good. When `most` devices that are not bound are known already, the one that was not seen for longest
        makes room; a device that needs a code and gets none is not kept."""

    async def edit(self, device: str, edit: DeviceEdit, *, now: int) -> DeviceRecord:
        """The operator changes something, by `badge.storage.registry.edited`; a device that is not known is added."""

    async def speak(self, device: str, day: str, characters: int) -> int:
        """So many characters were spoken on this day; gives how many there were on it in all. Days before are
        forgotten."""


class Store(Protocol):
    """All stores, opened and closed together."""

    @property
    def tasks(self) -> TaskStore:
        """Tasks."""

    @property
    def mail(self) -> MailStore:
        """Letters."""

    @property
    def meetings(self) -> MeetingStore:
        """Meetings."""

    @property
    def recall(self) -> RecallStore:
        """Memories."""

    @property
    def reminders(self) -> ReminderStore:
        """Reminders."""

    @property
    def presence(self) -> PresenceStore:
        """Who has ever been here."""

    @property
    def devices(self) -> DeviceStore:
        """Who belongs here."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Open, report `started`, and serve until cancelled; what was begun is finished. Raises `StoreError` when it cannot be opened."""

"""A store that forgets everything when the process ends; also the plainest statement of what every store does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence

import attrs
import trio
from trio.lowlevel import checkpoint

from badge.storage.memory_devices import MemoryDevices
from badge.storage.memory_recall import MemoryRecall
from badge.storage.ports import StoreError
from badge.storage.records import (
    SEARCHED_MEETINGS,
    Found,
    Hole,
    Letter,
    MeetingRecord,
    Posted,
    Reminder,
    Segment,
    Waiting,
    search_words,
)
from badge.storage.tasks import Command, Decision, Snapshot, Task, decide


class MemoryStore:
    """A `Store`. It can be used before `run`, which has nothing to open."""

    def __init__(self) -> None:
        self.tasks = MemoryTasks()
        self.mail = MemoryMail()
        self.meetings = MemoryMeetings()
        self.recall = MemoryRecall()
        self.reminders = MemoryReminders()
        self.presence = MemoryPresence()
        self.devices = MemoryDevices()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Report `started`, and wait to be cancelled."""
        task_status.started()
        await trio.sleep_forever()


class MemoryTasks:
    """A `TaskStore`."""

    def __init__(self) -> None:
        self._groups: dict[str, dict[str, Task]] = {}
        self._revisions = Counter[str]()

    async def snapshot(self, group: str) -> Snapshot:
        """All tasks of a group."""
        await checkpoint()
        return Snapshot(revision=self._revisions[group], tasks=tuple(self._groups.get(group, {}).values()))

    async def carry_out(self, group: str, command: Command) -> Decision:
        """Decide on a command, and keep what it changes."""
        await checkpoint()
        tasks = self._groups.get(group, {})
        decision = decide(tasks, command)
        if decision.changed or decision.forgotten:
            for number in decision.forgotten:
                tasks.pop(number, None)
            self._groups[group] = tasks | {task.id: task for task in decision.changed}
            self._revisions[group] += 1
        return attrs.evolve(decision, revision=self._revisions[group])


class MemoryMail:
    """A `MailStore`."""

    def __init__(self) -> None:
        self._letters: dict[str, dict[tuple[str, str], Letter]] = {}
        self._dropped = Counter[str]()

    async def post(self, letter: Letter, *, bound: int, sparing: Collection[tuple[str, str]] = frozenset()) -> Posted:
        """Keep a letter."""
        await checkpoint()
        box = self._letters.setdefault(letter.to, {})
        key = letter.sender, letter.id
        if key in box:
            return Posted(status=box[key].status, duplicate=True)
        box[key] = letter
        queued = _queued(box)
        loose = [one for one in queued if one is not letter and (one.sender, one.id) not in sparing]
        surplus = loose[: max(len(queued) - bound, 0)]
        for old in surplus:
            del box[old.sender, old.id]
        self._dropped[letter.to] += len(surplus)
        return Posted(status=letter.status, displaced=tuple((old.sender, old.id) for old in surplus))

    async def waiting(self, device: str, *, now: int, limit: int = 1_000_000) -> Waiting:
        """What waits for a device."""
        await checkpoint()
        self._forget(device, now)
        return Waiting(letters=_queued(self._letters.get(device, {}))[:limit], dropped=self._dropped.pop(device, 0))

    async def unread(self, sender: str) -> int:
        """How many letters of a sender wait."""
        await checkpoint()
        return sum(letter.sender == sender for box in self._letters.values() for letter in _queued(box))

    async def mark(
        self, device: str, ids: Sequence[tuple[str, str]], *, heard: bool = False
    ) -> tuple[tuple[str, str], ...]:
        """Letters have been delivered, or heard."""
        await checkpoint()
        box = self._letters.get(device, {})
        changed = []
        for key in ids:
            letter = box.get(key)
            if letter is not None and letter.status in (("queued", "delivered") if heard else ("queued",)):
                box[key] = attrs.evolve(letter, status="heard" if heard else "delivered", payload="")
                changed.append(key)
        return tuple(changed)

    async def expire(self, *, now: int) -> int:
        """Forget everything that has expired."""
        await checkpoint()
        return sum(self._forget(device, now) for device in list(self._letters))

    def _forget(self, device: str, now: int) -> int:
        box = self._letters.get(device, {})
        expired = [letter for letter in box.values() if letter.expires <= now]
        for letter in expired:
            del box[letter.sender, letter.id]
        if not box:
            self._letters.pop(device, None)
        lost = sum(letter.status == "queued" for letter in expired)
        self._dropped[device] += lost
        return lost


def _queued(box: dict[tuple[str, str], Letter]) -> tuple[Letter, ...]:
    return tuple(letter for letter in box.values() if letter.status == "queued")


class MemoryMeetings:
    """A `MeetingStore`."""

    def __init__(self) -> None:
        self._meetings: dict[str, MeetingRecord] = {}
        self._segments: dict[str, list[Segment]] = {}
        self._holes: dict[str, list[Hole]] = {}

    async def begin(self, meeting: MeetingRecord) -> None:
        """A new meeting."""
        await checkpoint()
        if meeting.id not in self._meetings:
            self._meetings[meeting.id] = attrs.evolve(meeting, segments=0)
            self._segments[meeting.id] = []
            self._holes[meeting.id] = []

    async def get(self, meeting: str) -> MeetingRecord | None:
        """One meeting."""
        await checkpoint()
        return self._meetings.get(meeting)

    async def current(self, device: str) -> MeetingRecord | None:
        """The device's newest meeting that is not finalised."""
        await checkpoint()
        found = self._where(lambda meeting: meeting.device == device and meeting.state != "finalised")
        return found[-1] if found else None

    async def latest(self, *, device: str | None = None, limit: int = 100) -> tuple[MeetingRecord, ...]:
        """The newest meetings, the newest first."""
        await checkpoint()
        return self._where(lambda meeting: device in (None, meeting.device))[::-1][:limit]

    async def unfinished(self) -> tuple[MeetingRecord, ...]:
        """All meetings that are not finalised, the oldest first."""
        await checkpoint()
        return self._where(lambda meeting: meeting.state != "finalised")

    async def undelivered(self, device: str) -> tuple[MeetingRecord, ...]:
        """Finalised meetings whose minutes the badge has not got, the oldest first."""
        await checkpoint()
        return self._where(lambda m: m.device == device and m.state == "finalised" and not m.delivered)

    async def add(self, meeting: str, *, ts: int, text: str) -> int:
        """Append a segment."""
        await checkpoint()
        number = self._known(meeting).segments + 1
        self._segments[meeting].append(Segment(number=number, ts=ts, text=text))
        self._meetings[meeting] = attrs.evolve(self._meetings[meeting], segments=number)
        return number

    async def miss(self, meeting: str, hole: Hole) -> None:
        """Something was not heard."""
        await checkpoint()
        self._known(meeting)
        self._holes[meeting].append(hole)

    async def segments(self, meeting: str, *, after: int = 0, limit: int = 1_000_000) -> tuple[Segment, ...]:
        """Segments with numbers above `after`, in order."""
        await checkpoint()
        first = max(after, 0)
        return tuple(self._segments.get(meeting, ())[first : first + limit])

    async def holes(self, meeting: str) -> tuple[Hole, ...]:
        """What was not heard, in order of time."""
        await checkpoint()
        return tuple(sorted(self._holes.get(meeting, ()), key=lambda hole: hole.since))

    async def search(self, device: str, words: str, *, limit: int = 20) -> tuple[Found, ...]:
        """Where the words stand in segments and minutes."""
        wanted = [word.encode() for word in search_words(words)]
        found: list[Found] = []
        for meeting in (await self.latest(device=device, limit=SEARCHED_MEETINGS)) if wanted else ():
            places = [
                (0, meeting.ended, meeting.minutes),
                *((s.number, s.ts, s.text) for s in self._segments[meeting.id]),
            ]
            found += [
                Found(meeting=meeting.id, started=meeting.started, number=number, ts=ts, text=text)
                for number, ts, text in places
                if all(word in text.encode().lower() for word in wanted)
            ]
        return tuple(found[:limit])

    async def save(self, meeting: MeetingRecord) -> None:
        """Replace all that is known about a meeting but its segments."""
        await checkpoint()
        self._meetings[meeting.id] = attrs.evolve(meeting, segments=self._known(meeting.id).segments)

    def _known(self, meeting: str) -> MeetingRecord:
        if meeting not in self._meetings:
            raise StoreError(f"there is no meeting {meeting!r}.", remedy="Begin it first.")
        return self._meetings[meeting]

    def _where(self, condition: Callable[[MeetingRecord], bool]) -> tuple[MeetingRecord, ...]:
        """The oldest first; of those that began at once, the one that came first."""
        return tuple(sorted(filter(condition, self._meetings.values()), key=lambda meeting: meeting.started))


class MemoryReminders:
    """A `ReminderStore`."""

    def __init__(self) -> None:
        self._reminders: dict[str, Reminder] = {}

    async def add(self, reminder: Reminder) -> None:
        """Keep a reminder."""
        await checkpoint()
        self._reminders.setdefault(reminder.id, reminder)

    async def next(self, *, after: int) -> int | None:
        """When the first one after this time is due."""
        await checkpoint()
        return min((reminder.due for reminder in self._reminders.values() if reminder.due > after), default=None)

    async def due(self, *, now: int) -> tuple[Reminder, ...]:
        """All that are due by now, the oldest first."""
        await checkpoint()
        return self._where(lambda reminder: reminder.due <= now)

    async def of(self, device: str) -> tuple[Reminder, ...]:
        """All of one device, the next first."""
        await checkpoint()
        return self._where(lambda reminder: reminder.device == device)

    async def remove(self, reminder: str) -> bool:
        """It was said, or is not wanted any more."""
        await checkpoint()
        return self._reminders.pop(reminder, None) is not None

    def _where(self, condition: Callable[[Reminder], bool]) -> tuple[Reminder, ...]:
        return tuple(sorted(filter(condition, self._reminders.values()), key=lambda reminder: reminder.due))


class MemoryPresence:
    """A `PresenceStore`."""

    def __init__(self) -> None:
        self._groups: dict[str, str] = {}

    async def seen(self, device: str, group: str, *, now: int) -> None:  # noqa: ARG002 - when is for those who look into a file
        """A device is here, and belongs to this group now."""
        await checkpoint()
        self._groups[device] = group

    async def members(self, group: str) -> tuple[str, ...]:
        """All devices of a group, in the order of their ids."""
        await checkpoint()
        return tuple(sorted(device for device, theirs in self._groups.items() if theirs == group))

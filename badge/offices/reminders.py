"""What badges asked to be reminded of: said when it is due, or when the badge is back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import trio
from attrs import define

from badge import sayings
from badge.boundary import boundary
from badge.clock import Ids, WallClock, milliseconds
from badge.config.team import ReminderSettings
from badge.desk import RefusedError
from badge.link import Mailbox
from badge.log import get_log
from badge.notices import Ending, Notice
from badge.offices.wishes import wrong_title
from badge.peers.presence import Presence
from badge.storage.ports import Store, StoreError
from badge.storage.records import Reminder
from protocol import encode_text
from protocol.outbound import ReminderNews

log = get_log(__name__)

LOOK_EVERY = 60.0
"""Seconds after which the wall clock is looked at again: it may have been set."""

OVERDUE = 60_000
"""How long ago (ms) may be what a reminder is wished for."""

DAY = 86_400_000


@define(eq=False)
class _Attempt:
    """One reminder, handed to one connection: what became of its speech and of its message."""

    mailbox: Mailbox
    over: Callable[[], None]
    said: bool | None = None
    shown: bool | None = None

    @property
    def succeeded(self) -> bool | None:
        """None while it is under way."""
        return None if self.said is None or self.shown is None else self.said and self.shown

    def hear(self, ending: Ending) -> None:
        """Whoever cut it off knows of it; and whether a badge plays what it was sent, nobody will ever know."""
        self.said = ending != "lost"
        self.over()

    def see(self, arrived: bool) -> None:  # noqa: FBT001 - it is an Arrival
        """The message is there, or may not be."""
        self.shown = arrived
        self.over()


class Reminders:
    """A `ReminderDesk`, and the `Delivery` of what was due while a badge was away. A reminder is forgotten when it was
    both shown and spoken; each connection is tried once."""

    def __init__(
        self, *, store: Store, presence: Presence, settings: ReminderSettings, clock: WallClock, ids: Ids
    ) -> None:
        self._store = store
        self._presence = presence
        self._settings = settings
        self._clock = clock
        self._ids = ids
        self._attempts: dict[str, _Attempt] = {}
        self._news = trio.Event()

    # --- the desk ---

    async def remind(self, device: str, text: str, due: int) -> Reminder:
        """Remind of `text` at `due`, in ms since the epoch. Raises `RefusedError`."""
        now, text = milliseconds(self._clock), " ".join(text.split())
        if problem := wrong_title(text):
            raise RefusedError("bad-reminder", f"text: {problem}.")
        if due < now - OVERDUE:
            raise RefusedError("past", "This time is over. Give a later one.")
        if due > now + self._settings.farthest_days * DAY:
            raise RefusedError("too-far", f"Up to {self._settings.farthest_days:g} days ahead can be remembered.")
        if len(await self.of(device)) >= self._settings.most:
            raise RefusedError("too-many", f"{self._settings.most} reminders wait. Cancel them first.")
        reminder = Reminder(id=self._ids.sentence(), device=device, due=due, text=text, created=now)
        try:
            await self._store.reminders.add(reminder)
        except StoreError as exc:
            raise _not_stored(exc, device) from exc
        finally:
            self._stir()  # also when nobody waits for the answer any more: it may be stored
        return reminder

    async def of(self, device: str) -> tuple[Reminder, ...]:
        """What waits, the next first. Raises `RefusedError`."""
        try:
            return await self._store.reminders.of(device)
        except StoreError as exc:
            raise _not_stored(exc, device) from exc

    async def cancel(self, device: str) -> int:
        """Forget all reminders of the device; gives how many there were. Raises `RefusedError`."""
        try:
            return sum([await self._store.reminders.remove(reminder.id) for reminder in await self.of(device)])
        except StoreError as exc:
            raise _not_stored(exc, device) from exc

    async def forget(self, device: str, reminder: str) -> bool:
        """Forget one reminder of the device, by its id; false when there is none. Raises `RefusedError`."""
        if all(one.id != reminder for one in await self.of(device)):
            return False
        try:
            return await self._store.reminders.remove(reminder)
        except StoreError as exc:
            raise _not_stored(exc, device) from exc

    # --- the delivery ---

    def arrived(self, device: str, mailbox: Mailbox) -> None:  # noqa: ARG002 - all that is due is looked through
        """The device is here: it hears what it has missed."""
        self._stir()

    def greeted(self, device: str, mailbox: Mailbox) -> None:
        """Nothing waits for a hello."""

    def left(self, device: str) -> None:
        """What was not heard to its end waits for the next connection."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Remind until cancelled."""
        task_status.started()
        while True:
            self._news = trio.Event()
            pause = LOOK_EVERY
            with boundary("reminders", log):
                pause = await self._go_round()
            with trio.move_on_after(pause):
                await self._news.wait()

    def _stir(self) -> None:
        self._news.set()

    async def _go_round(self) -> float:
        """Say what is due; gives the seconds until more may be."""
        store = self._store.reminders
        try:
            for number in [number for number, attempt in self._attempts.items() if attempt.succeeded]:
                await store.remove(number)
                del self._attempts[number]
            now = milliseconds(self._clock)
            due = await store.due(now=now)
            following = await store.next(after=now)
        except StoreError as exc:
            log.warning("reminders cannot be read", detail=exc.detail, again_s=LOOK_EVERY)
            return LOOK_EVERY
        known = {reminder.id for reminder in due}
        self._attempts = {n: a for n, a in self._attempts.items() if n in known or a.succeeded is None}
        for reminder in due:
            self._attempt(reminder)
        return LOOK_EVERY if following is None else min(LOOK_EVERY, (following - now) / 1000)

    def _attempt(self, reminder: Reminder) -> None:
        mailbox = self._presence.find(reminder.device)
        before = self._attempts.get(reminder.id)
        if mailbox is None or (before is not None and (before.succeeded is not False or before.mailbox is mailbox)):
            return
        attempt = _Attempt(mailbox, self._stir)
        now = self._clock.now()
        when = datetime.fromtimestamp(reminder.due / 1000, now.tzinfo)
        if not mailbox.announce(Notice(kind="reminder", text=sayings.due(reminder.text, when, now)), attempt.hear):
            return
        self._attempts[reminder.id] = attempt
        late = max(0, milliseconds(self._clock) - reminder.due)
        news = ReminderNews(id=reminder.id, text=reminder.text, due=reminder.due, late_ms=late)
        if not mailbox.post(encode_text(news), arrival=attempt.see):
            attempt.shown = False
        log.info("reminded", device=reminder.device, late_ms=late)


def _not_stored(exc: StoreError, device: str) -> RefusedError:
    log.error("reminders not stored", device=device, detail=exc.detail)
    return RefusedError("not-stored", "The reminders could not be stored. Try again later.")

"""The snapshots of one connection: never two in a hurry, and the last one true."""

from __future__ import annotations

from math import inf
from typing import Never

import trio
from attrs import frozen

from badge import texts
from badge.config.team import WorkflowSettings
from badge.link import Mailbox
from badge.log import get_log
from badge.machines.base import Watch
from badge.machines.snapshot import SnapshotMachine
from badge.offices.wishes import task_list
from badge.storage.ports import StoreError, TaskStore

log = get_log(__name__)

WINDOW = 1.5
"""Seconds between two snapshots that nobody asked for."""

RETRY = 15.0
"""Seconds until the store is asked again after it could not be read."""

_UNKNOWN = -1


@frozen(kw_only=True, eq=False)
class Reader:
    """Whom the snapshots are for."""

    device: str
    group: str
    mailbox: Mailbox


@frozen
class _Wish:
    """A snapshot that is to be sent; `anew`: although the badge may have it already."""

    cause: str
    anew: bool


@frozen
class _Sent:
    """The revision that the badge was sent last, and when the window after it ends (Trio time)."""

    revision: int
    until: float


class Bulletin:
    """Sends one connection the tasks of its group: when it asks, and when they change. The tasks are read when they are
    sent, so that what was suppressed or put off is never old."""

    def __init__(self, reader: Reader, *, tasks: TaskStore, settings: WorkflowSettings, watch: Watch) -> None:
        self.reader = reader
        self._settings = settings
        self._tasks = tasks
        self._watch = watch
        self._busy: SnapshotMachine | None = None  # a quiet one is as good as none, and takes 11 KiB
        self._wish: _Wish | None = None
        self._stir = trio.Event()
        self._sent = _Sent(_UNKNOWN, -inf)
        self._scope = trio.CancelScope()

    def request(self, cause: str) -> None:
        """There is a reason to send a snapshot, if there was none just now. `cause` is for the log."""
        self._machine.request(cause=cause)

    def change(self) -> None:
        """The tasks may be different."""
        self._machine.change(cause="change")

    def refresh(self) -> None:
        """The user asks for the tasks."""
        self._machine.refresh(cause="refresh")

    @property
    def _machine(self) -> SnapshotMachine:
        if self._busy is None:
            self._busy = SnapshotMachine(self, self._watch)
        return self._busy

    def send(self, event: str, cause: str) -> None:
        """Send all tasks: those that are news only, unless somebody asked."""
        anew = event in ("request", "refresh") or (self._wish is not None and self._wish.anew)
        self._wish = _Wish(cause, anew)
        self._stir.set()

    def stop(self) -> None:
        """The connection is gone."""
        self._scope.cancel("the connection is gone")

    async def run(self) -> None:
        """Send the first snapshot, and those that are asked for, until stopped."""
        with self._scope:
            if not self._settings.test_mode:  # and then without a nursery, which takes 1 KiB of every connection
                self.request("register")
                await self._serve()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._register_later)
                await self._serve()

    async def _serve(self) -> Never:
        while True:
            await self._step()

    async def _register_later(self) -> None:
        await trio.sleep(self._settings.snapshot_on_register_delay_ms / 1000)
        self.request("register")

    async def _step(self) -> None:
        if self._wish is None:
            self._stir = trio.Event()
            with trio.move_on_at(inf if self._busy is None else self._sent.until):
                await self._stir.wait()
        wish, self._wish = self._wish, None
        if wish is None:
            self._machine.window_over()
            if self._machine.state == "quiet":
                self._busy = None
        else:
            await self._publish(wish)

    async def _publish(self, wish: _Wish) -> None:
        reader = self.reader
        try:
            snapshot = await self._tasks.snapshot(reader.group)
        except StoreError as exc:
            log.warning("the tasks cannot be read", device=reader.device, detail=exc.detail, again_s=RETRY)
            self._sent = _Sent(_UNKNOWN, trio.current_time() + RETRY)
            self._machine.change()
            return
        if snapshot.revision == self._sent.revision and not wish.anew:
            return
        if reader.mailbox.post(task_list(snapshot)):
            # The window begins here and not when the machine entered it: reading takes its time.
            self._sent = _Sent(snapshot.revision, trio.current_time() + WINDOW)
            self._note(wish.cause, len(snapshot.tasks))

    def _note(self, cause: str, count: int) -> None:
        reader, test_mode = self.reader, self._settings.test_mode
        line = texts.LOG_SNAPSHOT_REGISTER if cause == "register" else texts.LOG_SNAPSHOT
        log.info(line, source=cause, group=reader.group, device=reader.device, count=count, test_mode=test_mode)

"""The board of tasks: what a badge does to the tasks of its group is stored, and shown to the whole group."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence

import attrs
import trio

from badge.boundary import boundary
from badge.clock import Ids, WallClock, milliseconds
from badge.config.team import WorkflowSettings
from badge.desk import RefusedError
from badge.link import Mailbox
from badge.log import get_log
from badge.machines.base import Watch, unwatched
from badge.offices.bulletin import Bulletin, Reader
from badge.offices.groups import INVENTED, group_of
from badge.offices.wishes import MOST_WISHES, wrong_due, wrong_id, wrong_title
from badge.storage.ports import Store, StoreError
from badge.storage.tasks import Assign, Change, Claim, Command, Complete, Create, Draft, Edit, Finish, Result, Task

log = get_log(__name__)


MAIL_WITHIN = 5.0
"""Seconds that the first snapshot waits for the mail before it."""

First = Callable[[str], Awaitable[None]]
"""Waits until a device that has come was handed what it shall have before its tasks."""


async def _nothing_first(_device: str) -> None:
    await trio.lowlevel.checkpoint()


class Board:
    """A `TaskDesk`, and the `Delivery` of snapshots."""

    def __init__(
        self,
        *,
        store: Store,
        settings: WorkflowSettings,
        clock: WallClock,
        ids: Ids,
        first: First = _nothing_first,
        watch: Watch = unwatched,
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._ids = ids
        self._first = first
        self._watch = watch
        self._bulletins: dict[str, Bulletin] = {}
        self._nursery: trio.Nursery | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve those who arrive from now on, until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                task_status.started()
                await trio.sleep_forever()
            finally:
                self._nursery = None

    # --- the tasks ---

    async def of(self, device: str) -> tuple[Task, ...]:
        """All tasks of the group, the oldest first. Raises `RefusedError`."""
        try:
            return (await self._store.tasks.snapshot(group_of(device, self._settings))).tasks
        except StoreError as exc:
            log.error("tasks not read", device=device, detail=exc.detail)
            raise RefusedError("not-read", "The tasks cannot be read. Try again later.") from exc

    async def create(self, device: str, drafts: Sequence[Draft]) -> tuple[Result, ...]:
        """Add tasks; one without an id gets one. Raises `RefusedError`."""
        named = tuple(attrs.evolve(draft, id=draft.id or self._ids.short()) for draft in drafts)
        _require_valid(
            (draft.id for draft in named),
            titles=(draft.title for draft in named),
            dates=(draft.due or "" for draft in named),
        )
        return await self._carry_out(device, Create(device=device, at=milliseconds(self._clock), drafts=named))

    async def change(self, device: str, edits: Sequence[Edit]) -> tuple[Result, ...]:
        """Edit tasks. Raises `RefusedError`."""
        _require_valid(
            (edit.id for edit in edits),
            titles=(edit.title for edit in edits if edit.title is not None),
            dates=(edit.due for edit in edits if edit.due is not None),
        )
        return await self._carry_out(device, Change(device=device, at=milliseconds(self._clock), edits=tuple(edits)))

    async def assign(self, device: str, task: str) -> Result:
        """Take one task. Raises `RefusedError`."""
        _require_valid([task])
        (result,) = await self._carry_out(device, Assign(device=device, at=milliseconds(self._clock), id=task))
        return result

    async def claim(self, device: str) -> Result:
        """Take whatever is free. Raises `RefusedError`."""
        (result,) = await self._carry_out(device, Claim(device=device, at=milliseconds(self._clock)))
        return result

    async def complete(self, device: str, tasks: Sequence[str]) -> tuple[Result, ...]:
        """These tasks are done; each is told of once. Raises `RefusedError`."""
        _require_valid(tasks)
        return await self._carry_out(device, Complete(device=device, at=milliseconds(self._clock), ids=tuple(tasks)))

    async def finish(self, device: str) -> Result:
        """Whatever this device works on is done. Raises `RefusedError`."""
        (result,) = await self._carry_out(device, Finish(device=device, at=milliseconds(self._clock)))
        return result

    async def _carry_out(self, device: str, command: Command) -> tuple[Result, ...]:
        group = group_of(device, self._settings)
        try:
            decision = await self._store.tasks.carry_out(group, command)
        except StoreError as exc:
            log.error("tasks not stored", device=device, detail=exc.detail)
            raise RefusedError("not-stored", "The tasks could not be stored. Try again later.") from exc
        except trio.Cancelled:
            self._tell(group)  # the store may have carried it out all the same
            raise
        if decision.changed or decision.forgotten:
            self._tell(group)
        return decision.results

    def _tell(self, group: str) -> None:
        for bulletin in self._bulletins.values():
            if bulletin.reader.group == group:
                bulletin.change()

    # --- the snapshots ---

    def show(self, device: str) -> None:
        """Send the device a snapshot, unless it was sent one just now."""
        if bulletin := self._bulletins.get(device):
            bulletin.request("mode_start")

    def refresh(self, device: str) -> None:
        """Send the device a snapshot in any case, now."""
        if bulletin := self._bulletins.get(device):
            bulletin.refresh()

    def arrived(self, device: str, mailbox: Mailbox) -> None:
        """The device is here, by a connection of its own."""
        self.left(device)
        if self._nursery is None:  # the server stops
            return
        reader = Reader(device=device, group=group_of(device, self._settings), mailbox=mailbox)
        bulletin = Bulletin(reader, tasks=self._store.tasks, settings=self._settings, watch=self._watch)
        self._bulletins[device] = bulletin
        self._nursery.start_soon(self._serve, bulletin)
        if not device.startswith(INVENTED):  # nobody can write to such a device later, and there is no end of them
            self._nursery.start_soon(self._remember, reader)

    def greeted(self, device: str, mailbox: Mailbox) -> None:
        """The device has said hello."""
        bulletin = self._bulletins.get(device)
        if bulletin is not None and bulletin.reader.mailbox is mailbox:
            bulletin.request("hello")

    def left(self, device: str) -> None:
        """The device has gone."""
        if bulletin := self._bulletins.pop(device, None):
            bulletin.stop()

    async def _serve(self, bulletin: Bulletin) -> None:
        with boundary("snapshots of tasks", log):
            with trio.move_on_after(MAIL_WITHIN):
                await self._first(bulletin.reader.device)
            await bulletin.run()

    async def _remember(self, reader: Reader) -> None:
        with boundary("device and group", log):
            try:
                await self._store.presence.seen(reader.device, reader.group, now=milliseconds(self._clock))
            except StoreError as exc:
                log.warning("device and group not stored", device=reader.device, detail=exc.detail)


def _require_valid(ids: Iterable[str], *, titles: Iterable[str] = (), dates: Iterable[str] = ()) -> None:
    """Raises `RefusedError` for what the wire would not have let in either."""
    numbers = list(ids)
    if len(numbers) > MOST_WISHES:
        raise RefusedError("too-many", f"{len(numbers)} tasks at once; up to {MOST_WISHES} are taken.")
    checks = (("id", wrong_id, numbers), ("title", wrong_title, titles), ("due", wrong_due, dates))
    for name, wrong, values in checks:
        for value in values:
            if problem := wrong(value):
                raise RefusedError("bad-task", f"{name}: {problem}.")

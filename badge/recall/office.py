"""The office of memory: what devices said lately, what is known of them, and who keeps it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial

import trio

from badge.boundary import boundary
from badge.clock import Ids, WallClock, milliseconds
from badge.components import Component
from badge.config.memory import MemorySettings
from badge.desk import Past, RefusedError, Said
from badge.llms import Llms
from badge.log import get_log
from badge.recall.meanings import Meanings
from badge.recall.pages import Pages, Write
from badge.recall.reading import Reader
from badge.recall.recaller import Recaller
from badge.recall.study import Study
from badge.storage.ports import RecallStore, StoreError
from badge.storage.recollections import Exchanged, Known, Part
from providers.pauses import KEPT
from providers.ports import Embedder, well_formed

log = get_log(__name__)

EXPIRE_EVERY = 600.0
"""Seconds between two looks for exchanges that are over."""

FINISH_WITHIN = 9.0
"""Seconds that conversations have to be worked out when the server stops, within the 10 s of all offices, so that it can
be told what is left; that is done after the next start."""

LONGEST_SAID = 4000
"""Characters of either side of an exchange that are kept."""


class Memory:
    """A `MemoryDesk`. It works from the moment when `run` reports `started`; what it is told before, and after, is lost.

    What it is told is queued (`Pages`), so that telling never waits; what it is asked waits for that queue, so that a
    device that comes back finds all that it said, on whatever connection.
    """

    def __init__(
        self,
        *,
        store: RecallStore,
        llms: Llms,
        embedder: Component[Embedder],
        settings: MemorySettings,
        history: int,
        clock: WallClock,
        ids: Ids,
    ) -> None:
        meanings = Meanings(embedder, settings.embeddings.timeout_s)
        self._store = store
        self._embedder = embedder
        self._settings = settings
        self._history = history
        self._clock = clock
        self._study = Study(
            store=store,
            reader=Reader(llms, meanings, settings),
            keep=settings.facts,
            clock=clock,
            ids=ids,
            settled=self._settled,
        )
        self.recaller = Recaller(store=store, meanings=meanings, settings=settings, clock=clock)
        self._unread: Counter[str] = Counter()  # exchanges of conversations that go on
        self._at_work: tuple[Pages, trio.Nursery] | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Take up what a former run of the server has left, and serve until cancelled. Raises `StoreError` when that cannot
        be read."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._embedder.run)
            self._at_work = Pages(nursery), nursery
            try:
                left = await self._store.unread_devices()
                for device in left:  # whose sessions ended with the former run
                    self._study.add(device, nursery)
                if left:
                    log.info("conversations taken up", devices=len(left))
                task_status.started()
                while True:
                    with boundary("forgetting", log):
                        await self._expire()
                    await trio.sleep(EXPIRE_EVERY)
            finally:
                self._at_work = None

    async def settle(self) -> None:
        """Wait until everything that was told is stored and worked out, for `FINISH_WITHIN` at most."""
        if self._at_work is None:
            return
        pages, _ = self._at_work
        with trio.move_on_after(FINISH_WITHIN):
            await pages.all_settled()
            await self._study.finish()
        if pages.waiting or self._study.unfinished:
            log.warning(
                "memory not finished",
                not_stored=pages.waiting,
                to_be_worked_out_after_the_next_start=self._study.unfinished,
            )

    # --- the desk ---

    async def past(self, device: str) -> Past:
        """What was said lately. Raises `RefusedError`."""
        await self._settled(device)
        since, until = self._window()
        try:
            found = await self._store.exchanges(device, since=since, until=until, limit=self._history)
            pauses = await self._store.pauses(device)
        except StoreError as exc:
            log.error("memory cannot be read", device=device, detail=exc.detail)
            raise RefusedError("not-stored", "What was said before cannot be read. Try again later.") from exc
        return Past(exchanges=tuple(Said(user=one.user, answer=one.answer) for one in found), pauses=pauses)

    def said(self, device: str, session: str, said: Said) -> None:
        """An exchange is over."""
        exchange = Exchanged(
            device=device,
            session=session,
            at=self._now(),
            user=well_formed(said.user[:LONGEST_SAID]),
            answer=well_formed(said.answer[:LONGEST_SAID]),
        )
        self._write(device, partial(self._store.add, exchange, keep=self._settings.exchanges))
        self._unread[device] += 1
        if self._unread[device] > self._settings.exchanges // 2:  # before the first of them go
            self._read(device)

    def paused(self, device: str, pauses: Sequence[float]) -> None:
        """The latest pauses of the user."""
        kept = tuple(pauses)[-KEPT:]
        self._write(device, partial(self._store.keep_pauses, device, kept, now=self._now()))

    def over(self, device: str, session: str) -> None:  # noqa: ARG002 - all that is unread is read, whatever session it is of
        """The conversation is over."""
        if served := tuple(self.recaller.served(device)):
            self._write(device, partial(self._store.serve, device, served, now=self._now()))
        self._read(device)

    # --- the operator ---

    async def forget(self, device: str, *, part: Part = "all", fact: str = "") -> int:
        """Erase a part of a device's memory, or one fact, with what is still to be written of it; gives how many there were.
        Raises `StoreError`."""
        await self._settled(device)
        return await self._store.forget(device, part=part, fact=fact)

    async def devices(self) -> tuple[Known, ...]:
        """Everybody of whom something is remembered. Raises `StoreError`."""
        return await self._store.devices()

    # --- behind the desk ---

    def _now(self) -> int:
        return milliseconds(self._clock)

    def _window(self) -> tuple[int, int]:
        """The times between which a conversation goes on. What seems to be of the future was said before the clock was set
        back; nobody knows when, but it must not go on for ever."""
        width = round(self._settings.resume_within_s * 1000)
        return self._now() - width, self._now() + width

    def _read(self, device: str) -> None:
        """Have it worked out what is worth remembering of what was said so far."""
        self._unread.pop(device, None)
        if self._at_work is not None:
            self._study.add(device, self._at_work[1])

    def _write(self, device: str, write: Write) -> None:
        if self._at_work is not None:
            self._at_work[0].put(device, write)

    async def _settled(self, device: str) -> None:
        if self._at_work is not None:
            await self._at_work[0].settled(device)

    async def _expire(self) -> None:
        try:
            before, after = self._window()
            await self._store.expire(before=before, after=after)
        except StoreError as exc:
            log.warning("memory cannot be looked through", detail=exc.detail)

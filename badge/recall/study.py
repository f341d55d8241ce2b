"""Working out what is worth remembering of conversations that are over; owned by the server, not by any session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import trio

from badge.boundary import boundary
from badge.clock import Ids, WallClock, milliseconds
from badge.log import get_log
from badge.recall.findings import lesson_of
from badge.recall.reading import Reader
from badge.storage.ports import RecallStore, StoreError
from badge.storage.recollections import Exchanged
from providers.ports import ProviderError

log = get_log(__name__)

AT_ONCE = 4
"""Conversations that are worked out at one time."""

ATTEMPTS = 3
RETRY = 60.0
"""How often the model is asked about a conversation, and the seconds in between; then explicit statements have to do."""

BATCH = 40
"""Exchanges that the model is shown at once."""

SHOWN = 100
"""Known facts that the model is shown."""

SUMMARIES = 10
"""Summaries that are kept of one device."""


class Study:
    """One job for each device at most; what is not worked out stays marked in the store."""

    def __init__(
        self,
        *,
        store: RecallStore,
        reader: Reader,
        keep: int,
        clock: WallClock,
        ids: Ids,
        settled: Callable[[str], Awaitable[None]],
    ) -> None:
        self._store = store
        self._reader = reader
        self._keep = keep
        self._clock = clock
        self._ids = ids
        self._settled = settled
        self._jobs: dict[str, bool] = {}  # device -> whether there is more since the job began
        self._left: set[str] = set()  # devices whose jobs ended without success because the server stops
        self._over = _Over()

    @property
    def unfinished(self) -> int:
        """Devices whose conversations are being worked out, wait for that, or are left for the next run."""
        return len({*self._jobs, *self._left})

    def add(self, device: str, nursery: trio.Nursery) -> None:
        """Work out what this device has said since the last time."""
        if device in self._jobs:
            self._jobs[device] = True
        else:
            self._jobs[device] = False
            nursery.start_soon(self._work, device)

    async def finish(self) -> None:
        """Wait for the jobs there are; what would have to be tried again is left for the next run of the server."""
        self._over.hurry.set()
        while self._jobs:
            await self._over.changed()

    async def _work(self, device: str) -> None:
        try:
            with boundary("working out a conversation", log):
                again = True
                while again:
                    self._jobs[device] = False
                    await self._try(device)
                    again = self._jobs[device]
        finally:
            del self._jobs[device]
            self._over.tell()

    async def _try(self, device: str) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await self._settled(device)
                async with self._over.limit:
                    await self._read_all(device, last=attempt == ATTEMPTS)
                return
            except (ProviderError, trio.TooSlowError, StoreError) as exc:
                log.warning("not worked out yet", device=device, attempt=attempt, error=str(exc) or "too slow")
            with trio.move_on_after(RETRY if attempt < ATTEMPTS else 0):
                await self._over.hurry.wait()
                self._left.add(device)
                return

    async def _read_all(self, device: str, *, last: bool) -> None:
        """All that is unread now, part by part; what is said meanwhile is read when its conversation is over. Raises what the
        model or the store raises, when it may be worth another attempt."""
        exchanges = await self._store.unread(device, limit=BATCH)
        while exchanges:
            await self._read(device, exchanges, last=last)
            more = len(exchanges) == BATCH
            exchanges = await self._store.unread(device, limit=BATCH) if more else ()

    async def _read(self, device: str, exchanges: Sequence[Exchanged], *, last: bool) -> None:
        known = await self._store.facts(device, limit=self._keep)
        facts = [fact for fact in known if fact.kind == "fact"]
        findings = await self._reader.findings(device, facts[:SHOWN], exchanges, last=last)
        lesson = lesson_of(findings, facts, exchanges, now=milliseconds(self._clock), new_id=self._ids.short)
        lesson = await self._reader.with_vectors(lesson, known)
        await self._store.learn(lesson, keep=self._keep, summaries=SUMMARIES)
        log.info("conversation worked out", device=device, exchanges=len(exchanges), facts=len(findings.facts))


class _Over:
    """What jobs wait for, and who waits for them."""

    def __init__(self) -> None:
        self.limit = trio.CapacityLimiter(AT_ONCE)
        self.hurry = trio.Event()
        self._news = trio.Event()

    def tell(self) -> None:
        """A job has ended."""
        self._news.set()
        self._news = trio.Event()

    async def changed(self) -> None:
        """Wait for the end of a job."""
        await self._news.wait()

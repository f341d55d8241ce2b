"""An office of meetings on a stage: a store, badges with real outboxes, a wall clock that goes with Trio's."""

from __future__ import annotations

import datetime
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import attrs
import trio
import trio.testing

from badge.clock import Ids, milliseconds
from badge.config.team import MeetingSettings
from badge.dialogue import Dialogue
from badge.link import Mailbox, Outbox, keep_alive, write_frames
from badge.llms import Llms
from badge.machines.base import Watch, unwatched
from badge.meetings.office import Meetings
from badge.peers.presence import Presence, Resident
from badge.storage.memory import MemoryStore
from badge.storage.ports import MeetingStore, Store, StoreError
from badge.storage.tasks import Create, Draft, Result
from providers.ports import Llm
from tests.house import MemoryWire
from tests.meetings.models import ReadingLlm, start

DEVICE = "aa:bb:cc:00:00:01"
BEGIN = datetime.datetime(2026, 11, 21, 9, 30, tzinfo=datetime.timezone(datetime.timedelta(hours=8)))
_SEEDS = count()
"""A server that starts again invents other ids."""
START = round(BEGIN.timestamp() * 1000)


class MovingClock:
    """Wall time from `BEGIN` on."""

    def __init__(self) -> None:
        self._zero = trio.current_time()

    def now(self) -> datetime.datetime:
        return BEGIN + datetime.timedelta(seconds=trio.current_time() - self._zero)


class Tasks:
    """As much of a board as meetings use."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def create(self, device: str, drafts: Sequence[Draft]) -> tuple[Result, ...]:
        decision = await self._store.tasks.carry_out("group", Create(device=device, at=1, drafts=tuple(drafts)))
        return decision.results

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


class Troubled:
    """The meetings of a store that may break: the methods in `broken` fail, and every call is counted."""

    def __init__(self, meetings: MeetingStore) -> None:
        self._meetings = meetings
        self.broken: set[str] = set()
        self.calls: list[str] = []
        self.refuse_text = ""

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._meetings, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            self.calls.append(name)
            if (
                name in self.broken
                or "*" in self.broken
                or (self.refuse_text and kwargs.get("text") == self.refuse_text)
            ):
                await trio.lowlevel.checkpoint()
                raise StoreError("the disk is full.")
            return await method(*args, **kwargs)

        return call


class TroubledStore(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.meetings: Any = Troubled(self.meetings)


class Badge:
    """A badge that is connected: the server's outbox, writer and keepalive, and what came through."""

    def __init__(self, stage: Stage, device: str) -> None:
        self._stage = stage
        self.device = device
        self.wire = MemoryWire()
        self._outbox = Outbox(lambda: None)
        self.mailbox = Mailbox(self._outbox, lambda _: None)
        self._resident: Resident
        self._scope = trio.CancelScope()

    def connect(self) -> None:
        """Register, and get what has waited."""
        self._resident, _ = self._stage.presence.enter(self.device, self.mailbox, Dialogue(limit=1))
        self._stage.nursery.start_soon(self._serve)
        self._stage.office.arrived(self.device, self.mailbox)

    def vanish(self) -> None:
        """The connection is gone, as a session ends: unregistered if it is the newest, and the office is told when no
        other is left."""
        self._scope.cancel()
        self._outbox.finish()
        if self._stage.presence.leave(self.device, self._resident):
            self._stage.office.left(self.device)
        self._outbox.lose()

    async def _serve(self) -> None:
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(lambda: write_frames(self.wire, self._outbox, stall=10))
                nursery.start_soon(lambda: keep_alive(self.wire, self._outbox))

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(frame) for _, frame in self.wire.sent]

    def of(self, phase: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["phase"] == phase]

    @property
    def texts(self) -> list[str]:
        """The transcript as far as it was pushed."""
        return [segment["text"] for message in self.of("snippet") for segment in message["segments"]]

    async def summary(self, count: int = 1, within: float = 3600) -> dict[str, Any]:
        """Wait for minutes."""
        with trio.fail_after(within):
            while len(self.of("summary")) < count:
                await self.wire.news()
        return self.of("summary")[count - 1]


class Stage:
    """An office that runs."""

    def __init__(self, nursery: trio.Nursery, clock: MovingClock) -> None:
        self.nursery = nursery
        self.clock = clock
        self.settings = MeetingSettings()
        self.presence = Presence(100)
        self.office: Meetings
        self.llms: Llms
        self.store: Any

    def badge(self, device: str = DEVICE) -> Badge:
        """A badge that connects."""
        badge = Badge(self, device)
        badge.connect()
        return badge

    def now(self) -> int:
        return milliseconds(self.clock)

    def change(self, **settings: Any) -> None:
        """Another configuration, as after a reload."""
        self.settings = attrs.evolve(self.settings, **settings)

    def say(self, *texts: str, device: str = DEVICE) -> None:
        """Words that were recognised just now."""
        for text in texts:
            self.office.add(device, text, self.now())

    async def end(self, device: str = DEVICE, session: str = "s1") -> Any:
        """A whole end: no words are on their way."""
        closing = await self.office.finalise(device, session)
        self.office.heard_out(device)
        return closing

    async def quiet(self) -> None:
        """Whatever happens without time passing has happened."""
        await trio.testing.wait_all_tasks_blocked()

    async def record(self) -> Any:
        """The newest meeting as it is stored."""
        return (await self.store.meetings.latest())[0]


@asynccontextmanager
async def office(
    llm: Llm | None = None,
    *,
    store: Any = None,
    clock: MovingClock | None = None,
    watch: Watch = unwatched,
    **settings: Any,
) -> AsyncIterator[Stage]:
    """A stage; when the block ends, everything is killed as it stands."""
    async with trio.open_nursery() as nursery:
        stage = Stage(nursery, clock or MovingClock())
        stage.store = MemoryStore() if store is None else store
        stage.change(**settings)
        stage.llms = await start(nursery, llm or ReadingLlm())
        stage.office = Meetings(
            store=stage.store,
            presence=stage.presence,
            llms=stage.llms,
            settings=lambda: stage.settings,
            clock=stage.clock,
            ids=Ids(seed=next(_SEEDS)),
            tasks=Tasks(stage.store),
            watch=watch,
        )
        await nursery.start(stage.office.run)
        yield stage
        nursery.cancel_scope.cancel()

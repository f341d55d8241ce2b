"""A street for post office tests: real stores, outboxes and writers, and badges that read, stall or vanish."""

from __future__ import annotations

import datetime
import json
from collections import Counter, deque
from typing import Any

import trio
import trio.testing

from badge.clock import Ids
from badge.config.team import PeerSettings
from badge.desk import Fate, Outgoing
from badge.dialogue import Dialogue
from badge.link import LinkClosedError, Mailbox, Outbox, keep_alive, write_frames
from badge.notices import Ending, Notice, Told
from badge.offices.post import PostOffice
from badge.peers.presence import Presence
from badge.storage.memory import MemoryStore
from badge.storage.ports import Store
from providers.ports import Language
from tests.house import FrozenClock, MemoryWire

PAYLOAD = {"text": "hello"}


class Visitor:
    """One connection of a badge, with the writer and the pings of a real one; or, `driven`, moved by hand."""

    def __init__(self, street: Street, device: str, *, announces: bool = True, driven: bool = False) -> None:
        self.street, self.device = street, device
        self.wire = MemoryWire()
        self.overflows = 0
        self.announces = announces
        self.notices: list[Notice] = []
        self.told: deque[Told] = deque()
        self.outbox = Outbox(self._overflow)
        self.mailbox = Mailbox(self.outbox, lambda _: None, self._announce)
        self._scope = trio.CancelScope()
        self._resident, _ = street.presence.enter(device, self.mailbox, Dialogue(1))
        if not driven:
            street.nursery.start_soon(self._run)
        street.office.arrived(device, self.mailbox)

    def _overflow(self) -> None:
        self.overflows += 1

    def _announce(self, notice: Notice, told: Told) -> bool:
        if self.announces:
            self.notices.append(notice)
            self.told.append(told)
        return self.announces

    def finish(self, ending: Ending = "played") -> None:
        """The oldest announcement that has not ended has ended."""
        self.told.popleft()(ending)

    @property
    def said(self) -> list[str]:
        return [notice.text for notice in self.notices]

    async def _run(self) -> None:
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write)
                nursery.start_soon(keep_alive, self.wire, self.outbox)

    async def _write(self) -> None:
        try:
            await write_frames(self.wire, self.outbox, stall=1e6)
        except LinkClosedError:
            return

    async def read(self, most: int = 1) -> None:
        """Read so many messages, if there are as many."""
        for _ in range(most):
            with trio.move_on_after(0):
                frame = await self.outbox.take()
                if frame is not None:
                    self.wire.sent.append((trio.current_time(), frame))

    def prove(self, most: int = 1_000_000) -> None:
        """Show that the first so many of what was read have arrived."""
        self.outbox.prove(min(most, self.outbox.unproven))

    def stall(self) -> None:
        """Read nothing more."""
        self.wire.reading = trio.Event()

    def go_on(self) -> None:
        """Read again."""
        self.wire.reading.set()

    def vanish(self) -> None:
        """The connection is over, as a session ends it."""
        if self.street.presence.leave(self.device, self._resident):
            self.street.office.left(self.device)
        self.outbox.finish()
        self.outbox.lose()
        self._scope.cancel()

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(frame) for _, frame in self.wire.sent]

    def of(self, event: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message.get("event") == event]

    @property
    def letters(self) -> list[tuple[str, str]]:
        """Sender and id of each letter that was read, in order."""
        return [(message["from"], message["id"]) for message in self.of("message")]

    @property
    def receipts(self) -> list[tuple[str, str, str]]:
        return [(message["id"], message["to"], message["status"]) for message in self.of("receipt")]

    @property
    def redelivered(self) -> list[tuple[str, int]]:
        return [(message["to"], message["count"]) for message in self.of("redelivered")]


class Street:
    """A post office and who comes by."""

    def __init__(
        self, nursery: trio.Nursery, *, store: Store | None = None, language: Language = "en", **settings: Any
    ) -> None:
        self.nursery = nursery
        self.store = store or MemoryStore()
        self.clock = FrozenClock()
        self.presence = Presence(10_000)
        self.ids = Ids(seed=1)
        self.language = language
        self.settings = PeerSettings(**settings)
        self.sent = Counter[str]()
        self.office = self.open_office()

    def open_office(self) -> PostOffice:
        return PostOffice(
            store=self.store,
            presence=self.presence,
            settings=self.settings,
            groups=lambda device: device[:2],
            clock=self.clock,
            ids=self.ids,
            language=self.language,
        )

    async def open(self) -> Street:
        await self.nursery.start(self.office.run)
        return self

    def enter(self, device: str, **how: Any) -> Visitor:
        return Visitor(self, device, **how)

    def pass_time(self, **delta: float) -> None:
        self.clock.moment += datetime.timedelta(**delta)

    async def send(
        self,
        sender: str,
        to: str | list[str],
        number: str = "",
        *,
        category: str = "text",
        payload: dict[str, Any] = PAYLOAD,
    ) -> dict[str, Fate]:
        self.sent[sender] += 1
        message = Outgoing(
            id=number or f"m{self.sent[sender]}",
            to=[to] if isinstance(to, str) else to,
            category=category,
            payload=payload,
        )
        return await self.office.send(sender, message)

    async def quiet(self) -> None:
        """Everything that happens without time passing has happened."""
        await trio.testing.wait_all_tasks_blocked()

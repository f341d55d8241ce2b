"""The stage of a replay: the real server code, with a badge, others and providers that do what they did then."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress

import trio
import trio.testing
import trio_websocket

from badge.link import Wire
from badge.recording.recorder import converse_on_record
from badge.recording.records import Kind, Record
from badge.replay.cast import Cast
from badge.replay.comparison import Comparison
from badge.replay.determinism import Order
from badge.replay.driver import DivergedError, Driver
from badge.replay.playedwire import PlayedWire
from badge.replay.script import Script
from badge.replay.surroundings import LAST_MOMENTS, PlayedPresence, connect, listen, services_of
from badge.services import Services
from protocol import Identity

_BREAKS = (Kind.LOST, Kind.UNSENT, Kind.CUT, Kind.CANCEL)
"""After these not everything that was sent has to arrive."""


async def perform(
    script: Script, clock: trio.testing.MockClock, order: Order, lag: float, hidden_first: Collection[int] | None
) -> tuple[Comparison, tuple[int, ...]]:
    """Let everything happen again: what came of it, and the last groups of records in which something was done. For the
    arguments see `Driver`."""
    comparison = Comparison(script)
    trio.lowlevel.add_instrument(comparison.passes)
    async with trio.open_nursery() as nursery:
        stage = Stage(script, comparison)
        for component in (*stage.services.components(), *stage.private.components()):
            nursery.start_soon(component.run)
        try:
            badge = await stage.connect(nursery)
            await trio.testing.wait_all_tasks_blocked()
            driver = Driver(script, comparison, clock, order, badge.deliver, early=lag, hidden_first=hidden_first)
            nursery.start_soon(driver.prompt)
            await trio.testing.wait_all_tasks_blocked()
            with suppress(DivergedError):
                await driver.drive()
                await stage.take_leave(clock)
                badge.compare(comparison)
        finally:
            comparison.end()
            stage.players.leave()
            clock.autojump_threshold = 0  # whoever still says goodbye does so by the clock
        nursery.cancel_scope.cancel("the replay is over")
    return comparison, tuple(driver.recent)


class Stage:
    """One server, one badge."""

    def __init__(self, script: Script, comparison: Comparison) -> None:
        self.script = script
        self._comparison = comparison
        self.players = Cast(script)
        self.presence = PlayedPresence(script)
        self.private = self.players.private()
        self.services = services_of(
            script, script.settings, self.players.component, self.presence, self.players.desk, self.private
        )
        self.over = trio.Event()
        self.scope = trio.CancelScope()
        self.wire: PlayedWire | None = None
        self._at_the_door = trio.Event()
        self.unbroken = not any(record.kind in _BREAKS for record in script.records)

    async def connect(self, nursery: trio.Nursery) -> Badge:
        """Let the badge come in; returns when its session is about to begin."""
        connection, stream = await connect(nursery, self.script, self.services, self._attend)
        await self._at_the_door.wait()
        assert self.wire is not None
        badge = Badge(self, connection, stream, nursery)
        nursery.start_soon(listen, connection, badge.received.append)
        return badge

    async def take_leave(self, clock: trio.testing.MockClock) -> None:
        """After the last record nothing happens any more, except that the session ends if it did then."""
        await trio.testing.wait_all_tasks_blocked()
        if not self.script.whole or self.over.is_set():
            return
        clock.jump(LAST_MOMENTS)
        await trio.testing.wait_all_tasks_blocked()
        if not self.over.is_set():
            self._comparison.diverge("the session goes on", "it was over", "it is not")

    async def _attend(self, identity: Identity, wire: Wire, services: Services) -> None:
        self.wire = PlayedWire(wire, self.script)
        self._at_the_door.set()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.wire.fetch)
            nursery.start_soon(self.wire.pump)
            with self.scope:
                seed = int(self.script.header["seed"])
                await converse_on_record(identity, self.wire, services, self._comparison, seed)
            nursery.cancel_scope.cancel("the session is over")
        self.over.set()


class Badge:
    """The other end, and everybody else: does what was done to the session."""

    def __init__(
        self,
        stage: Stage,
        connection: trio_websocket.WebSocketConnection,
        stream: trio.abc.Stream,
        nursery: trio.Nursery,
    ) -> None:
        self._stage = stage
        self._connection = connection
        self._stream = stream
        self._nursery = nursery
        self.received: list[str | bytes] = []
        nursery.start_soon(self._speak, [r.data[0] for r in stage.script.records if r.kind is Kind.IN])

    def deliver(self, record: Record) -> None:
        """Do this to the session now."""
        stage, data = self._stage, record.data
        match record.kind:
            case Kind.LOST:
                assert stage.wire is not None
                stage.wire.happen(record)
                self._nursery.start_soon(self._hang_up)
            case Kind.IN | Kind.SENT | Kind.UNSENT | Kind.PONG | Kind.UNPONGED:
                assert stage.wire is not None
                stage.wire.happen(record)
            case Kind.POST | Kind.ANNOUNCE | Kind.RETIRE | Kind.RENEW:
                stage.presence.hear(record)
            case Kind.CANCEL:
                stage.scope.cancel("as it was then")
            case Kind.COMPONENT:
                stage.players.decide(data[0], data[1])
            case _:
                stage.players.say(record.kind, data[0], data[1:])

    def compare(self, comparison: Comparison) -> None:
        """What arrived is what was sent, as far as the connection lasted."""
        sent = comparison.sent
        if self.received != sent[: len(self.received)] or (self._stage.unbroken and len(self.received) < len(sent)):
            comparison.diverge(
                "what arrives is not what was sent", f"{len(sent)} messages sent", f"{len(self.received)} arrived"
            )

    async def _speak(self, frames: list[str | bytes]) -> None:
        """Send everything: the server takes one message at a time, when the session may have it."""
        try:
            for frame in frames:
                await self._connection.send_message(frame)
        except trio_websocket.ConnectionClosed:
            return

    async def _hang_up(self) -> None:
        await self._stream.aclose()

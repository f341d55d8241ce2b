"""The stage of a replay: the real server code, with a badge, others and providers that do what they did then."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from contextlib import suppress
from time import perf_counter
from typing import Any, cast

import trio
import trio.testing
import trio_websocket
from attrs import field, frozen

from badge.config import AuthSettings
from badge.edge.auth import Gate
from badge.edge.server import Reception
from badge.link import Goodbye, LinkClosedError, Wire
from badge.recording.recorder import converse_on_record
from badge.recording.records import Kind, Record
from badge.replay.comparison import Comparison, Divergence
from badge.replay.determinism import Order, deterministic
from badge.replay.driver import DivergedError, Driver
from badge.replay.playback import (
    Company,
    Played,
    PlayedAsr,
    PlayedLlm,
    PlayedRecall,
    PlayedTts,
    PlayedVad,
    Reel,
    Reels,
    error_of,
    token_of,
)
from badge.replay.script import Script
from badge.replay.surroundings import PlayedPresence, services_of, target_of
from badge.services import Services
from protocol import Identity
from providers.ports import Transcript

LAST_MOMENTS = 10.0
"""Seconds after the last record within which the session has to be over."""


@frozen(kw_only=True)
class Outcome:
    """How a replay went. `duration` is the length of the session in s, `took` that of the replay; `late` the largest
    distance in s between the time of an output then and now."""

    name: str
    divergence: Divergence | None
    duration: float
    took: float
    frames: int
    trace: tuple[tuple[float, str], ...] = field(repr=False)
    late: float

    @property
    def transitions(self) -> int:
        """How many transitions the machines made."""
        return sum(step.count(" ") == 3 for _, step in self.trace)

    @property
    def identical(self) -> bool:
        """Whether the session did everything that it did then, and nothing else."""
        return self.divergence is None


def replay(script: Script, *, seed: int | None = None) -> Outcome:
    """Repeat one session.

    A recording tells what tasks did, and in which pass of the scheduler, but not the order of tasks within a pass as far
    as they left no trace. Where that matters an order is looked for in which everything happens as it was recorded. With
    a `seed` none is looked for: tasks run in an order that depends on nothing else.
    """
    begun = perf_counter()
    found = _run(script, seed, () if seed is None else None)
    if seed is None:
        found = _search(script, found)
    comparison = found.comparison
    return Outcome(
        name=script.name,
        divergence=comparison.divergence,
        duration=script.duration,
        took=perf_counter() - begun,
        frames=len(comparison.sent),
        trace=tuple(comparison.trace),
        late=comparison.late,
    )


@frozen
class _Run:
    comparison: Comparison
    hidden_first: frozenset[int]
    recent: tuple[int, ...]


ORDERS = 60
"""Orders that are tried at most."""


def _search(script: Script, best: _Run) -> _Run:
    """The run that gets furthest, when groups of records shortly before the divergence are tried in another order."""
    tried = 0
    candidates = list(reversed(best.recent))
    while best.comparison.divergence is not None and candidates and tried < ORDERS:
        tried += 1
        run = _run(script, None, best.hidden_first ^ {candidates.pop(0)})
        if run.comparison.divergence is None or run.comparison.progress > best.comparison.progress:
            best = run
            candidates = list(reversed(best.recent))
    return best


def _run(script: Script, seed: int | None, hidden_first: Collection[int] | None) -> _Run:
    clock = trio.testing.MockClock()
    order = Order(int(script.header["scheduler_seed"]) if seed is None else seed)
    with deterministic(order):
        run: _Run = trio.run(_perform, script, clock, order, hidden_first, clock=clock)
    return run


async def _perform(
    script: Script, clock: trio.testing.MockClock, order: Order, hidden_first: Collection[int] | None
) -> _Run:
    comparison = Comparison(script)
    trio.lowlevel.add_instrument(comparison.passes)
    async with trio.open_nursery() as nursery:
        stage = Stage(script, comparison)
        for component in stage.services.components():
            nursery.start_soon(component.run)
        badge = await stage.connect(nursery)
        await trio.testing.wait_all_tasks_blocked()
        driver = Driver(script, comparison, clock, order, badge.deliver, hidden_first=hidden_first)
        try:
            await driver.drive()
            await stage.take_leave(clock)
        except DivergedError:
            pass
        else:
            badge.compare(comparison)
        clock.autojump_threshold = 0  # whoever still says goodbye does so by the clock
        nursery.cancel_scope.cancel("the replay is over")
    return _Run(comparison, frozenset(hidden_first or ()), tuple(driver.recent))


PROMPT_SEND = 2
"""Passes of the scheduler that it takes to write a message to a socket that has room."""

_BREAKS = (Kind.LOST, Kind.UNSENT, Kind.CUT, Kind.CANCEL)
"""After these not everything that was sent has to arrive."""


class Stage:
    """One server, one badge."""

    def __init__(self, script: Script, comparison: Comparison) -> None:
        self.script = script
        self._comparison = comparison
        self.players = Cast(script)
        self.presence = PlayedPresence(script)
        self.services = services_of(script, script.settings, self.players.component, self.presence)
        self.over = trio.Event()
        self.scope = trio.CancelScope()
        self.wire: PlayedWire | None = None
        self._at_the_door = trio.Event()
        self.unbroken = not any(record.kind in _BREAKS for record in script.records)

    async def connect(self, nursery: trio.Nursery) -> Badge:
        """Let the badge come in; returns when its session is about to begin."""
        theirs, ours = trio.testing.memory_stream_pair()
        reception = Reception(self.services, Gate(AuthSettings(), "", self.services.clock), self._attend)
        nursery.start_soon(reception.receive, ours)
        stream = cast(trio.SocketStream, theirs)  # all that is asked of it is to be a stream
        connection = await trio_websocket.wrap_client_stream(nursery, stream, "badge", target_of(self.script))
        await self._at_the_door.wait()
        assert self.wire is not None
        badge = Badge(self, connection, theirs, nursery)
        nursery.start_soon(badge.listen)
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


class Cast(Company):
    """The providers of a replay, and what they are about to say."""

    def __init__(self, script: Script) -> None:
        known = script.components()
        self.asr, self.recall = Reels({}), Reels({})
        self.llm = Reels(script.errors(Kind.LLM_ERROR))
        self.tts = Reels(script.errors(Kind.TTS_ERROR))
        providers: dict[str, Played] = {
            "vad": PlayedVad(known.get("vad", {}), script.verdicts()),
            "asr": PlayedAsr(known.get("asr", {}), self.asr),
            "tts": PlayedTts(known.get("tts", {}), self.tts),
            "recall": PlayedRecall(known.get("recall", {}), self.recall),
        }
        for name in script.settings.llm:
            providers[f"llm.{name}"] = PlayedLlm(known.get(f"llm.{name}", {}), self.llm)
        super().__init__(providers, script.header["components"])

    def say(self, kind: Kind, number: int, data: tuple[Any, ...]) -> None:  # noqa: C901 - a table in words
        """A provider says something."""
        match kind, data:
            case Kind.ASR_PARTIAL, (fed, text):
                self.asr[number].push((fed, text))
            case Kind.ASR_FINAL, (text,):
                self.asr[number].push(Transcript(text))
            case Kind.ASR_ERROR, (error, _):
                self.asr[number].push(error_of(error))
            case Kind.LLM_TOKEN, (token,):
                self.llm[number].push(token_of(token))
            case Kind.LLM_END, _:
                self.llm[number].end()
            case Kind.LLM_ERROR, _:
                self.llm[number].fail()
            case Kind.TTS_CHUNK, (sound, *_):
                self.tts[number].push(sound)
            case Kind.TTS_END, _:
                self.tts[number].end()
            case Kind.TTS_ERROR, _:
                self.tts[number].fail()
            case Kind.RECALL_ANSWER, (text,):
                self.recall[number].push(text)
            case Kind.RECALL_ERROR, (error,):
                self.recall[number].push(error_of(error))


class PlayedWire:
    """A `Wire` over a real connection, as slow as it was then."""

    def __init__(self, wire: Wire, script: Script) -> None:
        self._wire = wire
        self._pongs = Reel()
        self._slow = _slow_sends(script.records)
        self._sends = Reel()
        self._outgoing = Reel()
        self._written = trio.Event()
        self._count = 0
        self._arrived: deque[str | bytes] = deque()
        self._frames = Reel()
        self._lost = next((int(r.data[0]) for r in script.records if r.kind is Kind.LOST), 1006)

    async def fetch(self) -> None:
        """Take all that the badge sends, to be handed on when its time has come."""
        with suppress(LinkClosedError):
            while True:
                self._arrived.append(await self._wire.receive())
        self._frames.end()

    async def receive(self) -> str | bytes:
        """The next message, when its time has come."""
        try:
            frame: str | bytes = await self._frames.receive()
        except trio.EndOfChannel:
            raise LinkClosedError(self._lost) from None
        return frame

    async def send(self, frame: str | bytes) -> None:
        """Write one message, and take as long as it took; that is nothing to do with how long it takes now."""
        self._count += 1
        how = self._slow.get(self._count)
        if how is not Kind.UNSENT:
            self._outgoing.push(frame)
        if how is None:
            for _ in range(PROMPT_SEND):
                await trio.lowlevel.checkpoint()
        else:
            answer = await self._sends.receive()
            if isinstance(answer, LinkClosedError):
                raise answer

    async def pump(self) -> None:
        """Write what is to be written."""
        try:
            with suppress(LinkClosedError, trio.EndOfChannel):
                while True:
                    await self._wire.send(await self._outgoing.receive())
        finally:
            self._written.set()

    async def ping(self) -> None:
        """Wait for the pong as long as it took."""
        answer = await self._pongs.receive()
        if isinstance(answer, LinkClosedError):
            raise answer

    async def close(self, code: int, reason: str) -> None:
        """Say goodbye and close, when everything is written."""
        self._outgoing.end()
        with trio.CancelScope(shield=True):
            await self._written.wait()
        await self._wire.close(code, reason)

    def happen(self, record: Record) -> None:
        """Something that was waited for has happened."""
        match record.kind:
            case Kind.IN:
                self._frames.push(self._arrived.popleft())
            case Kind.PONG:
                self._pongs.push(None)
            case Kind.UNPONGED:
                self._pongs.push(LinkClosedError(int(record.data[0])))
            case Kind.SENT:
                self._sends.push(None)
            case Kind.UNSENT:
                self._sends.push(LinkClosedError(int(record.data[0])))


def _slow_sends(records: tuple[Record, ...]) -> dict[int, Kind]:
    """The sends, by number, that did not end at once, and how they ended."""
    found: dict[int, Kind] = {}
    count = 0
    for record in records:
        if record.kind is Kind.OUT:
            count += 1
        elif record.kind in (Kind.SENT, Kind.UNSENT, Kind.CUT):
            found[count] = record.kind
    return found


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
        self._received: list[str | bytes] = []
        nursery.start_soon(self._speak, [r.data[0] for r in stage.script.records if r.kind is Kind.IN])

    def deliver(self, record: Record) -> None:
        """Do this to the session now."""
        stage, data = self._stage, record.data
        match record.kind:
            case Kind.LOST:
                self._nursery.start_soon(self._hang_up)
            case Kind.IN | Kind.SENT | Kind.UNSENT | Kind.PONG | Kind.UNPONGED:
                assert stage.wire is not None
                stage.wire.happen(record)
            case Kind.POST:
                stage.presence.mailbox.post(data[0], stale=data[1])
            case Kind.RETIRE:
                stage.presence.mailbox.retire(Goodbye[data[0]])
            case Kind.CANCEL:
                stage.scope.cancel("as it was then")
            case Kind.COMPONENT:
                stage.players.decide(data[0], data[1])
            case _:
                stage.players.say(record.kind, data[0], data[1:])

    async def listen(self) -> None:
        """Take what the server sends."""
        try:
            while True:
                self._received.append(await self._connection.get_message())
        except trio_websocket.ConnectionClosed:
            return

    def compare(self, comparison: Comparison) -> None:
        """What arrived is what was sent, as far as the connection lasted."""
        sent = comparison.sent
        if self._received != sent[: len(self._received)] or (self._stage.unbroken and len(self._received) < len(sent)):
            comparison.diverge(
                "what arrives is not what was sent", f"{len(sent)} messages sent", f"{len(self._received)} arrived"
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

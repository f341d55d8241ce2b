"""The stage of a replay: the real server code, with a badge, others and providers that do what they did then."""

from __future__ import annotations

import datetime
from collections import deque
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from time import perf_counter
from typing import Any, cast
from urllib.parse import urlencode

import trio
import trio.testing
import trio_websocket
from attrs import field, frozen

from badge.clock import Ids
from badge.components import Component
from badge.config import AuthSettings
from badge.dialogue import Dialogue
from badge.edge.auth import Gate
from badge.edge.server import Reception
from badge.link import Goodbye, LinkClosedError, Mailbox, Outbox, Wire
from badge.llms import Llms
from badge.modes.base import Purpose
from badge.peers.presence import Presence, Resident
from badge.phrases import Phrases
from badge.recording.recorder import converse_on_record
from badge.recording.records import Kind, Record
from badge.replay.comparison import Comparison, Divergence
from badge.replay.determinism import Order, deterministic
from badge.replay.driver import DivergedError, Driver
from badge.replay.playback import (
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
from badge.services import Services
from protocol import Framing, Identity
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
    found = _search(script) if seed is None else _run(script, Guess(frozenset(), LAGS[0]), seed=seed)
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
class Guess:
    """What a recording does not tell: groups of records before which tasks that left no trace ran first, and how far, in
    s, the machine may have been behind its timers."""

    hidden_first: frozenset[int]
    lag: float


@frozen
class _Run:
    comparison: Comparison
    guess: Guess
    recent: tuple[int, ...]

    @property
    def identical(self) -> bool:
        return self.comparison.divergence is None


LAGS = (0.02, 0.1, 0.5)

TRIALS = 60
"""Guesses that are tried at most for each lag."""


def _search(script: Script) -> _Run:
    """The first run that is identical, else the one that gets furthest."""
    best: _Run | None = None
    for lag in LAGS:
        found = _best_order(script, _run(script, Guess(frozenset(), lag)))
        if best is None or found.identical or found.comparison.progress > best.comparison.progress:
            best = found
        if best.identical:
            break
    assert best is not None
    return best


def _best_order(script: Script, best: _Run) -> _Run:
    """Try groups of records shortly before the divergence in another order, for as long as that gets further."""
    candidates = list(reversed(best.recent))
    for _ in range(TRIALS):
        if best.identical or not candidates:
            break
        guess = Guess(best.guess.hidden_first ^ {candidates.pop(0)}, best.guess.lag)
        run = _run(script, guess)
        if run.identical or run.comparison.progress > best.comparison.progress:
            best = run
            candidates = list(reversed(best.recent))
    return best


def _run(script: Script, guess: Guess, *, seed: int | None = None) -> _Run:
    clock = trio.testing.MockClock()
    order = Order(int(script.header["scheduler_seed"]) if seed is None else seed)
    with deterministic(order):
        hidden_first = guess.hidden_first if seed is None else None
        comparison, recent = trio.run(_perform, script, clock, order, guess.lag, hidden_first, clock=clock)
    return _Run(comparison, guess, recent)


async def _perform(
    script: Script, clock: trio.testing.MockClock, order: Order, lag: float, hidden_first: Collection[int] | None
) -> tuple[Comparison, tuple[int, ...]]:
    comparison = Comparison(script)
    trio.lowlevel.add_instrument(comparison.passes)
    async with trio.open_nursery() as nursery:
        stage = Stage(script, comparison)
        for component in stage.services.components():
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
            stage.players.leave()
            clock.autojump_threshold = 0  # whoever still says goodbye does so by the clock
        nursery.cancel_scope.cancel("the replay is over")
    return comparison, tuple(driver.recent)


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
        self.presence = _PlayedPresence(script)
        self.services = _services(script, self.players, self.presence)
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
        connection = await trio_websocket.wrap_client_stream(nursery, stream, "badge", _target(self.script))
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


class Cast:
    """The providers of a replay, and what they are about to say."""

    def __init__(self, script: Script) -> None:
        known = script.components()
        self._reels = {
            "asr": Reels({}, script.left(Kind.ASR_LEAVE)),
            "llm": Reels(script.errors(Kind.LLM_ERROR), script.left(Kind.LLM_LEAVE)),
            "tts": Reels(script.errors(Kind.TTS_ERROR), script.left(Kind.TTS_LEAVE)),
            "recall": Reels({}),
        }
        self.providers: dict[str, Played] = {
            "vad": PlayedVad(known.get("vad", {}), script.verdicts()),
            "asr": PlayedAsr(known.get("asr", {}), self._reels["asr"]),
            "tts": PlayedTts(known.get("tts", {}), self._reels["tts"]),
            "recall": PlayedRecall(known.get("recall", {}), self._reels["recall"]),
        }
        for name in script.settings.llm:
            self.providers[f"llm.{name}"] = PlayedLlm(known.get(f"llm.{name}", {}), self._reels["llm"])
        self._off = {
            name for name in self.providers if script.header["components"].get(name, {"state": "off"})["state"] == "off"
        }
        for name, facts in script.header["components"].items():
            self.decide(name, facts)

    def leave(self) -> None:
        """Nobody has to wait for a provider any more."""
        for reels in self._reels.values():
            reels.close()

    def component(self, name: str) -> Component[Any]:
        """One component, as it was at the beginning."""
        return Component(name, () if name in self._off else (self.providers[name],))

    def decide(self, name: str, facts: dict[str, Any]) -> None:
        """A component is known to be ready, or to have failed."""
        if name in self.providers:
            self.providers[name].decide(facts)

    def say(self, kind: Kind, number: int, data: tuple[Any, ...]) -> None:
        """A provider says something, fails, ends, or lets go of whoever has left."""
        family, _, what = kind.partition(".")
        reel = self._reels[family][number]
        match what:
            case "end":
                reel.end()
            case "leave":
                reel.let_go()
            case "error" if family in ("llm", "tts"):
                reel.fail()
            case _:
                reel.push(_SAID[kind](*data))


_SAID: dict[Kind, Callable[..., Any]] = {
    Kind.ASR_PARTIAL: lambda fed, text: (fed, text),
    Kind.ASR_FINAL: Transcript,
    Kind.ASR_ERROR: lambda error, _: error_of(error),
    Kind.LLM_TOKEN: token_of,
    Kind.TTS_CHUNK: lambda sound, *_: sound,
    Kind.RECALL_ANSWER: str,
    Kind.RECALL_ERROR: error_of,
}
"""What a stream gets, from the data of a record after the number of the stream."""


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
            try:
                answer = self._sends.receive_nowait()
            except trio.WouldBlock:
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
            case Kind.LOST:
                self._frames.end()
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
                assert stage.wire is not None
                stage.wire.happen(record)
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


class _PlayedPresence(Presence):
    """A registry in which the device finds what it found then."""

    def __init__(self, script: Script) -> None:
        said, full = script.arrival()
        super().__init__(0 if full else 2)
        self.mailbox = Mailbox(Outbox(lambda: None), lambda _: None)
        self._said = said

    def enter(self, device: str, mailbox: Mailbox, dialogue: Dialogue) -> tuple[Resident, Mailbox | None]:
        """Register; a connection that was here before has left its dialogue."""
        if self._said is not None:
            before = Dialogue(len(self._said) + 1)
            for user, answer in self._said:
                exchange = before.begin(user)
                if answer:
                    exchange.add(answer)
            super().enter(device, Mailbox(Outbox(lambda: None), lambda _: None), before)
        self.mailbox = mailbox
        return super().enter(device, mailbox, dialogue)


@frozen
class _PlayedClock:
    started: datetime.datetime

    def now(self) -> datetime.datetime:
        return self.started + datetime.timedelta(seconds=trio.current_time())


def _services(script: Script, cast: Cast, presence: Presence) -> Services:
    settings = script.settings
    purposes = {Purpose.CHAT: settings.llm_by_purpose.chat}
    return Services(
        settings=settings,
        clock=_PlayedClock(datetime.datetime.fromisoformat(str(script.header["started"]))),
        ids=Ids(int(script.header["seed"])),
        presence=presence,
        phrases=Phrases(wake=settings.phrases.wake, exits=settings.phrases.exit),
        vad=cast.component("vad"),
        asr=cast.component("asr"),
        tts=cast.component("tts"),
        recall=cast.component("recall"),
        llms=Llms({name: cast.component(f"llm.{name}") for name in settings.llm}, purposes),
    )


def _target(script: Script) -> str:
    """The request that the badge makes."""
    identity: Mapping[str, str] = script.identity
    query = {"device-id": identity["device"], "client-id": identity["client"]}
    if script.framing is Framing.GATEWAY:
        return f"/?{urlencode(query)}&from=mqtt_gateway"
    return f"/?{urlencode({**query, 'protocol-version': script.framing.value})}"

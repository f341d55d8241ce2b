"""The street before the house: badges that come and go, each over a real WebSocket on an in-memory stream."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator
from contextvars import ContextVar
from functools import cache
from typing import Any

import attrs
import trio
import trio.testing
import trio_websocket
from attrs import define, field

from badge.boundary import boundary
from badge.config.settings import Settings
from badge.link import WebSocketWire
from badge.log import get_log
from badge.session.plan import Origin
from badge.session.session import Session
from protocol import Framing, encode_frame, identify
from providers.ports import EAR_RATE
from providers.scripted import ScriptedVad
from tests.house import House, Workshop, packets
from tests.walk.moods import MoodyAsr, MoodyLlm, MoodyTts, fail, look, order
from tests.walk.stores import CountingStore
from tests.walk.witness import Witness

log = get_log(__name__)

UNIT = EAR_RATE // 50
"""Samples of 20 ms: the piece of sound that is numbered."""

CONNECTION: ContextVar[int] = ContextVar("CONNECTION", default=0)
"""Set in all tasks that serve a connection, wherever they were started."""


@cache
def unit(number: int, kind: str) -> bytes:
    """20 ms of PCM that occur nowhere else: the number is in every few samples, far below the loudness of a voice."""
    level = 8000 if kind == "voice" else 0
    digits = (level + 1 + number // 100**place % 100 for place in range(3))
    return (b"".join(digit.to_bytes(2, "little") for digit in digits) * UNIT)[: UNIT * 2]


@define(eq=False, repr=False)
class Passer:
    """One connection of one device, seen from outside; `session` and `life` look into the house."""

    street: Street
    number: int
    device: str
    framing: Framing
    witness: Witness
    mode: str = "auto"
    last_frame: float = 0.0
    pings: int = 0
    wishes: int = 0
    """starts and ends of modes that have to be acknowledged"""
    refreshes: list[float] = field(factory=list)
    """when it asked for the tasks"""
    sent: bytearray = field(factory=bytearray)
    """all audio sent as PCM"""
    held: list[tuple[int, int]] = field(factory=list)
    """where in `sent` the utterances are that have to be recognised whole"""
    reading: trio.Event = field(factory=trio.Event)
    closed: tuple[float, int, str] | None = None
    left: float | None = None
    """when it ended the connection itself"""
    served: bool = True
    ever_deaf: bool = False
    session: Session | None = None
    life: list[tuple[str, str]] = field(factory=list)
    closing_since: float | None = None
    _ws: trio_websocket.WebSocketConnection | None = None
    _stream: trio.abc.Stream | None = None
    _voiced: itertools.count[int] = field(factory=itertools.count)

    # --- what it does ---

    async def tell(self, **message: Any) -> None:
        """Send one message."""
        await self.send(json.dumps(message, ensure_ascii=False))

    async def send(self, frame: str | bytes) -> None:
        """Send one frame, if there is still a connection."""
        assert self._ws is not None
        try:
            await self._ws.send_message(frame)
        except trio_websocket.ConnectionClosed:
            return
        self.last_frame = trio.current_time()

    async def sound(self, kind: str, frames: int, *, paced: bool) -> None:
        """Frames of 60 ms of voice or of silence, in real time or all at once."""
        for number in range(frames):
            if self.witness.audio_format == "pcm":
                audio = b"".join(unit(next(self._voiced), kind) for _ in range(3))
                self.sent += audio
            else:
                audio = packets(kind)[number % 20]
            await self.send(encode_frame(self.framing, audio))
            if paced:
                await self.street.let_pass(0.06)

    async def ping(self) -> None:
        """Ask for a sign of life."""
        if self.open:
            self.pings += 1
            await self.tell(type="ping")

    async def vanish(self) -> None:
        """Be gone without a word."""
        assert self._stream is not None
        self._go()
        await trio.aclose_forcefully(self._stream)

    async def leave(self) -> None:
        """Close the connection as it should be done."""
        assert self._ws is not None
        self._go()
        self.street.nursery.start_soon(self._ws.aclose)

    def _go(self) -> None:
        self.left = trio.current_time()
        self.reading.set()

    def stop_reading(self) -> None:
        """Take nothing more from the wire."""
        if self.reading.is_set():
            self.ever_deaf = True
            self.reading = trio.Event()

    # --- what can be asked ---

    @property
    def here(self) -> bool:
        """Whether the badge believes that it is connected."""
        return self.closed is None and self.left is None

    @property
    def state(self) -> str:
        """The state of its session."""
        return self.session._life.state if self.session else "opening"

    @property
    def mode_now(self) -> str:
        """The mode of its session."""
        return self.session._modes.state if self.session and self.session._modes else "chat"

    @property
    def open(self) -> bool:
        """Whether the server answers what this badge sends."""
        return self.here and self.state in ("open", "warned", "superseded")

    @property
    def floor(self) -> str:
        """Who has the floor."""
        conversation = self.session._conversation if self.session else None
        return conversation.state if conversation else "idle"

    @property
    def greeted(self) -> bool:
        """Whether its wake word is being answered, which opening the microphone does not interrupt."""
        conversation = self.session._conversation if self.session else None
        current = conversation._answers._turns.current if conversation else None
        return current is not None and current.origin is Origin.WAKE

    # --- its tasks ---

    async def walk(self, stream: trio.abc.Stream) -> None:
        """Connect, and read whenever it is willing to."""
        self._stream = stream
        try:
            async with trio.open_nursery() as nursery:
                self._ws = await trio_websocket.wrap_client_stream(nursery, stream, "badge.test", "/")  # type: ignore[arg-type]
                await self._read(self._ws)
                nursery.cancel_scope.cancel()
        finally:
            await trio.aclose_forcefully(stream)

    async def _read(self, ws: trio_websocket.WebSocketConnection) -> None:
        while True:
            await self.reading.wait()
            try:
                self.witness.see(await ws.get_message(), trio.current_time())
            except trio_websocket.ConnectionClosed as exc:
                reason = exc.reason
                code, text = (int(reason.code), reason.reason or "") if reason else (1006, "")
                self.closed = (trio.current_time(), code, text)
                if self.left is None:
                    self.witness.end(code, text)
                return

    async def serve(self, stream: trio.abc.Stream) -> None:
        """The other end, as the door of the server does it."""
        CONNECTION.set(self.number)
        services = self.street.house.services
        identity = attrs.evolve(
            identify("/", [("device-id", self.device)], lambda: "auto-00000000"), framing=self.framing
        )
        try:
            with boundary("connection", log):
                async with trio.open_nursery() as nursery:
                    request = await trio_websocket.wrap_server_stream(nursery, stream, receive_buffer_size=16 * 1024)
                    wire = WebSocketWire(await request.accept())
                    self.session = Session(identity, wire, services)
                    self.session._life.add_listener(_Diary(self))
                    await self.session.run()
                    nursery.cancel_scope.cancel()
        finally:
            await trio.aclose_forcefully(stream)
            self.served = False


class _Diary:
    """Notes every change of state of a session."""

    def __init__(self, passer: Passer) -> None:
        self._passer = passer

    def after_transition(self, source: Any, target: Any) -> None:
        if source.id != target.id:
            self._passer.life.append((source.id, target.id))
            if target.id == "closing":
                self._passer.closing_since = trio.current_time()


class Street:
    """One house, and everybody who has ever come to it."""

    def __init__(self, nursery: trio.Nursery, settings: Settings, let_pass: Any, *, vad_load: float = 0.0) -> None:
        self.nursery = nursery
        self.let_pass = let_pass
        self.store = CountingStore()
        self.asr, self.llm, self.tts = MoodyAsr(), MoodyLlm(), MoodyTts()
        self.house = House(
            nursery,
            settings=settings,
            vad=ScriptedVad(load=vad_load),
            asr=self.asr,
            llm=self.llm,
            tts=self.tts,
            store=self.store,
            tools=Workshop("order", look=look, order=order, fail=fail),
            team=True,
        )
        self.office_tasks = Counter[str]()
        """how many tasks of each name work in the office"""
        self.passers: list[Passer] = []

    async def connect(self, device: str, framing: Framing, audio_format: str, features: dict[str, bool]) -> Passer:
        """A badge comes and says hello."""
        passer = Passer(self, len(self.passers) + 1, device, framing, Witness(framing, audio_format))
        passer.reading.set()
        before = self.house.services.presence.find(device)
        passer.wishes += before is not None and before.mode != "chat"  # which goes on
        self.passers.append(passer)
        outside, inside = trio.testing.memory_stream_pair()

        deliver = inside.send_stream.send_all_hook
        assert deliver is not None

        async def when_read() -> None:
            await passer.reading.wait()
            await deliver()

        inside.send_stream.send_all_hook = when_read
        self.nursery.start_soon(passer.serve, inside)
        self.nursery.start_soon(passer.walk, outside)
        await trio.testing.wait_all_tasks_blocked()
        await passer.tell(type="hello", audio_params={"format": audio_format}, features=features)
        return passer

    @property
    def here(self) -> list[Passer]:
        """Who is connected, as far as he knows."""
        return [passer for passer in self.passers if passer.here]

    def news(self) -> None:
        """The house tells everybody something."""
        for mailbox in self.house.services.presence.everyone():
            mailbox.post('{"type":"server","event":"stats"}', stale=True)

    def tasks(self) -> dict[int, list[str]]:
        """Names of the tasks that serve each connection; what it has begun in the office is not one of them."""
        found: dict[int, list[str]] = {}
        office = next(t for t in _offspring(trio.lowlevel.current_root_task()) if t.name.endswith("BackOffice.run"))
        inside = list(_offspring(office))
        self.office_tasks = Counter(".".join(task.name.split(".")[-2:]) for task in inside)
        for task in _offspring(trio.lowlevel.current_root_task()):
            if task in inside:
                continue
            number = task.context.get(CONNECTION, 0)
            if number:
                found.setdefault(number, []).append(task.name)
        return found

    def residents(self) -> dict[str, Session]:
        """The registry: the session behind each device id."""
        residents = self.house.services.presence._residents
        return {device: resident.mailbox._retire.__self__ for device, resident in residents.items()}  # type: ignore[attr-defined]


def _offspring(task: trio.lowlevel.Task | None) -> Iterator[trio.lowlevel.Task]:
    if task is not None:
        yield task
        for nursery in task.child_nurseries:
            for child in nursery.child_tasks:
                yield from _offspring(child)

"""A house for session tests: real sessions on memory wires, with scripted providers and real Opus."""

from __future__ import annotations

import datetime
import inspect
import json
from collections.abc import Awaitable, Callable, Iterable
from functools import cache
from typing import Any

import attrs
import trio

from badge.app import Server
from badge.backoffice import furnish
from badge.clock import Ids
from badge.components import Component
from badge.config.settings import Settings
from badge.desk import Tool, ToolDesk, ToolResult
from badge.link import LinkClosedError
from badge.llms import Purpose
from badge.llms.fixed import FixedLlms
from badge.llms.ledger import Ledger
from badge.offices.closed import NoTools
from badge.peers.delivery import Delivery
from badge.peers.presence import Presence
from badge.phrases import Phrases
from badge.services import Services
from badge.session.session import Session
from badge.storage.memory import MemoryStore
from badge.storage.ports import Store, StoreError
from protocol import Framing, Identity, decode_frame, encode_frame, identify
from providers.opus import Encoder
from providers.ports import EAR_RATE, Asr, Llm, Recall, ToolSpec, Tts, Vad
from providers.scripted import ScriptedAsr, ScriptedLlm, ScriptedTts, ScriptedVad, tone


class FrozenClock:
    """A wall clock that stands still unless it is told otherwise."""

    def __init__(self) -> None:
        self.moment = datetime.datetime(2026, 11, 21, 9, 30, tzinfo=datetime.timezone(datetime.timedelta(hours=8)))

    def now(self) -> datetime.datetime:
        return self.moment


class HouseClock(FrozenClock):
    """A wall clock that goes as Trio's does."""

    def __init__(self) -> None:
        super().__init__()
        self._since = trio.current_time()

    def now(self) -> datetime.datetime:
        return self.moment + datetime.timedelta(seconds=trio.current_time() - self._since)


@cache
def packets(kind: str, frame_ms: int = 60, count: int = 20) -> tuple[bytes, ...]:
    """Real Opus packets of a voice or of silence."""
    encoder = Encoder(EAR_RATE, frame_ms)
    size = encoder.frame_bytes
    sound = tone(count * frame_ms / 1000, EAR_RATE) if kind == "voice" else bytes(size * count)
    return tuple(encoder.encode(sound[at : at + size]) for at in range(0, size * count, size))


class MemoryWire:
    """A wire whose other end is the test."""

    def __init__(self) -> None:
        self._in_send, self._in = trio.open_memory_channel[str | bytes | int](10_000)
        self.sent: list[tuple[float, str | bytes]] = []
        self.closed: tuple[int, str] | None = None
        self.closings = 0
        self.pings = 0
        self.answers_pings = True
        self.reading = trio.Event()
        self.reading.set()
        self._news = trio.Event()

    async def receive(self) -> str | bytes:
        frame = await self._in.receive()
        if isinstance(frame, int):
            raise LinkClosedError(frame)
        return frame

    async def send(self, frame: str | bytes) -> None:
        await trio.lowlevel.checkpoint()
        await self.reading.wait()
        if self.closed:
            raise LinkClosedError(1006)
        self.sent.append((trio.current_time(), frame))
        self._news.set()
        self._news = trio.Event()

    async def ping(self) -> None:
        self.pings += 1
        if not self.answers_pings:
            await trio.sleep_forever()

    async def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)
        self.closings += 1

    def put(self, frame: str | bytes | int) -> None:
        self._in_send.send_nowait(frame)

    async def news(self) -> None:
        await self._news.wait()


class Guest:
    """A badge in the hand of a test."""

    def __init__(self, session: Session, wire: MemoryWire, framing: Framing) -> None:
        self.session = session
        self.wire = wire
        self._framing = framing
        self._seen = 0
        self.gone = trio.Event()

    # --- what the badge does ---

    def tell(self, **message: Any) -> None:
        self.wire.put(json.dumps(message, ensure_ascii=False))

    def raw(self, frame: str | bytes) -> None:
        self.wire.put(frame)

    def packet(self, opus: bytes) -> None:
        self.wire.put(encode_frame(self._framing, opus))

    async def sound(self, kind: str, duration: float, frame_ms: int = 60) -> None:
        """Voice or silence in real (virtual) time."""
        stock = packets(kind, frame_ms)
        for number in range(round(duration * 1000 / frame_ms)):
            self.packet(stock[number % len(stock)])
            await trio.sleep(frame_ms / 1000)

    async def speak(self, *, voice: float = 0.9, mode: str = "manual") -> None:
        """A whole utterance, bounded by the badge."""
        self.tell(type="listen", state="start", mode=mode)
        await self.sound("voice", voice)
        self.tell(type="listen", state="stop")

    def vanish(self, code: int = 1006) -> None:
        self.wire.put(code)

    # --- what the badge saw ---

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(frame) for _, frame in self.wire.sent if isinstance(frame, str) and frame[:1] == "{"]

    @property
    def story(self) -> list[str]:
        """What was sent, in short: `stt`, `tts start`, `audio` (runs folded), `tts stop` …"""
        told: list[str] = []
        for _, frame in self.wire.sent:
            if isinstance(frame, bytes):
                word = "audio"
            elif frame[:1] != "{":
                word = f"raw {frame[:20]}"
            else:
                message = json.loads(frame)
                word = " ".join(filter(None, (message["type"], message.get("state") or message.get("event"))))
            if word != "audio" or told[-1:] != ["audio"]:
                told.append(word)
        return told

    @property
    def turn(self) -> list[str]:
        """The story without the welcome and the news."""
        return [
            word for word in self.story if word not in ("hello", "server stats", "pong", "ledger", "workflow update")
        ]

    def of(self, kind: str, state: str | None = None) -> list[dict[str, Any]]:
        return [m for m in self.messages if m["type"] == kind and state in (None, m.get("state"))]

    def times(self, kind: str, state: str | None = None) -> list[float]:
        """When messages of a kind, or audio, left."""
        found = []
        for at, frame in self.wire.sent:
            if isinstance(frame, bytes):
                if kind == "audio":
                    found.append(at)
            elif frame[:1] == "{":
                message = json.loads(frame)
                if message["type"] == kind and state in (None, message.get("state")):
                    found.append(at)
        return found

    @property
    def audio(self) -> list[bytes]:
        return [decode_frame(self._framing, frame).opus for _, frame in self.wire.sent if isinstance(frame, bytes)]

    async def until(self, kind: str, state: str | None = None, *, count: int = 1, within: float = 60) -> dict[str, Any]:
        """Wait until so many messages of a kind were sent since the last look at that kind."""
        with trio.fail_after(within):
            while len(self.of(kind, state)) < count:
                await self.wire.news()
        return self.of(kind, state)[count - 1]

    async def quiet(self) -> None:
        """Wait until everything that happens without time passing has happened."""
        await trio.testing.wait_all_tasks_blocked()


class NotingLlms(FixedLlms):
    """One model for everything; what it is asked for is noted."""

    def __init__(self, model: Component[Llm], asked: list[str]) -> None:
        super().__init__({"default": model}, dict.fromkeys(Purpose, "default"))
        self._asked = asked

    def of(self, purpose: Purpose, **about: Any) -> Component[Llm]:
        self._asked.append(str(purpose))
        return super().of(purpose, **about)


class Workshop:
    """A `ToolDesk` of functions: each gets the arguments and gives a result, or only its text; calls are noted as they begin
    and end. As with the office, what was begun under a key is not begun again."""

    def __init__(self, *effects: str, **functions: Callable[..., Awaitable[ToolResult | str]]) -> None:
        """`effects`: the names of those that change something."""
        self._functions = functions
        self._effects = effects
        self.keys: list[str] = []
        self.begun: list[tuple[str, dict[str, Any]]] = []
        self.ended: list[str] = []

    async def offered(self, device: str) -> tuple[Tool, ...]:
        return tuple(
            Tool(spec=ToolSpec(name, f"does {name}", {"type": "object"}), effects=name in self._effects)
            for name in self._functions
        )

    async def call(self, device: str, key: str, tool: str, arguments: dict[str, Any]) -> ToolResult:
        self.keys.append(key)
        self.begun.append((tool, arguments))
        result = await self._functions[tool](**arguments)
        self.ended.append(tool)
        return result if isinstance(result, ToolResult) else ToolResult(kind="answer", text=result)


class House:
    """Everything that sessions share, and the sessions of a test; with `team` also the back office, and what it brings."""

    def __init__(
        self,
        nursery: trio.Nursery,
        *,
        settings: Settings | None = None,
        vad: Vad | None = None,
        asr: Asr | None = None,
        llm: Llm | None = None,
        tts: Tts | None = None,
        recall: Recall | None = None,
        without: Iterable[str] = (),
        tools: ToolDesk | None = None,
        deliveries: tuple[Delivery, ...] = (),
        store: Store | None = None,
        start: bool = True,
        team: bool = False,
    ) -> None:
        self.nursery = nursery
        self.settings = settings or Settings()
        self.clock = HouseClock()
        self.vad, self.asr = vad or ScriptedVad(), asr or ScriptedAsr(["what time is it"])
        self.llm, self.tts = llm or ScriptedLlm(["It is half past nine."]), tts or ScriptedTts()
        phrases = self.settings.phrases

        def of(kind: str, provider: Any) -> Component[Any]:
            return Component(kind, () if kind in without or provider is None else (provider,))

        presence = Presence(self.settings.limits.connections)
        self.purposes: list[str] = []
        """what the model was asked for, in order"""
        llms = NotingLlms(of("llm.default", self.llm), self.purposes)
        self.store = store or MemoryStore()
        self.office = furnish(
            self.settings, store=self.store, presence=presence, llms=llms, clock=self.clock, ids=Ids(seed=8)
        )
        self.services = Services(
            settings=self.settings,
            clock=self.clock,
            ids=Ids(seed=7),
            presence=presence,
            phrases=Phrases(wake=phrases.wake, exits=phrases.exit),
            vad=of("vad", self.vad),
            asr=of("asr", self.asr),
            tts=of("tts", self.tts),
            llms=llms,
            recall=of("recall", recall),
            desk=attrs.evolve(self.office.desk, tools=tools or (self.office.desk.tools if team else NoTools())),
            private=self.office.binding.private,
            deliveries=(*(self.office.deliveries if team else ()), *deliveries),
        )
        self.ready = trio.Event()
        if team:
            nursery.start_soon(self._open)
        else:
            self.ready.set()
        if start:
            for component in self.services.components():
                nursery.start_soon(component.run)

    async def _open(self) -> None:
        await self.nursery.start(self.office.run)
        self.ready.set()

    def break_store(self, part: str) -> None:
        """From now on nothing can be kept in a part of the store, nor read from it."""

        async def fail(*_: Any, **__: Any) -> None:
            await trio.lowlevel.checkpoint()
            raise StoreError("the disk is full.", remedy="Make room.")

        whole = getattr(self.store, part)
        for name in dir(whole):
            if inspect.iscoroutinefunction(getattr(whole, name)):
                setattr(whole, name, fail)

    @property
    def server(self) -> Server:
        """The house as a server, whose office is still closed."""
        return Server(services=self.services, office=self.office, ledger=Ledger(self.services.metrics))

    async def enter(self, device: str = "aa:bb:cc:00:00:01", *, target: str = "/", **headers: str) -> Guest:
        """A badge connects; returns when it was welcomed."""
        await self.ready.wait()
        identity = identify(target, [("device-id", device), *headers.items()], lambda: "auto-00000000")
        identity = attrs.evolve(identity, http_url="http://house:8003")
        guest = self.open(identity)
        await guest.until("hello")
        return guest

    def open(self, identity: Identity) -> Guest:
        """A badge connects."""
        wire = MemoryWire()
        session = Session(identity, wire, self.services)
        guest = Guest(session, wire, identity.framing)

        async def serve() -> None:
            try:
                await session.run()
            finally:
                guest.gone.set()

        self.nursery.start_soon(serve)
        return guest


class Spawned(trio.abc.Instrument):
    """Counts the tasks that are begun while the block runs."""

    def __init__(self) -> None:
        self.count = 0

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        self.count += 1

    def __enter__(self) -> Spawned:
        trio.lowlevel.add_instrument(self)
        return self

    def __exit__(self, *_: object) -> None:
        trio.lowlevel.remove_instrument(self)


def changed(**tables: dict[str, Any]) -> Settings:
    """Default settings with some values changed: `changed(tts={"lead_frames": 0})`."""
    settings = Settings()
    for table, values in tables.items():
        settings = attrs.evolve(settings, **{table: attrs.evolve(getattr(settings, table), **values)})
    return settings

"""A rehearsal: the live part of a recorded session once more, with other settings perhaps, on the audio of then.

The server code is the real one, on a clock that jumps. The badge sends what it sent, when it sent it, and answers nothing
by itself; others do what they did. The session decides anew: where utterances begin and end, who has the floor, how an
answer is cut into sentences and frames, when patience is over. What was understood, answered and spoken comes from the
recording. Computing takes no time in a rehearsal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import attrs
import structlog
import trio
import trio.testing
import trio_websocket
from attrs import field, frozen

from badge.config.settings import Settings
from badge.link import Wire
from badge.recording.fileformat import RecordingError
from badge.recording.recorder import converse_on_record
from badge.recording.records import Kind, Record
from badge.rehearsal.deskunderstudy import understudy_desk
from badge.rehearsal.listening import Listening
from badge.rehearsal.repertoire import Speech, memories, replies
from badge.rehearsal.timedwire import TimedWire
from badge.rehearsal.understudies import (
    AsrUnderstudy,
    LlmUnderstudy,
    RecallUnderstudy,
    RecordedVerdicts,
    TtsUnderstudy,
    VadUnderstudy,
    detector,
)
from badge.replay.company import Company
from badge.replay.determinism import Order, deterministic
from badge.replay.playback import Played
from badge.replay.script import Script
from badge.replay.surroundings import LAST_MOMENTS, PlayedPresence, connect, listen, services_of
from badge.services import Services
from protocol import Identity
from providers.ports import ProviderError

BURST = 0.005
"""Seconds within which messages of the badge come at once: the time between them was that of the server, which needs
none here."""

DETECTORS = ("silero", "energy")
"""Detectors that can be asked again."""


@frozen(kw_only=True)
class TurnOver:
    """One answer: how long each stage took up to its first audio, in ms, and whether it was cut short."""

    number: int
    cut: bool
    stages: dict[str, float]
    total: float
    acknowledged: float | None = None
    """ms after speech at which a sound said that the answer takes a moment"""


@frozen(kw_only=True)
class Rehearsal:
    """What a session did."""

    records: tuple[Record, ...] = field(repr=False)
    turns: tuple[TurnOver, ...]


def rehearse(script: Script, settings: Settings) -> Rehearsal:
    """Run a recorded session with these settings. Raises `RecordingError` when its detector cannot be asked again."""
    stage = _Stage(script, settings)
    with deterministic(Order(0)), _turns_noted() as turns:
        trio.run(stage.play, clock=trio.testing.MockClock(autojump_threshold=0))
    return Rehearsal(records=tuple(stage.notes.records), turns=tuple(turns))


@contextmanager
def _turns_noted() -> Iterator[list[TurnOver]]:
    """The turns that end, as the log tells of them; of the rest of the log nothing is kept."""
    turns: list[TurnOver] = []

    def take(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        if event["event"] == "turn over":
            stages = {k: v for k, v in event.items() if k not in _OF_THE_LINE}
            turns.append(
                TurnOver(
                    number=event.get("turn", 0),
                    cut=event["cancelled"],
                    stages=stages,
                    total=event["total_ms"],
                    acknowledged=event["acknowledged_ms"],
                )
            )
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, take],
        wrapper_class=structlog.make_filtering_bound_logger(0),
        cache_logger_on_first_use=False,
    )
    try:
        yield turns
    finally:
        structlog.configure(**before)


_OF_THE_LINE = ("event", "answer", "cancelled", "total_ms", "acknowledged_ms", "turn", "device", "session")


class _Notes:
    """The journal of a rehearsal."""

    def __init__(self, script: Script) -> None:
        self.records: list[Record] = []
        self.listening = Listening(script.framing)
        self.open = True
        self.begun = 0.0

    def now(self) -> float:
        """Seconds since the session began."""
        return trio.current_time() - self.begun

    def note(self, kind: Kind, *data: Any) -> None:
        """This has happened just now."""
        if self.open:
            at = self.now()
            self.records.append(Record(round(at * 1_000_000), 0, kind, data))
            self.listening.note(at, kind, data)


class _Stage:
    """One server, one badge, one run."""

    def __init__(self, script: Script, settings: Settings) -> None:
        self._script = script
        self._settings = settings
        self.notes = _Notes(script)
        self._presence = PlayedPresence(script)
        self._company = self._cast()
        self._services = services_of(script, settings, self._company.component, self._presence, understudy_desk(script))
        self._scope = trio.CancelScope()
        self._wire: TimedWire | None = None
        self._stream: trio.abc.Stream | None = None

    async def play(self) -> None:
        """From the first message to the goodbye."""
        self._at_the_door, self._over = trio.Event(), trio.Event()
        async with trio.open_nursery() as nursery:
            for component in self._services.components():
                nursery.start_soon(component.run)
            badge, self._stream = await connect(nursery, self._script, self._services, self._attend)
            nursery.start_soon(listen, badge, lambda _: None)
            await self._at_the_door.wait()
            nursery.start_soon(self._go_on, badge)
            await self._over.wait()
            nursery.cancel_scope.cancel("the rehearsal is over")

    async def _attend(self, identity: Identity, wire: Wire, services: Services) -> None:
        self.notes.begun = trio.current_time()
        self._wire = TimedWire(wire, self._script, self.notes.begun)
        self._at_the_door.set()
        with self._scope:
            await converse_on_record(identity, self._wire, services, self.notes, int(self._script.header["seed"]))
        self._over.set()

    async def _go_on(self, badge: trio_websocket.WebSocketConnection) -> None:
        """Do what was done to the session, at the times of then; after that it has a little time to end."""
        left = False
        at = -BURST
        for record in self._script.records:
            if record.kind in _DONE_TO_IT and not left:
                now = record.at / 1_000_000
                if record.kind is not Kind.IN or now - at >= BURST:
                    at = now
                await trio.sleep_until(self.notes.begun + at)
                left = record.kind is Kind.LOST
                if left:
                    await self._hear_out(now)
                await self._do(badge, record)
        await trio.sleep_until(self.notes.begun + self._script.duration)
        if self._script.whole:
            await trio.sleep(LAST_MOMENTS)
        self.notes.open = False
        self._scope.cancel("the recording is over")

    async def _hear_out(self, at: float) -> None:
        """A badge that hung up when nothing was under way would not have done so in the middle of a turn."""
        then = [record for record in self._script.records if record.at <= at * 1_000_000]
        if _floor(then) != "idle":
            return
        for _ in range(HEARD_OUT):
            if _floor(self.notes.records) == "idle":
                return
            await trio.sleep(0.1)

    async def _do(self, badge: trio_websocket.WebSocketConnection, record: Record) -> None:
        data = record.data
        match record.kind:
            case Kind.IN:
                try:
                    await badge.send_message(data[0])
                except trio_websocket.ConnectionClosed:
                    return  # the session has ended earlier than it did then
            case Kind.LOST:
                assert self._stream is not None
                await self._stream.aclose()
            case Kind.POST | Kind.ANNOUNCE | Kind.RETIRE | Kind.RENEW:
                self._presence.hear(record)
            case Kind.CANCEL:
                self._scope.cancel("as it was then")
            case _:
                if data[0] not in self._replaced:
                    self._company.decide(data[0], data[1])

    # --- who plays ---

    def _cast(self) -> Company:
        script, known = self._script, self._script.components()
        past = Listening(script.framing)
        for record in script.records:
            past.note(record.at / 1_000_000, record.kind, record.data)
        patience = script.settings.asr.timeout_s
        asr = AsrUnderstudy(known.get("asr", {}), past, self.notes.listening, patience=patience, now=self.notes.now)
        answers = replies(script)
        providers: dict[str, Played] = {
            "vad": self._detector(known.get("vad", {})),
            "asr": asr,
            "tts": TtsUnderstudy(known.get("tts", {}), Speech(script)),
            "recall": RecallUnderstudy(known.get("recall", {}), memories(script)),
        }
        for name in self._settings.llm:
            providers[f"llm.{name}"] = LlmUnderstudy(known.get(f"llm.{name}", {}), answers)
        standing = dict(script.header["components"])
        uses = {name: (getattr(script.settings, name).use, getattr(self._settings, name).use) for name in _SWITCHED}
        self._replaced = {name: {"state": _state(now)} for name, (then, now) in uses.items() if then != now}
        return Company(providers, {**standing, **self._replaced})

    def _detector(self, known: dict[str, Any]) -> Played:
        """The real detector, as far as it is one that can be asked again; otherwise the verdicts of then."""
        then, now = self._script.settings.vad.use, self._settings.vad.use
        use = now if then != now else str(known.get("name") or now)
        if use in DETECTORS:
            try:
                vad = detector(attrs.evolve(self._settings.vad, use=cast(Any, use)))
            except ProviderError as exc:
                raise RecordingError(f"{self._script.name}: {exc}") from None
            return VadUnderstudy({**known, "name": vad.name}, vad.window, vad.stream)
        window = float(known.get("window") or 0.032)
        verdicts = self._script.verdicts_by_message()
        return VadUnderstudy(known, window, lambda: RecordedVerdicts(verdicts, window, self._frame_at_hand))

    def _frame_at_hand(self) -> int | None:
        return self._wire.at_hand if self._wire is not None else None


def _floor(records: Sequence[Record]) -> str:
    """Who has the floor after these."""
    return next((r.data[3] for r in reversed(records) if r.kind is Kind.STATE and r.data[0] == "TurnMachine"), "idle")


HEARD_OUT = 600
"""Tenths of a second that a badge waits for the end of a turn before it hangs up after all."""

_SWITCHED = ("vad", "asr", "tts")
"""Components that the settings can switch off."""

_DONE_TO_IT = (Kind.IN, Kind.LOST, Kind.POST, Kind.ANNOUNCE, Kind.RETIRE, Kind.RENEW, Kind.CANCEL, Kind.COMPONENT)
"""What is done to the session at its time. What providers say is said when they are asked."""


def _state(use: str) -> str:
    return "off" if use == "none" else "ready"

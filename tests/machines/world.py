"""The world that is explored: one real session, and everything that its environment can do to it.

Nothing of the server is modelled. Session, conversation, ear, scribe, turns and both machines are the real objects;
their verbs are synchronous, so one move of the environment is one step of the world. Only the tasks do not run: what
they would do between two of their waits is a move, too, and so is the end of every wait for a provider. Time stands
still unless a move lets it pass.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

import trio
from attrs import frozen
from trio.abc import Clock

from badge.clock import Ids, SystemClock
from badge.components import Component
from badge.config.settings import Settings
from badge.desk import Closing, Desk, Opened, Past, RefusedError, ToolResult
from badge.desk import Terms as DeviceTerms
from badge.llms import Purpose
from badge.llms.fixed import FixedLlms
from badge.notices import Notice
from badge.peers.presence import Presence
from badge.phrases import Phrases
from badge.recording.desk import desk_of
from badge.services import Services
from badge.session.hearing import Bound
from badge.session.plan import Origin, Plan
from badge.session.session import Session
from badge.session.turns import Turn
from badge.storage.tasks import Result
from protocol import identify

TICK = 0.001
"""Seconds that every move takes: no two things happen at the same instant."""


class StandingClock(Clock):
    """A Trio clock that moves when it is told, forth and back."""

    def __init__(self) -> None:
        self.now = 0.0

    def start_clock(self) -> None:
        """It has always been running."""

    def current_time(self) -> float:
        """The present moment."""
        return self.now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Nobody sleeps here."""
        return max(0.0, deadline - self.now)


@frozen(kw_only=True)
class Terms:
    """Settings under which the world is explored. `detector`: ready, late (it loads while the badge talks already, or
    fails to), breaks (it may) or none. `idles`: the badge may be silent for so long that it is warned. `others`: it
    may connect again, the server may stop, and messages may pile up."""

    name: str
    settings: Settings
    hears: bool = True
    detector: str = "ready"
    modes: tuple[str, ...] = ("auto", "manual")
    team: tuple[str, ...] = ()
    """the modes of the session that are entered and left, and `notices`: others have something to say"""
    refuses: bool = False
    """the desk refuses whatever it is asked for"""
    idles: bool = False
    others: bool = False


class Mishap(Exception):
    """Something breaks, and is meant to."""


# --- audio: the first sample of a packet says what the detector makes of it ---

AUDIO = {
    "voice": (1, [True] * 6),
    "whisper": (2, [True]),
    "silence": (3, [False] * 200),
}
BREAK = 9
WINDOW = 0.05


def packet(kind: str, size: int = 2) -> bytes:
    """Raw audio of a kind; 10 s of silence are written as one sample, because the detector says so."""
    number = AUDIO[kind][0] if kind in AUDIO else BREAK if kind == "break" else 0
    return number.to_bytes(2, "little").ljust(size, b"\0")


class Detector:
    """Tells from the first sample of a packet what it hears."""

    name = "detector"
    window = WINDOW

    def stream(self) -> Detector:
        """It has no state."""
        return self

    def feed(self, pcm: bytes) -> list[bool]:
        """The verdicts on one packet."""
        number = int.from_bytes(pcm[:2], "little")
        if number == BREAK:
            raise Mishap
        return next((verdicts for mark, verdicts in AUDIO.values() if mark == number), [])


class NoWire:
    """Nothing is written or read: the world looks into the outbox."""


ANSWERS: dict[str, Any] = {
    "open": Opened(meeting="m", started=1),
    "finalise": Closing(meeting="m", started=1),
    "claim": Result(id="", outcome="empty"),
    "finish": Result(id="", outcome="empty"),
    "offered": (),
    "call": ToolResult(kind="answer", text="done"),
    "past": Past(),
    "terms": DeviceTerms(),
    "spoke": True,
}
"""What the desk says to each question."""


def desk(*, refuses: bool, tells: list[str]) -> Desk:
    """A desk that answers at once: the coroutine of a question never waits. `tells` gets the name of whatever is told."""

    def asking(_: str, method: str) -> Callable[..., Awaitable[Any]]:
        async def answer(*_: Any) -> Any:
            if refuses:
                raise RefusedError("not-stored", "no")
            return ANSWERS[method]

        return answer

    return desk_of(asking, lambda _, method: lambda *_: tells.append(f"({method})"))


def services_of(terms: Terms, tells: list[str]) -> Services:
    """What the one session shares with nobody."""
    phrases, settings = terms.settings.phrases, terms.settings

    def of(kind: str, *candidates: object) -> Component[Any]:
        return Component(kind, candidates)  # type: ignore[arg-type]

    return Services(
        settings=settings,
        clock=SystemClock(),
        ids=Ids(seed=1),
        presence=Presence(1),
        phrases=Phrases(wake=phrases.wake, exits=phrases.exit),
        vad=of("vad", Detector()),
        asr=of("asr", *["recogniser"][: terms.hears]),
        tts=of("tts", "voice"),
        llms=FixedLlms({"default": of("llm", "model")}, dict.fromkeys(Purpose, "default")),
        recall=of("recall"),
        desk=desk(refuses=terms.refuses, tells=tells),
    )


class World:
    """One session and its environment. `carried` is the turn that the task of the turns carries out, which goes on for
    a moment after the turn was cancelled."""

    def __init__(self, terms: Terms, clock: StandingClock) -> None:
        self.terms = terms
        self.clock = clock
        self.tells: list[str] = []
        """what others were told in one step"""
        self.session = Session(
            identify("/", [("device-id", "aa")], lambda: ""), NoWire(), services_of(terms, self.tells)
        )  # type: ignore[arg-type]
        self.carried: Turn | None = None
        self.loaded = False  # it is known whether there is a detector
        self.speaks = False  # the badge was told `tts start`, and not yet `tts stop`
        self.told: list[str] = []
        self.untold: list[Notice] = []
        """what others have said, of which nobody has told them what became of it"""

    # --- short ways to what is inside ---

    @property
    def talk(self) -> Any:
        """The conversation; None before the first word."""
        return self.session._conversation

    @property
    def life(self) -> str:
        """State of the session machine."""
        return self.session._life.state

    @property
    def heard(self) -> Any:
        """The capture that is next to be recognised, when it is over."""
        waiting = self.talk._scribe._waiting if self.talk else ()
        return waiting[0] if waiting and waiting[0].ended_at is not None else None

    @property
    def running(self) -> bool:
        """Whether the turn that is carried out is still wanted."""
        return self.carried is not None and self.carried is self.talk._answers._turns._current

    # --- one step ---

    def step(self, make: Callable[[World], None]) -> None:
        """Make a move, and see what the badge is told."""
        self.clock.now += TICK
        make(self)
        self._settle()
        notes, self.session.outbox._control = self.session.outbox._control, []
        self.told = [*(_short(note.frame) for note in notes), *self.tells]
        self.tells.clear()

    def _settle(self) -> None:
        """What nobody can tell from its happening a little later."""
        if self.carried is not None and not self.running and self.life != "closed":  # cancelled: it fails, and lets go
            turn, self.carried = self.carried, None
            self.talk._answers._turns.broke(turn)
            self.talk._answers._turns.let_go(turn)
        self._do_errands()
        if self.talk is None:
            return
        if self.session.traits.mode != "manual":  # only manual mode looks at it
            self.talk._last_listen_event = self.clock.now
        if self.terms.detector != "late" and self.talk._ear._early is not None:
            if self.terms.detector != "none":
                self.talk._ear._track.attach(self.detector)
            while self.talk._ear._early is not None:
                self.talk._ear.catch_up()

    def _do_errands(self) -> None:
        """Nobody else is served while an errand is done, so it is done at once."""
        errands = self.session._errands
        while self.life != "closed" and errands is not None and errands._waiting:
            coroutine: Any = errands.do(*errands._waiting.popleft())
            try:
                coroutine.send(None)
            except StopIteration:
                continue
            raise AssertionError("an errand waits")

    @property
    def mode(self) -> str:
        """State of the mode machine."""
        return self.session._modes.state if self.session._modes else "chat"

    @property
    def overhears(self) -> bool:
        """Whether everything that is said now belongs to the mode."""
        return self.session._modes is not None and self.session._modes.current.overhears

    @property
    def detector(self) -> Any:
        """The one detector."""
        return self.session._services.vad._candidates[0]

    @property
    def waits(self) -> bool:
        """Whether somebody waits for something: the floor is taken, or words are on their way to an answer."""
        talk = self.talk
        if talk is None or self.life == "closed":
            return False
        slot = talk._answers._turns.current or talk._answers._turns._queue
        return bool(talk.state != "idle" or slot or talk._scribe._waiting or talk._unanswered or talk._ear.capturing)

    @property
    def may_begin(self) -> bool:
        """Whether the session takes turns, or will."""
        return self.life == "opening" or (self.session.takes_turns and not (self.talk and self.talk._answers._parting))


@cache
def _short(frame: str) -> str:
    """A message in short: `tts start`, `stt`, `error component_failed` …"""
    message = json.loads(frame)
    if message["type"] == "tts" and "session_id" not in message:
        return "sound"
    return " ".join(filter(None, (message["type"], message.get("state") or message.get("code"))))


# --- a state: what makes a difference for what can happen next ---


def kind_of(plan: Plan | None) -> str:
    """As much of a plan as matters for what follows."""
    if plan is None:
        return "-"
    if plan.notice:
        return "notice"
    return "wake" if plan.origin is Origin.WAKE else "parting" if plan.parting else "plain"


def state_of(world: World) -> tuple[Any, ...]:
    """The whole world in a tuple; worlds with equal tuples have the same future."""
    session, talk = world.session, world.talk
    if world.life == "closed":
        return ("closed",)
    awake = world.life == "warned" and session._watchdog._last_sign > session._watchdog._since
    coding = session._modes._coding if session._modes else None
    head = (world.life, awake, session.traits.mode, world.mode, coding and coding._stream.state)
    if talk is None:
        return head
    turns = talk._answers._turns
    slot = (kind_of(turns._next), kind_of(turns._current and turns._current.plan))
    queue = tuple(map(kind_of, turns._queue))
    waits = tuple((c.ended_at is not None, c.size > 0, c.mode.overhears) for c in talk._scribe._waiting)
    open_ones = tuple((c.mode.overhears, c.mode is session.modes.current) for c in talk._utterances._open)
    notices = (len(talk._answers._announcer._waiting), talk._answers._announcer._speaking is not None)
    rare = trio.current_time() - talk._last_listen_event >= session._services.settings.listen.vad_fallback_s
    words = meaning_of(world, [heard.text for heard in talk._unanswered])
    return (
        *head,
        talk.state,
        slot,
        queue,
        ear_of(world, talk),
        waits,
        open_ones,
        notices,
        words,
        kind_of(talk._answers._interrupted),
        rare,
        talk._answers._parting,
    )


def ear_of(world: World, talk: Any) -> tuple[Any, ...]:
    """What the ear is doing."""
    ear, track = talk._ear, talk._ear._track
    ends = track._endpointing
    early = (
        None if ear._early is None else tuple(item if isinstance(item, Bound) else item[:1] for item, _ in ear._early)
    )
    holds = ear._capture is not None and (ends._rules is track._rules[1], ends._speech > 0)
    return early, world.loaded, track.sees, track.armed and (True, track.voiced), holds


def meaning_of(world: World, words: list[str]) -> str:
    """What the words that wait for the rest would mean now."""
    return type(world.session._services.phrases.interpret(" ".join(words))).__name__ if words else "-"

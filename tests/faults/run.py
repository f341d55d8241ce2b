"""One run: the session of a scenario, with one fault or none, and what was seen of it."""

from __future__ import annotations

import datetime
from collections import deque

import structlog
import trio
import trio.testing
from attrs import field, frozen

from badge.clock import Ids
from badge.components import Component
from badge.link import CLOSE_WITHIN, LinkClosedError
from badge.llms import purposes
from badge.llms.fixed import FixedLlms
from badge.peers.presence import Presence
from badge.phrases import Phrases
from badge.rehearsal.deskunderstudy import understudy_desk
from badge.replay.determinism import Order, deterministic
from badge.services import Services
from badge.session.session import LAST_WORDS, converse
from badge.session.watchdog import IDLE_EXTRA
from protocol import identify
from tests.faults.injection import InjectedWire, injected
from tests.faults.outcomes import Question, Witness
from tests.faults.points import SLOW, Fault, Point, Seam
from tests.faults.scenario import RecastAsr, Scenario, Step

SOON = LAST_WORDS + CLOSE_WITHIN + 1
"""Seconds within which a session is over when it is about to end."""

PLAIN = ["stt", "tts start", "llm", "tts sentence_start", "audio", "tts stop"]
"""What a badge sees of a turn in which nothing goes wrong."""


@frozen(kw_only=True)
class Sight:
    """What was seen of one run."""

    points: tuple[Point, ...] = field(repr=False)
    hit: tuple[Point, ...]
    questions: tuple[Question, ...]
    affected: int
    """number of the question that the fault had to do with"""
    ending: str
    cut: bool
    deaf: bool
    violations: tuple[str, ...]
    failures: tuple[str, ...]
    """errors that only the last resort has caught"""
    kinds: tuple[str, ...] = field(repr=False)
    texts: tuple[tuple[str, str], ...] = field(repr=False)
    quiet: list[bool] = field(repr=False)
    """for each step of the badge, whether nothing was open then"""


def have(scenario: Scenario, point: Point | None = None, fault: Fault | None = None) -> Sight:
    """Have the session of a scenario."""
    with deterministic(Order(0)):
        sight: Sight = trio.run(_have, scenario, point, fault, clock=trio.testing.MockClock(autojump_threshold=0))
    return sight


async def _have(scenario: Scenario, point: Point | None, fault: Fault | None) -> Sight:
    seam, witness, failures = Seam(point, fault), Witness(), list[str]()

    def note(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        if event["event"] == "failed":
            failures.append(f"{event['what']}: {event['error']}")
        raise structlog.DropEvent

    structlog.configure(processors=[note])
    affected: list[int] = []
    seam.on_hit = lambda: affected.append(witness.affected)
    async with trio.open_nursery() as nursery:
        services = services_of(scenario)
        for component in services.components():
            nursery.start_soon(component.run)
        await trio.testing.wait_all_tasks_blocked()
        badge = Badge(scenario, services, witness, seam)
        quiet = await badge.live(nursery)
        nursery.cancel_scope.cancel("the run is over")
    return Sight(
        points=tuple(badge.points),
        hit=(point,) if point is not None and seam.hit else (),
        questions=tuple(witness.questions),
        affected=affected[0] if affected else 0,
        ending=witness.ending,
        cut=witness.cut,
        deaf=witness.deaf,
        violations=tuple(witness.violations),
        failures=tuple(failures),
        kinds=tuple(witness.kinds),
        texts=tuple(witness.texts),
        quiet=quiet,
    )


class Line:
    """A `Wire` in memory; what the badge says counts from the moment at which the session takes it."""

    def __init__(self, witness: Witness) -> None:
        self._witness = witness
        self._waiting: deque[Step | int] = deque()
        self._filled = trio.Event()

    @property
    def undelivered(self) -> bool:
        """Whether the session has not taken everything yet."""
        return bool(self._waiting)

    def put(self, step: Step | int) -> None:
        """The badge sends something, or hangs up."""
        self._waiting.append(step)
        self._filled.set()

    async def receive(self) -> str | bytes:
        await trio.lowlevel.checkpoint()
        while not self._waiting:
            self._filled = trio.Event()
            await self._filled.wait()
        step = self._waiting.popleft()
        if isinstance(step, int):
            raise LinkClosedError(step)
        if step.begins:
            self._witness.begin()
        if step.asks or step.expects:
            (self._witness.ask if step.asks else self._witness.expect)()
        if step.wants:
            self._witness.want(step.wants)
        self._witness.ring()
        return step.frame

    async def send(self, frame: str | bytes) -> None:
        await trio.lowlevel.checkpoint()
        if self._witness.ending:
            raise LinkClosedError(1006)
        self._witness.see(frame)

    async def ping(self) -> None:
        await trio.lowlevel.checkpoint()

    async def close(self, code: int, reason: str) -> None:
        self._witness.end(f"{code} {reason}")


class Badge:
    """The user and his badge: does what was recorded, but waits where the recorded user did not have to."""

    def __init__(self, scenario: Scenario, services: Services, witness: Witness, seam: Seam) -> None:
        self._scenario = scenario
        self._services = services
        self._witness = witness
        self._seam = seam
        self._line = Line(witness)
        self._over = trio.Event()
        self.points: list[Point] = []
        """those that were passed before the plain turn at the end"""
        settings = scenario.script.settings
        words = 2 * settings.chat.first_token_s + settings.tts.timeout_s
        self._patience = settings.asr.attempts * settings.asr.timeout_s + words + 10
        timeouts = settings.timeouts
        self._idle = timeouts.no_voice_s + IDLE_EXTRA + timeouts.grace_s + SOON

    async def live(self, nursery: trio.Nursery) -> list[bool]:
        """Connect, do everything, and see that the session ends and leaves nothing."""
        tasks = trio.lowlevel.current_statistics().tasks_living
        nursery.start_soon(self._serve)
        quiet = await self._act()
        if not self._over.is_set():
            await self._wait_until_quiet()
            with trio.move_on_after(SOON if self._witness.ending else SLOW + 1):
                await self._over.wait()
        self.points = self._seam.points
        if not self._over.is_set() and not self._witness.ending:
            await self._one_more_turn()
            self._witness.end("the badge has hung up")
            self._line.put(1006)
        with trio.move_on_after(SOON):
            await self._over.wait()
            await trio.testing.wait_all_tasks_blocked()
        self._look_around(tasks)
        return quiet

    async def _serve(self) -> None:
        identity = self._scenario.script.identity
        target = f"/?protocol-version={self._scenario.script.framing.value}"
        headers = [("device-id", identity["device"]), ("client-id", identity["client"])]
        try:
            with self._seam.scope:
                wire = InjectedWire(self._line, self._seam)
                services = injected(self._services, self._seam)
                await converse(identify(target, headers, lambda: "auto-0"), wire, services)
        finally:
            self._witness.end("gone")
            self._over.set()

    async def _act(self) -> list[bool]:
        begun, quiet = trio.current_time(), list[bool]()
        for step in self._scenario.steps:
            with trio.move_on_at(begun + step.at):
                await self._over.wait()
            if step.patient and self._open:
                asked = trio.current_time()
                await self._wait_until_quiet()
                begun += trio.current_time() - asked
            if self._witness.ending:
                break
            quiet.append(not self._open)
            self._line.put(step)
        return quiet

    @property
    def _open(self) -> bool:
        return self._line.undelivered or self._witness.waits

    async def _wait_until_quiet(self) -> None:
        """Wait as long as something comes from time to time; with a dead line, until the server closes it."""
        while self._open and not self._witness.ending:
            patience = self._idle if self._line.undelivered else self._patience
            with trio.move_on_after(patience) as waiting:
                await self._witness.news()
            if waiting.cancelled_caught:
                if self._line.undelivered:
                    self._witness.violations.append("a dead connection is not closed")
                    return
                self._witness.lose_patience(unheard=self._unheard)

    @property
    def _unheard(self) -> bool:
        asr = self._services.asr.provider
        return (self._seam.hit and self._seam.silences) or (isinstance(asr, RecastAsr) and not asr.understood)

    async def _one_more_turn(self) -> None:
        """After whatever happened a plain turn is a plain turn."""
        if self._witness.meets:
            await self._take(Step(at=0, frame='{"type": "mode", "state": "end", "mode": "meeting"}'))
        seen = len(self._witness.kinds)
        words = '{"type": "listen", "state": "detect", "text": "are you still there"}'
        await self._take(Step(at=0, frame=words, begins=True, asks=True))
        kinds = [kind for kind in self._witness.kinds[seen:] if kind not in ("error", "meeting")]
        if kinds != PLAIN and not self._witness.ending:
            self._witness.violations.append(f"a plain turn afterwards is not plain: {', '.join(kinds)}")

    async def _take(self, step: Step) -> None:
        self._line.put(step)
        await trio.testing.wait_all_tasks_blocked()
        await self._wait_until_quiet()

    def _look_around(self, tasks: int) -> None:
        violations = self._witness.violations
        if not self._over.is_set():
            violations.append("the session does not end")
        elif trio.lowlevel.current_statistics().tasks_living != tasks:
            violations.append("a task of the session goes on")
        if len(self._services.presence):
            violations.append("the device is still registered")


class _Clock:
    def now(self) -> datetime.datetime:
        return datetime.datetime(2026, 11, 21, 9, 30, tzinfo=datetime.UTC)


def services_of(scenario: Scenario) -> Services:
    """A server for the session of a scenario."""
    script, providers = scenario.script, scenario.providers()
    settings, known = script.settings, script.header["components"]

    def of(kind: str) -> Component:
        off = known.get(kind, {"state": "off"})["state"] == "off"
        return Component(kind, () if off else (providers[kind],))

    return Services(
        settings=settings,
        clock=_Clock(),
        ids=Ids(seed=1),
        presence=Presence(settings.limits.connections),
        phrases=Phrases(wake=settings.phrases.wake, exits=settings.phrases.exit),
        vad=of("vad"),
        asr=of("asr"),
        tts=of("tts"),
        recall=of("recall"),
        desk=understudy_desk(script),
        llms=FixedLlms(
            {name: of(f"llm.{name}") for name in settings.llm}, purposes(settings.llm_by_purpose, settings.llm)
        ),
    )

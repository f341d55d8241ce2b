"""Explores every state that a session can get into, and every move out of it, breadth-first.

    python tests/machines/exploration.py            counts, or the shortest way to what is wrong
    python tests/machines/exploration.py --write    the same, and docs/machines.md anew

How a machine that is added later joins: add it to `badge.diagram.MACHINES` and to the cells that cannot be reached
below, what it remembers to `world.state_of`, and what may happen to it to `moves.moves_of`. Its objects are copied and
its events recorded without being told.
"""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import structlog
import trio
from attrs import define, field
from statemachine.engines.sync import SyncEngine

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from badge.commands.diagram import diagrams
from badge.session import scribe, turns
from tests.house import changed
from tests.machines.moves import Move, moves_of
from tests.machines.properties import (
    GRAPH_CHECKS,
    STATE_CHECKS,
    STEP_CHECKS,
    Cell,
    Edge,
    Explored,
    State,
    Step,
    ViolationError,
    never_silent,
)
from tests.machines.snapshot import Snapshot
from tests.machines.world import Mishap, StandingClock, Terms, World, state_of

WAITING, QUEUED = 2, 1
"""Bounds of the queues while exploring: full queues are states, too, and every longer queue behaves like a full one."""


MOST = 20_000
"""States under one set of terms; more means that something is counted that grows without end."""


def terms(name: str, *, detector: str = "ready", hears: bool = True, **rest: Any) -> Terms:
    """Terms of an exploration; without pre-roll, and with the least memory for utterances that may be configured."""
    world = {key: rest.pop(key) for key in ("modes", "idles", "others", "team", "refuses") if key in rest}
    rest["listen"] = {"pre_roll_ms": 0, "buffer_mb": 0.1, **rest.get("listen", {})}
    return Terms(name=name, settings=changed(**rest), detector=detector, hears=hears, **world)


ALWAYS = {"barge_in": "always"}
WAIT = {"new_words": "wait"}
UNANSWERED = {"enable_greeting": False}
ALL_TERMS = (
    terms("as configured by default", idles=True, others=True),
    terms("realtime", modes=("auto", "realtime")),
    terms("barge-in always", listen=ALWAYS),
    terms("barge-in never", listen={"barge_in": "never"}, modes=("auto", "realtime")),
    terms("new words wait", chat=WAIT, modes=("auto",), others=True),
    terms("wake words unanswered", phrases=UNANSWERED),
    terms("wake words unanswered, new words wait, barge-in always", phrases=UNANSWERED, chat=WAIT, listen=ALWAYS),
    terms("recognition switched off", hears=False, idles=True, others=True),
    terms("detector loads late, or cannot", detector="late", modes=("auto",)),
    terms("detector breaks", detector="breaks"),
    terms("no detector", detector="none"),
    terms("meetings", modes=("auto",), team=("meeting",)),
    terms("others have something to say", modes=("auto",), team=("notices",)),
    terms(
        "others have something to say in a meeting",
        hears=False,
        modes=("auto",),
        others=True,
        team=("meeting", "notices"),
    ),
    terms("all modes, by messages only", hears=False, modes=("auto",), team=("meeting", "coding", "working")),
    terms("the desk refuses", hears=False, modes=("auto",), team=("meeting", "working"), refuses=True),
)


@contextmanager
def recorded(events: list[Cell], failures: list[BaseException]) -> Iterator[None]:
    """Note every event that reaches a machine, and every error that is caught; keep queues short."""

    def take(engine: SyncEngine, trigger: Any) -> Any:
        events.append((type(engine.sm).__name__, engine.sm.state, str(trigger.event)))
        return original(engine, trigger)

    def note(_: object, __: str, entry: dict[str, Any]) -> Any:
        if entry.get("event") == "failed":
            failures.extend(exc for exc in entry["exc_info"].exceptions if not isinstance(exc, Mishap))
        raise structlog.DropEvent

    original, bounds, config = SyncEngine._take_external_event, (scribe.WAITING, turns.QUEUED), structlog.get_config()
    SyncEngine._take_external_event = take  # type: ignore[method-assign]
    scribe.WAITING, turns.QUEUED = WAITING, QUEUED
    structlog.configure(processors=[note], wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    try:
        yield
    finally:
        SyncEngine._take_external_event = original  # type: ignore[method-assign]
        scribe.WAITING, turns.QUEUED = bounds
        structlog.configure(**config)


def explore(terms: Terms) -> Explored:
    """Visit everything under these terms. Raises `ViolationError` for the first property that does not hold."""
    clock = StandingClock()
    return trio.run(_explore, terms, clock, clock=clock)


async def _explore(terms: Terms, clock: StandingClock) -> Explored:
    events: list[Cell] = []
    failures: list[BaseException] = []
    with recorded(events, failures):
        explorer = Explorer(World(terms, clock), moves_of(terms), events, failures)
        explorer.visit_all()
    for check in GRAPH_CHECKS:
        check(explorer.found)
    return explorer.found


@define
class Explorer:
    """The breadth-first search."""

    world: World
    moves: list[Move]
    events: list[Cell]
    failures: list[BaseException]
    found: Explored = field(init=False)
    _todo: deque[tuple[State, Snapshot]] = field(factory=deque)

    def visit_all(self) -> None:
        """Start at the opening connection, and go on until there is nothing new."""
        self.found = Explored(self.world.terms)
        self._arrive(None)
        while self._todo:
            state, copies = self._todo.popleft()
            self.found.edges[state] = edges = []
            copies.restore()
            for move in self.moves:
                if move.may(self.world):
                    edges.append(self._make(state, move))
                    copies.restore()

    def _make(self, state: State, move: Move) -> Edge:
        self.events.clear()
        self.failures.clear()
        step = Step(self.world, move, self.events, self.failures)
        try:
            self.world.step(move.make)
        except Exception as exc:
            raise self.found.violated(f"raises {exc!r}", state, move.name) from exc
        self.found.cells.update(self.events)
        for check in STEP_CHECKS:
            if (wrong := check(step)) is not None:
                raise self.found.violated(wrong, state, move.name)
        return Edge(move, self._arrive((state, move)), tuple(self.world.told))

    def _arrive(self, came: tuple[State, Move] | None) -> State:
        state = state_of(self.world)
        if state not in self.found.came:
            self.found.came[state] = came
            if self.world.waits:
                self.found.waits.add(state)
            if self.world.may_begin:
                self.found.may_begin.add(state)
            for check in STATE_CHECKS:
                if (wrong := check(self.world)) is not None:
                    raise self.found.violated(wrong, state)
            if len(self.found.came) > MOST:
                raise self.found.violated("there is no end of new states", state)
            self._todo.append((state, Snapshot.of(self.world)))
        return state


DOCUMENT = Path(__file__).parents[2] / "docs" / "machines.md"

EXPLORED = """## Every state, visited

`python tests/machines/exploration.py` takes a real session through every state that it can get into, breadth-first, by
every move of its environment: what a badge may send, what voices do, how recognisers and answers end, break or stay
away, timers, newer connections, the end of the server, the loss of the link. In every state holds: at most one turn, and
one `tts stop` for each `tts start`; nothing happens without a cause; nothing raises; nobody waits without being answered
or told, at the latest after so many moves of timers and failing providers as the last column says; a new turn can begin
until the session ends, and it can always end. `idle` is where nobody waits."""


def document(explored: Iterable[Explored]) -> str:
    """docs/machines.md: the machines, and how much of them was visited."""
    rows = ["| | states | edges | longest wait |", "| --- | --- | --- | --- |"]
    for found in explored:
        states, edges = found.counts
        rows.append(f"| {found.terms.name} | {states} | {edges} | {never_silent(found)} |")
    return "\n\n".join([diagrams(), EXPLORED, "\n".join(rows)]) + "\n"


def main(arguments: list[str]) -> int:
    """Explore under all terms."""
    explored = []
    for terms in ALL_TERMS:
        began = perf_counter()
        try:
            explored.append(explore(terms))
        except ViolationError as exc:
            print(f"VIOLATION {exc}")
            return 1
        states, edges = explored[-1].counts
        print(f"{terms.name}: {states} states, {edges} edges, {perf_counter() - began:.1f} s", flush=True)
    if "--write" in arguments:
        DOCUMENT.write_text(document(explored), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

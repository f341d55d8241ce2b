"""The turn slot: one answer at a time, the next begins when the one before has let go of everything."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol

import structlog
import trio
from attrs import define, field

from badge.boundary import boundary
from badge.dialogue import Exchange
from badge.log import get_log
from badge.session.heard import Passage
from badge.session.plan import Plan

log = get_log(__name__)

QUEUED = 4
"""Plans that wait for their turn where new words do not interrupt; one more replaces the oldest."""


@define(eq=False)
class Turn:
    """One answer being given. `audible` is called when its first audio leaves."""

    number: int
    id: str
    plan: Plan
    audible: Callable[[], None]
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    opened: float = 0.0
    exchange: Exchange | None = None
    """what the dialogue knows of it"""
    passages: list[Passage] = field(factory=list)
    """the sentences that are on their way, or have left"""
    played_out: bool = False
    """whether the badge has played everything"""
    played_ms: int | None = None
    """how much of it the badge has played, where it says so"""


class Performer(Protocol):
    """Who carries turns out."""

    def open(self, turn: Turn) -> None:
        """The turn begins."""

    async def perform(self, turn: Turn) -> None:
        """Carry it out; may be cancelled at any moment."""

    def close(self, turn: Turn) -> None:
        """The turn is over or cut short; called exactly once for each `open`."""


class TurnHost(Protocol):
    """Who is told how turns go; every verb is synchronous."""

    def turn_audible(self) -> None:
        """The first audio of the running turn left."""

    def turn_over(self, turn: Turn) -> None:
        """The running turn came to its own end, well or badly."""

    def turn_broke(self) -> None:
        """The running turn failed through an error of ours."""


class Turns:
    """Starts, cancels and queues turns."""

    def __init__(self, performer: Performer, host: TurnHost, new_id: Callable[[], str]) -> None:
        self._performer = performer
        self._host = host
        self._new_id = new_id
        self._number = 0
        self._current: Turn | None = None
        self._next: Plan | None = None
        self._queue: deque[Plan] = deque(maxlen=QUEUED)
        self._called = trio.Event()

    @property
    def current(self) -> Plan | None:
        """What is being carried out, or is about to be."""
        return self._next or (self._current.plan if self._current else None)

    @property
    def running(self) -> bool:
        """Whether a turn has the badge in its speaking state."""
        return self._current is not None

    def start(self, plan: Plan) -> None:
        """Run this plan as soon as the slot is free."""
        self._next = plan
        self._called.set()

    def played(self, ms: int) -> None:
        """The badge has played so much of the running turn."""
        if self._current is not None:
            self._current.played_ms = ms

    def queue(self, plan: Plan) -> None:
        """Keep this plan until the present turn has come to its own end."""
        self._queue.append(plan)

    def next_queued(self) -> Plan | None:
        """Take the plan that has waited longest."""
        return self._queue.popleft() if self._queue else None

    def forget_queue(self) -> None:
        """Forget the plans that wait."""
        self._queue.clear()

    def cancel(self, reason: str) -> None:
        """Silence the running turn at once, and what was about to run."""
        self._next = None
        if self._current is not None:
            turn, self._current = self._current, None
            turn.scope.cancel(reason)
            self._performer.close(turn)

    async def run(self) -> None:
        """Carry out turns until cancelled."""
        while True:
            while self._next is None:
                self._called = trio.Event()
                await self._called.wait()
            with structlog.contextvars.bound_contextvars(turn=self._number + 1):
                turn = self.open()
                with turn.scope, boundary("turn", log, on_error=partial(self.broke, turn)):
                    await self._performer.perform(turn)
                self.let_go(turn)

    # --- the steps of the task between its waits ---

    def open(self) -> Turn:
        """The slot is free: the plan that waits becomes the running turn."""
        assert self._next is not None
        plan, self._next = self._next, None
        self._number += 1
        self._current = turn = Turn(self._number, self._new_id(), plan, self._host.turn_audible)
        self._performer.open(turn)
        return turn

    def let_go(self, turn: Turn) -> None:
        """The performance has ended; nobody is told when the turn was cancelled, because then it was over before."""
        trace = turn.plan.trace
        log.info(
            "turn over",
            answer=turn.id,
            cancelled=self._current is not turn,
            total_ms=trace.total,
            acknowledged_ms=trace.acknowledged_ms,
            **trace.stages(),
        )
        if self._current is turn:
            self._current = None
            self._performer.close(turn)
            self._host.turn_over(turn)

    def broke(self, turn: Turn) -> None:
        """An error of ours ended the performance."""
        if self._current is turn:  # otherwise nobody waits for it any more
            self._host.turn_broke()

"""The driver of a replay: does to the session what was done to it then, in the same order and at the same times.

The order of the recording is what counts. Before something is done to the session, it must have done everything that it
had done by then; the clock is moved on until it has. The session computes faster here than it did then, so that its
timers are set a little earlier: one that is due just before something is done to it, without a trace of it in the
recording until later, waits until that has been done.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import trio
import trio.testing

from badge.recording.records import INPUTS, Kind, Record
from badge.replay.comparison import Comparison, show
from badge.replay.script import Script

PATIENCE = 0.25
"""Seconds that an output may be later than it was then."""

EARLY = 0.02
"""Seconds by which a timer may be due before its time: how long the machine may have needed then to come to it."""

MOMENT = 1e-6
"""Seconds; less than any two things that happen one after the other are apart."""

MICROSECOND = 1_000_000


class DivergedError(Exception):
    """The replay has come to its first divergence."""


class Driver:
    """Goes through a script, once."""

    def __init__(
        self,
        script: Script,
        comparison: Comparison,
        clock: trio.testing.MockClock,
        deliver: Callable[[Record], None],
    ) -> None:
        self._script = script
        self._comparison = comparison
        self._clock = clock
        self._deliver = deliver
        self._begun = trio.current_time()
        self._done_early: set[int] = set()

    async def drive(self) -> None:
        """Do everything that was done. Raises `DivergedError`."""
        for index, record in enumerate(self._script.records):
            if record.kind in INPUTS and index not in self._done_early:
                await self._await_outputs(before=index)
                await self._approach(self._begun + record.at / MICROSECOND)
                await self._settle_components(index)
                self._deliver(record)
        await self._await_outputs(before=len(self._script.records))

    async def _await_outputs(self, before: int) -> None:
        """Let the session do what it had done by then, moving the clock as far as it takes."""
        while True:
            await self._settle()
            missing = self._comparison.missing
            if missing is None or missing >= before:
                return
            now, due = trio.current_time(), self._begun + self._script.records[missing].at / MICROSECOND
            timer = now + trio.lowlevel.current_statistics().seconds_to_next_deadline
            if timer > max(now, due) + PATIENCE:
                record = self._script.records[missing]
                self._comparison.diverge(
                    "something does not happen", show(record.kind, record.data), "nothing, and nothing is under way"
                )
                raise DivergedError
            self._jump_to(max(due, timer))

    async def _approach(self, at: float) -> None:
        """Move the clock to a moment, without letting timers pass that may have been later then."""
        while True:
            timer = trio.current_time() + trio.lowlevel.current_statistics().seconds_to_next_deadline
            if timer > at - EARLY:
                break
            self._jump_to(timer)
            await self._settle()
        self._jump_to(min(at, timer - MOMENT))

    async def _settle_components(self, index: int) -> None:
        """A component that was found to be ready, or broken, while this was being answered, was so before."""
        moment = self._script.records[index].at
        for later in range(index + 1, len(self._script.records)):
            record = self._script.records[later]
            if record.kind is Kind.COMPONENT and record.at - moment < 1000:
                self._deliver(record)
                self._done_early.add(later)
                await self._settle()
            elif record.kind in INPUTS:
                return

    async def _settle(self) -> None:
        await trio.testing.wait_all_tasks_blocked()
        if self._comparison.divergence is not None:
            raise DivergedError

    def _jump_to(self, at: float) -> None:
        now = trio.current_time()
        if now < at < inf:
            self._clock.jump(at - now)

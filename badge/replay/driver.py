"""The driver of a replay: does to the session what was done to it then, in the same order and at the same times.

The order of the recording is what counts. Records that were made in one pass of the scheduler are a group. Before a
group in which something was done to the session, the session must have done everything that it had done by then; the
clock is moved on until it has. Then as many passes go by as did then, or until nobody can run any more, and the driver,
always the last task of a pass, does what was done: it is felt in the next pass, in which tasks act in the order of
their records.

The session computes faster here than it did then, so that its timers are set a little earlier: one that is due just
before something is done to it, without a trace of it in the recording until later, waits until that has been done.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import pairwise
from math import inf

import trio
import trio.testing

from badge.recording.records import INPUTS, Kind, Record
from badge.replay.comparison import Comparison, show
from badge.replay.determinism import Order
from badge.replay.script import ACTORS, Script

PATIENCE = 0.25
"""Seconds that an output may be later than it was then."""

RECENT = 12
"""Groups of records that are tried in another order when a replay diverges after them."""

MOMENT = 1e-6
"""Seconds; less than any two things that happen one after the other are apart."""

MICROSECOND = 1_000_000

SAID = frozenset({Kind.ASR_PARTIAL, Kind.ASR_FINAL, Kind.LLM_TOKEN, Kind.TTS_CHUNK})
"""What a provider says to a task of the session that waits for it."""

AT_ONCE = frozenset({Kind.POST, Kind.ANNOUNCE, Kind.RETIRE, Kind.RENEW, Kind.LLM_ERROR, Kind.TTS_ERROR})
"""Inputs that the session feels in the step in which they are done to it, or that are noted later than they are felt;
others reach it in the next pass."""


class DivergedError(Exception):
    """The replay has come to its first divergence."""


class Driver:
    """Goes through a script, once."""

    def __init__(
        self,
        script: Script,
        comparison: Comparison,
        clock: trio.testing.MockClock,
        order: Order,
        deliver: Callable[[Record], None],
        *,
        early: float,
        hidden_first: Collection[int] | None,
    ) -> None:
        """`early`: seconds by which a timer may be due before its time, because the machine needed so long to come to it;
        `hidden_first`: groups of records before which tasks that left no trace run first; None: all tasks run in any
        order."""
        self._early = early
        self._hidden_first = hidden_first
        self.recent: deque[int] = deque(maxlen=RECENT)
        """the last groups in which something was done, by their first record"""
        self._script = script
        self._comparison = comparison
        self._clock = clock
        self._deliver = deliver
        self._begun = trio.current_time()
        self._done_early: set[int] = set()
        self._prompter: trio.lowlevel.Task | None = None
        self._cue = trio.Event()
        self._lines: list[int] = []
        self._felt_in = 0
        """the pass in which the last thing that was done is felt"""
        self._jumped = True
        self._me = trio.lowlevel.current_task()
        self._cast: list[str] = []
        """the tasks that act in the next pass, in their order"""
        order.arrange = self._arrange

    async def drive(self) -> None:
        """Do everything that was done. Raises `DivergedError`."""
        for group, following in pairwise([*groups(self._script.records), range(0)]):
            inputs = [index for index in group if self._is_input(index)]
            if inputs:
                await self._await_outputs(before=group[0])
                this_pass = max(self._comparison.last_pass, self._felt_in) + self._script.records[group[0]].after
                later, at_once = self._split(group, inputs)
                timers = not self._is_input(group[0])
                await self._do(later, this_pass - 1, self._cast_of(group), timers=timers)
                self.recent.append(group[0])
                if any(self._script.records[index].kind is Kind.IN for index in later):
                    self._cue_prompter(following)
                for index in at_once:
                    await self._await_outputs(before=index)
                    begun = later or index != at_once[0]  # then nobody acts before it who did not then
                    await self._do([index], self._felt_in if begun else this_pass, [])
        await self._await_outputs(before=len(self._script.records))

    async def _do(self, inputs: list[int], this_pass: int, cast: list[str], *, timers: bool = False) -> None:
        """Do these things in a pass of the scheduler; in the next one `cast` acts, and what `timers` set off."""
        if inputs:
            await self._approach(self._script.records[inputs[-1]], this_pass, timers=timers)
            await self._settle_components(inputs[0])
            self._cast = cast
            self._felt_in = self._comparison.passes.count + bool(cast)
            for index in inputs:
                self._deliver(self._script.records[index])

    def _split(self, group: range, inputs: list[int]) -> tuple[list[int], list[int]]:
        """What has to be done before the pass in which the group happened, and what within it, after everybody."""
        kinds = {index: self._script.records[index].kind for index in group}
        traces = [index for index, kind in kinds.items() if kind in ACTORS and kind not in AT_ONCE]
        first = min(traces, default=group.stop)
        early = group[0] in (self._hidden_first or ())
        within = [i for i in inputs if kinds[i] in AT_ONCE and not (early or i < first < group.stop)]
        return [index for index in inputs if index not in within], within

    def _cast_of(self, group: range) -> list[str]:
        """The tasks that left a trace in one pass, in their order; the rest is called by the empty name."""
        if self._hidden_first is None:
            return [""]
        cast = actors(self._script.records[index] for index in group)
        return ["", *cast] if group[0] in self._hidden_first else cast

    async def prompt(self) -> None:
        """What a provider said just before something was done is felt just after it, even if that cancels who listens:
        this task says it for the provider, before everybody else in a pass. Runs until cancelled."""
        self._prompter = trio.lowlevel.current_task()
        while True:
            await self._cue.wait()
            self._cue = trio.Event()
            for index in self._lines:
                self._deliver(self._script.records[index])
            self._lines = []

    def _cue_prompter(self, following: range) -> None:
        records = self._script.records
        self._lines = [index for index in following if records[index].kind in SAID and self._is_input(index)]
        if self._lines and records[following[0]].after == 1:
            self._done_early.update(self._lines)
            self._cue.set()
        else:
            self._lines = []

    def _is_input(self, index: int) -> bool:
        return self._script.records[index].kind in INPUTS and index not in self._done_early

    def _arrange(self, tasks: list[trio.lowlevel.Task]) -> None:
        """Let tasks act in the order in which they did then. Tasks that left no trace come last, or where a place is
        vacant. The driver comes after everybody, and sees what came of the pass."""
        if not self._cast and not self._lines:
            if self._me in tasks:
                tasks.remove(self._me)
                tasks.append(self._me)
            return
        ranks = {self._me: len(self._cast) + 1.0}
        if self._prompter is not None:
            ranks[self._prompter] = -1.0
        vacant = float(len(self._cast))
        for rank, name in enumerate(self._cast):
            task = self._comparison.actors.get(name)
            if task in tasks:
                ranks[task] = rank
            else:
                vacant = min(vacant, rank)
        self._cast = []
        tasks.sort(key=lambda task: ranks.get(task, vacant))

    async def _await_outputs(self, before: int) -> None:
        """Let the session do what it had done by then, moving the clock as far as it takes."""
        while (missing := self._comparison.missing) is not None and missing < before:
            if not await self._pass():
                self._move_clock_for(missing)

    def _move_clock_for(self, missing: int) -> None:
        record = self._script.records[missing]
        now, due = trio.current_time(), self._begun + record.at / MICROSECOND
        timer = now + trio.lowlevel.current_statistics().seconds_to_next_deadline
        if timer > max(now, due) + PATIENCE:
            self._comparison.diverge(
                "something does not happen", show(record.kind, record.data), "nothing, and nothing is under way"
            )
            raise DivergedError
        self._jump_to(max(due, timer))

    async def _approach(self, record: Record, this_pass: int, *, timers: bool) -> None:
        """Go on to a pass of the scheduler, and move the clock to the time of the record, without letting timers pass that
        may have been later then; unless one of them is known to have gone off in the same pass."""
        at = self._begun + record.at / MICROSECOND
        while self._comparison.passes.count < this_pass and await self._pass():
            pass
        while True:
            timer = trio.current_time() + trio.lowlevel.current_statistics().seconds_to_next_deadline
            if timer > at - self._early:
                break
            self._jump_to(timer)
            await self._settle()
        self._jump_to(at if timers else min(at, timer - MOMENT))

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
        while await self._pass():
            pass

    async def _pass(self) -> bool:
        """Let every task that can run do so once; false when there is none. The driver is the last in each pass, so that
        who can run now will run in the next."""
        if not self._jumped and not trio.lowlevel.current_statistics().tasks_runnable:
            return False
        self._jumped = False  # whoever a jump of the clock wakes can run only then
        await trio.lowlevel.checkpoint()
        if self._comparison.divergence is not None:
            raise DivergedError
        return True

    def _jump_to(self, at: float) -> None:
        now = trio.current_time()
        if now < at < inf:
            self._jumped = True
            self._clock.jump(at - now)


def groups(records: Sequence[Record]) -> Iterator[range]:
    """Indices of records that were made in one pass of the scheduler."""
    start = 0
    for index, record in enumerate(records):
        if record.after and index > start:
            yield range(start, index)
            start = index
    if start < len(records):
        yield range(start, len(records))


def actors(records: Iterable[Record]) -> list[str]:
    """The tasks that left a trace, in the order of the first trace of each."""
    return list(dict.fromkeys(ACTORS[record.kind] for record in records if record.kind in ACTORS))

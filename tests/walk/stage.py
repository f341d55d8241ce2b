"""One Trio run that a synchronous test moves forward step by step, with a clock that stands still in between."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from math import inf
from typing import Any

import outcome
import trio
import trio.testing

from badge.replay.determinism import Order, deterministic


class Stage:
    """Trio as a guest of this very thread: it moves inside `do`, and only there, so every run is repeatable.

    Between two steps everything is blocked. Time passes only in `let_pass`, and jumps there from deadline to deadline.
    """

    def __init__(self, seed: int) -> None:
        self._luck = ExitStack()
        self._luck.enter_context(deterministic(Order(seed)))
        self._clock = trio.testing.MockClock()
        self._ticks: deque[Callable[[], object]] = deque()
        self._order: Callable[[], Awaitable[Any]] | None = None
        self._reply: outcome.Outcome[Any] | None = None
        self._end: outcome.Outcome[None] | None = None
        self._over = False
        trio.lowlevel.start_guest_run(
            self._live,
            run_sync_soon_threadsafe=self._ticks.append,
            done_callback=self._ended,
            clock=self._clock,
            host_uses_signal_set_wakeup_fd=True,  # there is no other loop to be woken
        )
        self.do(trio.lowlevel.checkpoint)

    def do(self, step: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        """Carry out one step in the run, wait until all that follows from it without time passing has happened."""
        self._order = lambda: step(*args)
        self._reply = None
        while self._reply is None:
            if self._end is not None:
                raise AssertionError("the run is over") from getattr(self._end, "error", None)
            self._ticks.popleft()()
        return self._reply.unwrap()

    def end(self) -> None:
        """Cancel everything, with as much time as that takes."""
        self._over = True
        with self._luck:
            while self._end is None:
                self._ticks.popleft()()

    async def let_pass(self, seconds: float) -> None:
        """For use in a step: time passes."""
        self._clock.autojump_threshold = 0
        try:
            await trio.sleep(seconds)
        finally:
            self._clock.autojump_threshold = inf

    async def _live(self) -> None:
        async with trio.open_nursery() as self.nursery:
            try:
                while not self._over:
                    await trio.testing.wait_all_tasks_blocked()  # never a longer wait: Trio would go to a thread for it
                    if self._order is not None:
                        self._reply = await self._carry_out(self._order)
            finally:  # also when a task of the test itself has failed
                self._clock.autojump_threshold = 0
            self.nursery.cancel_scope.cancel("the end of the test")

    async def _carry_out(self, order: Callable[[], Awaitable[Any]]) -> outcome.Outcome[Any]:
        self._order = None
        reply = await outcome.acapture(order)
        await trio.testing.wait_all_tasks_blocked()
        return reply

    def _ended(self, end: outcome.Outcome[None]) -> None:
        self._end = end

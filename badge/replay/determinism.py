"""Runs of Trio that come out the same each time: the one place that touches Trio's private names."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import trio
import trio._core._run as run

Arrange = Callable[[list[trio.lowlevel.Task]], None]
"""Puts the tasks that run in one pass of the scheduler in order."""


class CannotBeDeterministicError(Exception):
    """This version of Trio has no switch for deterministic scheduling."""


class Order(random.Random):
    """The order of tasks within each pass, unless `arrange` wants some of them elsewhere: by a seed; with seed 0 that of
    their creation, so that a pass more or less somewhere does not decide other races differently."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._shuffled = seed != 0
        self.arrange: Arrange = lambda tasks: None  # noqa: ARG005

    def shuffle(self, x: Any) -> None:
        """Trio asks this for each pass; the tasks come in the order of their creation."""
        if self._shuffled:
            super().shuffle(x)
        self.arrange(x)
        x.reverse()  # they are taken from the end


@contextmanager
def deterministic(order: Order) -> Iterator[None]:
    """Let `trio.run` inside this context run its tasks in this order, which nothing else has an influence on.

    Raises `CannotBeDeterministicError`.
    """
    if not isinstance(getattr(run, "_r", None), random.Random) or not hasattr(run, "_ALLOW_DETERMINISTIC_SCHEDULING"):
        raise CannotBeDeterministicError(f"trio {trio.__version__} schedules in a way that this program does not know")
    before = run._ALLOW_DETERMINISTIC_SCHEDULING, run._r, random.getstate()
    run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
    run._r = order
    random.seed(0)  # trio-websocket takes the payload of its pings from here
    try:
        yield
    finally:
        run._ALLOW_DETERMINISTIC_SCHEDULING = before[0]  # type: ignore[misc]
        run._r = before[1]
        random.setstate(before[2])

"""Runs of Trio that come out the same each time: the one place that touches Trio's private names."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import trio
import trio._core._run as run


class CannotBeDeterministicError(Exception):
    """This version of Trio has no switch for deterministic scheduling."""


@contextmanager
def deterministic(seed: int) -> Iterator[None]:
    """Let `trio.run` inside this context order its tasks by their creation and by `seed`, and by nothing else.

    Raises `CannotBeDeterministicError`.
    """
    dice = getattr(run, "_r", None)
    if not isinstance(dice, random.Random) or not hasattr(run, "_ALLOW_DETERMINISTIC_SCHEDULING"):
        raise CannotBeDeterministicError(f"trio {trio.__version__} schedules in a way that this program does not know")
    before = run._ALLOW_DETERMINISTIC_SCHEDULING, dice.getstate(), random.getstate()
    run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
    dice.seed(seed)
    random.seed(seed)  # trio-websocket takes the payload of its pings from here
    try:
        yield
    finally:
        run._ALLOW_DETERMINISTIC_SCHEDULING = before[0]  # type: ignore[misc]
        dice.setstate(before[1])
        random.setstate(before[2])

"""How long providers are waited for: a bound on all that a request asks of its provider, and on nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf

import trio
from attrs import frozen


@frozen
class Patience:
    """The patience with one request: each wait for the provider may take so many seconds.

    One scope around the whole request, because a provider that opens a nursery must be entered and left inside it; so
    entering and leaving are bounded, too.
    """

    _scope: trio.CancelScope
    _seconds: float

    def begin(self) -> None:
        """It is the provider's turn, from now on."""
        self._scope.deadline = trio.current_time() + self._seconds

    def pause(self) -> None:
        """Nobody waits for the provider."""
        self._scope.deadline = inf


@contextmanager
def patience(seconds: float) -> Iterator[Patience]:
    """Bound a request; it is the provider's turn. Raises `trio.TooSlowError` when that takes too long."""
    with trio.CancelScope() as scope:
        patience = Patience(scope, seconds)
        patience.begin()
        yield patience
    if scope.cancelled_caught:
        raise trio.TooSlowError

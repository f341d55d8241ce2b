"""One replay, and the search for what a recording does not tell."""

from __future__ import annotations

from itertools import combinations
from time import perf_counter

import trio
import trio.testing
from attrs import field, frozen

from badge.replay.comparison import Comparison, Divergence
from badge.replay.determinism import Order, deterministic
from badge.replay.script import Script
from badge.replay.stage import perform


@frozen(kw_only=True)
class Outcome:
    """How a replay went. `duration` is the length of the session in s, `took` that of the replay; `late` the largest
    distance in s between the time of an output then and now."""

    divergence: Divergence | None
    duration: float
    took: float
    frames: int
    transitions: int
    trace: tuple[tuple[float, str], ...] = field(repr=False)
    late: float

    @property
    def identical(self) -> bool:
        """Whether the session did everything that it did then, and nothing else."""
        return self.divergence is None


def replay(script: Script, *, seed: int | None = None) -> Outcome:
    """Repeat one session.

    A recording tells what tasks did, and in which pass of the scheduler, but not the order of tasks within a pass as far
    as they left no trace. Where that matters an order is looked for in which everything happens as it was recorded. With
    a `seed` none is looked for: tasks run in an order that depends on nothing else.
    """
    begun = perf_counter()
    found = _search(script) if seed is None else _run(script, Guess(frozenset(), LAGS[0]), seed=seed)
    comparison = found.comparison
    return Outcome(
        divergence=comparison.divergence,
        duration=script.duration,
        took=perf_counter() - begun,
        frames=len(comparison.sent),
        transitions=sum(step.count(" ") == 3 for _, step in comparison.trace),
        trace=tuple(comparison.trace),
        late=comparison.late,
    )


@frozen
class Guess:
    """What a recording does not tell: groups of records before which tasks that left no trace ran first, and how far, in
    s, the machine may have been behind its timers."""

    hidden_first: frozenset[int]
    lag: float


@frozen
class _Run:
    comparison: Comparison
    guess: Guess
    recent: tuple[int, ...]

    @property
    def identical(self) -> bool:
        return self.comparison.divergence is None


LAGS = (0.02, 0.1, 0.5)

PAIRED = 6

TRIALS = 60
"""Guesses that are tried at most for each lag."""


def _search(script: Script) -> _Run:
    """The first run that is identical, else the one that gets furthest."""
    best = _best_order(script, _run(script, Guess(frozenset(), LAGS[0])))
    for lag in LAGS[1:]:
        if best.identical:
            break
        run = _run(script, Guess(best.guess.hidden_first, lag))
        if run.identical or run.comparison.progress > best.comparison.progress:
            best = _best_order(script, run)
    return best


def _best_order(script: Script, best: _Run) -> _Run:
    """Try groups of records shortly before the divergence in another order, for as long as that gets further."""
    candidates = _changes(best)
    for _ in range(TRIALS):
        if best.identical or not candidates:
            break
        guess = Guess(best.guess.hidden_first ^ candidates.pop(0), best.guess.lag)
        run = _run(script, guess)
        if run.identical or run.comparison.progress > best.comparison.progress:
            best = run
            candidates = _changes(best)
    return best


def _changes(run: _Run) -> list[frozenset[int]]:
    """Groups whose order may be another one: each alone, the last first, then the last few in pairs."""
    recent = run.recent[::-1]
    return [frozenset({group}) for group in recent] + [frozenset(pair) for pair in combinations(recent[:PAIRED], 2)]


def _run(script: Script, guess: Guess, *, seed: int | None = None) -> _Run:
    clock = trio.testing.MockClock()
    order = Order(int(script.header["scheduler_seed"]) if seed is None else seed)
    with deterministic(order):
        hidden_first = guess.hidden_first if seed is None else None
        comparison, recent = trio.run(perform, script, clock, order, guess.lag, hidden_first, clock=clock)
    return _Run(comparison, guess, recent)

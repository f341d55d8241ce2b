"""Hits a recorded session with one fault at a time: every await on a provider and on the socket, with every fault that it
can suffer, and looks at what the user gets.

    python tests/faults/exploration.py [RECORDING ...]      without a recording: a story in chapters
    python tests/faults/exploration.py --point tts.receive[3] --fault slow      one point, one fault

For every question that the user asks he has to be answered, to be told that it went wrong, or to see the connection
closed with a reason that fits; after that everything goes on as if nothing had been.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import Any

import structlog
from attrs import field, frozen

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from badge.recording.fileformat import Recording, read
from tests.faults.encoding import remembered_encoding
from tests.faults.judgement import judge
from tests.faults.points import FAULTS, Fault, Point
from tests.faults.run import Sight, have
from tests.faults.scenario import Scenario, scenario_of
from tests.faults.story import record_story


@frozen(kw_only=True)
class Run:
    """One fault at one point, and what came of it."""

    point: Point
    fault: Fault
    outcome: str
    violations: tuple[str, ...]
    hit: bool

    def __str__(self) -> str:
        return f"{self.point} {self.fault}: {self.outcome}" + "".join(f"; {text}" for text in self.violations)


@frozen(kw_only=True, slots=False)
class Findings:
    """An exploration that is over."""

    points: tuple[Point, ...] = field(repr=False)
    runs: tuple[Run, ...] = field(repr=False)
    seconds: float

    @cached_property
    def hit(self) -> set[Point]:
        """Points that were hit with every fault that they can suffer."""
        hits = Counter(run.point for run in self.runs if run.hit)
        return {point for point in self.points if hits[point] == len(FAULTS[point.kind])}

    @property
    def violations(self) -> list[Run]:
        """Runs in which a user got what no user should get."""
        return [run for run in self.runs if run.violations]


Wanted = Callable[[Point, Fault], bool]


def rehearse(scenario: Scenario) -> tuple[Scenario, Sight]:
    """Have the session without a fault: once to learn when nothing was open, twice to see that it is always the same."""
    first = have(scenario)
    scenario = scenario.patient(first.quiet)
    second, third = have(scenario), have(scenario)
    for sight in (second, third):
        if (sight.kinds, sight.points, sight.violations) != (first.kinds, first.points, ()):
            raise AssertionError(f"without a fault the session is not always the same, and good: {sight.violations}")
    return scenario, third


def explore(recording: Recording, wanted: Wanted = lambda point, fault: True) -> Findings:
    """Every point with every fault, or with those that are wanted."""
    with quiet_log(), remembered_encoding():
        began = perf_counter()
        scenario, clean = rehearse(scenario_of(recording))
        runs = []
        for point in clean.points:
            for fault in FAULTS[point.kind]:
                if wanted(point, fault):
                    sight = have(scenario, point, fault)
                    outcome, violations = judge(point, fault, sight, clean)
                    hit = point in sight.hit
                    runs.append(Run(point=point, fault=fault, outcome=outcome, violations=violations, hit=hit))
        return Findings(points=clean.points, runs=tuple(runs), seconds=perf_counter() - began)


@contextmanager
def quiet_log() -> Iterator[None]:
    """Write no log; what fails inside is noted by each run."""
    config = structlog.get_config()
    structlog.configure(processors=[_drop], wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    try:
        yield
    finally:
        structlog.configure(**config)


def _drop(*_: Any) -> Any:
    raise structlog.DropEvent


# --- the report --------------------------------------------------------------------------------------------------------


def report(chapters: Sequence[Findings]) -> Iterator[str]:
    """Points, coverage, outcomes and violations, for a person to read."""
    runs = [run for findings in chapters for run in findings.runs]
    for kind in dict.fromkeys(point.kind for findings in chapters for point in findings.points):
        points, hit = coverage(chapters, kind)
        of_kind = [run for run in runs if run.point.kind == kind]
        yield f"{kind}: {points} awaits, {len(of_kind)} runs, {hit} of {points} hit ({hit / points:.0%})"
        for fault in FAULTS[kind]:
            if counted := Counter(run.outcome for run in of_kind if run.fault is fault):
                yield f"    {fault.name:<27} " + ", ".join(f"{what} {n}" for what, n in counted.most_common())
    points, hit = coverage(chapters)
    yield f"all: {points} fault points, {len(runs)} runs, coverage {hit} of {points} = {hit / points:.2%}"
    yield "outcomes: " + ", ".join(f"{what} {n}" for what, n in Counter(run.outcome for run in runs).most_common())
    wrong = [run for run in runs if run.violations]
    yield f"violations: {len(wrong)}; {sum(findings.seconds for findings in chapters):.1f} s"
    for run in wrong:
        yield f"VIOLATION {run}"


def coverage(chapters: Sequence[Findings], kind: str = "") -> tuple[int, int]:
    """How many points there are, and how many were hit with all that they can suffer."""
    points = [(findings, point) for findings in chapters for point in findings.points if kind in ("", point.kind)]
    return len(points), sum(point in findings.hit for findings, point in points)


def main(arguments: list[str]) -> int:
    """Explore, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", nargs="*", type=Path, metavar="RECORDING")
    parser.add_argument("--point", default="", help="only points whose name begins with this")
    parser.add_argument("--fault", default="", help="only faults whose name begins with this")
    args = parser.parse_args(arguments)
    with quiet_log():
        recordings = [read(path) for path in args.recordings] or record_story()
    chapters = []
    for recording in recordings:
        print(f"{recording.name}: {recording.duration:.1f} s", flush=True)
        chapters.append(
            explore(recording, lambda p, f: str(p).startswith(args.point) and f.name.startswith(args.fault))
        )
    print("\n".join(report(chapters)))
    return int(any(findings.violations for findings in chapters))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

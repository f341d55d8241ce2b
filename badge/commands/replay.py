"""`python -m badge replay` and `python -m badge redact`: recordings on the command line."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from time import perf_counter

import attrs
from attrs import frozen

from badge.recording.capsule import redacted
from badge.recording.fileformat import RecordingError, parse, read
from badge.recording.journal import SUFFIX
from badge.rehearsal.whatif import what_if
from badge.replay.many import attempt, each, recordings
from badge.replay.script import script_of
from badge.replay.search import Outcome, replay

Write = Callable[[str], None]

MOST = 100_000

CHUNK = 10
"""Schedules that are tried in one go, by one process."""


def add_replay_arguments(parser: argparse.ArgumentParser) -> None:
    """What `replay` can be told."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="recordings, or folders with recordings")
    parser.add_argument("--schedules", type=_count, metavar="N", help="try N orders in which tasks could run")
    parser.add_argument("--partly", action="store_true", help="replay what is there of a recording that is cut off")
    parser.add_argument(
        "--what-if",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="show what would have been otherwise with this setting, such as listen.silence_ms=350",
    )


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= MOST:
        raise argparse.ArgumentTypeError(f"must be a number from 1 to {MOST}, not {text}")
    return int(text)


def add_redact_arguments(parser: argparse.ArgumentParser) -> None:
    """What `redact` can be told."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a recording")
    parser.add_argument("--out", type=Path, metavar="FILE", help=f"where to (default: capsule-…{SUFFIX} beside FILE)")
    parser.add_argument("--audio", choices=("keep", "hash"), default="hash", help="default: hash")
    parser.add_argument("--text", choices=("keep", "redact"), default="redact", help="default: redact")
    parser.add_argument("--partly", action="store_true", help="take what is there of a recording that is cut off")


@frozen(kw_only=True)
class Task:
    """One file, under some seeds; None is the seed of the recording."""

    path: Path
    seeds: tuple[int | None, ...]
    partly: bool


@frozen(kw_only=True)
class Report:
    """What came of one file: outcomes by seed, or why there are none."""

    path: Path
    outcomes: tuple[tuple[int | None, Outcome], ...] = ()
    unusable: str = ""

    @property
    def diverging(self) -> list[tuple[int | None, Outcome]]:
        """The runs that were not identical."""
        return [(seed, outcome) for seed, outcome in self.outcomes if not outcome.identical]


def carry_out(task: Task) -> Report:
    """Replay one file."""

    def work() -> Report:
        script = script_of(read(task.path), partly=task.partly)
        runs = ((seed, replay(script, seed=seed)) for seed in task.seeds)
        return Report(path=task.path, outcomes=tuple((seed, attrs.evolve(run, trace=())) for seed, run in runs))

    return attempt(task.path, work, lambda why: Report(path=task.path, unusable=why))


def replay_files(args: argparse.Namespace, write: Write) -> int:
    """Replay files and folders; gives the exit status."""
    if args.what_if and args.schedules:
        write("--what-if and --schedules exclude each other: a rehearsal has an order of its own")
        return 2
    begun = perf_counter()
    try:
        paths = recordings(args.files)
    except RecordingError as exc:
        write(str(exc))
        return 2
    if args.what_if:
        return what_if(paths, args.what_if, write, partly=args.partly)
    reports = []
    for report in whole(each(carry_out, list(tasks_of(paths, args.schedules, partly=args.partly)), "replay")):
        reports.append(report)
        for line in describe(report):
            write(line)
    if len(reports) > 1:
        write(summary(reports, perf_counter() - begun))
    return 2 if any(report.unusable for report in reports) else int(any(report.diverging for report in reports))


def tasks_of(paths: Sequence[Path], schedules: int | None, *, partly: bool) -> Iterator[Task]:
    """Every file as it was recorded, or under so many schedules, a few at a time."""
    for path in paths:
        if schedules is None:
            yield Task(path=path, seeds=(None,), partly=partly)
            continue
        for first in range(1, schedules + 1, CHUNK):
            yield Task(path=path, seeds=tuple(range(first, min(first + CHUNK, schedules + 1))), partly=partly)


def whole(parts: Iterable[Report]) -> Iterator[Report]:
    """One report for each file, of the parts that follow each other."""
    for path, group in groupby(parts, key=lambda part: part.path):
        together = list(group)
        unusable = next((part.unusable for part in together if part.unusable), "")
        outcomes = tuple(outcome for part in together for outcome in part.outcomes)
        yield Report(path=path, outcomes=() if unusable else outcomes, unusable=unusable)


def describe(report: Report) -> Iterator[str]:
    """What a person wants to know about one file."""
    if report.unusable:
        yield report.unusable
        return
    diverging = report.diverging
    outcome = report.outcomes[0][1]
    about = (
        f"{outcome.duration:.1f} s, {outcome.frames} messages, {outcome.transitions} transitions, "
        f"at most {max(one.late for _, one in report.outcomes) * 1000:.1f} ms from its time, "
        f"{outcome.duration / max(outcome.took, 1e-6):.0f} times real time"
    )
    under = f" under {len(report.outcomes)} schedules" if len(report.outcomes) > 1 else ""
    if not diverging:
        yield f"{report.path}: identical{under} ({about})"
        return
    seed, first = diverging[0]
    if under:
        seeds = ", ".join(str(seed) for seed, _ in diverging[:20])
        yield f"{report.path}: {len(diverging)} of {len(report.outcomes)} schedules diverge: seeds {seeds}"
        yield f"{report.path}: under seed {seed}:"
    assert first.divergence is not None
    yield f"{report.path}: {first.divergence.render()}"


def summary(reports: list[Report], took: float) -> str:
    """All files in a line."""
    runs = [outcome for report in reports for _, outcome in report.outcomes]
    identical = sum(outcome.identical for outcome in runs)
    unusable = sum(bool(report.unusable) for report in reports)
    duration = sum(outcome.duration for outcome in runs)
    line = f"{len(reports)} recordings, {len(runs)} replays: {identical} identical, {len(runs) - identical} diverging"
    line += f", {unusable} recordings unusable" if unusable else ""
    return f"{line}; {duration:.0f} s of session in {took:.1f} s, {duration / max(took, 1e-6):.0f} times real time"


def redact_file(args: argparse.Namespace, write: Write) -> int:
    """Make a capsule that can be shared, and see that it does what the recording does; gives the exit status."""
    file: Path = args.file

    def work() -> tuple[int, str]:
        recording = read(file)
        script = script_of(recording, partly=args.partly)
        data = redacted(recording, audio=args.audio, text=args.text)
        target = args.out or file.parent / f"capsule-{hashlib.sha256(data).hexdigest()[:8]}{SUFFIX}"
        before, after = replay(script), replay(script_of(parse(str(target), data), partly=args.partly))
        if before.trace != after.trace or not after.identical:
            why = after.divergence.render() if after.divergence else "the times of its steps differ"
            return 1, f"{file}: not redacted, because without its words the session would take another course:\n{why}"
        return _put(target, data, file, f"takes the same course, {len(after.trace)} steps at the same times")

    status, line = attempt(file, work, lambda why: (2, why))
    write(line)
    return status


def _put(target: Path, data: bytes, source: Path, about: str) -> tuple[int, str]:
    """Write a file as a whole or not at all, and never over what it was made of."""
    beside = target.with_name(f"{target.name}.part")
    try:
        if target.exists() and target.samefile(source):
            return 2, f"{target}: is the recording itself, which would be lost; give another --out"
        beside.write_bytes(data)
        beside.replace(target)
    except (OSError, ValueError) as exc:
        beside.unlink(missing_ok=True)
        return 2, f"{target}: cannot be written: {exc}"
    return 0, f"{target}: {len(data)} bytes; {about}"

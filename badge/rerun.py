"""`python -m badge replay` and `python -m badge redact`: recordings on the command line."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

import structlog
from attrs import frozen
from tqdm import tqdm

from badge.boundary import boundary
from badge.log import get_log
from badge.recording.capsule import redacted
from badge.recording.fileformat import RecordingError, parse, read
from badge.recording.journal import SUFFIX
from badge.rehearsal.whatif import what_if
from badge.replay.script import script_of
from badge.replay.search import Outcome, replay

log = get_log(__name__)

Write = Callable[[str], None]

ALONE = 4
"""So many replays or fewer are done at once; starting further processes would take longer."""


def add_replay_arguments(parser: argparse.ArgumentParser) -> None:
    """What `replay` can be told."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="recordings, or folders with recordings")
    parser.add_argument("--schedules", type=int, default=0, metavar="N", help="try N orders in which tasks could run")
    parser.add_argument("--partly", action="store_true", help="replay what is there of a recording that is cut off")
    parser.add_argument(
        "--what-if",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="show what would have been otherwise with this setting, such as listen.silence_ms=350",
    )


def add_redact_arguments(parser: argparse.ArgumentParser) -> None:
    """What `redact` can be told."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a recording")
    parser.add_argument("--out", type=Path, metavar="FILE", help=f"where to (default: FILE with .redacted{SUFFIX})")
    parser.add_argument("--audio", choices=("keep", "hash"), default="hash", help="default: hash")
    parser.add_argument("--text", choices=("keep", "redact"), default="redact", help="default: redact")


@frozen(kw_only=True)
class Task:
    """One file, under some seeds; None is the seed of the recording."""

    path: Path
    seeds: tuple[int | None, ...]
    partly: bool


@frozen(kw_only=True)
class Report:
    """What came of a task: outcomes by seed, or why there are none."""

    path: Path
    outcomes: tuple[tuple[int | None, Outcome], ...] = ()
    unusable: str = ""

    @property
    def diverging(self) -> list[tuple[int | None, Outcome]]:
        """The runs that were not identical."""
        return [(seed, outcome) for seed, outcome in self.outcomes if not outcome.identical]


def carry_out(task: Task) -> Report:
    """Replay one file."""
    quieten()
    report = Report(path=task.path, unusable=f"{task.path}: the replay failed; was this recording made by hand?")
    with boundary("replay", log):
        try:
            script = script_of(read(task.path), partly=task.partly)
            report = Report(path=task.path, outcomes=tuple((seed, replay(script, seed=seed)) for seed in task.seeds))
        except RecordingError as exc:
            report = Report(path=task.path, unusable=str(exc))
    return report


def quieten() -> None:
    """The log of a session that is over is of no interest."""

    def drop(*_: object) -> structlog.typing.EventDict:
        raise structlog.DropEvent

    structlog.configure(processors=[drop])


def replay_files(args: argparse.Namespace, write: Write) -> int:
    """Replay files and folders; gives the exit status."""
    seeds: tuple[int | None, ...] = tuple(range(args.schedules)) if args.schedules else (None,)
    begun = perf_counter()
    try:
        paths = recordings(args.files)
    except RecordingError as exc:
        write(str(exc))
        return 2
    if args.what_if:
        return what_if(paths, args.what_if, write, partly=args.partly)
    tasks = [Task(path=path, seeds=seeds, partly=args.partly) for path in paths]
    reports = []
    for report in tqdm(_reports(tasks), total=len(tasks), unit="recording", disable=len(tasks) < 2, leave=False):
        reports.append(report)
        for line in describe(report):
            write(line)
    if len(reports) > 1:
        write(summary(reports, perf_counter() - begun))
    return 2 if any(report.unusable for report in reports) else int(any(report.diverging for report in reports))


def recordings(paths: Iterable[Path]) -> list[Path]:
    """The files that are meant. Raises `RecordingError` for a folder without any."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(path.rglob(f"*{SUFFIX}"))
            if not inside:
                raise RecordingError(f"{path}: there is no recording (*{SUFFIX}) in this folder")
            found += inside
        else:
            found.append(path)
    return found


def _reports(tasks: list[Task]) -> Iterator[Report]:
    if sum(len(task.seeds) for task in tasks) <= ALONE:
        yield from map(carry_out, tasks)
        return
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        yield from pool.map(carry_out, tasks)


def describe(report: Report) -> Iterator[str]:
    """What a person wants to know about one file."""
    if report.unusable:
        yield report.unusable
        return
    diverging = report.diverging
    outcome = report.outcomes[0][1]
    about = (
        f"{outcome.duration:.1f} s, {outcome.frames} messages, {outcome.transitions} transitions, "
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
    quieten()
    target: Path = args.out or args.file.with_suffix(f".redacted{SUFFIX}")
    try:
        recording = read(args.file)
        script = script_of(recording)
        data = redacted(recording, audio=args.audio, text=args.text)
        before, after = replay(script), replay(script_of(parse(str(target), data)))
    except RecordingError as exc:
        write(str(exc))
        return 2
    if before.trace != after.trace or not after.identical:
        write(f"{args.file}: not redacted, because without its words the session would take another course")
        write(after.divergence.render() if after.divergence else "  the times of its steps differ")
        return 1
    try:
        target.write_bytes(data)
    except OSError as exc:
        write(f"{target}: cannot be written: {exc.strerror}")
        return 2
    write(f"{target}: {len(data)} bytes; takes the same course, {len(after.trace)} steps at the same times")
    return 0

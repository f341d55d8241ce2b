"""Many recordings in one command: on all processors, with a progress bar, and none of them spoils the rest."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import structlog
from tqdm import tqdm

from badge.boundary import boundary
from badge.log import get_log
from badge.recording.fileformat import RecordingError
from badge.recording.journal import SUFFIX
from badge.replay.determinism import CannotBeDeterministicError

log = get_log(__name__)

T = TypeVar("T")
R = TypeVar("R")

ALONE = 4
"""So many tasks or fewer are done in this process; starting others would take longer."""


def recordings(paths: Sequence[Path]) -> list[Path]:
    """The files that are meant by files and folders. Raises `RecordingError` for a folder without any."""
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


def each(work: Callable[[T], R], tasks: Sequence[T], unit: str) -> Iterator[R]:
    """What `work` makes of each task, in their order; both must be picklable."""
    results = map(work, tasks) if len(tasks) <= ALONE else _spread(work, tasks)
    return iter(tqdm(results, total=len(tasks), unit=unit, disable=len(tasks) < 2, leave=False))


def _spread(work: Callable[[T], R], tasks: Sequence[T]) -> Iterator[R]:
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        yield from pool.map(work, tasks)


def attempt(path: Path, work: Callable[[], R], unusable: Callable[[str], R]) -> R:
    """What `work` gives, or what `unusable` makes of the reason why it gives nothing: whatever is in a file, it must not
    end the command."""
    failures = _quieten()
    with boundary("replay", log):
        try:
            return work()
        except RecordingError as exc:
            return unusable(str(exc))
        except CannotBeDeterministicError as exc:
            return unusable(f"{path}: cannot be replayed: {exc}")
    kind = failures[-1] if failures else "an error"
    return unusable(f"{path}: the replay failed ({kind}): the recording makes no sense, or the program is wrong")


def _quieten() -> list[str]:
    """Drop the log: that of a session which is over is of no interest, except for kinds of errors, which are collected."""
    failures: list[str] = []

    def drop(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        if event.get("event") == "failed":
            failures.append(str(event.get("error")))
        raise structlog.DropEvent

    structlog.configure(processors=[drop])
    return failures

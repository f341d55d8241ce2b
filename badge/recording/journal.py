"""The journal of one session, and the archive that writes all journals to files without keeping anybody waiting."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from math import inf
from pathlib import Path
from typing import Any, Protocol, TypeVar

import trio
from attrs import define

from badge.boundary import boundary
from badge.log import get_log
from badge.metrics import Metrics
from badge.recording.fileformat import Packer
from badge.recording.records import Kind

log = get_log(__name__)

FLUSH_EVERY = 1.0
"""Seconds; what is younger is lost when the process is killed."""

BACKLOG = 32 * 1_048_576
"""Bytes that may wait for the disk, of all journals together. Beyond it a recording ends, because one with a hole could
not be replayed."""

LAST_WRITE = 5.0
"""Seconds that the disk has when the server stops."""

PREPARE_EVERY = 60.0
"""Seconds between looks whether old files have to go."""

SUFFIX = ".badgerec"

T = TypeVar("T")
R = TypeVar("R")

Raw = tuple[Any, ...]
"""A record before it is packed: (at, after, kind, *data)."""

Refine = Callable[[Iterable[Raw]], list[Raw]]
"""What is done to records before they are written: hashing audio, masking text. Runs in the writer's thread."""


class Note(Protocol):
    """Where the seams of a session report to; synchronous, and as cheap as appending to a list."""

    def note(self, kind: Kind, *data: Any) -> None:
        """This has happened just now."""


class Passes(trio.abc.Instrument):
    """Counts the passes of the scheduler: in each, every task that can run does so once, in no particular order."""

    count = 0

    def before_io_wait(self, timeout: float) -> None:  # noqa: ARG002 - Trio's signature
        """A pass is over."""
        self.count += 1


@define(eq=False)
class Backlog:
    """How many bytes wait for the disk."""

    size: int = 0


class Journal:
    """What one session did, in order, until it is taken to the disk."""

    def __init__(self, passes: Passes, backlog: Backlog, on_overrun: Callable[[], None]) -> None:
        self._passes = passes
        self._last_pass = passes.count
        self._backlog = backlog
        self._on_overrun = on_overrun
        self._begun = trio.current_time()
        self._raw: list[Raw] = []
        self._size = 0
        self.open = True

    def note(self, kind: Kind, *data: Any) -> None:
        """This has happened just now."""
        if not self.open:
            return
        now, this_pass = trio.current_time(), self._passes.count
        after, self._last_pass = this_pass - self._last_pass, this_pass
        self._raw.append((round((now - self._begun) * 1_000_000), after, kind, *data))
        size = 64
        for item in data:
            kind_of_item = type(item)
            if kind_of_item is bytes or kind_of_item is str:
                size += len(item)
            elif kind_of_item is list or kind_of_item is dict:
                size += _weight(item)
        self._size += size
        self._backlog.size += size
        if self._backlog.size > BACKLOG:
            self.open = False
            self._on_overrun()

    def end(self, reason: str) -> None:
        """Nothing more will be noted."""
        self.note(Kind.END, reason)
        self.open = False

    def discard(self) -> None:
        """Nothing more will be noted, nor written."""
        self.open = False
        _, size = self.take()
        self._backlog.size -= size

    @property
    def done(self) -> bool:
        """Whether nothing more will come out of it."""
        return not self.open and not self._raw

    def take(self) -> tuple[list[Raw], int]:
        """What was noted since the last time, and its size; it counts as backlog until it is written."""
        raw, size = self._raw, self._size
        self._raw, self._size = [], 0
        return raw, size


def _weight(value: Any) -> int:
    """About how many bytes a nested value takes."""
    if isinstance(value, bytes | str):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_weight, value.values())) + 64
    return sum(map(_weight, value)) + 64 if isinstance(value, list | tuple) else 8


@define(eq=False)
class Volume:
    """One file being written, by the writer's thread only. It holds speech: nobody else may read it."""

    path: Path
    refine: Refine
    limit: int
    packer: Packer | None = None
    size: int = 0

    def write(self, records: list[Raw]) -> int:
        """Append; gives the bytes. Raises `OSError`, also when the file has been taken away meanwhile."""
        if self.packer is None:
            self.packer = Packer()
        data = self.packer.pack(self.refine(records))
        with open(self.path, "r+b" if self.size else "xb", opener=_private) as file:
            file.seek(0, os.SEEK_END)
            file.write(data)
        self.size += len(data)
        return len(data)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


Prepare = Callable[[frozenset[Path]], None]
"""Makes room on the disk, but keeps the files that are being written. Runs in the writer's thread; may raise `OSError`."""

Result = tuple[Journal, Volume, int, int, str, str]
"""Journal, its volume, size of what was taken, bytes written, and kind and detail of what went wrong."""


class Archive:
    """Takes all journals to the disk, from time to time and in a thread.

    A disk that is slow or full ends recordings, never sessions.
    """

    def __init__(self, metrics: Metrics, prepare: Prepare = lambda _: None) -> None:
        self._metrics = metrics
        self._prepare = prepare
        self._backlog = Backlog()
        self._passes = Passes()
        self._open: list[tuple[Journal, Volume]] = []
        self._one_writer = trio.CapacityLimiter(1)
        self._trouble = False

    def begin(self, path: Path, refine: Refine, header: dict[str, Any], *, limit: int) -> Journal | None:
        """A new journal, to be written to `path` up to `limit` bytes; None when the disk is too far behind."""
        self._metrics.recordings.inc()
        if self._backlog.size > BACKLOG:
            self._overrun()
            return None
        journal = Journal(self._passes, self._backlog, self._overrun)
        journal.note(Kind.BEGIN, header)
        self._open.append((journal, Volume(path, refine, limit)))
        return journal

    async def run(self) -> None:
        """Write until cancelled, and then the rest."""
        trio.lowlevel.add_instrument(self._passes)
        prepared = -inf
        try:
            while True:
                if trio.current_time() - prepared >= PREPARE_EVERY:
                    prepared = trio.current_time()
                    busy = frozenset(volume.path for _, volume in self._open)
                    if problem := await self._in_thread(self._make_room, busy):
                        self._warn(problem)
                await trio.sleep(FLUSH_EVERY)
                await self._flush()
        finally:
            trio.lowlevel.remove_instrument(self._passes)
            with trio.move_on_after(LAST_WRITE, shield=True):
                await self._flush()

    async def _flush(self) -> None:
        work = []
        for journal, volume in self._open:
            records, size = journal.take()
            if records:
                work.append((journal, volume, records, size))
        if work:
            self._account(await self._in_thread(self._write, work))
            self._open = [(journal, volume) for journal, volume in self._open if not journal.done]

    async def _in_thread(self, work: Callable[[T], R], what: T) -> R:
        # One writer: when this is cancelled the thread goes on, and the next call waits for it.
        return await trio.to_thread.run_sync(work, what, abandon_on_cancel=True, limiter=self._one_writer)

    def _make_room(self, busy: frozenset[Path]) -> str:
        """Runs in the thread; gives why there is no room, or nothing."""
        with boundary("making room for recordings", log):
            try:
                self._prepare(busy)
            except OSError as exc:
                return f"{exc.filename}: {exc.strerror or exc}"
        return ""

    def _write(self, work: list[tuple[Journal, Volume, list[Raw], int]]) -> list[Result]:
        """Runs in the thread."""
        results: list[Result] = []
        for journal, volume, records, size in work:
            written, problem, detail = 0, "failed", "records could not be packed"
            with boundary("recording", log):
                try:
                    written = volume.write(records)
                    problem = ""
                except OSError as exc:
                    problem, detail = "disk", f"{volume.path.parent}: {exc.strerror or exc}"
            results.append((journal, volume, size, written, problem, detail))
        return results

    def _account(self, results: list[Result]) -> None:
        for journal, volume, size, written, problem, detail in results:
            self._backlog.size -= size
            self._metrics.recorded_bytes.inc(written)
            if problem:
                journal.discard()
                self._lost(problem, detail)
            elif volume.size > volume.limit and journal.open:
                journal.end("size")
                self._metrics.recordings_lost.labels(reason="size").inc()
        if not any(problem for *_, problem, _ in results):
            self._trouble = False

    def _overrun(self) -> None:
        self._lost("overrun", f"the disk is {BACKLOG} bytes behind")

    def _lost(self, reason: str, detail: str) -> None:
        """Count a recording that ends early; warn once until writing works again."""
        self._metrics.recordings_lost.labels(reason=reason).inc()
        self._warn(detail)

    def _warn(self, reason: str) -> None:
        if not self._trouble:
            self._trouble = True
            log.warning("sessions are not recorded; see [recording] in the configuration", reason=reason)

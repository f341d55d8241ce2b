"""The journal of one session, and the archive that writes all journals to files without keeping anybody waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import trio
from attrs import define, field

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

SUFFIX = ".badgerec"

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
        last = data[-1] if data else None
        size = 64 + (len(last) if isinstance(last, bytes | str) else 0)
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
        self.take()

    @property
    def done(self) -> bool:
        """Whether nothing more will come out of it."""
        return not self.open and not self._raw

    def take(self) -> list[Raw]:
        """What was noted since the last time."""
        raw, self._raw = self._raw, []
        self._backlog.size -= self._size
        self._size = 0
        return raw


@define(eq=False)
class Volume:
    """One file being written, by the writer's thread only."""

    path: Path
    refine: Refine
    limit: int
    packer: Packer = field(factory=Packer)
    size: int = 0

    def write(self, records: list[Raw]) -> int:
        """Append; gives the bytes. Raises `OSError`."""
        data = self.packer.pack(self.refine(records))
        with self.path.open("ab" if self.size else "xb") as file:
            file.write(data)
        self.size += len(data)
        return len(data)


class Archive:
    """Takes all journals to the disk, from time to time and in a thread.

    A disk that is slow or full ends recordings, never sessions.
    """

    def __init__(self, metrics: Metrics, prepare: Callable[[], None] = lambda: None) -> None:
        self._metrics = metrics
        self._prepare = prepare
        self._backlog = Backlog()
        self._passes = Passes()
        self._open: list[tuple[Journal, Volume]] = []
        self._one_writer = trio.CapacityLimiter(1)
        self._trouble = False

    def begin(self, path: Path, refine: Refine, header: dict[str, Any], *, limit: int) -> Journal:
        """A new journal, to be written to `path` up to `limit` bytes."""
        journal = Journal(
            self._passes, self._backlog, lambda: self._lost("overrun", f"the disk is {BACKLOG} bytes behind")
        )
        journal.note(Kind.BEGIN, header)
        self._open.append((journal, Volume(path, refine, limit)))
        self._metrics.recordings.inc()
        return journal

    async def run(self) -> None:
        """Write until cancelled, and then the rest."""
        trio.lowlevel.add_instrument(self._passes)
        try:
            while True:
                await trio.sleep(FLUSH_EVERY)
                await self._flush()
        finally:
            trio.lowlevel.remove_instrument(self._passes)
            with trio.move_on_after(LAST_WRITE, shield=True):
                await self._flush()

    async def _flush(self) -> None:
        work = [(volume, records) for journal, volume in self._open if (records := journal.take())]
        if not work:
            return
        # One writer: when this is cancelled the thread goes on, and the next call waits for it.
        results = await trio.to_thread.run_sync(self._write, work, abandon_on_cancel=True, limiter=self._one_writer)
        self._account(results)
        self._open = [(journal, volume) for journal, volume in self._open if not journal.done]

    def _write(self, work: list[tuple[Volume, list[Raw]]]) -> list[tuple[Volume, int, str]]:
        """Runs in the thread; gives for each volume the bytes that were written, and what went wrong."""
        results = []
        for volume, records in work:
            try:
                if not volume.size:
                    self._prepare()
                results.append((volume, volume.write(records), ""))
            except OSError as exc:
                results.append((volume, 0, f"{volume.path.parent}: {exc.strerror or exc}"))
        return results

    def _account(self, results: list[tuple[Volume, int, str]]) -> None:
        journals = {id(volume): journal for journal, volume in self._open}
        for volume, written, error in results:
            journal = journals[id(volume)]
            self._metrics.recorded_bytes.inc(written)
            if error:
                journal.discard()
                self._lost("disk", error)
            elif volume.size > volume.limit and journal.open:
                journal.end("size")
                self._metrics.recordings_lost.labels(reason="size").inc()
        if not any(error for _, _, error in results):
            self._trouble = False

    def _lost(self, reason: str, detail: str) -> None:
        """Count a recording that ends early; warn once until writing works again."""
        self._metrics.recordings_lost.labels(reason=reason).inc()
        if not self._trouble:
            self._trouble = True
            log.warning("sessions are not recorded", reason=detail)

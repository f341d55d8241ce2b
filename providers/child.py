"""The child's side of a worker process: takes requests from a pipe, works on one after the other, sends the replies.

Its life is its standard input: it ends when that is closed, so it cannot outlive the server, not even one that was
killed. Signals that a terminal or a service manager sends to the whole group are left to the server.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading  # noqa: TID251 - not the server process: a second thread hears `cancel` while the first one works
from collections.abc import Callable
from typing import Any

from providers.framing import FramingError, Kind, Unframer, pack

CHUNK = 65_536  # bytes of a pipe's buffer on Linux


class WorkError(Exception):
    """The work cannot start or a request cannot be answered; the server makes a `ProviderError` of it."""

    def __init__(self, detail: str, *, remedy: str = "", retryable: bool = False) -> None:
        super().__init__(detail)
        self.body = {"detail": detail, "remedy": remedy, "retryable": retryable}


class Job:
    """One request: `payload` is what is asked."""

    def __init__(self, number: int, payload: Any, wire: _Wire) -> None:
        self.number = number
        self.payload = payload
        self._wire = wire
        self._lock = threading.Lock()
        self._on_cancel: Callable[[], None] = _nothing
        self._cancelled = False

    @property
    def cancelled(self) -> bool:
        """Whether the work may stop where it is: its replies go nowhere."""
        return self._cancelled

    def on_cancel(self, call: Callable[[], None]) -> None:
        """Have this called when nobody waits for the answer any more: at once if so already, otherwise in another
        thread than the work's. It must not raise."""
        with self._lock:
            if not self._cancelled:
                self._on_cancel = call
                return
        call()

    def cancel(self) -> None:
        """Nobody waits any more."""
        with self._lock:
            self._cancelled = True
        self._on_cancel()

    def reply(self, body: Any) -> None:
        """Send one reply; waits while the pipe is full."""
        if not self._cancelled:
            self._wire.send("reply", self.number, body)


Work = Callable[[Job], None]
"""Answers one request; raises `WorkError` when it cannot."""


def serve(start: Callable[[dict[str, Any]], Work], *, abandoned: Callable[[], None] = lambda: os._exit(0)) -> None:
    """Load with the server's settings, then work until the server is gone. `start` raises `WorkError` to refuse; `abandoned`
    ends the process, in whatever thread has noticed that the server is gone."""
    for name in ("SIGINT", "SIGTERM"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    wire = _Wire(abandoned)
    inbox = _Inbox(wire)
    threading.Thread(target=inbox.listen, daemon=True).start()
    try:
        work = start(inbox.jobs.get().payload)
    except WorkError as exc:
        wire.send("refused", 0, exc.body)
        return
    wire.send("ready", 0)
    while True:
        job = inbox.jobs.get()
        _do(work, job, wire)
        inbox.forget(job)


def _do(work: Work, job: Job, wire: _Wire) -> None:
    try:
        if not job.cancelled:
            work(job)
    except WorkError as exc:
        wire.send("failed", job.number, exc.body)
    except Exception as exc:  # noqa: BLE001 - whatever a native library raises fails this request only
        wire.send("failed", job.number, WorkError(f"{type(exc).__name__}: {exc}").body)
    else:
        wire.send("done", job.number)


class _Inbox:
    """Requests that wait (the server bounds their number), and who of them is still wanted."""

    def __init__(self, wire: _Wire) -> None:
        self.jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._wire = wire
        self._open: dict[int, Job] = {}

    def forget(self, job: Job) -> None:
        """The job is finished."""
        self._open.pop(job.number, None)

    def listen(self) -> None:
        """Take what the server sends until it closes the pipe; then the process ends, whatever it is doing."""
        unframer = Unframer()
        try:
            while data := self._wire.read():
                for kind, number, body in unframer.feed(data):
                    self._take(kind, number, body)
        except (OSError, FramingError) as exc:
            sys.stderr.write(f"lost the server: {exc}\n")
        self._wire.abandoned()  # the main thread may be deep in a native library

    def _take(self, kind: Kind, number: int, body: Any) -> None:
        if kind == "cancel":
            if job := self._open.get(number):
                job.cancel()
        else:
            job = self._open[number] = Job(number, body, self._wire)
            self.jobs.put(job)


class _Wire:
    """The pipes to the server, on file descriptors of their own.

    Descriptor 1 becomes a second stderr: a library that prints must not write between our frames. Descriptor 0 becomes
    empty.
    """

    def __init__(self, abandoned: Callable[[], None]) -> None:
        self.abandoned = abandoned
        self._in, self._out = os.dup(0), os.dup(1)
        empty = os.open(os.devnull, os.O_RDONLY)
        os.dup2(empty, 0)
        os.close(empty)
        os.dup2(2, 1)

    def read(self) -> bytes:
        """What the server sent; empty when it is gone."""
        return os.read(self._in, CHUNK)

    def send(self, kind: Kind, number: int, body: Any = None) -> None:
        """Write one message; waits while the pipe is full."""
        data = memoryview(pack(kind, number, body))
        try:
            while data:
                data = data[os.write(self._out, data) :]
        except OSError:
            self.abandoned()  # nobody reads any more


def _nothing() -> None:
    pass

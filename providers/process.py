"""The server's side of a worker process: starts it, hands it requests, restarts it when it dies."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import structlog
import trio
from attrs import field, frozen

from providers.framing import FramingError, Unframer, pack
from providers.pending import MAX_REQUESTS, Failure, Requests

log = structlog.get_logger(__name__)

START_WITHIN = 60.0
"""s until a process must be ready; a slow board loads a large voice in 20."""

PATIENCE = 3.0
"""s that a request waits for a process that is being restarted."""

STUCK_AFTER = 30.0
"""s without any sign of life after a request was left; then the process is taken for hung, and killed."""

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 10.0
"""s before a restart; each death within `STEADY` s of being ready doubles it."""

STEADY = 30.0

LAST_WORDS = 2000
"""Bytes of stderr that are kept to explain a death."""


@frozen(kw_only=True)
class Cell:
    """Where a process with foreign code lives: of the environment it sees only this, and it works in this folder. What it
    starts dies with it, unless it takes pains to get away."""

    environment: Mapping[str, str] = field(repr=False)
    folder: Path


class WorkerProcess:
    """A child process that runs `python -m module`, which calls `providers.child.serve`; one lives at a time.

    `settings` is anything that msgpack can carry; every process gets it first. Without a `cell` it is one of us.
    """

    def __init__(self, name: str, module: str, settings: dict[str, Any], *, cell: Cell | None = None) -> None:
        self.name = name
        self._module = module
        self._settings = settings
        self._cell = cell
        self._life: _Life | None = None  # None while no process is ready
        self._ready = trio.Event()
        self._trouble = Failure("its process was not started.", retryable=True)

    @property
    def pid(self) -> int | None:
        """Number of the process; None while none is ready."""
        return self._life.pid if self._life else None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep a process alive until cancelled; started when the first one is ready.

        Raises `ProviderError` when the first one cannot start; later ones are tried again and again.
        """
        pause, was_up = FIRST_PAUSE, False

        def ready(life: _Life) -> None:
            self._life = life
            self._ready.set()
            if not was_up:
                task_status.started()

        def gone() -> None:
            self._life = None
            if self._ready.is_set():  # else requests wait for it already
                self._ready = trio.Event()

        while True:
            life = _Life(self.name, self._module, self._settings, self._cell)
            self._trouble = await life.live(ready, gone)
            was_up = was_up or life.age() >= 0
            if not was_up:
                raise self._trouble.error(self.name)
            pause = FIRST_PAUSE if life.age() > STEADY else min(2 * pause, LONGEST_PAUSE)
            log.warning("a worker process is restarted", worker=self.name, pause=pause, reason=self._trouble.detail)
            await trio.sleep(pause)

    @asynccontextmanager
    async def request(self, payload: Any) -> AsyncIterator[trio.MemoryReceiveChannel[Any]]:
        """The replies to one request as they come; leaving the context tells the process to stop working on it.

        Leaving never waits. When the request fails, the receiver first gets all replies that came, and `ProviderError`
        ends the context: retryable when the process died, is not up yet or has too much to do.
        """
        with trio.move_on_after(PATIENCE):
            while self._life is None:
                await self._ready.wait()
        if self._life is None:
            raise self._trouble.error(self.name)
        async with self._life.request(payload) as replies:
            yield replies

    async def ask(self, payload: Any) -> Any:
        """The one reply to a request. Raises `ProviderError`."""
        async with self.request(payload) as replies:
            answers = [reply async for reply in replies]
        return answers[0]


class _Life:
    """One process from its start to its end."""

    def __init__(self, name: str, module: str, settings: dict[str, Any], cell: Cell | None) -> None:
        self._name = name
        self._module = module
        self._cell = cell
        self._requests = Requests(name)
        # Open requests put two frames each here at most; frames of requests that ended are at most as many again.
        self._outbox, self._frames = trio.open_memory_channel[bytes](4 * MAX_REQUESTS)
        self._outbox.send_nowait(pack("settings", 0, settings))
        self._words = _LastWords()
        self._ready_at = math.inf
        self.pid = 0

    def age(self) -> float:
        """s since it was ready; negative when it never was."""
        return trio.current_time() - self._ready_at

    async def live(self, ready: Callable[[_Life], None], gone: Callable[[], None]) -> Failure:
        """Run the process, call `ready` and `gone` when it is, and return the reason for its end."""
        failure = Failure("is shut down.", retryable=True)
        try:
            async with _spawned(self._module, self._cell) as process, trio.open_nursery() as nursery:
                self.pid = process.pid
                nursery.start_soon(self._write, process)
                nursery.start_soon(self._words.collect, process)
                nursery.start_soon(self._watch, process)
                failure = await self._hear_out(process, ready, gone)
                nursery.cancel_scope.cancel("the process ended")
        except OSError as exc:
            failure = Failure(f"no process can be started: {exc}.", retryable=True)
        finally:
            self._requests.fail(failure)
        return failure

    @asynccontextmanager
    async def request(self, payload: Any) -> AsyncIterator[trio.MemoryReceiveChannel[Any]]:
        """See `WorkerProcess.request`."""
        request, frame = self._requests.open(payload)
        self._outbox.send_nowait(frame)
        try:
            with request.replies:
                yield request.replies
        finally:
            if self._requests.leave(request):
                self._outbox.send_nowait(pack("cancel", request.number))
        if request.failure is not None:
            raise request.failure.error(self._name)

    async def _write(self, process: trio.Process) -> None:
        assert process.stdin is not None
        try:
            async for frame in self._frames:
                await process.stdin.send_all(frame)
        except trio.BrokenResourceError:
            pass  # it is dying; whoever listens to it learns why

    async def _hear_out(
        self, process: trio.Process, ready: Callable[[_Life], None], gone: Callable[[], None]
    ) -> Failure:
        try:
            failure = await self._listen(process, ready)
        finally:
            gone()
        return failure or await self._post_mortem(process)

    async def _listen(self, process: trio.Process, ready: Callable[[_Life], None]) -> Failure | None:
        """Hand on what the process says until it is silent for ever; what was wrong, if it lived."""
        assert process.stdout is not None
        unframer = Unframer()
        with trio.CancelScope(deadline=trio.current_time() + START_WITHIN) as patience:
            try:
                async for data in process.stdout:
                    for kind, number, body in unframer.feed(data):
                        if kind == "refused":
                            return Failure.told(body)
                        if kind == "ready" and self._ready_at == math.inf:
                            patience.deadline, self._ready_at = math.inf, trio.current_time()
                            ready(self)
                        else:
                            self._requests.take((kind, number, body))
            except FramingError as exc:
                return Failure(f"its process sent {exc}.", retryable=True)
        return Failure(f"its process was not ready within {START_WITHIN:g} s.") if patience.cancelled_caught else None

    async def _watch(self, process: trio.Process) -> None:
        while True:
            await trio.sleep(1)
            if self._requests.stuck(trio.current_time() - STUCK_AFTER):
                log.warning("a worker process hangs and is killed", worker=self._name)
                process.kill()
                return

    async def _post_mortem(self, process: trio.Process) -> Failure:
        with trio.move_on_after(1):
            await process.wait()
            await self._words.spoken.wait()
        code = process.returncode
        how = "closed its pipe" if code is None else f"ended with status {code}"
        if code is not None and code < 0:
            how = f"was killed by {signal.Signals(-code).name}"
        return Failure(f"its process {how}{self._words.quoted()}.", retryable=True)


class _LastWords:
    """The end of what a process wrote to stderr."""

    def __init__(self) -> None:
        self.spoken = trio.Event()
        self._tail = bytearray()

    async def collect(self, process: trio.Process) -> None:
        """Read until the process closes stderr."""
        assert process.stderr is not None
        async for data in process.stderr:
            self._tail += data
            del self._tail[:-LAST_WORDS]
        self.spoken.set()

    def quoted(self) -> str:
        """The last line, introduced; empty when nothing was said."""
        lines = self._tail.decode("utf-8", "replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f"; its last words: {last}" if last else ""


@asynccontextmanager
async def _spawned(module: str, cell: Cell | None) -> AsyncIterator[trio.Process]:
    """A running process with pipes; it is killed in the end. Raises `OSError`."""
    command = [sys.executable, "-P", "-m", module]  # -P: the current folder must not shadow a library
    pipe = subprocess.PIPE
    process = await trio.lowlevel.open_process(
        command,
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        env=dict(_environment(os.environ if cell is None else cell.environment)),
        cwd=None if cell is None else cell.folder,
        start_new_session=cell is not None,
    )
    try:
        yield process
    finally:
        _kill(process, cell)
        with trio.move_on_after(2, shield=True):
            for stream in (process.stdin, process.stdout, process.stderr):
                assert stream is not None
                await stream.aclose()
            await process.wait()


def _kill(process: trio.Process, cell: Cell | None) -> None:
    """End a process, and with one in a cell all that it has started."""
    if cell is not None and hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # also when it is dead itself: its children need not be
    process.kill()


def _environment(ours: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """With this package findable wherever it is, and one thread for each numerical library."""
    yield from ours.items()
    yield "PYTHONPATH", os.pathsep.join(filter(None, (str(Path(__file__).parents[1]), ours.get("PYTHONPATH"))))
    for library in ("OMP", "OPENBLAS", "MKL"):
        yield f"{library}_NUM_THREADS", "1"

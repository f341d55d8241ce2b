"""Those who wait for the database, and the one task that serves them, many at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Never

import attrs
import trio
from outcome import Error, Outcome, capture

from badge.storage.carrying import Operation, T
from badge.storage.ports import StoreError

MOST_WAITING = 1000
"""Operations that wait; one more is refused."""

Serve = Callable[[Sequence[Operation[Any]]], list[Outcome[Any]]]


def closed() -> StoreError:
    """Nobody serves."""
    return StoreError("the store is not open.", remedy="Try again when the server runs.")


@attrs.define(eq=False, kw_only=True)
class _Job:
    operation: Operation[Any]
    done: trio.Event = attrs.Factory(trio.Event)
    result: Outcome[Any] | None = None

    def end(self, result: Outcome[Any]) -> None:
        self.result = result
        self.done.set()


class Writer:
    """Serves one database. What arrives while a batch is carried out is the next batch: the more there is to do, the
    more of it one commit covers."""

    def __init__(self, *, serve: Serve, explain: Callable[[BaseException], BaseException]) -> None:
        self._serve = serve
        self._explain = explain
        self._waiting: dict[_Job, None] = {}
        self._news = trio.Event()

    async def carry(self, operation: Operation[T]) -> T:
        """An operation's result, when it is durable. A caller that is cancelled is forgotten as long as its operation
        waits; later the operation is carried out as a whole. Raises what it raises, explained, or `StoreError` on
        overload."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if len(self._waiting) >= MOST_WAITING:
            raise StoreError(f"{MOST_WAITING} operations are waiting already.", remedy="Try again later.")
        job = _Job(operation=operation)
        self._waiting[job] = None
        self._news.set()
        try:
            await job.done.wait()
        finally:
            self._waiting.pop(job, None)
        assert job.result is not None
        result: T = job.result.unwrap()
        return result

    async def run(self) -> Never:
        """Serve until cancelled; the batch that was begun is finished first, and who waits then is told."""
        one_at_a_time = trio.CapacityLimiter(1)
        try:
            while True:
                await self._news.wait()
                self._news = trio.Event()
                jobs, self._waiting = list(self._waiting), {}
                with trio.CancelScope(shield=True):
                    work = [job.operation for job in jobs]
                    served = await trio.to_thread.run_sync(capture, self._serve, work, limiter=one_at_a_time)
                self._tell(jobs, served)
        finally:
            for job in self._waiting:
                job.end(Error(closed()))

    def _tell(self, jobs: Iterable[_Job], served: Outcome[list[Outcome[Any]]]) -> None:
        if isinstance(served, Error):
            for job in jobs:
                job.end(Error(self._explain(served.error)))
            return
        for job, result in zip(jobs, served.unwrap(), strict=True):
            job.end(Error(self._explain(result.error)) if isinstance(result, Error) else result)

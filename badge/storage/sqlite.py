"""The durable store: one SQLite file, one writer."""

from __future__ import annotations

from functools import partial

import trio

from badge.config.team import StoreSettings
from badge.log import get_log
from badge.storage.carrying import Operation, T, carry_out
from badge.storage.opening import open_database, scrub
from badge.storage.tables import Tables
from badge.storage.tables.recall import SqliteRecall
from badge.storage.trouble import Explanation
from badge.storage.writer import Writer, closed

log = get_log(__name__)


SCRUBS = 5
SCRUB_AGAIN = 0.3
"""How often the log is to be emptied when somebody reads it, and the seconds in between."""


class SqliteStore(Tables):
    """A `Store`."""

    def __init__(self, settings: StoreSettings) -> None:
        super().__init__(self._carry)
        self.recall = SqliteRecall(self._carry, self._scrub)
        self._settings = settings
        self._writer: Writer | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Open the file, and serve until cancelled. Raises `StoreError` when the file cannot be used."""
        database = await trio.to_thread.run_sync(open_database, self._settings)
        try:
            serve = partial(carry_out, database.connection)
            self._writer = Writer(serve=serve, explain=Explanation(database.file))
            log.info("the store is open", file=str(database.file))
            task_status.started()
            await self._writer.run()
        finally:
            self._writer = None
            database.close()  # this may take some ms, but whoever was served has gone

    async def _carry(self, operation: Operation[T]) -> T:
        if self._writer is None:
            raise closed()
        return await self._writer.carry(operation)

    async def _scrub(self) -> None:
        for _ in range(SCRUBS):
            if await trio.to_thread.run_sync(scrub, self._settings):
                return
            await trio.sleep(SCRUB_AGAIN)
        log.warning(
            "what was erased is still in the log beside the store, which another program reads: end that, and erase "
            "something again or stop the server"
        )

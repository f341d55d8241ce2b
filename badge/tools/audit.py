"""The audit log: what was done to things at home, for whom, and with what result."""

from __future__ import annotations

import json
import logging
from logging.handlers import RotatingFileHandler
from typing import Any

import trio
from attrs import asdict, frozen

from badge.config.tools import HomeSettings
from badge.log import get_log

log = get_log(__name__)

PATIENCE = 5.0
"""Seconds that an entry has to be written."""


@frozen(kw_only=True)
class Entry:
    """One executed command. `time`: ISO 8601, when it was sent."""

    time: str
    device: str
    command: str
    arguments: dict[str, Any]
    result: str


class _File(RotatingFileHandler):
    """Lets errors out: by its own ways they would go to the terminal."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - its text is in the error's place
        """Raise what is being handled."""
        raise


class AuditLog:
    """One JSON object in each line of a file, which is put aside when it gets large. Written in a thread, one entry after
    the other."""

    def __init__(self, settings: HomeSettings) -> None:
        self._file = _File(
            settings.audit_file,
            maxBytes=round(settings.audit_mb * (1 << 20)),
            backupCount=settings.audit_files,
            encoding="utf-8",
            delay=True,
        )
        self._one = trio.CapacityLimiter(1)

    async def write(self, entry: Entry) -> None:
        """Keep an entry, also for somebody who is cancelled meanwhile. One that cannot be written is told in the log, whole."""
        line = json.dumps(asdict(entry), ensure_ascii=False)
        record = logging.LogRecord("audit", logging.INFO, "", 0, line, None, None)
        with trio.move_on_after(PATIENCE, shield=True) as patience:
            try:
                await trio.to_thread.run_sync(self._append, record, limiter=self._one, abandon_on_cancel=True)
            except OSError as exc:
                log.error("an executed command is not in the audit log", entry=line, reason=str(exc))
        if patience.cancelled_caught:
            log.error("an executed command may not be in the audit log", entry=line, reason="the disk is slow")

    def _append(self, record: logging.LogRecord) -> None:
        """Commands are rare: between them the file is closed, so that nobody has to close it in the end."""
        try:
            self._file.handle(record)
        finally:
            self._file.close()

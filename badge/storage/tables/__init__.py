"""The stores over SQLite: each knows its tables, and has its operations carried out by others."""

from __future__ import annotations

from badge.storage.carrying import Carry
from badge.storage.tables.devices import SqliteDevices
from badge.storage.tables.mail import SqliteMail
from badge.storage.tables.meetings import SqliteMeetings
from badge.storage.tables.presence import SqlitePresence
from badge.storage.tables.recall import SqliteRecall
from badge.storage.tables.reminders import SqliteReminders
from badge.storage.tables.tasks import SqliteTasks


class Tables:
    """All of them."""

    def __init__(self, carry: Carry) -> None:
        self.tasks = SqliteTasks(carry)
        self.mail = SqliteMail(carry)
        self.meetings = SqliteMeetings(carry)
        self.recall = SqliteRecall(carry)
        self.reminders = SqliteReminders(carry)
        self.presence = SqlitePresence(carry)
        self.devices = SqliteDevices(carry)

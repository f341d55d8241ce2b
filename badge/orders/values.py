"""What the user can want done about reminders and tasks."""

from __future__ import annotations

from datetime import date, datetime

from attrs import field, frozen


@frozen
class Remind:
    """Say `text` at this time."""

    text: str = field(repr=False)
    due: datetime


@frozen
class RemindWhat:
    """Say `text`, but when was not said."""

    text: str = field(repr=False)


@frozen
class ListReminders:
    """What waits to be said?"""


@frozen
class CancelReminders:
    """Say none of it."""


@frozen
class AddTask:
    """A new task, due on a day or at a time, or whenever."""

    title: str = field(repr=False)
    due: date | datetime | None = None


@frozen
class AddWhat:
    """A new task, but what it is was not said."""


@frozen
class ListTasks:
    """What is there to do?"""


@frozen
class RenameTask:
    """The task that I have is called something else."""

    title: str = field(repr=False)


@frozen
class SetDue:
    """The task that I have is due at another time; None: at none."""

    due: date | datetime | None


@frozen
class ReleaseTask:
    """Somebody else may have my task."""


Order = (
    Remind
    | RemindWhat
    | ListReminders
    | CancelReminders
    | AddTask
    | AddWhat
    | ListTasks
    | RenameTask
    | SetDue
    | ReleaseTask
)


def iso(due: date | datetime | None) -> str | None:
    """A due date as tasks keep it: ISO 8601, times to the minute."""
    return due.isoformat(timespec="minutes") if isinstance(due, datetime) else due.isoformat() if due else None

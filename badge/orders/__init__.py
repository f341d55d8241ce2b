"""What the user wants done about reminders and tasks: pure, from whole utterances to orders."""

from badge.orders.reading import order
from badge.orders.values import (
    AddTask,
    AddWhat,
    CancelReminders,
    ListReminders,
    ListTasks,
    Order,
    ReleaseTask,
    Remind,
    RemindWhat,
    RenameTask,
    SetDue,
    iso,
)

__all__ = [
    "AddTask",
    "AddWhat",
    "CancelReminders",
    "ListReminders",
    "ListTasks",
    "Order",
    "ReleaseTask",
    "Remind",
    "RemindWhat",
    "RenameTask",
    "SetDue",
    "iso",
    "order",
]

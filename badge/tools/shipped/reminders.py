"""Timers and reminders."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from badge.desk import RefusedError
from badge.plugin import Context, Within, tool
from badge.storage.records import Reminder
from badge.tools.shipped.moments import read_when

MOST_TOLD = 20
YEAR = 366 * 86_400


class Reminders:
    """Tools that have something said later."""

    @tool(effects=True)
    async def set_reminder(
        self,
        context: Context,
        text: Annotated[str, "what will be said, such as: the tea is ready"],
        seconds: Annotated[float | None, Within(1, YEAR), "how long from now, for a timer"] = None,
        at: Annotated[str, "or when: ISO 8601 such as 2026-12-24T18:00, or words such as tomorrow at 9"] = "",
    ) -> str:
        """Set a timer or a reminder: the text is said to the user when its time has come."""
        if (seconds is None) == (not at.strip()):
            return "Give either seconds or at."
        due = context.now + timedelta(seconds=seconds) if seconds is not None else read_when(at, context.now)
        if due is None:
            return f"at: must be a time, not '{at[:40]}'."
        kept = await context.reminders.remind(context.device, text, round(due.timestamp() * 1000))
        return f"Set: {_shown(kept, context.now)}"

    @tool
    async def list_reminders(self, context: Context) -> str:
        """List the timers and reminders that wait, the next first."""
        waiting = await context.reminders.of(context.device)
        lines = [_shown(one, context.now) for one in waiting[:MOST_TOLD]]
        more = [f"and {len(waiting) - MOST_TOLD} more"] if len(waiting) > MOST_TOLD else []
        return "\n".join([*lines, *more]) or "None."

    @tool(effects=True)
    async def cancel_reminder(
        self, context: Context, which: Annotated[str, "id of one that list_reminders tells, its text, or all"]
    ) -> str:
        """Cancel a timer or a reminder, or all of them."""
        if which.strip().lower() == "all":
            return f"Cancelled: {await context.reminders.cancel(context.device)}."
        waiting = await context.reminders.of(context.device)
        meant = [one for one in waiting if _number(one) == which.strip()] or [
            one for one in waiting if which.strip().lower() in one.text.lower()
        ]
        if len(meant) != 1:
            raise RefusedError(
                "unclear", f"{len(meant)} reminders are meant. Give the id of one, as list_reminders does."
            )
        found = await context.reminders.forget(context.device, meant[0].id)
        return f"Cancelled: {meant[0].text}" if found else "It was said already."


def _number(reminder: Reminder) -> str:
    """The beginning of the id, which is enough among a few."""
    return reminder.id[:8]


def _shown(reminder: Reminder, now: datetime) -> str:
    due = datetime.fromtimestamp(reminder.due / 1000, now.tzinfo)
    left = max(0, round((due - now).total_seconds()))
    return f"[{_number(reminder)}] {reminder.text}: {due:%A %Y-%m-%d %H:%M:%S}, in {timedelta(seconds=left)}"

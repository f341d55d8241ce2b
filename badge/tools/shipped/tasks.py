"""The tasks of the group."""

from __future__ import annotations

from typing import Annotated

from badge.desk import RefusedError
from badge.plugin import Context, tool
from badge.storage.tasks import Draft, Result, Task
from badge.tools.shipped.moments import read_when

MOST_TOLD = 30

Which = Annotated[str, "id of a task that list_tasks tells, or words of its title"]


class Tasks:
    """Tools for what is to be done."""

    @tool
    async def list_tasks(self, context: Context) -> str:
        """List the open tasks of the user's group, with who has taken them."""
        tasks = [task for task in await context.tasks.of(context.device) if task.status == "open"]
        more = [f"and {len(tasks) - MOST_TOLD} more"] if len(tasks) > MOST_TOLD else []
        return "\n".join([*(_shown(task, context.device) for task in tasks[:MOST_TOLD]), *more]) or "None."

    @tool(effects=True)
    async def create_task(
        self,
        context: Context,
        title: str,
        due: Annotated[str, "date or time, ISO 8601 or words such as next Friday; empty: none"] = "",
    ) -> str:
        """Add a task for the user's group."""
        moment = read_when(due, context.now) if due.strip() else None
        if due.strip() and moment is None:
            return f"due: must be a date or a time, not '{due[:40]}'."
        written = None
        if moment is not None:
            at_midnight = (moment.hour, moment.minute, moment.second) == (0, 0, 0)
            written = moment.date().isoformat() if at_midnight else moment.isoformat(timespec="seconds")
        draft = Draft(id="", title=" ".join(title.split()), due=written)
        return _told(await context.tasks.create(context.device, (draft,)), context.device)

    @tool(effects=True)
    async def take_task(
        self, context: Context, which: Annotated[str, "id or words of the title; empty: the oldest that is free"] = ""
    ) -> str:
        """Take a task for the user, who works on it from now on."""
        if not which.strip():
            return _told((await context.tasks.claim(context.device),), context.device)
        task = await _meant(which, context)
        return _told((await context.tasks.assign(context.device, task.id),), context.device)

    @tool(effects=True)
    async def complete_task(self, context: Context, which: Which) -> str:
        """Mark a task as done."""
        task = await _meant(which, context)
        return _told(await context.tasks.complete(context.device, (task.id,)), context.device)


async def _meant(which: str, context: Context) -> Task:
    """The open task that is meant. Raises `RefusedError`."""
    tasks = [task for task in await context.tasks.of(context.device) if task.status == "open"]
    wanted = which.strip().lower()
    meant = [t for t in tasks if t.id == which.strip()] or [t for t in tasks if wanted in t.title.lower()]
    if len(meant) != 1:
        raise RefusedError("unclear", f"{len(meant)} open tasks are meant. Give the id of one, as list_tasks does.")
    return meant[0]


def _told(results: tuple[Result, ...], device: str) -> str:
    return "\n".join(f"{one.outcome}{': ' + _shown(one.task, device) if one.task else ''}" for one in results)


def _shown(task: Task, device: str) -> str:
    owner = "the user's own" if task.owner == device else f"taken by {task.owner}" if task.owner else "free"
    return f"[{task.id}] {task.title} ({task.status}, {owner}{', due ' + task.due if task.due else ''})"

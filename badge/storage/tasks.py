"""The tasks of a group, and what may be done to them: pure, from the tasks and a command to what changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import attrs
from attrs import field, frozen

MOST_TASKS = 1000
"""Tasks that one group may have. Completed ones make room, the oldest first; beyond that more are refused."""


@frozen(kw_only=True)
class Task:
    """One task of a group. `owner` is a device id, empty when nobody has taken it; `due` an ISO 8601 date or date and
    time; `source` the meeting that it comes from."""

    id: str
    title: str = field(repr=False)
    status: Literal["open", "done"] = "open"
    owner: str = ""
    due: str | None = None
    by: str = ""
    created: int = 0
    updated: int = 0
    source: str = ""


@frozen(kw_only=True)
class Snapshot:
    """All tasks of a group, the oldest first. The revision grows by one with every change of the group."""

    revision: int
    tasks: tuple[Task, ...]


Outcome = Literal[
    "created", "exists", "changed", "unchanged", "assigned", "completed", "unknown", "taken", "done", "full", "empty"
]
"""What became of one wish. `exists`: the id is in use; `taken`: it belongs to somebody else; `done`: it is completed
already; `full`: the group has no room; `empty`: there is nothing to choose from."""


@frozen(kw_only=True)
class Draft:
    """A task that is wished for."""

    id: str
    title: str = field(repr=False)
    due: str | None = None
    source: str = ""


@frozen(kw_only=True)
class Edit:
    """What shall be different about a task; None: as it is. An empty `due` removes the date."""

    id: str
    title: str | None = field(default=None, repr=False)
    due: str | None = None
    status: Literal["open", "done"] | None = None
    release: bool = False
    """give it back: nobody owns it any more"""


@frozen(kw_only=True)
class Create:
    """Add tasks."""

    device: str
    at: int
    drafts: tuple[Draft, ...]


@frozen(kw_only=True)
class Change:
    """Edit tasks."""

    device: str
    at: int
    edits: tuple[Edit, ...]


@frozen(kw_only=True)
class Assign:
    """Take one task."""

    device: str
    at: int
    id: str


@frozen(kw_only=True)
class Claim:
    """Take whatever is free: the oldest open task that nobody has."""

    device: str
    at: int


@frozen(kw_only=True)
class Complete:
    """These tasks are done."""

    device: str
    at: int
    ids: tuple[str, ...]


@frozen(kw_only=True)
class Finish:
    """Whatever this device works on is done: its oldest open task, else the oldest that nobody has."""

    device: str
    at: int


Command = Create | Change | Assign | Claim | Complete | Finish


@frozen(kw_only=True)
class Result:
    """What became of one wish: the task as it is now, as far as there is one."""

    id: str
    outcome: Outcome
    task: Task | None = None


@frozen(kw_only=True)
class Decision:
    """What a command came to, wish by wish, and the revision of the group after it. `forgotten`: ids of completed tasks
    that had to make room."""

    results: tuple[Result, ...]
    forgotten: tuple[str, ...] = ()
    revision: int = 0

    @property
    def changed(self) -> tuple[Task, ...]:
        """The tasks that are different now."""
        effective = ("created", "changed", "assigned", "completed")
        return tuple(r.task for r in self.results if r.outcome in effective and r.task is not None)


def decide(tasks: Mapping[str, Task], command: Command) -> Decision:
    """Decide on a command; `tasks` are those of the group by id, the oldest first. The revision is for the store to
    fill in."""
    now = dict(tasks)
    results: list[Result] = []
    forgotten: list[str] = []
    for wish in _wishes(command):
        result = wish(now)
        if result.outcome == "full" and (oldest := _done(now)):
            del now[oldest]
            forgotten.append(oldest)
            result = wish(now)
        if result.task is not None:
            now[result.task.id] = result.task
        results.append(result)
    return Decision(results=tuple(results), forgotten=tuple(forgotten))


_Wish = Callable[[Mapping[str, Task]], Result]


def _wishes(command: Command) -> list[_Wish]:
    match command:
        case Create():
            return [_creating(draft, command) for draft in command.drafts]
        case Change():
            return [_editing(edit, command) for edit in command.edits]
        case Assign():
            return [_assigning(command.id, command)]
        case Claim():
            return [lambda tasks: _assigning(_free(tasks), command)(tasks)]
        case Complete():
            return [_completing(one, command) for one in dict.fromkeys(command.ids)]
        case Finish():
            return [lambda tasks: _completing(_mine(tasks, command.device) or _free(tasks), command)(tasks)]


def _creating(draft: Draft, command: Create) -> _Wish:
    def wish(tasks: Mapping[str, Task]) -> Result:
        if draft.id in tasks:
            return Result(id=draft.id, outcome="exists", task=tasks[draft.id])
        if len(tasks) >= MOST_TASKS:
            return Result(id=draft.id, outcome="full")
        task = Task(
            id=draft.id,
            title=draft.title,
            due=draft.due,
            source=draft.source,
            by=command.device,
            created=command.at,
            updated=command.at,
        )
        return Result(id=draft.id, outcome="created", task=task)

    return wish


def _editing(edit: Edit, command: Change) -> _Wish:
    def wish(tasks: Mapping[str, Task]) -> Result:
        task = tasks.get(edit.id)
        if task is None:
            return Result(id=edit.id, outcome="unknown")
        if _foreign(task, command.device):
            return Result(id=edit.id, outcome="taken", task=task)
        new = attrs.evolve(
            task,
            title=task.title if edit.title is None else edit.title,
            due=task.due if edit.due is None else edit.due or None,
            status=task.status if edit.status is None else edit.status,
            owner="" if edit.release else task.owner,
        )
        if new == task:
            return Result(id=edit.id, outcome="unchanged", task=task)
        return Result(id=edit.id, outcome="changed", task=attrs.evolve(new, updated=command.at))

    return wish


def _assigning(number: str, command: Assign | Claim) -> _Wish:
    def wish(tasks: Mapping[str, Task]) -> Result:
        task = tasks.get(number)
        if task is None:
            return Result(id=number, outcome="unknown" if number else "empty")
        if task.status == "done":
            return Result(id=number, outcome="done", task=task)
        if task.owner == command.device:
            return Result(id=number, outcome="unchanged", task=task)
        if task.owner:
            return Result(id=number, outcome="taken", task=task)
        return Result(id=number, outcome="assigned", task=attrs.evolve(task, owner=command.device, updated=command.at))

    return wish


def _completing(number: str, command: Complete | Finish) -> _Wish:
    def wish(tasks: Mapping[str, Task]) -> Result:
        task = tasks.get(number)
        if task is None:
            return Result(id=number, outcome="unknown" if number else "empty")
        if task.status == "done":
            return Result(id=number, outcome="unchanged", task=task)
        if _foreign(task, command.device):
            return Result(id=number, outcome="taken", task=task)
        return Result(id=number, outcome="completed", task=attrs.evolve(task, status="done", updated=command.at))

    return wish


def latest_of(tasks: Iterable[Task], device: str) -> Task | None:
    """The open task of a device that was touched last, which is the one that its user speaks of."""
    mine = [task for task in tasks if task.status == "open" and task.owner == device]
    return max(reversed(mine), key=lambda task: task.updated, default=None)


def _free(tasks: Mapping[str, Task]) -> str:
    return next((task.id for task in tasks.values() if task.status == "open" and not task.owner), "")


def _mine(tasks: Mapping[str, Task], device: str) -> str:
    return next((task.id for task in tasks.values() if task.status == "open" and task.owner == device), "")


def _done(tasks: Mapping[str, Task]) -> str:
    return next((task.id for task in tasks.values() if task.status == "done"), "")


def _foreign(task: Task, device: str) -> bool:
    return task.owner not in ("", device)

"""Tasks on the wire: from what a badge sends to wishes, one by one, and from what became of them to the answer."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Literal, TypeVar

from attrs import field, frozen

from badge.storage.tasks import Draft, Edit, Outcome, Result, Snapshot, Task
from protocol import encode_text
from protocol.outbound import TaskList, TaskResults
from protocol.strict import make_converter, structure

LONGEST_ID = 64
LONGEST_TITLE = 500
"""Characters."""

MOST_WISHES = 100
"""Tasks that one request may name."""

_DATE_CHARACTERS = frozenset("0123456789-:.+TZW ")

_W = TypeVar("_W")
_CONVERTER = make_converter(forbid_unknown=False)


@frozen
class Invalid:
    """A wish that nobody can fulfil: whose it would be, and what is wrong with it."""

    id: str
    problem: str


# --- what is right ------------------------------------------------------------------------------------------------------


def wrong_id(number: str) -> str:
    """What is wrong with the id of a task; empty when nothing is."""
    if 1 <= len(number) <= LONGEST_ID and number.isprintable():
        return ""
    return f"must be 1 to {LONGEST_ID} printable characters"


def wrong_title(title: str) -> str:
    """What is wrong with a title; empty when nothing is."""
    if 1 <= len(title) <= LONGEST_TITLE and not any(unicodedata.category(c) in ("Cc", "Cs") for c in title):
        return "" if title.strip() else "must not be blank"
    return f"must be 1 to {LONGEST_TITLE} characters, none of them a control character"


def wrong_due(due: str) -> str:
    """What is wrong with a date; empty when nothing is, and for no date."""
    try:
        written_well = not due or (_DATE_CHARACTERS.issuperset(due) and datetime.fromisoformat(due))
    except ValueError:
        written_well = False
    return (
        "" if written_well else "must be a date, or date and time, of ISO 8601, such as 2026-11-21 or 2026-11-21T17:30"
    )


def _checked(wrong: Callable[[str], str]) -> Any:
    def validate(_: object, __: object, value: str | int | None) -> None:
        if value is not None and (problem := wrong(str(value))):
            raise ValueError(problem)

    return validate


@frozen(kw_only=True)
class _New:
    title: str = field(validator=_checked(wrong_title))
    id: str | int | None = field(default=None, validator=_checked(wrong_id))
    due: str | None = field(default=None, validator=_checked(wrong_due))


@frozen(kw_only=True)
class _Changed:
    id: str | int = field(validator=_checked(wrong_id))
    title: str | None = field(default=None, validator=_checked(wrong_title))
    due: str | None = field(default=None, validator=_checked(wrong_due))
    status: Literal["open", "done"] | None = None
    owner: Literal[""] | None = None


# --- from the wire ------------------------------------------------------------------------------------------------------


def drafts(tasks: Iterable[dict[str, Any]]) -> tuple[Draft | Invalid, ...]:
    """The new tasks of a `create`; one without an id gets it from the board."""
    return tuple(_read(task, _New, _draft) for task in tasks)


def edits(tasks: Iterable[dict[str, Any]]) -> tuple[Edit | Invalid, ...]:
    """The changes of an `update`: fields that are absent stay as they are, an empty `due` removes the date, an empty
    `owner` gives the task back."""
    return tuple(_read(task, _Changed, _edit) for task in tasks)


def ids(numbers: Iterable[str | int | None]) -> tuple[str | Invalid, ...]:
    """The ids of an `assign` or `complete`, each once."""
    found = dict.fromkeys("" if number is None else str(number) for number in numbers)
    return tuple(Invalid(_shown(number), f"id: {wrong_id(number)}") if wrong_id(number) else number for number in found)


def valid(wishes: Iterable[_W | Invalid]) -> list[_W]:
    """The wishes that can be carried out."""
    return [wish for wish in wishes if not isinstance(wish, Invalid)]


def _read(fields: dict[str, Any], cls: type[Any], make: Callable[[Any], _W]) -> _W | Invalid:
    read = structure(_CONVERTER, fields, cls)
    if isinstance(read, list):
        return Invalid(_shown(fields.get("id")), "; ".join(map(str, read)))
    return make(read)


def _shown(number: object) -> str:
    """As much of an id as an answer may repeat."""
    return str(number)[:LONGEST_ID] if isinstance(number, str | int) and str(number).isprintable() else ""


def _draft(new: _New) -> Draft:
    return Draft(id="" if new.id is None else str(new.id), title=new.title, due=new.due or None)


def _edit(changed: _Changed) -> Edit:
    return Edit(
        id=str(changed.id),
        title=changed.title,
        due=changed.due,
        status=changed.status,
        release=changed.owner == "",
    )


# --- to the wire --------------------------------------------------------------------------------------------------------

_FULFILLED: frozenset[Outcome] = frozenset({"created", "changed", "unchanged", "assigned", "completed"})


def answer(request: str, wishes: Sequence[object], results: Iterable[Result]) -> TaskResults:
    """What became of each wish of a request, in their order; `results` are those of the valid ones. `ok` only when all
    are fulfilled."""
    rest = iter(results)
    told = [_mistake(wish) if isinstance(wish, Invalid) else _outcome(next(rest)) for wish in wishes]
    fulfilled = all(one["outcome"] in _FULFILLED for one in told)
    return TaskResults(request=request, status="ok" if fulfilled else "error", results=told)


def outcomes(results: Iterable[Result]) -> list[dict[str, Any]]:
    """What became of tasks, each as badges see it."""
    return [_outcome(result) for result in results]


def task_fields(task: Task) -> dict[str, Any]:
    """One task as badges see it."""
    return dict(_fields(task))


def task_list(snapshot: Snapshot) -> str:
    """The message with all tasks of a group, as it is sent."""
    return encode_text(TaskList(tasks=list(map(task_fields, snapshot.tasks)), revision=snapshot.revision))


def _fields(task: Task) -> Iterator[tuple[str, Any]]:
    for name in ("id", "title", "status", "owner"):
        yield name, getattr(task, name)
    for name in ("due", "source"):
        if value := getattr(task, name):
            yield name, value


def _mistake(wish: Invalid) -> dict[str, Any]:
    return {"id": wish.id, "outcome": "invalid", "message": wish.problem}


def _outcome(result: Result) -> dict[str, Any]:
    told: dict[str, Any] = {"id": result.id, "outcome": result.outcome}
    if result.task is not None:
        told |= {"owner": result.task.owner, "title": result.task.title}
    return told

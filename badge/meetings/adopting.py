"""Action items that become tasks."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from badge.desk import RefusedError
from badge.meetings.document import Action, loads
from badge.storage.records import MeetingRecord
from badge.storage.tasks import Draft


def drafts_of(record: MeetingRecord, items: Sequence[int] | None) -> tuple[Draft, ...]:
    """Tasks for the action items at these places, or for all. The same item always gives the same task, so that it is not
    made twice. Raises `RefusedError`."""
    if record.state != "finalised":
        raise RefusedError("no-minutes", "The minutes of this meeting are not written yet; ask again when they came.")
    actions = loads(record.minutes).actions
    if not actions:
        raise RefusedError("no-actions", "The minutes of this meeting name nothing to be done.")
    places = range(len(actions)) if items is None else list(dict.fromkeys(items))
    unknown = [place for place in places if not 0 <= place < len(actions)]
    if unknown:
        raise RefusedError(
            "no-such-action", f"items: there is no action {unknown[0]}; they are numbered 0 to {len(actions) - 1}."
        )
    return tuple(_draft(record.id, place, actions[place]) for place in places)


def _draft(meeting: str, place: int, action: Action) -> Draft:
    """The owner of a task is a badge, so the name that was said stays in the title, unless it is there anyway; so does a
    date that is only words."""
    date = _date(action.due)
    names = [name for name in (action.owner, None if date else action.due) if name and name not in action.text]
    title = f"{action.text} ({', '.join(names)})" if names else action.text
    return Draft(id=f"{meeting}-{place}", title=title, due=date, source=meeting)


def _date(due: str | None) -> str | None:
    try:
        datetime.datetime.fromisoformat(due or "")
    except ValueError:
        return None
    return due

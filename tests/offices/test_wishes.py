"""Tasks on the wire, both ways."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from badge.offices.wishes import (
    Invalid,
    answer,
    drafts,
    edits,
    ids,
    task_fields,
    task_list,
    valid,
    wrong_due,
    wrong_id,
    wrong_title,
)
from badge.storage.tasks import Draft, Edit, Result, Snapshot, Task
from protocol import dump


@pytest.mark.req("WF-6")
def test_new_tasks() -> None:
    assert drafts([{"title": "milk"}, {"id": 7, "title": "bread", "due": "2026-11-27", "colour": "red"}]) == (
        Draft(id="", title="milk"),
        Draft(id="7", title="bread", due="2026-11-27"),
    )
    assert drafts([{"title": "milk", "due": ""}]) == (Draft(id="", title="milk"),)


@pytest.mark.req("WF-6")
def test_changes() -> None:
    assert edits(
        [{"id": "1", "title": "new"}, {"id": 2, "due": ""}, {"id": "3", "status": "done"}, {"id": "4", "owner": ""}]
    ) == (
        Edit(id="1", title="new"),
        Edit(id="2", due=""),
        Edit(id="3", status="done"),
        Edit(id="4", release=True),
    )


@pytest.mark.req("WF-6")
@pytest.mark.parametrize(
    ("task", "problem"),
    [
        ({}, "title: is missing"),
        ({"title": 7}, "title: must be a string"),
        ({"title": ""}, "title: must be 1 to 500 characters, none of them a control character"),
        ({"title": "x" * 501}, "title: must be 1 to 500 characters, none of them a control character"),
        ({"title": "a\ud800"}, "title: must be a string"),
        ({"title": "x", "id": True}, "id: must be a string or a whole number"),
        ({"title": "x", "id": ""}, "id: must be 1 to 64 printable characters"),
        ({"title": "x", "id": 10**64}, "id: must be 1 to 64 printable characters"),
        (
            {"title": "x", "due": "friday"},
            "due: must be a date, or date and time, of ISO 8601, such as 2026-11-21 or 2026-11-21T17:30",
        ),
    ],
)
def test_mistakes_are_told_task_by_task(task: dict[str, Any], problem: str) -> None:
    fine, wrong = drafts([{"title": "fine"}, task])
    assert fine == Draft(id="", title="fine")
    assert isinstance(wrong, Invalid)
    assert wrong.problem == problem


@pytest.mark.req("WF-6")
def test_mistakes_in_changes() -> None:
    wrong = edits([{"title": "x"}, {"id": "1", "status": "lost"}, {"id": "2", "owner": "somebody"}])
    assert [one.problem for one in wrong if isinstance(one, Invalid)] == [
        "id: is missing",
        'status: must be one of "open", "done"',
        'owner: must be one of ""',
    ]
    assert [one.id for one in wrong] == ["", "1", "2"]


@pytest.mark.req("WF-4", "WF-5")
def test_ids() -> None:
    assert ids(["a", 7, "7", "a"]) == ("a", "7")
    assert ids([None, "x" * 65, "b"]) == (
        Invalid("", "id: must be 1 to 64 printable characters"),
        Invalid("x" * 64, "id: must be 1 to 64 printable characters"),
        "b",
    )


@pytest.mark.parametrize(
    "due", ["", "2026-11-27", "2026-11-27T10:00", "2026-11-27T10:00:00+08:00", "2026-11-27T10:00Z"]
)
def test_dates(due: str) -> None:
    assert wrong_due(due) == ""


@pytest.mark.parametrize("due", ["tomorrow", "2026-13-01", "10:00", "2026-11-27x10:00", "２０２６-11-27", "27.11.2026"])
def test_no_dates(due: str) -> None:
    assert wrong_due(due) != ""


TASK = Task(id="1", title="milk", owner="me", due="2026-11-27", by="you", created=5, updated=6)


@pytest.mark.req("WF-6", "WF-8")
def test_the_answer_is_in_the_order_of_the_wishes() -> None:
    wishes = drafts([{"title": "milk", "id": "1"}, {"id": "2"}, {"title": "bread", "id": "3"}])
    message = answer("create", wishes, [Result(id="1", outcome="taken", task=TASK), Result(id="3", outcome="full")])
    assert (message.request, message.status) == ("create", "error")
    assert message.results == [
        {"id": "1", "outcome": "taken", "owner": "me", "title": "milk"},
        {"id": "2", "outcome": "invalid", "message": "title: is missing"},
        {"id": "3", "outcome": "full"},
    ]
    assert valid(wishes) == [wishes[0], wishes[2]]


@pytest.mark.req("WF-4")
@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        ("created", "ok"),
        ("changed", "ok"),
        ("unchanged", "ok"),
        ("assigned", "ok"),
        ("completed", "ok"),
        ("exists", "error"),
        ("unknown", "error"),
        ("taken", "error"),
        ("done", "error"),
        ("full", "error"),
        ("empty", "error"),
    ],
)
def test_the_status_of_an_answer(outcome: Any, status: str) -> None:
    assert answer("assign", ["1"], [Result(id="1", outcome=outcome)]).status == status


@pytest.mark.req("WF-2", "WF-3")
def test_tasks_as_badges_see_them() -> None:
    fields = {"id": "1", "title": "milk", "status": "open", "owner": "me", "due": "2026-11-27"}
    assert task_fields(TASK) == fields
    assert task_list(Snapshot(revision=3, tasks=(TASK,))) == dump(
        {"type": "workflow", "event": "update", "tasks": [fields], "revision": 3}
    )
    assert task_fields(Task(id="2", title="bread", source="m1"))["source"] == "m1"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(["id", "title", "due", "status", "owner", "x"])


@pytest.mark.req("WF-6")
@settings(suppress_health_check=[HealthCheck.too_slow])  # the first text takes a second to draw
@given(st.lists(st.dictionaries(NAMES, JSON), max_size=4))
def test_any_json_is_a_wish_or_a_mistake(tasks: list[dict[str, Any]]) -> None:
    for draft in valid(drafts(tasks)):
        assert isinstance(draft, Draft)
        assert not any((draft.id and wrong_id(draft.id), wrong_title(draft.title), wrong_due(draft.due or "")))
    for edit in valid(edits(tasks)):
        assert isinstance(edit, Edit)
        assert not wrong_id(edit.id)
    assert len(drafts(tasks)) == len(edits(tasks)) == len(tasks)

"""The rules of tasks: who may do what to which."""

from __future__ import annotations

from typing import Any
from unittest import mock

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from badge.storage import tasks as rules
from badge.storage.tasks import (
    Assign,
    Change,
    Claim,
    Command,
    Complete,
    Create,
    Decision,
    Draft,
    Edit,
    Finish,
    Result,
    Task,
    decide,
)


def tasks(**owners: str) -> dict[str, Task]:
    """Tasks by id, each as its owner, with `done` for one that nobody owns and that is completed, `me done` for mine."""
    made = {}
    for number, owner in owners.items():
        name, _, done = owner.rpartition("done") if owner.endswith("done") else (owner, "", "open")
        made[number] = Task(id=number, title=number, owner=name.strip(), status="open" if done else "done")
    return made


def outcome(decision: Decision) -> tuple[str, str]:
    (result,) = decision.results
    return result.outcome, result.id


def after(before: dict[str, Task], decision: Decision) -> dict[str, Task]:
    left = {number: task for number, task in before.items() if number not in decision.forgotten}
    return left | {task.id: task for task in decision.changed}


# --- taking -----------------------------------------------------------------------------------------------------------


@pytest.mark.req("WF-2", "WF-4")
def test_who_takes_a_task_owns_it_and_taking_it_again_is_no_error() -> None:
    before = tasks(a="", b="")
    decision = decide(before, Assign(device="me", at=9, id="a"))
    taken = Task(id="a", title="a", owner="me", updated=9)
    assert decision.results == (Result(id="a", outcome="assigned", task=taken),)
    assert decision.changed == (taken,)
    again = decide(after(before, decision), Assign(device="me", at=10, id="a"))
    assert again.results == (Result(id="a", outcome="unchanged", task=taken),)
    assert again.changed == ()


@pytest.mark.req("WF-8", "B-69", "I-10")
def test_a_task_that_somebody_has_stays_with_them_and_who_asks_learns_whose_it_is() -> None:
    before = tasks(a="other")
    decision = decide(before, Assign(device="me", at=9, id="a"))
    assert decision.results == (Result(id="a", outcome="taken", task=before["a"]),)
    assert decision.changed == ()


@pytest.mark.req("WF-4")
@pytest.mark.parametrize(("number", "expected"), [("x", "unknown"), ("a", "done"), ("b", "done")])
def test_what_cannot_be_taken(number: str, expected: str) -> None:
    decision = decide(tasks(a="done", b="me done"), Assign(device="me", at=9, id=number))
    assert outcome(decision) == (expected, number)
    assert decision.changed == ()


@pytest.mark.req("WK-10", "B-67")
@pytest.mark.parametrize(
    ("before", "chosen"),
    [
        (tasks(a="", b=""), ("assigned", "a")),
        (tasks(a="other", b=""), ("assigned", "b")),
        (tasks(a="done", b="other done", c=""), ("assigned", "c")),
        (tasks(a="me", b=""), ("assigned", "b")),
        (tasks(a="other", b="done", c="me"), ("empty", "")),
        (tasks(), ("empty", "")),
    ],
)
def test_claiming_takes_the_oldest_that_is_free(before: dict[str, Task], chosen: tuple[str, str]) -> None:
    decision = decide(before, Claim(device="me", at=9))
    assert outcome(decision) == chosen
    assert [task.owner for task in decision.changed] == (["me"] if chosen[1] else [])


# --- completing -------------------------------------------------------------------------------------------------------


@pytest.mark.req("WF-5", "I-10")
def test_completing_completes_all_that_are_named_and_may_be() -> None:
    before = tasks(a="", b="me", c="other", d="done", e="")
    decision = decide(before, Complete(device="me", at=9, ids=("b", "a", "c", "d", "x", "a")))
    assert [(one.id, one.outcome) for one in decision.results] == [
        ("b", "completed"),
        ("a", "completed"),
        ("c", "taken"),
        ("d", "unchanged"),
        ("x", "unknown"),
    ]
    assert decision.results[2].task == before["c"]
    assert [(task.id, task.status, task.updated) for task in decision.changed] == [("b", "done", 9), ("a", "done", 9)]
    assert [task.owner for task in decision.changed] == ["me", ""]


@pytest.mark.req("WK-10", "B-67")
@pytest.mark.parametrize(
    ("before", "chosen"),
    [
        (tasks(a="", b="me", c="me"), ("completed", "b")),
        (tasks(a="other", b=""), ("completed", "b")),
        (tasks(a="me done", b="other", c=""), ("completed", "c")),
        (tasks(a="other", b="done"), ("empty", "")),
        (tasks(), ("empty", "")),
    ],
)
def test_finishing_completes_what_is_mine_else_what_is_nobodys(
    before: dict[str, Task], chosen: tuple[str, str]
) -> None:
    decision = decide(before, Finish(device="me", at=9))
    assert outcome(decision) == chosen
    assert [task.status for task in decision.changed] == (["done"] if chosen[1] else [])


# --- creating and editing ---------------------------------------------------------------------------------------------


@pytest.mark.req("WF-2")
def test_what_is_created_is_open_and_nobodys() -> None:
    drafts = (Draft(id="a", title="t", due="2026-11-22", source="m"), Draft(id="a", title="again"))
    decision = decide({}, Create(device="me", at=9, drafts=drafts))
    made = Task(id="a", title="t", due="2026-11-22", source="m", by="me", created=9, updated=9)
    assert (made.status, made.owner) == ("open", "")
    assert decision.results == (
        Result(id="a", outcome="created", task=made),
        Result(id="a", outcome="exists", task=made),
    )
    assert decision.changed == (made,)


@pytest.mark.parametrize(
    ("edit", "different"),
    [
        (Edit(id="a", title="new"), {"title": "new"}),
        (Edit(id="a", title=""), {"title": ""}),
        (Edit(id="a", due="2026-12-24"), {"due": "2026-12-24"}),
        (Edit(id="a", due=""), {"due": None}),
        (Edit(id="a", status="done"), {"status": "done"}),
        (Edit(id="a", release=True), {"owner": ""}),
        (Edit(id="a", status="open", title="a", due="2026-11-22"), {}),
        (Edit(id="a"), {}),
    ],
)
def test_an_edit_changes_what_it_names(edit: Edit, different: dict[str, Any]) -> None:
    task = Task(id="a", title="a", owner="me", due="2026-11-22", by="other", created=1, updated=2, source="m")
    (result,) = decide({"a": task}, Change(device="me", at=9, edits=(edit,))).results
    if different:
        assert result == Result(id="a", outcome="changed", task=attrs.evolve(task, updated=9, **different))
    else:
        assert result == Result(id="a", outcome="unchanged", task=task)


@pytest.mark.req("I-10")
def test_what_belongs_to_somebody_else_cannot_be_edited() -> None:
    before = tasks(a="other", b="")
    edits = (Edit(id="a", release=True), Edit(id="b", title="new"), Edit(id="x", title="new"))
    decision = decide(before, Change(device="me", at=9, edits=edits))
    assert [one.outcome for one in decision.results] == ["taken", "changed", "unknown"]
    assert [task.id for task in decision.changed] == ["b"]


# --- whatever happens -------------------------------------------------------------------------------------------------

ids = st.sampled_from("abcdef")
devices = st.sampled_from(["me", "you", "them"])


def commands() -> st.SearchStrategy[Command]:
    several = st.lists(ids, max_size=4)
    edits = st.builds(
        Edit,
        id=ids,
        title=st.sampled_from([None, "t"]),
        status=st.sampled_from([None, "open", "done"]),
        release=st.booleans(),
    )
    return st.one_of(
        st.builds(
            Create,
            device=devices,
            at=st.just(1),
            drafts=several.map(lambda numbers: tuple(Draft(id=number, title="t") for number in numbers)),
        ),
        st.builds(Change, device=devices, at=st.just(1), edits=st.lists(edits, max_size=3).map(tuple)),
        st.builds(Assign, device=devices, at=st.just(1), id=ids),
        st.builds(Claim, device=devices, at=st.just(1)),
        st.builds(Complete, device=devices, at=st.just(1), ids=several.map(tuple)),
        st.builds(Finish, device=devices, at=st.just(1)),
    )


@pytest.mark.req("WF-4", "WF-8", "WK-10", "I-10", "B-67")
@given(st.lists(commands(), max_size=40))
def test_nobody_loses_a_task_to_another(course: list[Command]) -> None:
    """From the owner's point of view: only the owner gives a task back, completes or edits it; it is taken only when it
    is open and free; only what is completed is ever forgotten; and there is never more than there may be."""
    now: dict[str, Task] = {}
    with mock.patch.object(rules, "MOST_TASKS", 4):
        for command in course:
            decision = decide(now, command)
            then = after(now, decision)
            for number, before in now.items():
                if number in decision.forgotten:
                    assert before.status == "done"
                elif then[number] != before:
                    assert before.owner in ("", command.device)
                    assert then[number].owner in ("", command.device)
                if number in then and then[number].owner != before.owner and then[number].owner:
                    assert isinstance(command, Assign | Claim)
                    assert before.status == "open"
            assert len(then) <= 4
            assert all(number == task.id for number, task in then.items())
            if isinstance(command, Assign | Complete):
                assert decide(then, command).changed == ()
            now = then

"""Every event at every state: the machines do what their tables say, and nothing else."""

from __future__ import annotations

import gc
import inspect
import tracemalloc
from typing import Any

import pytest

from badge.commands.diagram import MACHINES, diagrams
from badge.machines.base import Machine, TransitionNotAllowed, cells, meanings, mermaid, purpose, table
from badge.machines.coding import CodingActions, CodingMachine
from badge.machines.meeting import MeetingActions, MeetingMachine
from badge.machines.mode import ModeActions, ModeMachine
from badge.machines.session import LifeActions, SessionMachine
from badge.machines.snapshot import SnapshotActions, SnapshotMachine
from badge.machines.turn import TurnActions, TurnMachine


class Recorder:
    """Actions that only note that they were called."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *_, **__: self.calls.append(name)


# (target, what happens); "=" is ignored on purpose, None is refused
TURN: dict[str, dict[str, tuple[str, list[str]] | None]] = {
    "idle": {
        "listen": ("listening", ["cancel_turn"]),
        "stop": ("=", []),
        "heard": ("thinking", ["cancel_turn", "start_turn"]),
        "nothing_heard": None,
        "first_audio": None,
        "finished": None,
        "abort": ("=", []),
    },
    "listening": {
        "listen": ("=", []),
        "stop": ("thinking", []),
        "heard": ("thinking", ["cancel_turn", "start_turn"]),
        "nothing_heard": ("idle", ["cancel_turn"]),
        "first_audio": None,
        "finished": None,
        "abort": ("idle", ["cancel_turn"]),
    },
    "thinking": {
        "listen": ("listening", ["cancel_turn"]),
        "stop": ("=", []),
        "heard": ("thinking", ["cancel_turn", "start_turn"]),
        "nothing_heard": ("idle", ["cancel_turn"]),
        "first_audio": ("speaking", []),
        "finished": ("idle", ["cancel_turn"]),
        "abort": ("idle", ["cancel_turn"]),
    },
    "speaking": {
        "listen": ("listening", ["cancel_turn"]),
        "stop": ("=", []),
        "heard": ("thinking", ["cancel_turn", "start_turn"]),
        "nothing_heard": ("=", []),
        "first_audio": ("=", []),
        "finished": ("idle", ["cancel_turn"]),
        "abort": ("idle", ["cancel_turn"]),
    },
}

_END: dict[str, tuple[str, list[str]] | None] = {"close": ("closing", ["say_goodbye"]), "gone": ("closed", [])}
SESSION: dict[str, dict[str, tuple[str, list[str]] | None]] = {
    "opening": {"registered": ("open", ["welcome"]), "idle": None, "active": None, "supersede": None, **_END},
    "open": {
        "registered": None,
        "idle": ("warned", ["warn"]),
        "active": None,
        "supersede": ("superseded", ["give_way"]),
        **_END,
    },
    "warned": {
        "registered": None,
        "idle": None,
        "active": ("open", []),
        "supersede": ("superseded", ["give_way"]),
        **_END,
    },
    "superseded": {"registered": None, "idle": ("=", []), "active": ("=", []), "supersede": ("=", []), **_END},
    "closing": {
        "registered": None,
        "idle": ("=", []),
        "active": ("=", []),
        "supersede": ("=", []),
        "close": ("=", []),
        "gone": ("closed", []),
    },
    "closed": dict.fromkeys(("registered", "idle", "active", "supersede", "close", "gone")),
}

SNAPSHOT: dict[str, dict[str, tuple[str, list[str]] | None]] = {
    "quiet": {
        "request": ("clean", ["send"]),
        "change": ("clean", ["send"]),
        "refresh": ("clean", ["send"]),
        "window_over": None,
    },
    "clean": {
        "request": ("dirty", []),
        "change": ("dirty", []),
        "refresh": ("=", ["send"]),
        "window_over": ("quiet", []),
    },
    "dirty": {
        "request": ("=", []),
        "change": ("=", []),
        "refresh": ("clean", ["send"]),
        "window_over": ("clean", ["send"]),
    },
}

_IGNORED: tuple[str, list[str]] = ("=", [])
MEETING: dict[str, dict[str, tuple[str, list[str]] | None]] = {
    "active": {
        "told": ("=", ["keep"]),
        "interrupt": ("interrupted", ["stop_timers", "persist"]),
        "resume": _IGNORED,
        "finalise": ("finalising", ["stop_timers", "persist", "await_words"]),
        "heard_out": _IGNORED,
        "summarised": None,
    },
    "interrupted": {
        "told": ("=", ["keep"]),
        "interrupt": _IGNORED,
        "resume": ("active", ["persist", "start_timers"]),
        "finalise": ("finalising", ["persist", "await_words"]),
        "heard_out": _IGNORED,
        "summarised": None,
    },
    "finalising": {
        "told": ("=", ["keep"]),
        "interrupt": _IGNORED,
        "resume": None,
        "finalise": _IGNORED,
        "heard_out": ("summarising", ["persist", "make_minutes"]),
        "summarised": None,
    },
    "summarising": {
        "told": None,
        "interrupt": _IGNORED,
        "resume": None,
        "finalise": _IGNORED,
        "heard_out": _IGNORED,
        "summarised": ("finalised", ["persist", "deliver"]),
    },
    "finalised": {
        "told": None,
        "interrupt": _IGNORED,
        "resume": None,
        "finalise": _IGNORED,
        "heard_out": _IGNORED,
        "summarised": None,
    },
}

CODING: dict[str, dict[str, tuple[str, list[str]] | None]] = {
    "idle": {
        "start": ("streaming", ["begin_insights"]),
        "log": None,
        "phase": None,
        "clear": _IGNORED,
        "stop": _IGNORED,
    },
    "streaming": {
        "start": _IGNORED,
        "log": _IGNORED,
        "phase": _IGNORED,
        "clear": _IGNORED,
        "stop": ("idle", ["end_insights"]),
    },
}


def _mode_row(state: str) -> dict[str, tuple[str, list[str]] | None]:
    """Any mode can be begun from any other, which is left first; only the one that is on can be ended."""
    leaving = ["leave"] if state != "chat" else []
    row: dict[str, tuple[str, list[str]] | None] = {}
    for mode in ("meeting", "coding", "working"):
        row[f"start_{mode}"] = _IGNORED if mode == state else (mode, [*leaving, "enter"])
        row[f"end_{mode}"] = ("chat", ["leave"]) if mode == state else None
    return row


MODE = {state: _mode_row(state) for state in ("chat", "meeting", "coding", "working")}

EXPECTED: dict[type[Machine], dict[str, dict[str, tuple[str, list[str]] | None]]] = {
    TurnMachine: TURN,
    SessionMachine: SESSION,
    SnapshotMachine: SNAPSHOT,
    CodingMachine: CODING,
    ModeMachine: MODE,
    MeetingMachine: MEETING,
}
ARGUMENTS = {"heard": ("words",), "close": ("goodbye",), "told": ("entry",)}

CELLS = [
    pytest.param(machine, state, event, outcome, id=f"{machine.__name__}-{state}-{event}")
    for machine, rows in EXPECTED.items()
    for state, row in rows.items()
    for event, outcome in row.items()
]


def path_to(machine: type[Machine], goal: str) -> list[str]:
    """Events that lead from the initial state to the goal, found in the machine's own table."""
    start = next(state.id for state in machine.states if state.initial)
    paths: dict[str, list[str]] = {start: []}
    frontier = [start]
    while frontier:
        here = frontier.pop(0)
        for (state, event), target in cells(machine).items():
            if state == here and target != "=" and target not in paths:
                paths[target] = [*paths[here], event]
                frontier.append(target)
    return paths[goal]


def at(machine_class: type[Machine], state: str) -> tuple[Machine, Recorder]:
    actions = Recorder()
    machine = machine_class(actions)
    for event in path_to(machine_class, state):
        machine.send(event, *ARGUMENTS.get(event, ()))
    assert machine.state == state
    actions.calls.clear()
    return machine, actions


@pytest.mark.req("B-73", "CD-5", "CL-3", "I-6", "MD-6", "MD-13", "MD-14", "LI-5", "LI-6", "WF-12", "WF-13", "WF-15")
@pytest.mark.parametrize(("machine_class", "state", "event", "outcome"), CELLS)
def test_every_event_at_every_state(
    machine_class: type[Machine], state: str, event: str, outcome: tuple[str, list[str]] | None
) -> None:
    machine, actions = at(machine_class, state)
    if outcome is None:
        with pytest.raises(TransitionNotAllowed):
            machine.send(event, *ARGUMENTS.get(event, ()))
        assert (machine.state, actions.calls) == (state, [])
    else:
        machine.send(event, *ARGUMENTS.get(event, ()))
        target, calls = outcome
        assert (machine.state, actions.calls) == (state if target == "=" else target, calls)


@pytest.mark.parametrize("machine_class", MACHINES)
def test_the_tables_here_are_total(machine_class: type[Machine], capsys: pytest.CaptureFixture[str]) -> None:
    expected = EXPECTED[machine_class]
    assert set(expected) == {state.id for state in machine_class.states}
    for row in expected.values():
        assert set(row) == {event.id for event in machine_class.events}
    with capsys.disabled():
        print(f"\n{machine_class.__name__}\n{table(machine_class)}")  # noqa: T201 - the table is for people to read


@pytest.mark.parametrize("machine_class", MACHINES)
def test_every_callback_is_wired(machine_class: type[Machine]) -> None:
    """A misspelt callback would never be called, without any error from the library."""
    states = {state.id for state in machine_class.states}
    events = {event.id for event in machine_class.events}
    prefixes = {"on_enter_": states, "on_exit_": states, "before_": events, "on_": events, "after_": events}
    own = [name for name, value in vars(machine_class).items() if inspect.isfunction(value) and name != "__init__"]
    assert own
    for name in own:
        prefix = next(p for p in prefixes if name.startswith(p))
        assert name.removeprefix(prefix) in prefixes[prefix], name


@pytest.mark.parametrize(
    ("machine_class", "actions"),
    [
        (TurnMachine, TurnActions),
        (SessionMachine, LifeActions),
        (ModeMachine, ModeActions),
        (MeetingMachine, MeetingActions),
        (CodingMachine, CodingActions),
        (SnapshotMachine, SnapshotActions),
    ],
)
def test_machines_are_synchronous_and_use_every_action(machine_class: type[Machine], actions: type) -> None:
    machine = machine_class(Recorder())
    assert not machine._callbacks.has_async_callbacks
    source = inspect.getsource(machine_class)
    for verb in (name for name in vars(actions) if not name.startswith("_")):
        assert f"self.actions.{verb}(" in source, verb


@pytest.mark.parametrize("state", MEETING)
def test_a_machine_that_is_taken_up_where_it_was_does_what_belongs_to_that_state(state: str) -> None:
    actions = Recorder()
    assert MeetingMachine(actions, start=state).state == state
    entered = {
        "active": ["start_timers"], "finalising": ["await_words"], "summarising": ["make_minutes"], "finalised": ["deliver"]
    }  # fmt: skip
    assert actions.calls == ["persist", *entered.get(state, [])]


def test_an_error_in_an_action_is_raised_and_the_state_stays() -> None:
    class Broken(Recorder):
        def start_turn(self, _: object) -> None:
            raise RuntimeError("no")

    machine = TurnMachine(Broken())
    with pytest.raises(RuntimeError):
        machine.heard("words")
    assert machine.state == "idle"


def test_diagram_shows_every_edge() -> None:
    text = mermaid(TurnMachine)
    assert text.startswith("stateDiagram-v2\n    [*] --> idle")
    assert "thinking --> speaking : first_audio" in text
    assert "thinking --> thinking : heard" in text
    assert mermaid(SessionMachine).endswith("closed --> [*]")
    assert all(machine.__name__ in diagrams() for machine in MACHINES)


@pytest.mark.parametrize("machine_class", MACHINES)
def test_every_state_and_event_has_a_meaning(machine_class: type[Machine]) -> None:
    assert purpose(machine_class).endswith(".")
    for section, things in (("States", machine_class.states), ("Events", machine_class.events)):
        meaning = meanings(machine_class, section)
        assert list(meaning) == [thing.id for thing in things]
        assert all(meaning.values())


@pytest.mark.parametrize("machine_class", MACHINES)
def test_a_machine_stays_small(machine_class: type[Machine]) -> None:
    """With the library's own event queues it takes 5 KiB more: then our engine is not the one in use any more."""
    machine_class(Recorder())  # what all share
    gc.collect()
    tracemalloc.start()
    machines = [machine_class(Recorder()) for _ in range(50)]
    size = tracemalloc.get_traced_memory()[0] / len(machines)
    tracemalloc.stop()
    callbacks = len(machines[0]._callbacks._registry)
    assert size < (6 + 2.1 * callbacks) * 1024

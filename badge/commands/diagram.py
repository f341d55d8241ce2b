"""`python -m badge diagram`: the state machines as they are, for people; docs/machines.md begins with it."""

from __future__ import annotations

from badge.machines.base import Machine, meanings, mermaid, purpose, table
from badge.machines.coding import CodingMachine
from badge.machines.meeting import MeetingMachine
from badge.machines.mode import ModeMachine
from badge.machines.session import SessionMachine
from badge.machines.snapshot import SnapshotMachine
from badge.machines.turn import TurnMachine

MACHINES: tuple[type[Machine], ...] = (
    TurnMachine,
    SessionMachine,
    ModeMachine,
    MeetingMachine,
    CodingMachine,
    SnapshotMachine,
)

INTRODUCTION = """# State machines

Printed by `python -m badge diagram`, from the code that runs. A table shows where each event leads from each state: `=`
is ignored on purpose, `-` is refused. Events that are ignored are not in the diagrams."""


def diagrams() -> str:
    """Every machine in Markdown: what it is about, its diagram, its table, and what its states and events mean."""
    return "\n\n".join([INTRODUCTION, *map(_chapter, MACHINES)])


def _chapter(machine: type[Machine]) -> str:
    glossary = (f"{section}:\n\n{_list(meanings(machine, section))}" for section in ("States", "Events"))
    parts = (
        f"## {machine.__name__}",
        purpose(machine),
        f"```mermaid\n{mermaid(machine)}\n```",
        table(machine),
        *glossary,
    )
    return "\n\n".join(parts)


def _list(meaning: dict[str, str]) -> str:
    return "\n".join(f"- `{name}`: {text}" for name, text in meaning.items())

"""`python -m badge diagram`: the state machines as Mermaid diagrams and as tables."""

from __future__ import annotations

from badge.machines.base import Machine, mermaid, table
from badge.machines.session import SessionMachine
from badge.machines.turn import TurnMachine

MACHINES: tuple[type[Machine], ...] = (TurnMachine, SessionMachine)


def diagrams() -> str:
    """Every machine in Markdown, as the README shows it."""
    return "\n\n".join(
        f"### {machine.__name__}\n\n```mermaid\n{mermaid(machine)}\n```\n\n{table(machine)}" for machine in MACHINES
    )

"""Random walks: badges, alone and as a team, do whatever comes to their mind, and after every step the invariants of a session hold.

Everything between the wire and the providers is real: the WebSocket on both ends, Opus, all tasks of the sessions. The
clock is virtual, and Trio moves only within a step, so that a walk is a function of its steps and can be shrunk.

| invariant | held by |
|---|---|
| I-1 registry | here |
| I-2 a session ends once and leaves nothing behind | here |
| I-3 segments of speech are well formed | here |
| I-4 nothing of an ended turn is heard | here |
| I-5 user and assistant alternate | here; tool calls wait for tools that answer |
| I-6 meeting timers and segments | here |
| I-7 listen mode | here |
| I-8 audio reaches the recogniser | here |
| I-9 task snapshots | here |
| I-10 owners of tasks | here |
| I-11 offline mail | here |
| I-12 nobody is delayed by one who does not read | here |
| I-13 instances of models | waits for model leases |
| I-14 idle sessions | here |

And some that have no number: no session is ever stuck, the floor is what the badge hears, nothing fails inside, modes are
acknowledged, notices are told once, and meetings are quiet.

`BADGE_WALKS=2000 pytest tests/session/test_random_walk.py` walks as often, and elsewhere each time.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from protocol import Framing
from tests.walk.faults import FAULTS
from tests.walk.steps import Walk, only
from tests.walk.teamsteps import DEVICES

LONG = int(os.environ.get("BADGE_WALKS", "0"))

HELD = ("I-1", "I-2", "I-3", "I-4", "I-5", "I-6", "I-7", "I-8", "I-9", "I-10", "I-11", "I-12", "I-14", "MD-7")

QUIET: dict[str, Any] = {
    "deadline": None,
    "stateful_step_count": 40,
    "database": None,
    "suppress_health_check": list(HealthCheck),
}


@pytest.mark.req(*HELD)
def test_the_invariants_hold_on_random_walks() -> None:
    phases = (Phase.generate, Phase.shrink)
    run_state_machine_as_test(
        Walk, settings=settings(**QUIET, max_examples=LONG or 100, derandomize=not LONG, phases=phases)
    )


@pytest.mark.req(*HELD)
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_does_not_go_unnoticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A walk through a house in which one thing is broken comes to the invariant that this breaks."""
    fault = FAULTS[name]
    fault.put_in(monkeypatch)
    once = settings(**QUIET, max_examples=300, derandomize=True, phases=(Phase.generate,), report_multiple_bugs=False)
    with pytest.raises(AssertionError, match=f"^({fault.breaks}):"):
        run_state_machine_as_test(only(fault.steps) if fault.steps else Walk, settings=once)


def test_a_walk_can_be_repeated() -> None:
    """The same steps lead to the same frames at the same moments."""

    def walk() -> list[Any]:
        machine = Walk()
        machine.open_the_house(5, "always", "interrupt", 600.0, 0.0, {"asr": "late", "llm": "long", "tts": "plain"})
        try:
            machine.say_something(0, "realtime", 8)
            machine.ask(1, 1.5)
            machine.connect(DEVICES[0], Framing.V3, "opus", {"ledger": True})
            machine.time_passes(12.0)
            machine.say_something(0, "realtime", 8)
            machine.time_passes(12.0)
            return [(passer.witness, passer.life, passer.closed) for passer in machine.street.passers]
        finally:
            machine.stage.end()

    first = walk()
    assert sum(len(witness.segments) for witness, *_ in first) >= 3
    assert walk() == first

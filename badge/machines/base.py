"""The ground that every machine stands on, and how a machine is shown to a person."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from heapq import heappop, heappush
from queue import Empty
from typing import Any, cast

from statemachine import StateMachine
from statemachine.engines.base import BaseEngine, EventQueue
from statemachine.event_data import TriggerData
from statemachine.exceptions import TransitionNotAllowed

__all__ = ["Machine", "TransitionNotAllowed", "Watch", "cells", "meanings", "mermaid", "purpose", "table", "unwatched"]


Watch = Callable[[str, str, str, str], None]
"""Is told of each transition: machine, event, state before, state after."""


def unwatched(_machine: str, _event: str, _source: str, _target: str) -> None:
    """Nobody wants to know."""


class Machine(StateMachine):
    """A strict machine with synchronous callbacks.

    An event that the present state does not name raises `TransitionNotAllowed` and changes nothing; an event that a
    state ignores on purpose is written down as an internal transition to itself. Callbacks are one-line verbs on an
    actions object; they never fire events. One event costs about 0.1 ms: machines see transitions, never audio frames.
    With `start` a machine begins there instead of in its initial state, as if it had just come there.
    """

    allow_event_without_transition = False
    catch_errors_as_events = False

    def __init__(self, watch: Watch, start: str | None = None) -> None:
        self._watch = watch
        super().__init__(start_value=start)

    # The library's own hook for this, `after_transition`, is bound to every transition and takes 40 KiB of each machine.

    def _put_nonblocking(self, trigger_data: TriggerData, internal: bool = False) -> None:  # noqa: FBT001, FBT002 - theirs
        self._event = str(trigger_data.event)
        super()._put_nonblocking(trigger_data, internal)

    def _processing_loop(self, caller_future: Any = None) -> Any:
        before, event = self.state, self._event
        result = super()._processing_loop(caller_future)
        self._watch(type(self).__name__, event, before, self.state)
        return result

    def _get_engine(self) -> BaseEngine:
        """The library's engine without its locks: they take 7 of a machine's 18 KiB, and one thread needs none."""
        engine: BaseEngine = super()._get_engine()  # type: ignore[no-untyped-call]
        engine.external_queue, engine.internal_queue = _PlainQueue(), _PlainQueue()
        return engine

    @property
    def state(self) -> str:
        """Name of the present state."""
        return str(self.current_state_value)


class _PlainQueue(EventQueue):
    def __init__(self) -> None:
        self.queue = _Heap()  # type: ignore[assignment]


class _Heap:
    """As much of `queue.PriorityQueue` as the library's event queue uses."""

    __slots__ = ("queue",)
    mutex: AbstractContextManager[None] = nullcontext()

    def __init__(self) -> None:
        self.queue: list[Any] = []

    def put(self, item: Any) -> None:
        heappush(self.queue, item)

    def get(self, *, block: bool) -> Any:
        assert not block
        if not self.queue:
            raise Empty
        return heappop(self.queue)

    def qsize(self) -> int:
        return len(self.queue)


def cells(machine: type[Machine]) -> dict[tuple[str, str], str]:
    """Every (state, event) that is allowed -> `target`, or `=` where the event is ignored on purpose."""
    found: dict[tuple[str, str], str] = {}
    for state in machine.states:
        for transition in state.transitions:
            for event in transition.events:
                found[state.id, event.id] = "=" if transition.internal else transition.target.id
    return found


def iter_events(machine: type[Machine]) -> list[Any]:
    """The events of a machine, in the order of their declaration."""
    return list(cast(Iterable[Any], machine.events))


def table(machine: type[Machine]) -> str:
    """The whole machine as a Markdown table: a row a state, a column an event, `-` where the event is refused."""
    known = cells(machine)
    events = [event.id for event in iter_events(machine)]
    rows = [["", *events], ["---"] * (len(events) + 1)]
    rows += [[state.id, *(known.get((state.id, event), "-") for event in events)] for state in machine.states]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def mermaid(machine: type[Machine]) -> str:
    """The machine as a Mermaid state diagram; ignored events are left out."""
    lines = ["stateDiagram-v2"]
    lines += [f"    [*] --> {state.id}" for state in machine.states if state.initial]
    merged: dict[tuple[str, str], list[str]] = {}
    for (state, event), target in cells(machine).items():
        if target != "=":
            merged.setdefault((state, target), []).append(event)
    lines += [f"    {state} --> {target} : {' / '.join(names)}" for (state, target), names in merged.items()]
    lines += [f"    {state.id} --> [*]" for state in machine.states if state.final]
    return "\n".join(lines)


def purpose(machine: type[Machine]) -> str:
    """What a machine is about: the first paragraph of its docstring."""
    return inspect.cleandoc(machine.__doc__ or "").partition("\n\n")[0]


def meanings(machine: type[Machine], section: str) -> dict[str, str]:
    """What the states or events of a machine mean: name -> text, from the section `States` or `Events` of its
    docstring."""
    lines = inspect.cleandoc(machine.__doc__ or "").partition(f"{section}:\n")[2].partition("\n\n")[0].splitlines()
    return {name.strip(): text.strip() for name, _, text in (line.partition(":") for line in lines)}

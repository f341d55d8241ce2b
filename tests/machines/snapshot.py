"""The way back to a state: copies of the attributes of all living objects."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from enum import Enum
from typing import Any

import attrs
from attrs import field, frozen

from badge.machines.base import Machine
from badge.session.plan import Plan
from tests.machines.world import Terms, World

HOME = ("badge.session.", "badge.modes.", "badge.link", "providers.endpointing", "tests.machines.world")


@frozen(eq=False)
class Snapshot:
    """Copies of everything that can change: the clock, and whatever can be reached from the world."""

    machines: list[tuple[Any, Any, bool]] = field(factory=list)
    objects: list[tuple[Any, dict[str, Any]]] = field(factory=list)
    slotted: list[tuple[Any, dict[str, Any]]] = field(factory=list)
    lists: list[tuple[Any, Any]] = field(factory=list)

    @classmethod
    def of(cls, world: World) -> Snapshot:
        """The world as it is."""
        copies, seen, todo = cls(), set[int](), [world]
        while todo:
            thing: Any = todo.pop()
            if id(thing) not in seen:
                seen.add(id(thing))
                todo += copies._add(thing)
        return copies

    def _add(self, thing: Any) -> Iterable[Any]:
        """Copy one thing; what it leads to."""
        if isinstance(thing, bytearray | list | deque):
            self.lists.append((thing, thing.copy()))
            return () if isinstance(thing, bytearray) else thing
        if isinstance(thing, Machine):
            self.machines.append((thing, thing.current_state_value, thing._engine.running))
        elif type(thing).__module__.startswith(HOME) and not isinstance(thing, Plan | Terms | Enum | type):
            if hasattr(thing, "__dict__"):
                self.objects.append((thing.__dict__, dict(thing.__dict__)))
                return self.objects[-1][1].values()
            names = attrs.fields_dict(type(thing))
            self.slotted.append((thing, {name: getattr(thing, name) for name in names}))
            return self.slotted[-1][1].values()
        return ()

    def restore(self) -> None:
        """Make everything as it was."""
        for attributes, values in self.objects:
            attributes.clear()
            attributes.update(values)
        for thing, values in self.slotted:
            for name, value in values.items():
                object.__setattr__(thing, name, value)
        for items, copy in self.lists:
            items.clear()
            items.extend(copy)
        for machine, state, running in self.machines:
            if machine.current_state_value != state:
                machine.current_state_value = state
            machine._engine.running = running

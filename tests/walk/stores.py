"""A store that keeps count: what was done to tasks, and what became of every letter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import trio

from badge.storage.memory import MemoryMail, MemoryStore, MemoryTasks
from badge.storage.records import Letter, Posted
from badge.storage.tasks import Command, Decision

Key = tuple[str, str, str]
"""A letter: to, from and id."""


class CountingTasks(MemoryTasks):
    """Knows when the tasks of a group changed last, and who changed what was not his."""

    def __init__(self) -> None:
        super().__init__()
        self.changed: dict[str, float] = {}
        self.trespasses: list[str] = []

    async def carry_out(self, group: str, command: Command) -> Decision:
        """Decide on a command, and keep what it changes."""
        everybody = {name: dict(tasks) for name, tasks in self._groups.items()}
        decision = await super().carry_out(group, command)
        if decision.changed or decision.forgotten:
            self.changed[group] = trio.current_time()
        for task in decision.changed:
            owner = before.owner if (before := everybody.get(group, {}).get(task.id)) else ""
            if owner not in ("", command.device):
                self.trespasses.append(f"{command.device} changed {task.id} of {owner}")
            if task.owner not in (owner, "", command.device):
                self.trespasses.append(f"{command.device} gave {task.id} to {task.owner}")
        self.trespasses += [
            f"{command.device} changed tasks of {name}"
            for name, tasks in everybody.items()
            if name != group and self._groups[name] != tasks
        ]
        return decision


class CountingMail(MemoryMail):
    """Knows of every letter whether it waits, was delivered or was dropped."""

    def __init__(self) -> None:
        super().__init__()
        self.accepted: set[Key] = set()
        self.delivered = Counter[Key]()
        self.dropped = Counter[Key]()

    @property
    def queued(self) -> set[Key]:
        """The letters that wait."""
        return {
            (to, *key) for to, box in self._letters.items() for key, letter in box.items() if letter.status == "queued"
        }

    async def post(self, letter: Letter, *, bound: int, sparing: Collection[tuple[str, str]] = frozenset()) -> Posted:
        """Keep a letter."""
        posted = await super().post(letter, bound=bound, sparing=sparing)
        self.accepted.add((letter.to, letter.sender, letter.id))
        self.dropped.update((letter.to, *key) for key in posted.displaced)
        return posted

    async def mark(
        self, device: str, ids: Sequence[tuple[str, str]], *, heard: bool = False
    ) -> tuple[tuple[str, str], ...]:
        """Letters have been delivered, or heard."""
        waited = self.queued
        changed = await super().mark(device, ids, heard=heard)
        self.delivered.update(key for one in changed if (key := (device, *one)) in waited)
        return changed

    def _forget(self, device: str, now: int) -> int:
        waited = self.queued
        count = super()._forget(device, now)
        self.dropped.update(waited - self.queued)
        return count


class CountingStore(MemoryStore):
    """A `Store`."""

    def __init__(self) -> None:
        super().__init__()
        self.tasks: CountingTasks = CountingTasks()
        self.mail: CountingMail = CountingMail()

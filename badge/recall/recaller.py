"""What is worth remembering for the words that are about to be answered."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import trio

from badge.clock import WallClock
from badge.config.memory import MemorySettings
from badge.log import get_log
from badge.recall.meanings import Meanings
from badge.recall.ranking import near, notes, ranked
from badge.storage.ports import RecallStore, StoreError
from badge.storage.recollections import Fact
from badge.storage.terms import sought
from providers.ports import ProviderError

log = get_log(__name__)

BEST = 20
"""Facts that are looked for by their words, and by their meaning."""

RECENT = 40
"""Facts that are looked at because they are new, or of use."""

COMPARED, AT_ONCE = 1000, 100
"""Facts whose meaning is compared, and how many before others may have the thread: 100 vectors of 1536 numbers take less than 1 ms."""


class Recaller:
    """A `Recall`. It notes which facts have served, and changes nothing in the store: the same question has the same answer
    throughout a conversation."""

    name = "memory"

    def __init__(
        self,
        *,
        store: RecallStore,
        meanings: Meanings,
        settings: MemorySettings,
        clock: WallClock,
    ) -> None:
        self._store = store
        self._meanings = meanings
        self._settings = settings
        self._clock = clock
        self._served: dict[str, set[str]] = {}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Needs nothing of its own: the store is open when sessions are."""
        task_status.started()
        await trio.sleep_forever()

    def served(self, device: str) -> Collection[str]:
        """The ids of the facts of a device that were asked for since this was last asked."""
        return self._served.pop(device, ())

    async def recall(self, device: str, text: str, *, ahead: bool = False) -> str:
        """What is worth remembering for this text; empty for nothing. Facts serve for what was said, and not `ahead` of it.
        Raises `ProviderError`."""
        try:
            found = await self._found(device, text, serve=not ahead)
        except StoreError as exc:
            raise ProviderError(self.name, exc.detail, remedy=exc.remedy, retryable=True) from exc
        return notes(found, room=self._settings.prompt_chars, zone=self._clock.now().tzinfo)

    async def _found(self, device: str, text: str, *, serve: bool) -> list[Fact]:
        vector = await self._meanings.of_question(text)
        recent = await self._store.facts(device, limit=COMPARED if vector else RECENT)
        if not recent:
            return []
        matching = await self._store.matching(device, sought(text), limit=BEST)
        alike = await self._alike(vector, recent)
        if serve and (served := {fact.id for fact in (*matching, *alike)}):
            self._served.setdefault(device, set()).update(served)
        return ranked((matching, alike), recent[:RECENT])

    async def _alike(self, vector: bytes, facts: Sequence[Fact]) -> list[Fact]:
        """Those that mean something near to the question, the nearest first."""
        found: list[tuple[float, Fact]] = []
        for at in range(0, len(facts) if vector else 0, AT_ONCE):
            found += near(vector, self._meanings.model, facts[at : at + AT_ONCE])
            await trio.lowlevel.checkpoint()
        found.sort(key=lambda one: -one[0])
        return [fact for _, fact in found[:BEST]]

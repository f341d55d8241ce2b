"""What is worth remembering for the words that are about to be answered."""

from __future__ import annotations

from collections.abc import Callable, Collection

import trio

from badge.clock import WallClock, milliseconds
from badge.config_memory import MemorySettings
from badge.log import get_log
from badge.recall.meanings import Meanings
from badge.recall.ranking import nearest, notes, ranked
from badge.storage.ports import RecallStore, StoreError
from badge.storage.recollections import Fact
from badge.storage.terms import sought
from providers.ports import ProviderError

log = get_log(__name__)

BEST = 20
"""Facts that are looked for by their words, and by their meaning."""

RECENT = 40
"""Facts that are looked at because they are new, or of use."""

COMPARED = 1000
"""Facts whose meaning is compared."""

SERVES_AGAIN = 3_600_000
"""ms after which it is written down again that a fact has served."""

MOST_GIVEN = 5000
"""Devices whose console has said something about their users; one more displaces the oldest."""


class Recaller:
    """A `Recall`. `serve` is told which facts of a device were asked for."""

    name = "memory"

    def __init__(
        self,
        *,
        store: RecallStore,
        meanings: Meanings,
        settings: MemorySettings,
        clock: WallClock,
        serve: Callable[[str, Collection[str]], None],
    ) -> None:
        self._store = store
        self._meanings = meanings
        self._settings = settings
        self._clock = clock
        self._serve = serve
        self._given: dict[str, str] = {}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Needs nothing of its own: the store is open when sessions are."""
        task_status.started()
        await trio.sleep_forever()

    def acquaint(self, device: str, about: str) -> None:
        """Somebody else keeps this about the user of a device; empty for nothing. It comes first."""
        self._given.pop(device, None)
        if about.strip():
            self._given[device] = about.strip()
        if len(self._given) > MOST_GIVEN:
            del self._given[next(iter(self._given))]

    async def recall(self, device: str, text: str, *, ahead: bool = False) -> str:
        """What is worth remembering for this text; empty for nothing. Facts serve for what was said, and not `ahead` of it.
        Raises `ProviderError`."""
        try:
            found = await self._found(device, text, serve=not ahead)
        except StoreError as exc:
            raise ProviderError(self.name, exc.detail, remedy=exc.remedy, retryable=True) from exc
        given = self._given.get(device, "")
        return notes(found, room=self._settings.prompt_chars, zone=self._clock.now().tzinfo, given=given)

    async def _found(self, device: str, text: str, *, serve: bool) -> list[Fact]:
        vector = await self._meanings.of_question(text)
        recent = await self._store.facts(device, limit=COMPARED if vector else RECENT)
        if not recent:
            return []
        matching = await self._store.matching(device, sought(text), limit=BEST)
        near = nearest(vector, self._meanings.model, recent)[:BEST]
        served = milliseconds(self._clock)
        idle = {fact.id for fact in (*matching, *near) if fact.used < served - SERVES_AGAIN}
        if serve and idle:
            self._serve(device, idle)
        return ranked((matching, near), recent[:RECENT])

"""The seams at which a session gets its providers: when one became ready is noted, and each comes with a seam around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from badge.components import Around, Component
from badge.llms import Llms
from badge.recording.journal import Note
from badge.recording.records import Kind
from badge.recording.streams import Count, PromptMemory, RecordedLlm, describe_error
from providers.ports import Llm, ProviderError


class RecordedComponent(Around[Any]):
    """A component as one session sees it: when it became ready is noted, and whatever its provider is asked and says."""

    def __init__(self, component: Component[Any], journal: Note, wrap: Callable[[Any, Count], Any]) -> None:
        super().__init__(component)
        self._journal = journal
        self._wrap = wrap
        self._count = Count()
        self._known = standing(component)

    @property
    def failure(self) -> ProviderError | None:
        """Why no candidate could start."""
        self._look()
        return super().failure

    async def settled(self) -> None:
        """Wait until it is decided whether there is a provider."""
        await super().settled()
        self._look()

    async def ready(self) -> Any:
        """The provider, with a seam around it."""
        await self.settled()
        return self._wrap(await super().ready(), self._count)

    def _look(self) -> None:
        now = standing(self._component)
        if now != self._known:
            self._known = now
            self._journal.note(Kind.COMPONENT, self.kind, now)


def standing(component: Component[Any]) -> dict[str, Any]:
    """What a session can know about a component."""
    if component.disabled:
        return {"state": "off"}
    if component.failure is not None:
        return {"state": "failed", "error": describe_error(component.failure)}
    provider = component.provider
    if provider is None:
        return {"state": "loading"}
    return {
        "state": "ready",
        "name": provider.name,
        "window": getattr(provider, "window", None),
        "encoding": getattr(provider, "encoding", None),
    }


def recorded_llms(llms: Llms, journal: Note) -> Llms:
    """The models, each with a seam; their streams are numbered together."""
    numbers, memory = Count(), PromptMemory()

    def around(component: Component[Llm]) -> Component[Llm]:
        kind = component.kind
        return RecordedComponent(component, journal, lambda llm, _: RecordedLlm(llm, journal, kind, numbers, memory))

    return llms.around(around)

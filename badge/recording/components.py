"""The seams at which a session gets its providers: when one became ready is noted, and each comes with a seam around it."""

from __future__ import annotations

from typing import Any

from badge.components import Component
from badge.llms import Llms
from badge.modes.base import Purpose
from badge.recording.journal import Note
from badge.recording.records import Kind
from badge.recording.streams import Count, PromptMemory, RecordedLlm, describe_error
from providers.ports import Llm, ProviderError


class RecordedComponent(Component[Any]):
    """A component as one session sees it: when it became ready is noted, and whatever its provider is asked and says."""

    def __init__(self, component: Component[Any], journal: Note, wrap: Any) -> None:
        self._component = component
        self._journal = journal
        self._wrap = wrap
        self._count = Count()
        self.kind = component.kind
        self._known = standing(component)

    @property
    def disabled(self) -> bool:
        """Switched off by configuration."""
        return self._component.disabled

    @property
    def failure(self) -> ProviderError | None:
        """Why no candidate could start."""
        self._look()
        return self._component.failure

    @property
    def provider(self) -> Any:
        """The provider that serves, without a seam."""
        return self._component.provider

    async def settled(self) -> None:
        """Wait until it is decided whether there is a provider."""
        await self._component.settled()
        self._look()

    async def ready(self) -> Any:
        """The provider, with a seam around it."""
        await self.settled()
        return self._wrap(await self._component.ready(), self._count)

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


class RecordedLlms(Llms):
    """The models, each with a seam."""

    def __init__(self, llms: Llms, journal: Note) -> None:
        numbers, memory = Count(), PromptMemory()
        self._llms = llms
        self._components = {
            component.kind: RecordedComponent(
                component, journal, lambda llm, _, kind=component.kind: RecordedLlm(llm, journal, kind, numbers, memory)
            )
            for component in llms.components()
        }

    def of(self, purpose: Purpose) -> Component[Llm]:
        """The model of a purpose."""
        return self._components[self._llms.of(purpose).kind]

    def components(self) -> list[Component[Llm]]:
        """The models that some purpose uses."""
        return list(self._components.values())

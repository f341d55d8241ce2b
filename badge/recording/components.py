"""The seams at which a session gets its providers: when one became ready is noted, and each comes with a seam around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from badge.components import Around, Component
from badge.private import Private, PrivateKind
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


Seam = Callable[[Component[Any]], Component[Any]]
"""Puts a seam around a component."""


def seam(journal: Note, wrap: Callable[..., Any]) -> Seam:
    """A seam for one kind of component, whose streams are numbered together."""
    numbers = Count()
    return lambda component: RecordedComponent(component, journal, lambda provider, _: wrap(provider, journal, numbers))


def seam_of_llms(journal: Note) -> Seam:
    """The same for language models."""
    numbers, memory = Count(), PromptMemory()

    def around(component: Component[Llm]) -> Component[Llm]:
        kind = component.kind
        return RecordedComponent(component, journal, lambda llm, _: RecordedLlm(llm, journal, kind, numbers, memory))

    return around


class RecordedPrivate:
    """A `Private` as one session sees it: each component with a seam, and a note of how it stands when it is first seen."""

    def __init__(self, private: Private, journal: Note, seams: Mapping[PrivateKind, Seam]) -> None:
        self._private = private
        self._journal = journal
        self._seams = seams
        self._seen: dict[str, tuple[Component[Any], Component[Any]]] = {}

    def admit(self, kind: PrivateKind, settings: Mapping[str, Any]) -> str:
        """Take settings in."""
        return self._private.admit(kind, settings)

    def component(self, kind: PrivateKind, key: str) -> Component[Any] | None:
        """The provider of a key."""
        component = self._private.component(kind, key)
        if component is None:
            return None
        if key not in self._seen or self._seen[key][0] is not component:
            self._journal.note(Kind.COMPONENT, key, standing(component))
            self._seen[key] = component, self._seams[kind](component)
        return self._seen[key][1]

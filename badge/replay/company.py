"""The company of a repeated session: its providers as components."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from badge.components import Component
from badge.private import PrivateKind
from badge.replay.playback import Played

PRIVATE = ".private-"
"""What the name of a private component has in it."""


class PlayedPrivate:
    """A `Private` that knows the components of a recording."""

    def __init__(self, components: Mapping[str, Component[Any]]) -> None:
        self._components = dict(components)

    def admit(self, _kind: PrivateKind, _settings: Mapping[str, Any]) -> str:
        """Nothing is taken in."""
        return ""

    def component(self, _kind: PrivateKind, key: str) -> Component[Any] | None:
        """The provider of a key."""
        return self._components.get(key)

    def components(self) -> list[Component[Any]]:
        """All of them."""
        return list(self._components.values())


class Company:
    """The providers of one repeated session, each a component that is ready or fails when that is known."""

    def __init__(self, providers: dict[str, Played], standing: Mapping[str, dict[str, Any]]) -> None:
        """`standing`: what is known about each component at the beginning; one that is not named is switched off."""
        self.providers = providers
        named = {name for name in providers if PRIVATE not in name}
        self._off = {name for name in named if standing.get(name, {"state": "off"})["state"] == "off"}
        for name, facts in standing.items():
            self.decide(name, facts)

    def component(self, name: str) -> Component[Any]:
        """One component, as it was at the beginning."""
        return Component(name, () if name in self._off else (self.providers[name],))

    def private(self) -> PlayedPrivate:
        """The private components."""
        return PlayedPrivate({name: self.component(name) for name in self.providers if PRIVATE in name})

    def decide(self, name: str, facts: dict[str, Any]) -> None:
        """A component is known to be ready, or to have failed."""
        if name in self.providers:
            self.providers[name].decide(facts)

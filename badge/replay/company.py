"""The company of a repeated session: its providers as components."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from badge.components import Component
from badge.replay.playback import Played


class Company:
    """The providers of one repeated session, each a component that is ready or fails when that is known."""

    def __init__(self, providers: dict[str, Played], standing: Mapping[str, dict[str, Any]]) -> None:
        """`standing`: what is known about each component at the beginning; one that is not named is switched off."""
        self.providers = providers
        self._off = {name for name in providers if standing.get(name, {"state": "off"})["state"] == "off"}
        for name, facts in standing.items():
            self.decide(name, facts)

    def component(self, name: str) -> Component[Any]:
        """One component, as it was at the beginning."""
        return Component(name, () if name in self._off else (self.providers[name],))

    def decide(self, name: str, facts: dict[str, Any]) -> None:
        """A component is known to be ready, or to have failed."""
        if name in self.providers:
            self.providers[name].decide(facts)

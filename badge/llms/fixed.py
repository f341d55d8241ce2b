"""Language models that stay what they are: those of a replay, and of tests."""

from __future__ import annotations

from collections.abc import Mapping

from badge.components import Component
from badge.config.llm import LlmSettings, Purpose
from badge.llms.base import Wrap
from badge.pool import UnfitError
from providers.ports import Llm


class FixedLlms:
    """An `Llms`: a fixed set, in which purposes that name the same model share it. Devices can have others of the set as their
    own."""

    def __init__(self, models: Mapping[str, Component[Llm]], by_purpose: Mapping[Purpose, str]) -> None:
        self._models = dict(models)
        self._by_purpose = dict(by_purpose)
        self._own: dict[str, Mapping[str, str]] = {}

    def of(self, purpose: Purpose, *, device: str = "") -> Component[Llm]:
        """The model of a purpose."""
        return self._models[self._own.get(device, {}).get(purpose) or self._by_purpose[purpose]]

    def warm(self, purpose: Purpose, *, device: str = "") -> None:
        """They are ready."""

    def around(self, wrap: Wrap) -> FixedLlms:
        """The same models for the same purposes, each with something around it."""
        used = set(self._by_purpose.values())
        return FixedLlms({name: wrap(model) for name, model in self._models.items() if name in used}, self._by_purpose)

    def admit(self, settings: LlmSettings) -> str:
        """There are no others."""
        raise UnfitError(f"there is no {settings.use} beside these models")

    def assign(self, device: str, keys: Mapping[str, str]) -> None:
        """These are the models of a device: purpose -> name."""
        self._own[device] = dict(keys)

    def components(self) -> list[Component[Llm]]:
        """The models that some purpose uses."""
        return [self._models[name] for name in sorted(set(self._by_purpose.values()))]

    async def run(self) -> None:
        """Nothing has to run beside the components."""

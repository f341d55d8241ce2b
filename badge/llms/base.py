"""What sessions and offices ask of language models: one for a purpose, or its whole answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import trio

from badge.components import Component
from badge.config.llm import LlmSettings, Purpose
from badge.patience import patience
from badge.pool import UnfitError
from providers.ports import Llm, Prompt, Text, single_error


class Llms:
    """A fixed set of models; purposes that name the same one share it. Devices can have others of the set as their own."""

    def __init__(self, models: Mapping[str, Component[Llm]], by_purpose: Mapping[Purpose, str]) -> None:
        self._models = dict(models)
        self._by_purpose = dict(by_purpose)
        self._own: dict[str, Mapping[str, str]] = {}

    def of(self, purpose: Purpose, *, device: str = "", private: Mapping[str, str] | None = None) -> Component[Llm]:
        """The model of a purpose, for a turn that begins now: ask again for the next one. `device`: whose turn it is;
        `private`: purpose -> key of the device's own settings, where it has some."""
        own = self._own.get(device, {}) if private is None else private
        return self._models[own.get(purpose) or self._by_purpose[purpose]]

    def warm(self, purpose: Purpose, *, device: str = "", private: Mapping[str, str] | None = None) -> None:
        """The model of a purpose will be asked in a moment: let it get ready. Never waits."""

    def around(self, wrap: Callable[[Component[Llm]], Component[Llm]]) -> Llms:
        """The same models for the same purposes, each with something around it."""
        used = set(self._by_purpose.values())
        return Llms({name: wrap(model) for name, model in self._models.items() if name in used}, self._by_purpose)

    def admit(self, settings: LlmSettings) -> str:
        """Make a device's own model known; gives a key, in which no secret is. Raises `UnfitError` where that cannot be."""
        raise UnfitError(f"there is no {settings.use} beside these models")

    def assign(self, device: str, keys: Mapping[str, str]) -> None:
        """These are the models of a device: purpose -> key. They hold for whatever is asked in its name."""
        self._own[device] = dict(keys)

    def components(self) -> list[Component[Llm]]:
        """The models that some purpose uses."""
        return [self._models[name] for name in sorted(set(self._by_purpose.values()))]

    async def run(self) -> None:
        """Whatever has to run beside the components."""


async def whole_answer(
    llms: Llms, purpose: Purpose, prompt: Prompt, *, seconds: float, longest: int, device: str
) -> str:
    """The first `longest` characters that the model says, which is all when it does what it is asked for; it may take so
    many seconds for its first and for each next word. `device`: who it is asked for, as that may have a model of its own.
    Raises `ProviderError` and `trio.TooSlowError`."""
    pieces, room = [], longest
    with single_error(), patience(seconds) as patient:
        llm = await llms.of(purpose, device=device).ready()
        patient.begin()
        async with llm.stream(prompt) as tokens:
            while room > 0:
                patient.begin()
                try:
                    token = await tokens.receive()
                except trio.EndOfChannel:
                    break
                if isinstance(token, Text):
                    pieces.append(token.text[:room])
                    room -= len(token.text)
            patient.begin()
    return "".join(pieces)

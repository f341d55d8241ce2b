"""Which language model answers which purpose, and its whole answer for those who cannot use it piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

import trio

from badge.components import Component
from badge.config import PurposeSettings
from badge.patience import patience
from providers.ports import Llm, Prompt, Text, single_error


class Purpose(StrEnum):
    """What a language model is asked for; each purpose may have a model of its own."""

    CHAT = "chat"
    MEETING = "meeting"
    CODING = "coding"
    WORKING = "working"
    INTENT = "intent"
    MEMORY = "memory"


def purposes(settings: PurposeSettings) -> dict[Purpose, str]:
    """Which model answers what, as configured."""
    return {purpose: str(getattr(settings, purpose)) for purpose in Purpose}


class Llms:
    """The configured models; purposes that name the same one share it."""

    def __init__(self, models: Mapping[str, Component[Llm]], by_purpose: Mapping[Purpose, str]) -> None:
        self._models = dict(models)
        self._by_purpose = dict(by_purpose)

    def of(self, purpose: Purpose) -> Component[Llm]:
        """The model of a purpose."""
        return self._models[self._by_purpose[purpose]]

    def around(self, wrap: Callable[[Component[Llm]], Component[Llm]]) -> Llms:
        """The same models for the same purposes, each with something around it."""
        used = set(self._by_purpose.values())
        return Llms({name: wrap(model) for name, model in self._models.items() if name in used}, self._by_purpose)

    def components(self) -> list[Component[Llm]]:
        """The models that some purpose uses."""
        return [self._models[name] for name in sorted(set(self._by_purpose.values()))]


async def whole_answer(llms: Llms, purpose: Purpose, prompt: Prompt, *, seconds: float, longest: int) -> str:
    """The first `longest` characters that the model says, which is all when it does what it is asked for; it may take so
    many seconds for its first and for each next word. Raises `ProviderError` and `trio.TooSlowError`."""
    pieces, room = [], longest
    with single_error(), patience(seconds) as patient:
        llm = await llms.of(purpose).ready()
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

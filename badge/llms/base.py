"""What sessions and offices ask of language models: one for a purpose, or its whole answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from badge.components import Component
from badge.config.llm import LlmSettings, Purpose
from badge.patience import patience
from providers.ports import Llm, Prompt, Text, single_error
from providers.streams import next_of

Wrap = Callable[[Component[Llm]], Component[Llm]]


class Llms(Protocol):
    """The language models of the server, and those that devices have of their own."""

    def of(self, purpose: Purpose, *, device: str = "") -> Component[Llm]:
        """The model of a purpose, for a turn of a device that begins now: ask again for the next one."""

    def warm(self, purpose: Purpose, *, device: str = "") -> None:
        """The model of a purpose will be asked in a moment: let it get ready. Never waits."""

    def around(self, wrap: Wrap) -> Llms:
        """The same models for the same purposes, each with something around it."""

    def admit(self, settings: LlmSettings) -> str:
        """Make a device's own model known; gives a key, in which no secret is. Raises `UnfitError` where that cannot be."""

    def assign(self, device: str, keys: Mapping[str, str]) -> None:
        """These are the models of a device: purpose -> key. They hold for whatever is asked in its name."""

    def components(self) -> list[Component[Llm]]:
        """The models that some purpose uses."""

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
            while room > 0 and (token := await next_of(tokens)) is not None:
                if isinstance(token, Text):
                    pieces.append(token.text[:room])
                    room -= len(token.text)
                patient.begin()
            patient.begin()
    return "".join(pieces)

"""A whole answer of a language model, for those who cannot use it piece by piece."""

from __future__ import annotations

import trio

from badge.llms import Llms, Purpose
from badge.patience import patience
from providers.ports import Prompt, ProviderError, Text, single_error

LONGEST_ANSWER = 100_000
"""Characters; a model that says more is not what was asked for."""


async def whole_answer(llms: Llms, purpose: Purpose, prompt: Prompt, *, seconds: float) -> str:
    """Everything that the model says; it may take so many seconds for its first and for each next word. Raises
    `ProviderError` and `trio.TooSlowError`."""
    pieces: list[str] = []
    size = 0
    with single_error(), patience(seconds) as patient:
        llm = await llms.of(purpose).ready()
        patient.begin()
        async with llm.stream(prompt) as tokens:
            while True:
                patient.begin()
                try:
                    token = await tokens.receive()
                except trio.EndOfChannel:
                    break
                if isinstance(token, Text):
                    pieces.append(token.text)
                    size += len(token.text)
                    if size > LONGEST_ANSWER:
                        raise ProviderError(llm.name, f"said more than {LONGEST_ANSWER} characters")
            patient.begin()
    return "".join(pieces)

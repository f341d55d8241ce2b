"""Asking a language model for a document: bounded in time and size, one repair when the answer is no use, then none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import attrs
import trio
from attrs import field, frozen

from badge.documents import UnusableError, json_in
from badge.llms import Llms, Purpose, whole_answer
from badge.log import get_log
from badge.meetings.gaps import Why
from badge.meetings.prompts import repair
from providers.ports import ChatMessage, Prompt, ProviderError, Schema

log = get_log(__name__)

HOPELESS = 2
"""Failures in a row after which the model is not asked any more about this meeting."""

CHARACTERS_PER_TOKEN = 16
"""More than any language has; answers that are longer than this allows are no use."""

EMPTY = "(nothing)"
"""How an answer without any words is quoted to the model: no message of a prompt may be empty."""

T = TypeVar("T")


@frozen(kw_only=True)
class Wish(Generic[T]):
    """A document that is wished for. `read` makes it of the JSON object in the answer, and raises `UnusableError`; it is
    told whether this is the last answer that it will see."""

    system: str
    user: str = field(repr=False)
    schema: Schema
    tokens: int
    read: Callable[[object, bool], T]


class Asker:
    """Asks for the documents of one meeting, one after the other."""

    def __init__(self, *, llms: Llms, patience_s: float, session: str, device: str) -> None:
        self._llms = llms
        self._patience = patience_s
        self._session = session
        self._device = device
        self._failures = 0
        self.reason: Why = "no-answer"
        """why the last wish was not granted"""

    @property
    def hopeless(self) -> bool:
        """Whether the model is not asked any more."""
        return self._failures >= HOPELESS

    def give_up(self) -> None:
        """Do not ask any more."""
        self._failures = HOPELESS

    async def ask(self, wish: Wish[T]) -> T | None:
        """The document, or None: then `reason` says why."""
        prompt = Prompt(
            messages=(ChatMessage(role="system", content=wish.system), ChatMessage(role="user", content=wish.user)),
            session=self._session,
            max_tokens=wish.tokens,
            schema=wish.schema,
        )
        for last in (False, True):
            answer = None if self.hopeless else await self._answer(prompt)
            if answer is None:
                self.reason = "no-answer"
                return None
            try:
                return wish.read(json_in(answer), last)
            except UnusableError as exc:
                log.warning("no use of an answer", wish=wish.schema.name, mistakes=len(exc.mistakes), size=len(answer))
                said = ChatMessage(role="assistant", content=answer if answer.strip() else EMPTY)
                told = ChatMessage(role="user", content=repair(exc.mistakes))
                prompt = attrs.evolve(prompt, messages=(*prompt.messages, said, told))
        self.reason = "unusable"
        return None

    async def _answer(self, prompt: Prompt) -> str | None:
        try:
            answer = await whole_answer(
                self._llms,
                Purpose.MEETING,
                prompt,
                seconds=self._patience,
                longest=(prompt.max_tokens or 0) * CHARACTERS_PER_TOKEN,
                device=self._device,
            )
        except (ProviderError, trio.TooSlowError) as exc:
            log.warning("the model failed", error=str(exc) or "too slow")
            lasting = isinstance(exc, ProviderError) and not exc.retryable
            self._failures = HOPELESS if lasting else self._failures + 1
            return None
        self._failures = 0
        return answer

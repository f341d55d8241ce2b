"""Drafts: a model begins on its answer while it is not certain yet that the user has said all.

A draft only ever holds tokens: it knows no mouth, no tool and no dialogue. They are heard, and have effects, when a turn
takes them, which it can do only with a prompt that is equal to that of the draft: then they are what the turn itself
would have been answered. Every other draft is forgotten.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from math import inf
from typing import Literal

import trio
from attrs import define, field

from badge.boundary import boundary
from badge.components import Component
from badge.llms import Purpose
from badge.log import get_log
from badge.machines.base import Watch
from badge.metrics import Metrics
from providers.ports import Incoming, Llm, Prompt, ProviderError, Token, single_error
from providers.streams import next_of, pass_on

log = get_log(__name__)

TOKENS = 512
"""Tokens of a draft that wait for its turn; with more the model has to wait."""

LIFETIME = 10.0
"""Seconds in which a draft can be taken."""

Why = Literal["resumed", "words", "prompt", "void"]
"""Why a draft is forgotten: the user went on to speak, the words are others in the end, the words are the same but not
what the model should know, or nobody wants an answer any more."""

Opened = AbstractAsyncContextManager[Incoming[Token]]


@define(eq=False)
class Draft:
    """One stream of a model, read ahead. `prompt`, `llm`: what is asked of which model, None until it is; `error`: why the
    stream ended early."""

    words: str = field(repr=False)
    purpose: Purpose
    scope: trio.CancelScope
    send: trio.MemorySendChannel[Token]
    tokens: trio.MemoryReceiveChannel[Token]
    prompt: Prompt | None = field(default=None, repr=False)
    llm: Llm | None = None
    error: ProviderError | trio.TooSlowError | None = None

    def answers(self, purpose: Purpose, prompt: Prompt) -> bool:
        """Whether its tokens are the answer to this."""
        alive = self.error is None and not self.scope.cancel_called
        return alive and purpose is self.purpose and prompt == self.prompt

    def fail(self) -> None:
        """The stream broke in a way that nobody foresaw."""
        self.error = ProviderError("llm", "failed unexpectedly")

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Incoming[Token]]:
        """The stream from its start, as a model gives it."""
        try:
            yield self.tokens
        finally:
            self.scope.cancel("left")
        if self.error is not None:
            raise self.error


class Drafts:
    """At most one draft at a time, for one session."""

    def __init__(
        self,
        model: Callable[[Purpose], Component[Llm]],
        metrics: Metrics,
        watch: Watch,
        spawn: Callable[[Callable[[], Awaitable[None]]], None],
    ) -> None:
        """`model` gives the one that answers; `watch` is told what becomes of drafts; `spawn` runs tasks of the session."""
        self._model = model
        self._metrics = metrics
        self._watch = watch
        self._spawn = spawn
        self._draft: Draft | None = None

    def begin(self, words: str, purpose: Purpose, foresee: Callable[[], Awaitable[Prompt]]) -> None:
        """These words are likely to be what the user says: ask the model what `foresee` gives. It must have no effect."""
        if self._draft is not None and self._draft.words == words:
            return
        self.forget("words")
        scope = trio.CancelScope(deadline=trio.current_time() + LIFETIME)
        self._draft = Draft(words, purpose, scope, *trio.open_memory_channel[Token](TOKENS))
        self._metrics.drafts.inc()
        self._watch("Draft", "begin", "none", "drafting")
        self._spawn(partial(self._run, self._draft, foresee))

    def settle(self, words: str) -> None:
        """The user has said this: a draft for other words is forgotten."""
        if self._draft is not None and self._draft.words != words:
            self.forget("words")

    def forget(self, why: Why) -> None:
        """Give up the draft, if there is one."""
        draft, self._draft = self._draft, None
        if draft is not None:
            draft.scope.cancel(why)
            self._metrics.drafts_discarded.labels(why).inc()
            self._watch("Draft", why, "drafting", "none")

    def take(self, purpose: Purpose, prompt: Prompt) -> Draft | None:
        """The draft that is the answer to exactly this prompt; None when there is none, and then there is no draft any more."""
        draft = self._draft
        if draft is None or not draft.answers(purpose, prompt):
            self.forget("prompt")
            return None
        self._draft = None
        draft.scope.deadline = inf
        self._metrics.drafts_taken.inc()
        self._watch("Draft", "take", "drafting", "taken")
        return draft

    async def _run(self, draft: Draft, foresee: Callable[[], Awaitable[Prompt]]) -> None:
        """Read ahead until the stream ends or nobody wants it."""
        with draft.scope, draft.send, boundary("draft", log, on_error=draft.fail):
            try:
                with single_error():
                    await self._read_ahead(draft, foresee)
            except (ProviderError, trio.TooSlowError) as exc:
                draft.error = exc

    async def _read_ahead(self, draft: Draft, foresee: Callable[[], Awaitable[Prompt]]) -> None:
        prompt = await foresee()
        llm = await self._model(draft.purpose).ready()
        draft.prompt, draft.llm = prompt, llm
        self._watch("Draft", "open", "drafting", "drafting")
        async with llm.stream(prompt) as tokens:
            while (token := await next_of(tokens)) is not None:
                await pass_on(token, draft.send)

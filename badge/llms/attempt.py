"""One question to one model, and what that says about the model."""

from __future__ import annotations

from math import inf

import trio
from attrs import frozen

from badge.boundary import boundary
from badge.config.llm import LlmSettings, Purpose
from badge.llms.breaker import Breaker, Breakers
from badge.llms.ledger import Ledger
from badge.llms.plan import PRIVATE, Endpoint
from badge.log import get_log
from badge.pool import Pool
from providers.ports import Llm, Prompt, ProviderError, Text, Token, ToolCallDelta, Usage, single_error
from providers.streams import next_of, pass_on

log = get_log(__name__)

LINGER = 120.0
"""Seconds for which the client of a device's own model stays after its last answer: as long as its connections do."""


@frozen(kw_only=True)
class Means:
    """What all lines share. `stand_in` says what it knows without any model."""

    pool: Pool[LlmSettings, Llm]
    breakers: Breakers
    ledger: Ledger
    stand_in: Llm


@frozen(kw_only=True)
class Asker:
    """Who asks, and what for: it is counted by that."""

    purpose: Purpose
    device: str = ""


class Attempt:
    """Passes the answer of one model on. `started`: a word of it came; `error`: why there is none, or no whole one; `left`:
    nobody listens any more."""

    def __init__(self, endpoint: Endpoint, means: Means, asker: Asker) -> None:
        self.started = False
        self.left = False
        self.error: ProviderError | None = None
        self._endpoint = endpoint
        self._means = means
        self._asker = asker
        self._patience = trio.CancelScope()

    async def run(self, prompt: Prompt, send: trio.MemorySendChannel[Token], seconds: float) -> None:
        """Ask, unless the model is to be left alone; it has so many seconds for its first word."""
        model, purpose, ledger = self._endpoint.model, self._asker.purpose, self._means.ledger
        breaker = self._means.breakers.of(self._endpoint.server)
        if not breaker.admits(trio.current_time(), self):
            detail = "is left alone for a while, because it has failed."
            self.error = ProviderError(model, detail, retryable=True, unreachable=breaker.unreachable)
            ledger.skipped(purpose, model)
            log.debug("a language model is left alone", model=model)  # that it failed was said when it did
            return
        ledger.asked(purpose, model)
        self._patience.deadline = trio.current_time() + seconds
        try:
            with self._patience, boundary("llm", log, on_error=self._break):
                await self._ask(prompt, send, breaker)
            if self._patience.cancelled_caught:
                self.error = ProviderError(model, "did not begin to answer in time.", retryable=True)
        finally:
            self._judge(breaker)
        if self.error is not None and not (self.started or self.left):  # a break later is told by whoever listens
            log.warning("a language model failed", model=model, error=str(self.error))

    async def _ask(self, prompt: Prompt, send: trio.MemorySendChannel[Token], breaker: Breaker) -> None:
        try:
            with single_error():
                await self._stream(prompt, send, breaker)
            if not (self.started or self.left):
                self.error = ProviderError(self._endpoint.model, "the answer is empty.", retryable=True)
        except ProviderError as exc:
            self.error = exc
        except trio.TooSlowError:
            self.error = ProviderError(self._endpoint.model, "is too slow.", retryable=True)

    async def _stream(self, prompt: Prompt, send: trio.MemorySendChannel[Token], breaker: Breaker) -> None:
        linger = LINGER if self._endpoint.model == PRIVATE else 0.0
        async with self._means.pool.lease(self._endpoint.key, linger) as llm, llm.stream(prompt) as tokens:
            while (token := await next_of(tokens)) is not None:
                self._note(token, breaker)
                try:
                    await pass_on(token, send)
                except trio.BrokenResourceError:
                    self.left = True
                    return

    def _note(self, token: Token, breaker: Breaker) -> None:
        asker, endpoint = self._asker, self._endpoint
        if isinstance(token, Usage):
            cost = endpoint.price.of(token)
            self._means.ledger.used(asker.purpose, endpoint.model, asker.device, token, cost)
        elif isinstance(token, Text | ToolCallDelta) and not self.started:
            self.started = True
            self._patience.deadline = inf
            breaker.began(self)
            self._means.ledger.answered(asker.purpose, asker.device)

    def _break(self) -> None:
        self.error = ProviderError(self._endpoint.model, "failed unexpectedly; the log says more.")

    def _judge(self, breaker: Breaker) -> None:
        """Who was interrupted before a word came knows nothing about the model."""
        if self.error is not None:
            self._means.ledger.failed(self._asker.purpose, self._endpoint.model)
        if self.error is not None and not self.error.particular:
            breaker.failed(trio.current_time(), self.error.pause, unreachable=self.error.unreachable)
        elif self.started:
            breaker.succeeded()
        else:
            breaker.left(self)

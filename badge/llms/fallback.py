"""One purpose's models as one: the first answers, and when it fails before its first word the next is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from math import inf

import trio

from badge.llms.attempt import Asker, Attempt, Means
from badge.llms.plan import OFFLINE, TALKS, Chain
from badge.log import get_log
from providers.ports import Prompt, ProviderError, Token, single_error
from providers.streams import made_beside, next_of

log = get_log(__name__)

QUEUE = 16
"""Tokens that may wait for the receiver; beyond it the model has to wait."""

SHARE = 0.5
"""Share of the time left that a model has for its first word while another one stands behind it."""

RESERVE = 0.5
"""Seconds kept for the assistant that stands behind the last model; it answers at once."""


class FallbackChain:
    """An `Llm`. It keeps to its models, whatever the configuration becomes meanwhile: each turn has a line of its own."""

    def __init__(self, chain: Chain, means: Means, asker: Asker) -> None:
        self.name = " > ".join(endpoint.model for endpoint in chain) or OFFLINE
        self._chain = chain
        self._means = means
        self._asker = asker

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Needs nothing: the models run in their pool."""
        task_status.started()
        await trio.sleep_forever()

    @asynccontextmanager
    async def stream(self, prompt: Prompt) -> AsyncIterator[trio.MemoryReceiveChannel[Token]]:
        """The answer of the first model that begins one. All have to begin within the time that the caller has."""
        errors: list[ProviderError] = []
        async with made_beside(partial(self._answer, prompt, errors), QUEUE) as tokens:
            yield tokens
        if errors:
            raise errors[0]

    async def _answer(self, prompt: Prompt, errors: list[ProviderError], send: trio.MemorySendChannel[Token]) -> None:
        """`errors` are those that nobody has made good, the one that says most first."""
        with send:
            for place, endpoint in enumerate(self._chain):
                attempt = Attempt(endpoint, self._means, self._asker)
                await attempt.run(prompt, send, self._patience(len(self._chain) - place - 1))
                if attempt.started or attempt.left:
                    errors[:] = [attempt.error] if attempt.error else []
                    if place:
                        self._means.ledger.stood_in(self._asker.purpose, endpoint.model)
                    return
                errors += [attempt.error] if attempt.error else []
            await self._stand_in(prompt, send, errors)

    def _patience(self, behind: int) -> float:
        """Seconds that a model has for its first word, with so many others behind it."""
        left = trio.current_effective_deadline() - trio.current_time()
        if left == inf or (not behind and self._asker.purpose not in TALKS):
            return inf
        return left * SHARE if behind else max(left * SHARE, left - RESERVE)

    async def _stand_in(self, prompt: Prompt, send: trio.MemorySendChannel[Token], errors: list[ProviderError]) -> None:
        """All models have failed: say what is known without one. What is not known leaves the first error."""
        if self._asker.purpose not in TALKS:
            remedy = "Set OPENAI_API_KEY, or llm.NAME.openai.base_url in config.toml."
            errors.append(ProviderError(OFFLINE, f"is no model for the purpose {self._asker.purpose}.", remedy=remedy))
            return
        try:
            with single_error():
                async with self._means.stand_in.stream(prompt) as tokens:
                    while (token := await next_of(tokens)) is not None:
                        await send.send(token)
        except trio.BrokenResourceError:
            return
        except ProviderError as exc:
            errors.append(exc)
            return
        self._means.ledger.stood_in(self._asker.purpose, OFFLINE)
        errors.clear()

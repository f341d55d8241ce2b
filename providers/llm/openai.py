"""Any server that speaks the OpenAI chat completions API, streaming."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from math import inf
from typing import Any

import trio

from providers.llm.openai_failures import LONGEST_PAUSE, failure_of, silent, unfinished
from providers.llm.openai_forms import REFUSED, Forms
from providers.llm.openai_reply import Reply
from providers.llm.openai_settings import OpenAiSettings, fields_of
from providers.openai_client import KEPT_ALIVE, closing, host_of, open_client, source_of
from providers.openai_failures import Failure
from providers.ports import Prompt, ProviderError, Token
from providers.streams import made_beside

QUEUE = 16
"""Tokens that may wait for the receiver; beyond it the connection is read no further and the server has to wait."""

GRACE = 0.25
"""Seconds that a server has for its closing words once it said that the answer is finished; some never send them."""

STAYS_WARM = 50.0
"""Seconds after which a connection may be gone, although we have kept it open: many servers close theirs after 60."""

WARM_WITHIN = 3.0
"""Seconds that opening a connection beforehand may take."""


class Waiting:
    """Connections that wait for a request, as far as we know: since when. One that is cut off in an answer does not."""

    def __init__(self) -> None:
        self._since: deque[float] = deque(maxlen=KEPT_ALIVE)  # the latest last

    def one(self) -> bool:
        """Whether there is one that the server has not given up."""
        while self._since and trio.current_time() >= self._since[0] + STAYS_WARM:
            self._since.popleft()
        return bool(self._since)

    def take(self) -> None:
        """A request takes one, or opens one if there is none."""
        if self._since:
            self._since.pop()

    def back(self) -> None:
        """A request is over, and its connection waits for the next one."""
        self._since.append(trio.current_time())


class OpenAiLlm:
    """Streams answers; every request is an HTTP request of its own on a shared pool of connections."""

    def __init__(self, settings: OpenAiSettings, environment: Mapping[str, str] = os.environ) -> None:
        self._settings = settings
        self._environment = environment
        self._client: Any = None
        self._http: Any = None
        self._forms = Forms()
        self._waiting = Waiting()
        self.name = f"openai ({settings.model} at {host_of(settings)})"

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Build the client, then stay. Raises `ProviderError` without a usable key."""
        async with open_client(self.name, self._settings, self._environment, _completions) as (client, http):
            self._client, self._http = client, http
            try:
                task_status.started()
                await trio.sleep_forever()
            finally:
                self._client = self._http = None

    @asynccontextmanager
    async def stream(self, prompt: Prompt) -> AsyncIterator[trio.MemoryReceiveChannel[Token]]:
        """The answer as it comes; leaving the context closes the HTTP response.

        When the answer breaks, the receiver first gets all that came, and `ProviderError` ends the context.
        """
        if self._client is None:
            raise ProviderError(self.name, "is not running.", retryable=True)
        failures: list[Failure] = []
        async with made_beside(partial(self._answer, prompt, failures), QUEUE) as tokens:
            yield tokens
        if failures:
            raise failures[0].error

    async def warm(self) -> bool:
        """Open a connection by asking for something small, unless there is one that waits."""
        client = self._client
        if client is None or self._waiting.one():
            return client is not None
        with trio.move_on_after(WARM_WITHIN), suppress(Exception):
            url = str(client.base_url).rstrip("/") + "/models"
            await self._http.head(url, headers=client.auth_headers)  # whatever it answers, it is there
            self._waiting.back()
            return True
        return False

    async def _answer(self, prompt: Prompt, failures: list[Failure], send: trio.MemorySendChannel[Token]) -> None:
        """Ask in the strictest way that the server understands; the time to the first token is for all attempts."""
        with send:
            deadline = trio.current_time() + self._settings.first_token_timeout_s
            request, ways = fields_of(self._settings, prompt), self._forms.ways(prompt.schema)
            for number, way in enumerate(ways):
                failure = await self._twice({**request, **way}, send, deadline)
                failures[:] = [failure] if failure else []
                if failure is None:
                    self._forms.worked(ways[: number + 1])
                if failure is None or failure.started or failure.status not in REFUSED:
                    break

    async def _twice(
        self, request: dict[str, Any], send: trio.MemorySendChannel[Token], deadline: float
    ) -> Failure | None:
        """One attempt, and a second one when that makes sense."""
        failure = await self._attempt(request, send, deadline)
        if failure and self._settings.retry and failure.may_repeat(min(deadline - trio.current_time(), LONGEST_PAUSE)):
            await trio.sleep(failure.pause)
            failure = await self._attempt(request, send, deadline)
        return failure

    async def _attempt(
        self, request: dict[str, Any], send: trio.MemorySendChannel[Token], deadline: float
    ) -> Failure | None:
        """Pass on the tokens of one HTTP request; what went wrong, if anything did."""
        reply = Reply()
        failure: Failure | None = None
        with trio.CancelScope(deadline=deadline) as patience:
            try:
                await self._request(request, reply, send, patience)
            except trio.BrokenResourceError:  # the receiver closed its channel: nobody asks any more
                return None
            except Exception as exc:  # noqa: BLE001 - the vendor's exceptions become failures, by a table
                failure = failure_of(self.name, exc, source_of(self._settings))
        if reply.started and reply.finish:  # all is said, whatever came after it
            return None
        if patience.cancelled_caught:
            failure = silent(self.name, reply.started)
        elif failure is None:
            failure = unfinished(self.name, reply)
        if failure is not None:
            failure.started = reply.started
        return failure

    async def _request(
        self,
        request: dict[str, Any],
        reply: Reply,
        send: trio.MemorySendChannel[Token],
        patience: trio.CancelScope,
    ) -> None:
        completions = self._client.chat.completions.with_streaming_response
        self._waiting.take()
        async with completions.create(**request) as response, closing(response, self._waiting.back) as body:
            while not reply.complete:
                data = await anext(body, None)
                for token in reply.end() if data is None else reply.feed(data):
                    patience.deadline = inf  # a slow receiver is not a slow server
                    await send.send(token)
                    patience.deadline = trio.current_time() + self._settings.token_timeout_s
                if data is None:
                    return
                if reply.finish:
                    patience.deadline = min(patience.deadline, trio.current_time() + GRACE)


def _completions(client: Any) -> Any:
    return client.chat.completions.create

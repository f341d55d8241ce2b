"""Any server that speaks the OpenAI chat completions API, streaming."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from math import inf
from typing import Any

import trio
from attrs import frozen

from providers.llm.openai_failures import failure_of, silent, unfinished
from providers.llm.openai_forms import REFUSED, Forms
from providers.llm.openai_reply import Reply
from providers.openai_client import Account, closing, host_of, open_client, source_of
from providers.openai_failures import Failure
from providers.ports import Prompt, ProviderError, Token
from providers.settings import between, setting

QUEUE = 16
"""Tokens that may wait for the receiver; beyond it the connection is read no further and the server has to wait."""

GRACE = 0.25
"""Seconds that a server has for its closing words once it said that the answer is finished; some never send them."""


@frozen(kw_only=True)
class OpenAiSettings(Account):
    """A server with the OpenAI API: the official one, another company's, or a local one such as Ollama or llama.cpp."""

    model: str = setting("gpt-4o-mini", "name of the model", check=bool, expected="the name of a model")
    temperature: float = setting(-1.0, "randomness, 0 to 2; -1 leaves it to the server", **between(-1, 2))
    top_p: float = setting(
        0.0, "share of likely words to choose from, up to 1; 0 leaves it to the server", **between(0, 1)
    )
    max_tokens: int = setting(0, "longest answer in tokens; 0 leaves it to the server", **between(0, 1_000_000))
    extra: dict[str, Any] = setting({}, "further fields of the request, such as { enable_thinking = false }")
    first_token_timeout_s: float = setting(10.0, "longest wait for the first word", **between(0.1, 300))
    token_timeout_s: float = setting(10.0, "longest wait between two words", **between(0.1, 300))
    retry: bool = setting(True, "ask once more when the server fails before the first word and there is time left")


class OpenAiLlm:
    """Streams answers; every request is an HTTP request of its own on a shared pool of connections."""

    def __init__(self, settings: OpenAiSettings, environment: Mapping[str, str] = os.environ) -> None:
        self._settings = settings
        self._environment = environment
        self._client: Any = None
        self._forms = Forms()
        self.name = f"openai ({settings.model} at {host_of(settings)})"

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Build the client in a thread (0.7 s of imports), then stay. Raises `ProviderError` without a usable key."""
        async with open_client(self.name, self._settings, self._environment, _completions) as client:
            self._client = client
            try:
                task_status.started()
                await trio.sleep_forever()
            finally:
                self._client = None

    @asynccontextmanager
    async def stream(self, prompt: Prompt) -> AsyncIterator[trio.MemoryReceiveChannel[Token]]:
        """The answer as it comes; leaving the context closes the HTTP response.

        When the answer breaks, the receiver first gets all that came, and `ProviderError` ends the context.
        """
        if self._client is None:
            raise ProviderError(self.name, "is not running.", retryable=True)
        send, receive = trio.open_memory_channel[Token](QUEUE)
        failures: list[Failure] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._answer, prompt, send, failures)
            try:
                yield receive
            finally:
                nursery.cancel_scope.cancel("the receiver left")
                receive.close()
        if failures:
            raise failures[0].error

    async def _answer(self, prompt: Prompt, send: trio.MemorySendChannel[Token], failures: list[Failure]) -> None:
        """Ask in the strictest way that the server understands; the time to the first token is for all attempts."""
        with send:
            deadline = trio.current_time() + self._settings.first_token_timeout_s
            request, ways = _fields(self._settings, prompt), self._forms.ways(prompt.schema)
            while True:
                failure = await self._twice({**request, **ways.pop(0)}, send, deadline)
                if failure is None or not ways or failure.started or failure.status not in REFUSED:
                    break
            if failure:
                failures.append(failure)
            elif prompt.schema is not None:
                self._forms.worked(len(ways))

    async def _twice(
        self, request: dict[str, Any], send: trio.MemorySendChannel[Token], deadline: float
    ) -> Failure | None:
        """One attempt, and a second one when that makes sense."""
        failure = await self._attempt(request, send, deadline)
        if failure and self._settings.retry and failure.may_repeat(deadline - trio.current_time()):
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
        async with completions.create(**request) as response, closing(response) as body:
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


def _fields(settings: OpenAiSettings, prompt: Prompt) -> dict[str, Any]:
    request: dict[str, Any] = {
        "model": settings.model,
        "messages": [{"role": message.role, "content": message.content} for message in prompt.messages],
        "stream": True,
    }
    if settings.temperature >= 0:
        request["temperature"] = settings.temperature
    if settings.top_p > 0:
        request["top_p"] = settings.top_p
    if limit := prompt.max_tokens or settings.max_tokens:
        # Newer official models refuse the old name, other servers do not know the new one.
        request["max_tokens" if settings.base_url else "max_completion_tokens"] = limit
    if prompt.tools:
        request["tools"] = [
            {
                "type": "function",
                "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
            }
            for tool in prompt.tools
        ]
    if settings.extra:
        request["extra_body"] = dict(settings.extra)
    return request

"""Any server that speaks the OpenAI chat completions API, streaming."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import cache
from math import inf
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import trio
from attrs import frozen

from providers.llm.openai_failures import Failure, failure_of, silent, unfinished
from providers.llm.openai_forms import REFUSED, Forms
from providers.llm.openai_reply import Reply
from providers.ports import ChatMessage, Prompt, ProviderError, Token
from providers.settings import between, plain_json, setting

OFFICIAL = "https://api.openai.com/v1"

QUEUE = 16
"""Tokens that may wait for the receiver; beyond it the connection is read no further and the server has to wait."""

GRACE = 0.25
"""Seconds that a server has for its closing words once it said that the answer is finished; some never send them."""

LINGER = 0.05
"""Seconds in which the last bytes after a complete answer may come, so that the connection can be used again."""

KEEP_ALIVE = 120.0
"""Seconds for which an idle connection stays open: the next question then saves the TLS handshake."""

STAYS_WARM = 50.0
"""Seconds after which a connection may be gone, although we have kept it open: many servers close theirs after 60."""

WARM_WITHIN = 3.0
"""Seconds that opening a connection beforehand may take."""


@frozen(kw_only=True)
class OpenAiSettings:
    """A server with the OpenAI API: the official one, another company's, or a local one such as Ollama or llama.cpp."""

    base_url: str = setting(
        "",
        "address of the API, such as http://localhost:11434/v1; empty: the official one",
        check=lambda v: not v or (v.startswith(("http://", "https://")) and bool(urlsplit(v).hostname)),
        expected="empty or an address that begins with http:// or https://",
    )
    model: str = setting("gpt-4o-mini", "name of the model", check=bool, expected="the name of a model")
    temperature: float = setting(-1.0, "randomness, 0 to 2; -1 leaves it to the server", **between(-1, 2))
    top_p: float = setting(
        0.0, "share of likely words to choose from, up to 1; 0 leaves it to the server", **between(0, 1)
    )
    max_tokens: int = setting(0, "longest answer in tokens; 0 leaves it to the server", **between(0, 1_000_000))
    extra: dict[str, Any] = setting(
        {},
        "further fields of the request, such as { enable_thinking = false }",
        check=plain_json,
        expected="values that JSON has: text, numbers, true, false, lists and tables",
    )
    api_key: str = setting(
        "", "the key; it is kept better in the environment or a file, which it goes before", hidden=True
    )
    api_key_env: str = setting("OPENAI_API_KEY", "environment variable with the key; a base_url may do without a key")
    api_key_file: str = setting("", "file with the key; it goes before the variable")
    connect_timeout_s: float = setting(5.0, "longest wait for a connection", **between(0.1, 60))
    first_token_timeout_s: float = setting(10.0, "longest wait for the first word", **between(0.1, 300))
    token_timeout_s: float = setting(10.0, "longest wait between two words", **between(0.1, 300))
    retry: bool = setting(True, "ask once more when the server fails before the first word and there is time left")


class OpenAiLlm:
    """Streams answers; every request is an HTTP request of its own on a shared pool of connections."""

    def __init__(self, settings: OpenAiSettings, environment: Mapping[str, str] = os.environ) -> None:
        self._settings = settings
        self._environment = environment
        self._client: Any = None
        self._http: Any = None
        self._forms = Forms()
        self._touched = -inf  # when a connection was last in use
        self.name = f"openai ({settings.model} at {urlsplit(settings.base_url or OFFICIAL).hostname})"

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Build the client in a thread (0.7 s of imports), then stay. Raises `ProviderError` without a usable key."""
        key = _key(self.name, self._settings, self._environment)
        client, self._http = await trio.to_thread.run_sync(_client, self.name, self._settings, key)
        self._client = client
        try:
            task_status.started()
            await trio.sleep_forever()
        finally:
            self._client = self._http = None
            with trio.move_on_after(2, shield=True):
                await client.close()

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

    async def warm(self) -> bool:
        """Open a connection by asking for something small, unless one was in use just now."""
        client, now = self._client, trio.current_time()
        if client is None or now < self._touched + STAYS_WARM:
            return client is not None
        self._touched = now
        with trio.move_on_after(WARM_WITHIN), suppress(Exception):
            url = str(client.base_url).rstrip("/") + "/models"
            await self._http.head(url, headers=client.auth_headers)  # whatever it answers, it is there
            return True
        self._touched = -inf
        return False

    async def _answer(self, prompt: Prompt, send: trio.MemorySendChannel[Token], failures: list[Failure]) -> None:
        """Ask in the strictest way that the server understands; the time to the first token is for all attempts."""
        with send:
            deadline = trio.current_time() + self._settings.first_token_timeout_s
            request, ways = _fields(self._settings, prompt), self._forms.ways(prompt.schema)
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
                failure = failure_of(self.name, exc, _key_source(self._settings))
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
        async with completions.create(**request) as response, _closing(response) as body:
            self._touched = trio.current_time()
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


@asynccontextmanager
async def _closing(response: Any) -> AsyncIterator[Any]:
    """The body of a response, which is closed at the end wherever that comes.

    The package reads through nested async generators, some of which nobody closes. Read to the end they end; resumed
    in a cancelled scope they end as well, in the pending read, and that closes the connection. Left alone they would
    wait for the garbage collector.
    """
    body = response.http_response.aiter_bytes()
    patience = 0.0
    try:
        yield body
        patience = LINGER
    finally:
        with trio.move_on_after(patience, shield=True), suppress(Exception):
            while True:
                await anext(body)


def _fields(settings: OpenAiSettings, prompt: Prompt) -> dict[str, Any]:
    request: dict[str, Any] = {
        "model": settings.model,
        "messages": [_message(message) for message in prompt.messages],
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


def _message(message: ChatMessage) -> dict[str, Any]:
    fields: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.calls:
        fields["content"] = message.content or None  # next to calls an empty text is not understood everywhere
        fields["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}
            for call in message.calls
        ]
    if message.call:
        fields["tool_call_id"] = message.call
    return fields


def _key(name: str, settings: OpenAiSettings, environment: Mapping[str, str]) -> str:
    """The API key, or a word in its place for a server that needs none."""
    source, key = _key_source(settings), settings.api_key or environment.get(settings.api_key_env, "")
    if settings.api_key_file and not settings.api_key:
        try:
            key = Path(settings.api_key_file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            reason = getattr(exc, "strerror", None) or "it is not text"
            raise ProviderError(name, f"{source} cannot be read: {reason}.", remedy="Check api_key_file.") from None
    key = key.strip()
    if not key and settings.base_url:
        return "none"
    if not key:
        remedy = f"Set the environment variable {settings.api_key_env}, or api_key_file or base_url in config.toml."
        raise ProviderError(name, "there is no API key.", remedy=remedy)
    if not all("!" <= character <= "~" for character in key):
        raise ProviderError(
            name, f"the API key in {source} has characters that no key has.", remedy="Copy the key again, one line."
        )
    return key


def _key_source(settings: OpenAiSettings) -> str:
    if settings.api_key_file:
        return f"the file {settings.api_key_file}"
    if settings.api_key:
        return "api_key"
    return f"the environment variable {settings.api_key_env}"


@cache
def _trust(*_: str | None) -> Any:
    """Whom to trust: the certificates are most of what a client would weigh (1.2 MB), and are the same for all."""
    import httpx2

    return httpx2.create_ssl_context()


def _client(name: str, settings: OpenAiSettings, key: str) -> tuple[Any, Any]:
    """The client of the API, and that of HTTP below it."""
    try:
        import httpx2
        import openai
    except ImportError as exc:
        raise ProviderError(name, f"the package openai does not load: {exc}.", remedy=_REMEDY) from None
    http_client = openai.DefaultAsyncHttpxClient(
        verify=_trust(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")),
        limits=httpx2.Limits(max_connections=1000, max_keepalive_connections=100, keepalive_expiry=KEEP_ALIVE),
    )
    client = openai.AsyncOpenAI(
        api_key=key,
        base_url=settings.base_url or OFFICIAL,
        timeout=openai.Timeout(None, connect=settings.connect_timeout_s),  # the other waits are measured in tokens
        max_retries=0,
        http_client=http_client,
    )
    _ = client.chat.completions.create  # imports 30 ms more, here and not within the first question
    return client, http_client


_REMEDY = 'Run: pip install "openai>=3.0"'

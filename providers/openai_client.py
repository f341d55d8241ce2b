"""How servers with the OpenAI API are reached, whatever they are asked: the account, its key, and the client's connections."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import trio
from attrs import frozen

from providers.keys import key_source, read_key
from providers.ports import ProviderError
from providers.settings import between, setting

OFFICIAL = "https://api.openai.com/v1"

LINGER = 0.05
"""Seconds in which the last bytes after a complete answer may come, so that the connection can be used again."""

KEEP_ALIVE = 120.0
"""Seconds for which an idle connection stays open: the next question then saves the TLS handshake."""

GOODBYE = 2.0
"""Seconds that the client has to close its connections at the end."""


@frozen(kw_only=True)
class Account:
    """Where a server with the OpenAI API is, and the key for it."""

    base_url: str = setting(
        "",
        "address of the API, such as http://localhost:11434/v1; empty: the official one",
        check=lambda v: not v or (v.startswith(("http://", "https://")) and bool(urlsplit(v).hostname)),
        expected="empty or an address that begins with http:// or https://",
    )
    api_key_env: str = setting("OPENAI_API_KEY", "environment variable with the key; a base_url may do without a key")
    api_key_file: str = setting("", "file with the key; it goes before the variable")
    connect_timeout_s: float = setting(5.0, "longest wait for a connection", **between(0.1, 60))


def host_of(account: Account) -> str:
    """The name of the server, for people."""
    return urlsplit(account.base_url or OFFICIAL).hostname or ""


def source_of(account: Account) -> str:
    """Where the key is from, for people."""
    return key_source(account.api_key_env, account.api_key_file)


@asynccontextmanager
async def open_client(
    name: str, account: Account, environment: Mapping[str, str], resource: Callable[[Any], object]
) -> AsyncIterator[Any]:
    """The package's client, built in a thread (0.7 s of imports), with a pool of connections for all requests; closed
    at the end. `resource` takes from it what will be used. Raises `ProviderError` without a usable key."""
    key = usable_key(name, account, environment)
    client = await trio.to_thread.run_sync(_client, name, account, key, resource)
    try:
        yield client
    finally:
        with trio.move_on_after(GOODBYE, shield=True):
            await client.close()


@asynccontextmanager
async def closing(response: Any, whole: Callable[[], object] = lambda: None) -> AsyncIterator[Any]:
    """The body of a response, which is closed at the end wherever that comes; `whole` is told when all of it was read, and
    its connection waits for the next request.

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
            while await anext(body, None) is not None:
                pass
            if patience:  # a body that was cut off has an end as well
                whole()


async def left_at_refusal(response: Any) -> None:  # noqa: ASYNC124 - as hooks are
    """A hook of clients: the reason that a server gives for its refusal is not read, however long it is and however slowly
    it comes. Raises `openai.APIStatusError`."""
    import openai

    if response.is_error and response.request.method != "HEAD":
        raise openai.APIStatusError("refused", response=response, body=None)


def usable_key(name: str, account: Account, environment: Mapping[str, str]) -> str:
    """The API key, or a word in its place for a server that needs none. Raises `ProviderError`."""
    key = read_key(name, account.api_key_env, account.api_key_file, environment)
    if not key and not account.base_url:
        remedy = f"Set the environment variable {account.api_key_env}, or api_key_file or base_url in config.toml."
        raise ProviderError(name, "there is no API key.", remedy=remedy)
    return key or "none"


def _client(name: str, account: Account, key: str, resource: Callable[[Any], object]) -> Any:
    try:
        import httpx2
        import openai
    except ImportError as exc:
        raise ProviderError(name, f"the package openai does not load: {exc}.", remedy=_REMEDY) from None
    http_client = openai.DefaultAsyncHttpxClient(
        limits=httpx2.Limits(max_connections=1000, max_keepalive_connections=100, keepalive_expiry=KEEP_ALIVE),
        event_hooks={"response": [left_at_refusal]},
    )
    client = openai.AsyncOpenAI(
        api_key=key,
        base_url=account.base_url or OFFICIAL,
        timeout=openai.Timeout(None, connect=account.connect_timeout_s),  # the other waits are measured by who asks
        max_retries=0,
        http_client=http_client,
    )
    resource(client)  # imports 30 ms more, here and not within the first request
    return client


_REMEDY = 'Run: pip install "openai>=3.0"'

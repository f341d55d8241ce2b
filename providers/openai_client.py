"""How servers with the OpenAI API are reached, whatever they are asked: the account, its key, and the client's connections."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import cache
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

KEPT_ALIVE = 100
"""Idle connections of a client that stay open."""

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
    api_key_file: str = setting("", "file with the key; takes precedence over api_key_env")
    connect_timeout_s: float = setting(5.0, "longest wait for a connection", **between(0.1, 60))

    @property
    def given_key(self) -> str:
        """The key where the settings themselves have it, which overrides all others; else empty."""
        return ""


def host_of(account: Account) -> str:
    """The name of the server, for people."""
    return urlsplit(account.base_url or OFFICIAL).hostname or ""


def source_of(account: Account) -> str:
    """Where the key is from, for people."""
    return key_source(account.api_key_env, account.api_key_file, account.given_key)


@asynccontextmanager
async def open_client(
    name: str, account: Account, environment: Mapping[str, str], resource: Callable[[Any], object]
) -> AsyncIterator[tuple[Any, Any]]:
    """The package's client with a pool of connections for all requests, and that of HTTP below it, built in a thread
    (a key file, 0.7 s of imports); closed at the end. `resource` takes from it what will be used. Raises `ProviderError`
    without a usable key."""
    client, http = await trio.to_thread.run_sync(_clients, name, account, environment, resource)
    try:
        yield client, http
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
    key = read_key(name, account.api_key_env, account.api_key_file, environment, account.given_key)
    if not key and not account.base_url:
        remedy = f"Set the environment variable {account.api_key_env}, or api_key_file or base_url in config.toml."
        raise ProviderError(name, "there is no API key.", remedy=remedy)
    return key or "none"


@cache
def _trust(*_: str | None) -> Any:
    """Whom to trust: the certificates are most of what a client would weigh (1.2 MB), and are the same for all."""
    import httpx2

    return httpx2.create_ssl_context()


def _clients(
    name: str, account: Account, environment: Mapping[str, str], resource: Callable[[Any], object]
) -> tuple[Any, Any]:
    key = usable_key(name, account, environment)
    try:
        import httpx2
        import openai
    except ImportError as exc:
        raise ProviderError(name, f"the package openai does not load: {exc}.", remedy=_REMEDY) from None
    http = openai.DefaultAsyncHttpxClient(
        verify=_trust(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")),
        limits=httpx2.Limits(max_connections=1000, max_keepalive_connections=KEPT_ALIVE, keepalive_expiry=KEEP_ALIVE),
        event_hooks={"response": [left_at_refusal]},
    )
    client = openai.AsyncOpenAI(
        api_key=key,
        base_url=account.base_url or OFFICIAL,
        timeout=openai.Timeout(None, connect=account.connect_timeout_s),  # the other waits are measured by who asks
        max_retries=0,
        http_client=http,
    )
    resource(client)  # imports 30 ms more, here and not within the first request
    return client, http


_REMEDY = 'Run: pip install "openai>=3.0"'

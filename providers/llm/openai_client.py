"""The client of a server with the OpenAI API, and the key that it uses."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from providers.llm.openai_settings import OFFICIAL, OpenAiSettings
from providers.openai_client import left_at_refusal
from providers.ports import ProviderError

KEEP_ALIVE = 120.0
"""Seconds for which an idle connection stays open: the next question then saves the TLS handshake."""

KEPT_ALIVE = 100
"""Idle connections that stay open."""


def key_of(name: str, settings: OpenAiSettings, environment: Mapping[str, str]) -> str:
    """The API key, or a word in its place for a server that needs none."""
    source, key = key_source(settings), settings.api_key or environment.get(settings.api_key_env, "")
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


def key_source(settings: OpenAiSettings) -> str:
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


def client_of(name: str, settings: OpenAiSettings, key: str) -> tuple[Any, Any]:
    """The client of the API, and that of HTTP below it."""
    try:
        import httpx2
        import openai
    except ImportError as exc:
        raise ProviderError(name, f"the package openai does not load: {exc}.", remedy=_REMEDY) from None
    http_client = openai.DefaultAsyncHttpxClient(
        verify=_trust(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")),
        limits=httpx2.Limits(max_connections=1000, max_keepalive_connections=KEPT_ALIVE, keepalive_expiry=KEEP_ALIVE),
        event_hooks={"response": [left_at_refusal]},
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

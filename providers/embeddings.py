"""Meanings of texts as numbers, by any server that speaks the OpenAI embeddings API."""

from __future__ import annotations

import os
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import trio
from attrs import frozen

from providers.ports import ProviderError
from providers.settings import between, setting

OFFICIAL = "https://api.openai.com/v1"

MOST_NUMBERS = 16_384
"""Numbers of one vector; models have up to some thousands."""

MOST_AT_ONCE = 64
"""Texts in one request."""


@frozen(kw_only=True)
class EmbeddingSettings:
    """Finding what is remembered by its meaning, beside its words."""

    use: Literal["none", "openai"] = setting(
        "none", "none: by words only; openai: a server with the OpenAI API is asked for embeddings, too"
    )
    base_url: str = setting(
        "",
        "address of the API, such as http://localhost:11434/v1; empty: the official one",
        check=lambda v: not v or (v.startswith(("http://", "https://")) and bool(urlsplit(v).hostname)),
        expected="empty or an address that begins with http:// or https://",
    )
    model: str = setting("text-embedding-3-small", "name of the model", check=bool, expected="the name of a model")
    api_key_env: str = setting("OPENAI_API_KEY", "environment variable with the key; a base_url may do without a key")
    api_key_file: str = setting("", "file with the key; it goes before the variable")
    timeout_s: float = setting(
        0.5, "longest wait while somebody waits for an answer; words alone have to do then", **between(0.05, 30)
    )


class OpenAiEmbeddings:
    """An `Embedder`."""

    def __init__(self, settings: EmbeddingSettings, environment: Mapping[str, str] = os.environ) -> None:
        self._settings = settings
        self._environment = environment
        self._client: Any = None
        self.model = settings.model
        self.name = f"embeddings ({settings.model} at {urlsplit(settings.base_url or OFFICIAL).hostname})"

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep connections until cancelled. Raises `ProviderError` without a usable key."""
        headers = {"Authorization": f"Bearer {key}"} if (key := self._key()) else {}
        client = await trio.to_thread.run_sync(_client, headers)
        self._client = client
        try:
            task_status.started()
            await trio.sleep_forever()
        finally:
            self._client = None
            with trio.move_on_after(2, shield=True):
                await client.aclose()

    async def embed(self, texts: Sequence[str]) -> tuple[bytes, ...]:
        """The vector of each text. Raises `ProviderError`; how long to wait is the caller's business."""
        vectors: list[bytes] = []
        for at in range(0, len(texts), MOST_AT_ONCE):
            vectors += await self._ask(list(texts[at : at + MOST_AT_ONCE]))
        return tuple(vectors)

    async def _ask(self, texts: list[str]) -> list[bytes]:
        if self._client is None:
            raise ProviderError(self.name, "is not running.", retryable=True)
        address = f"{(self._settings.base_url or OFFICIAL).rstrip('/')}/embeddings"
        try:
            response = await self._client.post(address, json={"model": self.model, "input": texts})
            value = response.json() if response.is_success else None
        except Exception as exc:  # noqa: BLE001 - the vendor's exceptions, and whatever JSON can hold
            raise ProviderError(self.name, f"the request failed ({type(exc).__name__}).", retryable=True) from None
        if value is None:
            status = response.status_code
            remedy = "Check base_url, model and the key of memory.embeddings in config.toml."
            raise ProviderError(
                self.name, f"the server refuses (HTTP {status}).", remedy=remedy, retryable=status >= 500
            )
        vectors = _vectors(value)
        if len(vectors) != len(texts):
            raise ProviderError(self.name, "the server sent something that is no answer.")
        return vectors

    def _key(self) -> str:
        settings = self._settings
        key = self._environment.get(settings.api_key_env, "")
        if settings.api_key_file:
            try:
                key = Path(settings.api_key_file).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as exc:
                reason = getattr(exc, "strerror", None) or "it is not text"
                raise ProviderError(self.name, f"the key file cannot be read: {reason}.") from None
        key = key.strip()
        if not key and not settings.base_url:
            raise ProviderError(
                self.name, "there is no API key.", remedy=f"Set the environment variable {settings.api_key_env}."
            )
        if not all("!" <= character <= "~" for character in key):
            raise ProviderError(self.name, "the API key has characters that no key has.", remedy="Copy it again.")
        return key


def _client(headers: Mapping[str, str]) -> Any:
    import httpx2

    return httpx2.AsyncClient(headers=dict(headers), timeout=30.0)


def _vectors(value: Any) -> list[bytes]:
    """The vectors of an answer, in the order of the texts; none when it is no answer."""
    try:
        entries = sorted(value["data"], key=lambda entry: int(entry["index"]))
        found = [array("f", entry["embedding"]) for entry in entries]
    except (LookupError, TypeError, ValueError, OverflowError):
        return []
    return [one.tobytes() for one in found] if all(0 < len(one) <= MOST_NUMBERS for one in found) else []

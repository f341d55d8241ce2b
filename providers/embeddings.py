"""Meanings of texts as numbers, by any server that speaks the OpenAI embeddings API."""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, Literal

import trio
from attrs import frozen

from providers.openai_client import Account, closing, host_of, open_client, source_of
from providers.openai_failures import failure_of
from providers.ports import ProviderError
from providers.settings import between, setting

MOST_NUMBERS = 16_384
"""Numbers of one vector; models have up to some thousands."""

MOST_AT_ONCE = 16
"""Texts in one request: an answer that is read in some ms, within which nothing else is done."""

LONGEST_ANSWER = MOST_AT_ONCE * MOST_NUMBERS * 32
"""Bytes; nobody writes a number with more than 32."""


@frozen(kw_only=True)
class EmbeddingSettings(Account):
    """Finding what is remembered by its meaning, beside its words."""

    use: Literal["none", "openai"] = setting(
        "none", "none: by words only; openai: a server with the OpenAI API is asked for embeddings, too"
    )
    model: str = setting("text-embedding-3-small", "name of the model", check=bool, expected="the name of a model")
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
        self.name = f"embeddings ({settings.model} at {host_of(settings)})"

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep connections until cancelled. Raises `ProviderError` without a usable key."""
        async with open_client(self.name, self._settings, self._environment, _embeddings) as (client, _):
            self._client = client
            try:
                task_status.started()
                await trio.sleep_forever()
            finally:
                self._client = None

    async def embed(self, texts: Sequence[str]) -> tuple[bytes, ...]:
        """The vector of each text. Raises `ProviderError`; how long to wait is the caller's business."""
        vectors: list[bytes] = []
        for at in range(0, len(texts), MOST_AT_ONCE):
            vectors += await self._ask(list(texts[at : at + MOST_AT_ONCE]))
        return tuple(vectors)

    async def _ask(self, texts: list[str]) -> list[bytes]:
        if self._client is None:
            raise ProviderError(self.name, "is not running.", retryable=True)
        try:
            return _vectors(await self._request(texts), len(texts))
        except Exception as exc:  # noqa: BLE001 - the vendor's exceptions become failures, by a table
            raise failure_of(self.name, exc, source_of(self._settings)).error from None

    async def _request(self, texts: list[str]) -> bytes:
        embeddings = self._client.embeddings.with_streaming_response
        request = embeddings.create(model=self.model, input=texts, encoding_format="float")
        async with request as response, closing(response) as body:
            answer = bytearray()
            while (data := await anext(body, None)) is not None:
                answer += data
                if len(answer) > LONGEST_ANSWER:
                    raise ValueError("an endless answer")
            return bytes(answer)


def _embeddings(client: Any) -> Any:
    return client.embeddings.create


def _vectors(answer: bytes, count: int) -> list[bytes]:
    """The vectors of an answer, in the order of the texts. Raises `ValueError`, and what else Python makes of rubbish."""
    entries = sorted(json.loads(answer)["data"], key=lambda entry: int(entry["index"]))
    found = [array("f", entry["embedding"]) for entry in entries]
    if len(found) != count or len({len(one) for one in found}) != 1 or not 0 < len(found[0]) <= MOST_NUMBERS:
        raise ValueError("not a vector for each text")
    if not all(all(map(isfinite, one)) for one in found):
        raise ValueError("no numbers")
    return [one.tobytes() for one in found]

"""Vectors of texts, where an embedding model is configured; whatever is wrong with it, nobody waits long."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import trio

from badge.components import Component
from badge.log import get_log
from providers.ports import Embedder, ProviderError

log = get_log(__name__)

PAUSE = 30.0
"""Seconds after a failure in which questions are not embedded: nobody is to wait for a server that is down."""

PATIENCE = 30.0
"""Longest wait, in s, for the vectors of facts, for which no user waits."""


LONGEST_QUESTION = 2000
"""Characters of a question that are embedded; models refuse texts beyond some thousands."""


class Meanings:
    """What the embedding model says, or nothing."""

    def __init__(self, embedder: Component[Embedder], timeout_s: float) -> None:
        self._embedder = embedder
        self._timeout = timeout_s
        self._silent_until = -inf

    @property
    def wanted(self) -> bool:
        """Whether a model is configured, and has loaded."""
        return self._embedder.provider is not None

    @property
    def model(self) -> str:
        """What makes the vectors; empty before there is anything."""
        return self._embedder.provider.model if self._embedder.provider is not None else ""

    async def of_question(self, text: str) -> bytes:
        """The vector of what somebody asks now; empty when there is none in time."""
        if not self.wanted or trio.current_time() < self._silent_until:
            return b""
        vectors = await self._embed([text[:LONGEST_QUESTION]], self._timeout)
        if not vectors:
            self._silent_until = trio.current_time() + PAUSE
            return b""
        return vectors[0]

    async def of_all(self, texts: Sequence[str]) -> tuple[bytes, ...]:
        """The vectors of facts; empty when they are not to be had."""
        return await self._embed(texts, PATIENCE) if texts else ()

    async def _embed(self, texts: Sequence[str], seconds: float) -> tuple[bytes, ...]:
        embedder = self._embedder.provider
        if embedder is None:
            return ()
        try:
            with trio.fail_after(seconds):
                return await embedder.embed(texts)
        except (ProviderError, trio.TooSlowError) as exc:
            log.warning("remembering by words only", error=str(exc) or "too slow")
            return ()

"""Reading a conversation for what is worth remembering: by a model, or without one."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import trio

from badge.config.memory import MemorySettings
from badge.documents import UnusableError
from badge.llms import Llms, Purpose, whole_answer
from badge.log import get_log
from badge.recall.findings import Findings, findings_in, question
from badge.recall.meanings import Meanings
from badge.recall.statements import stated
from badge.storage.recollections import Exchanged, Fact, Lesson
from providers.ports import ProviderError

log = get_log(__name__)

CHARACTERS_PER_TOKEN = 16
"""More than any language has; the rest of a longer answer is not read."""

LONGEST_READING = 600.0
"""Seconds that a model may take for all its words: others wait for it."""


class Reader:
    """Asks the model of purpose `memory`, and the embedding model."""

    def __init__(self, llms: Llms, meanings: Meanings, settings: MemorySettings) -> None:
        self._llms = llms
        self._meanings = meanings
        self._settings = settings

    async def findings(
        self, device: str, known: Sequence[Fact], exchanges: Sequence[Exchanged], *, last: bool
    ) -> Findings:
        """What the model finds, the device's own where it has one; what users state explicitly when it writes no
        documents, and when it failed for the `last` time. Raises `ProviderError` and `trio.TooSlowError` when it may be
        worth another attempt."""
        tokens = self._settings.answer_tokens
        try:
            with trio.fail_after(LONGEST_READING):
                answer = await whole_answer(
                    self._llms,
                    Purpose.MEMORY,
                    question(known, exchanges, tokens=tokens),
                    seconds=self._settings.patience_s,
                    longest=tokens * CHARACTERS_PER_TOKEN,
                    device=device,
                )
            return findings_in(answer, len(known))
        except UnusableError:
            log.warning("no use of an answer about a conversation")
        except (ProviderError, trio.TooSlowError) as exc:
            if not last and not (isinstance(exc, ProviderError) and not exc.retryable):
                raise
            log.info("a conversation is read without a model", reason=str(exc) or "too slow")
        return stated(exchanges, known)

    async def with_vectors(self, lesson: Lesson, known: Sequence[Fact]) -> Lesson:
        """The lesson with the vectors of its facts, and of those known ones that have none to be compared with them: no
        vector, another model's, or one of another length, as when another model goes by the same name."""
        fresh = await self._valued(lesson.facts)
        if not self._meanings.wanted or len(fresh) < len(lesson.facts):
            return lesson
        size = len(fresh[0].vector) if fresh else 0
        lacking = [
            fact
            for fact in known
            if fact.id not in lesson.gone
            and (fact.embedder != self._meanings.model or (size and len(fact.vector) != size))
        ]
        return attrs.evolve(lesson, facts=fresh, revalued=await self._valued(lacking))

    async def _valued(self, facts: Sequence[Fact]) -> tuple[Fact, ...]:
        """These facts with their vectors; none when those are not to be had."""
        vectors = await self._meanings.of_all([fact.text for fact in facts])
        model = self._meanings.model
        return tuple(
            attrs.evolve(fact, vector=vector, embedder=model) for fact, vector in zip(facts, vectors, strict=False)
        )

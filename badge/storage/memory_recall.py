"""What is remembered of devices, in a store that forgets everything when the process ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from math import log

import attrs
from attrs import frozen
from trio.lowlevel import checkpoint

from badge.storage.recollections import END_OF_TIME, Exchanged, Fact, Known, Lesson, Part
from badge.storage.terms import terms


@frozen
class _Paused:
    pauses: tuple[float, ...]
    at: int


class MemoryRecall:
    """A `RecallStore`."""

    def __init__(self) -> None:
        self._number = 0
        self._exchanges: dict[int, Exchanged] = {}
        self._facts: dict[tuple[str, str], Fact] = {}
        self._pauses: dict[str, _Paused] = {}

    async def add(self, exchange: Exchanged, *, keep: int) -> int:
        """Keep an exchange."""
        await checkpoint()
        self._number += 1
        self._exchanges[self._number] = attrs.evolve(exchange, number=self._number)
        theirs = self._of(exchange.device)
        for old in theirs[: max(0, len(theirs) - keep)]:
            del self._exchanges[old.number]
        return self._number

    async def exchanges(
        self, device: str, *, since: int = 0, until: int = END_OF_TIME, limit: int = 1_000_000
    ) -> tuple[Exchanged, ...]:
        """The latest exchanges of a device, in order."""
        await checkpoint()
        found = [one for one in self._of(device) if since <= one.at <= until]
        return tuple(found[max(len(found) - limit, 0) :])

    async def unread(self, device: str, *, limit: int = 1_000_000) -> tuple[Exchanged, ...]:
        """Exchanges of which nothing was learned yet."""
        await checkpoint()
        return tuple(one for one in self._of(device) if not one.read)[:limit]

    async def unread_devices(self) -> tuple[str, ...]:
        """Devices that have some."""
        await checkpoint()
        return tuple(sorted({one.device for one in self._exchanges.values() if not one.read}))

    async def learn(self, lesson: Lesson, *, keep: int, summaries: int) -> bool:
        """Keep what was learned, and know that it was."""
        await checkpoint()
        fresh = [one for one in self._of(lesson.device) if one.number <= lesson.upto and not one.read]
        for one in fresh:
            self._exchanges[one.number] = attrs.evolve(one, read=True)
        if not fresh:
            return False
        for gone in lesson.gone:
            self._facts.pop((lesson.device, gone), None)
        for fact in lesson.facts:
            self._facts.setdefault((fact.device, fact.id), fact)
        for fact in lesson.revalued:
            if (known := self._facts.get((lesson.device, fact.id))) is not None:
                self._facts[lesson.device, fact.id] = attrs.evolve(known, vector=fact.vector, embedder=fact.embedder)
        kept = [fact for fact in self._facts.values() if fact.device == lesson.device and fact.kind == "summary"]
        self._drop(kept[: max(0, len(kept) - summaries)])
        self._drop(self._newest(lesson.device)[keep:])
        return True

    async def expire(self, *, before: int, after: int = END_OF_TIME) -> int:
        """Forget exchanges that are over."""
        await checkpoint()
        over = [one.number for one in self._exchanges.values() if one.read and not before <= one.at <= after]
        for number in over:
            del self._exchanges[number]
        return len(over)

    async def matching(self, device: str, words: Sequence[str], *, limit: int) -> tuple[Fact, ...]:
        """Facts with at least one of these terms."""
        await checkpoint()
        theirs = [(fact, Counter(terms(fact.text))) for fact in self._facts.values() if fact.device == device]
        rarity = {word: log(1 + len(theirs) / (1 + sum(word in have for _, have in theirs))) for word in words}
        scored = [(sum(rarity[word] for word in rarity if word in have), fact) for fact, have in theirs]
        found = sorted((one for one in reversed(scored) if one[0] > 0), key=lambda one: -one[0])
        return tuple(fact for _, fact in found)[:limit]

    async def facts(self, device: str, *, limit: int = 1_000_000) -> tuple[Fact, ...]:
        """The facts of a device."""
        await checkpoint()
        return tuple(self._newest(device)[:limit])

    async def serve(self, device: str, ids: Collection[str], *, now: int) -> None:
        """These facts have served."""
        await checkpoint()
        for key in [(device, one) for one in ids if (device, one) in self._facts]:
            self._facts[key] = attrs.evolve(self._facts[key], used=now)

    async def keep_pauses(self, device: str, pauses: Sequence[float], *, now: int) -> None:
        """The latest pauses of a user."""
        await checkpoint()
        self._pauses[device] = _Paused(tuple(pauses), now)

    async def pauses(self, device: str) -> tuple[float, ...]:
        """The latest pauses of a user."""
        await checkpoint()
        return self._pauses[device].pauses if device in self._pauses else ()

    async def devices(self) -> tuple[Known, ...]:
        """Everybody of whom something is remembered."""
        await checkpoint()
        facts = Counter(fact.device for fact in self._facts.values())
        exchanges = Counter(one.device for one in self._exchanges.values())
        times = [(fact.device, fact.created) for fact in self._facts.values()]
        times += [(one.device, one.at) for one in self._exchanges.values()]
        times += [(device, paused.at) for device, paused in self._pauses.items()]
        latest = dict(sorted(times))
        return tuple(
            Known(device=one, exchanges=exchanges[one], facts=facts[one], latest=latest[one]) for one in sorted(latest)
        )

    async def forget(self, device: str, *, part: Part = "all", fact: str = "") -> int:
        """Erase a part of a device's memory, or one fact."""
        await checkpoint()
        if fact:
            return self._drop([one for one in self._newest(device) if one.id == fact])
        erased = 0
        if part != "exchanges":
            erased += self._drop(self._newest(device))
        if part != "facts":
            theirs = self._of(device)
            erased += len(theirs)
            for one in theirs:
                del self._exchanges[one.number]
        if part == "all":
            self._pauses.pop(device, None)
        return erased

    def _of(self, device: str) -> list[Exchanged]:
        return [one for one in self._exchanges.values() if one.device == device]

    def _newest(self, device: str) -> list[Fact]:
        theirs = [fact for fact in self._facts.values() if fact.device == device]
        order = sorted(range(len(theirs)), key=lambda place: (-theirs[place].used, -place))
        return [theirs[place] for place in order]

    def _drop(self, facts: Sequence[Fact]) -> int:
        for fact in facts:
            del self._facts[fact.device, fact.id]
        return len(facts)

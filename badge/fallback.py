"""A remote speech provider and what steps in when it fails: the one of this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from math import inf
from typing import Generic, Literal, TypeVar

import trio

from badge.components import Component
from badge.log import get_log
from badge.patience import patience
from providers.ports import Asr, Provider, ProviderError, Recognition, Transcript, Tts, single_error
from providers.streams import next_of
from providers.tts.spoken import Send, spoken

log = get_log(__name__)

SHORTEST_REST, LONGEST_REST = 1.0, 60.0
"""Seconds for which a provider that failed is left alone: after one failure, and at most; each failure doubles it."""

P = TypeVar("P", bound=Provider)


class Rest:
    """How long a provider that failed is left alone, so that a dead one is not waited for again and again."""

    def __init__(self) -> None:
        self._failures = 0
        self._until = -inf  # Trio time

    @property
    def over(self) -> bool:
        """Whether it may be asked."""
        return trio.current_time() >= self._until

    def worked(self) -> None:
        """It did what it was asked for."""
        self._failures = 0
        self._until = -inf

    def failed(self, error: ProviderError) -> float:
        """It did not; seconds for which it is left alone, longer when it asked for that."""
        seconds = min(LONGEST_REST, max(SHORTEST_REST * float(1 << self._failures), error.pause))
        self._failures = min(self._failures + 1, 16)
        self._until = trio.current_time() + seconds
        return seconds


class _Fallback(Generic[P]):
    """The first provider serves; while it rests, the second one does, if it is there."""

    def __init__(self, kind: str, first: P, *second: P, seconds: float) -> None:
        """`seconds`: how long the first one may take for each thing that it is waited for."""
        self.name = f"{first.name}, else {second[0].name}" if second else first.name
        self._first = first
        self._second = Component[P](f"{kind} fallback", second)
        self._seconds = seconds
        self._rest = Rest()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run both; the second one loads beside. Raises `ProviderError` when the first one cannot start."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self._first.run)
            nursery.start_soon(self._second.run)
            task_status.started()

    @property
    def _stand_in(self) -> P | None:
        return self._second.provider

    def _failed(self, error: ProviderError) -> None:
        seconds = self._rest.failed(error)
        who = self._stand_in.name if self._stand_in else "nobody"
        log.warning("a remote provider fails", error=str(error), rests_s=seconds, steps_in=who)


class FallbackAsr(_Fallback[Asr]):
    """Recognises; an utterance on which the first recogniser fails can be tried again at once, and the second one gets
    it then: whoever keeps the audio need not know of two."""

    @asynccontextmanager
    async def recognise(self) -> AsyncIterator[Recognition]:
        """Start on one utterance, with whoever is not at rest."""
        if not self._rest.over and self._stand_in is not None:
            async with self._stand_in.recognise() as recognition:
                yield recognition
            return
        try:
            with single_error():
                async with self._first.recognise() as recognition:
                    yield _Bounded(self._first.name, recognition, self._rest, self._seconds)
        except ProviderError as error:
            self._failed(error)
            if self._stand_in is None:
                raise
            raise ProviderError(error.provider, error.detail, remedy=error.remedy, retryable=True) from None


class _Bounded:
    """A recognition that is not waited for longer than so many seconds at a time."""

    def __init__(self, name: str, recognition: Recognition, rest: Rest, seconds: float) -> None:
        self._name = name
        self._recognition = recognition
        self._rest = rest
        self._seconds = seconds

    async def feed(self, pcm: bytes) -> str:
        """The text so far."""
        with trio.move_on_after(self._seconds):
            return await self._recognition.feed(pcm)
        raise self._too_slow()

    async def finish(self) -> Transcript:
        """The final text."""
        with trio.move_on_after(self._seconds):
            transcript = await self._recognition.finish()
            self._rest.worked()
            return transcript
        raise self._too_slow()

    def _too_slow(self) -> ProviderError:
        return ProviderError(self._name, f"no answer within {self._seconds:.3g} s.", retryable=True)


class FallbackTts(_Fallback[Tts]):
    """Speaks; a sentence on which the first voice fails is spoken by the second one, from its start."""

    encoding: Literal["pcm", "opus"] = "pcm"

    def speak(self, text: str) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[bytes]]:
        """The audio of one sentence as it is made."""
        return spoken(partial(self._speak, text))

    async def _speak(self, text: str, send: Send) -> None:
        if self._rest.over or self._stand_in is None:
            failure: ProviderError | None = None
            try:
                await self._first_speaks(text, send)
            except ProviderError as error:
                failure = error
            if failure is None:
                self._rest.worked()
                return
            self._failed(failure)
            await self._second.settled()  # it may still be loading; whoever listens knows how long to wait
            if self._stand_in is None:
                raise failure
        with single_error():
            await _pass_on(await self._second.ready(), text, send)

    async def _first_speaks(self, text: str, send: Send) -> None:
        async def unhurried(chunk: bytes) -> None:
            patient.pause()
            await send(chunk)
            patient.begin()

        try:
            with single_error(), patience(self._seconds) as patient:
                await _pass_on(self._first, text, unhurried)
                patient.begin()
        except trio.TooSlowError:
            detail = f"no sound within {self._seconds:.3g} s."
            raise ProviderError(self._first.name, detail, retryable=True) from None


async def _pass_on(tts: Tts, text: str, send: Send) -> None:
    async with tts.speak(text) as audio:
        while (chunk := await next_of(audio)) is not None:
            await send(chunk)

"""Providers that answer from a recording, at the moment that the driver says."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from typing import Any, Literal

import trio

from providers.ports import Prompt, ProviderError, Text, Token, ToolCallDelta, Transcript, Usage


class RecordedFailure(Exception):
    """An error that nobody foresaw, as it was recorded."""


def error_of(error: dict[str, Any]) -> Exception:
    """The exception that a recorded error stands for."""
    if "unforeseen" in error:
        return RecordedFailure(error["unforeseen"])
    return ProviderError(
        error["provider"],
        error["detail"],
        remedy=error.get("remedy", ""),
        retryable=error.get("retryable", False),
        pause=error.get("pause", 0.0),
        unreachable=error.get("unreachable", False),
    )


class Reel:
    """What one stream of a provider says, released piece by piece."""

    def __init__(self, error: dict[str, Any] | None = None, *, held: bool = False) -> None:
        """`held`: whoever leaves has to wait until the provider lets go of him."""
        self.error = error
        """how the stream fails in the end, if it does"""
        self._items: deque[Any] = deque()
        self._news = trio.Event()
        self._ended = False
        self._failed = trio.Event()
        self._let_go = trio.Event()
        if not held:
            self._let_go.set()

    def push(self, item: Any) -> None:
        """The next piece has come."""
        self._items.append(item)
        self._ring()

    def end(self) -> None:
        """There is no more."""
        self._ended = True
        self._ring()

    def let_go(self) -> None:
        """The provider lets go of whoever has left."""
        self._let_go.set()

    async def leave(self) -> None:
        """Wait as long as the provider took to let go."""
        with trio.CancelScope(shield=True):
            await self._let_go.wait()

    def fail(self) -> None:
        """The provider has failed."""
        self._failed.set()

    async def receive(self) -> Any:
        """The next piece, when it has come."""
        await trio.lowlevel.checkpoint()
        while True:
            try:
                return self.receive_nowait()
            except trio.WouldBlock:
                await self.news()

    def receive_nowait(self) -> Any:
        """The next piece, if it has come."""
        if self._items:
            return self._items.popleft()
        if self._ended:
            raise trio.EndOfChannel
        raise trio.WouldBlock

    async def news(self) -> None:
        """Wait until something has come."""
        await self._news.wait()

    @asynccontextmanager
    async def playing(self) -> AsyncIterator[Reel]:
        """The stream as a provider would open it: a failure cancels whoever listens, or is raised when he leaves."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._break)
            try:
                yield self
            finally:
                await self.leave()  # noqa: ASYNC102 - the driver ends it
            nursery.cancel_scope.cancel("left")
            if self._ended and self.error is not None:
                raise error_of(self.error)

    async def _break(self) -> None:
        await self._failed.wait()
        if self.error is not None and not self._ended:
            raise error_of(self.error)

    def _ring(self) -> None:
        self._news.set()
        self._news = trio.Event()


class Reels:
    """The reels of one kind of stream, by number; one that was not recorded is silent."""

    def __init__(self, errors: dict[int, dict[str, Any]], left: Collection[int] = ()) -> None:
        self._errors = errors
        self._left = left
        self._reels: dict[int, Reel] = {}
        self._opened = 0
        self._over = False

    def __getitem__(self, number: int) -> Reel:
        if number not in self._reels:
            held = number in self._left and not self._over
            self._reels[number] = Reel(self._errors.get(number), held=held)
        return self._reels[number]

    def close(self) -> None:
        """Let everybody go, for good."""
        self._over = True
        for reel in self._reels.values():
            reel.let_go()

    def open(self) -> Reel:
        """The reel of the next stream."""
        self._opened += 1
        return self[self._opened]


class Played:
    """A provider that is ready, or fails, when it is told."""

    def __init__(self, known: dict[str, Any]) -> None:
        self.name = str(known.get("name") or "recorded")
        self._error: ProviderError | None = None
        self._decided = trio.Event()

    def decide(self, known: dict[str, Any]) -> None:
        """The component is known to be ready, or to have failed."""
        if known["state"] == "failed":
            error = error_of(known["error"])
            self._error = error if isinstance(error, ProviderError) else ProviderError(self.name, str(error))
        if known["state"] in ("ready", "failed"):
            self._decided.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Be ready, or not, when that is known."""
        await self._decided.wait()
        if self._error is not None:
            raise self._error
        task_status.started()
        await trio.sleep_forever()


class PlayedVad(Played):
    """Gives the recorded verdicts, whatever it is fed."""

    def __init__(self, known: dict[str, Any], verdicts: dict[int, list[str | None]]) -> None:
        super().__init__(known)
        self.window = float(known.get("window") or 0.032)
        self._verdicts = verdicts
        self._opened = 0

    def stream(self) -> PlayedVadStream:
        """The next stream."""
        self._opened += 1
        return PlayedVadStream(self._verdicts.get(self._opened, ()))


class PlayedVadStream:
    """The verdicts of one stream."""

    def __init__(self, verdicts: Iterable[str | None]) -> None:
        self._verdicts = iter(verdicts)

    def feed(self, _pcm: bytes) -> list[bool]:
        """The next verdicts."""
        verdicts = next(self._verdicts, "")
        if verdicts is None:
            raise RecordedFailure("the detector failed")
        return [verdict == "1" for verdict in verdicts]


class PlayedAsr(Played):
    """Gives the recorded words."""

    def __init__(self, known: dict[str, Any], reels: Reels) -> None:
        super().__init__(known)
        self._reels = reels

    @asynccontextmanager
    async def recognise(self) -> AsyncIterator[PlayedRecognition]:
        """The next utterance."""
        reel = self._reels.open()
        try:
            yield PlayedRecognition(reel)
        finally:
            await reel.leave()  # noqa: ASYNC102 - the driver ends it


class PlayedRecognition:
    """One utterance. Answers are found by how much audio they are about: how it was cut makes no difference."""

    def __init__(self, reel: Reel) -> None:
        self._reel = reel
        self._fed = 0
        self._reached, self._partial = -1, ""

    async def feed(self, pcm: bytes) -> str:
        """The text so far, when the recogniser had heard as much."""
        self._fed += len(pcm)
        if self._reached >= self._fed:
            await trio.lowlevel.checkpoint()
        while self._reached < self._fed:
            self._take(await self._reel.receive())
        return self._partial

    async def finish(self) -> Transcript:
        """The final text."""
        while True:
            item = await self._reel.receive()
            if isinstance(item, Transcript):
                return item
            self._take(item)

    def _take(self, item: Any) -> None:
        if isinstance(item, Exception):
            raise item
        if not isinstance(item, Transcript):
            self._reached, self._partial = item


class PlayedLlm(Played):
    """Gives the recorded answers."""

    def __init__(self, known: dict[str, Any], reels: Reels) -> None:
        super().__init__(known)
        self._reels = reels

    @asynccontextmanager
    async def stream(self, _prompt: Prompt) -> AsyncIterator[Reel]:
        """The next answer."""
        async with self._reels.open().playing() as reel:
            yield reel


def token_of(token: str | dict[str, Any]) -> Token:
    """The token that a recorded one stands for."""
    if isinstance(token, str):
        return Text(token)
    return Usage(**token) if "prompt" in token else ToolCallDelta(**token)


class PlayedTts(Played):
    """Gives the recorded sound."""

    def __init__(self, known: dict[str, Any], reels: Reels) -> None:
        super().__init__(known)
        self.encoding: Literal["pcm", "opus"] = "opus" if known.get("encoding") == "opus" else "pcm"
        self._reels = reels

    @asynccontextmanager
    async def speak(self, _text: str) -> AsyncIterator[Reel]:
        """The sound of the next sentence."""
        async with self._reels.open().playing() as reel:
            yield reel


class PlayedRecall(Played):
    """Remembers what was recorded."""

    def __init__(self, known: dict[str, Any], reels: Reels) -> None:
        super().__init__(known)
        self._reels = reels

    async def recall(self, _device: str, _text: str, *, ahead: bool = False) -> str:  # noqa: ARG002 - as recorded
        """The next memory."""
        answer = await self._reels.open().receive()
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

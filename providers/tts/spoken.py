"""A worker process that speaks, and texts of any length on their way through it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Literal

import trio

from providers.ports import ProviderError
from providers.process import WorkerProcess
from providers.streams import made_beside

LONGEST_PIECE = 300
"""Characters of one request: about 20 s of speech, so that others need not wait long and little is made in vain."""


Send = Callable[[bytes], Awaitable[None]]
"""Hands on a piece of audio; waits until it is taken."""


class SpeakingProcess(WorkerProcess):
    """A synthesiser whose process answers a piece of text with pieces of audio at `MOUTH_RATE`."""

    encoding: Literal["pcm", "opus"] = "pcm"

    def speak(self, text: str) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[bytes]]:
        """The audio of a text as it is made; a text without anything to say gives none.

        A piece of the text is only asked for when the audio of the one before it has been taken.
        """
        return spoken(partial(self._speak, text))

    async def _speak(self, text: str, send: Send) -> None:
        for piece in pieces(text):
            async with self.request(piece) as chunks:
                async for chunk in chunks:
                    await send(chunk)


@asynccontextmanager
async def spoken(make: Callable[[Send], Awaitable[None]]) -> AsyncIterator[trio.MemoryReceiveChannel[bytes]]:
    """What `Tts.speak` gives: the audio that `make` sends, each piece when the one before it has been taken.

    When it fails, the receiver first gets all audio that came, and `ProviderError` ends the context.
    """
    errors: list[ProviderError] = []

    async def work(send: trio.MemorySendChannel[bytes]) -> None:
        with send:
            try:
                await make(send.send)
            except ProviderError as exc:
                errors.append(exc)
            except trio.BrokenResourceError:
                pass  # the receiver was closed early

    async with made_beside(work, 0) as audio:
        yield audio
    if errors:
        raise errors[0]


def pieces(text: str) -> Iterator[str]:
    """The text without what cannot be spoken, cut after sentences, else clauses, else words, else anywhere."""
    rest = _UNSPEAKABLE.sub(" ", text).strip()
    while len(rest) > LONGEST_PIECE:
        end = _cut(rest[:LONGEST_PIECE])
        yield rest[:end].strip()
        rest = rest[end:].strip()
    if rest:
        yield rest


def _cut(head: str) -> int:
    for mark in (_SENTENCE, _CLAUSE, _WORD):
        ends = [match.end() for match in mark.finditer(head)]
        if ends:
            return ends[-1]
    return len(head)


_SENTENCE = re.compile(r"[.!?]\s|[。！？；]")
_CLAUSE = re.compile(r"[,;:]\s|[，、：]")
_WORD = re.compile(r"\s")
_UNSPEAKABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""Control characters, of which NUL would end the text for a C library, and halves of characters."""

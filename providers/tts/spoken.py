"""A worker process that speaks, and texts of any length on their way through it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Literal

import trio

from providers.ports import ProviderError
from providers.process import WorkerProcess

LONGEST_PIECE = 300
"""Characters of one request: about 20 s of speech, so that others need not wait long and little is made in vain."""


class SpeakingProcess(WorkerProcess):
    """A synthesiser whose process answers a piece of text with pieces of audio at `MOUTH_RATE`."""

    encoding: Literal["pcm", "opus"] = "pcm"

    @asynccontextmanager
    async def speak(self, text: str) -> AsyncIterator[trio.MemoryReceiveChannel[bytes]]:
        """The audio of a text as it is made; a text without anything to say gives none.

        A piece of the text is only asked for when the audio of the one before it has been taken. When one fails, the
        receiver first gets all audio that came, and `ProviderError` ends the context.
        """
        send, receive = trio.open_memory_channel[bytes](0)
        errors: list[ProviderError] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._speak, text, send, errors)
            with receive:
                yield receive
            nursery.cancel_scope.cancel("the receiver left")
        if errors:
            raise errors[0]

    async def _speak(self, text: str, send: trio.MemorySendChannel[bytes], errors: list[ProviderError]) -> None:
        with send:
            try:
                for piece in pieces(text):
                    async with self.request(piece) as chunks:
                        async for chunk in chunks:
                            await send.send(chunk)
            except ProviderError as exc:
                errors.append(exc)
            except trio.BrokenResourceError:
                pass  # the receiver was closed early


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

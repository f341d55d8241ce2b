"""Scripted providers whose next answers follow a mood that a test sets; everything they give can be told apart."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
import trio
from attrs import evolve

from badge.desk import RefusedError, ToolResult
from providers.ports import MOUTH_RATE, Prompt, ProviderError, Token, ToolCallDelta
from providers.scripted import Hearing, Reply, ScriptedAsr, ScriptedLlm, ScriptedRecognition, ScriptedTts, Utterance

NEVER = 1e5
"""Seconds: no wait of the server is as long."""

HEARINGS = {
    "text": Hearing(text="question {n}"),
    "slow": Hearing(text="question {n}", delay=2),
    "late": Hearing(text="question {n}", partials=["question"], delay=0.4),
    "empty": Hearing(),
    "exit": Hearing(text="goodbye"),
    "wake": Hearing(text="你好小智"),
    "failing": Hearing(error=ProviderError("asr", "broke")),
    "flaky": Hearing(error=ProviderError("asr", "broke", retryable=True), delay=0.1),
    "mute": Hearing(delay=NEVER),
}

REPLIES = {
    "plain": Reply(pieces=["Answer {n} is here."], first=0.1),
    "long": Reply(pieces=[f"Answer {{n}} has part {part}. " for part in "abc"], pause=0.5),
    "slow": Reply(pieces=["Answer {n} is here."], first=6),
    "stalling": Reply(pieces=["Answer {n} is here. ", "Answer {n} stalls."], pause=NEVER),
    "breaking": Reply(pieces=["Answer {n} is here. "], error=ProviderError("llm", "broke")),
    "failing": Reply(error=ProviderError("llm", "broke")),
    "hanging": Reply(first=NEVER),
    "empty": Reply(),
    "calling": Reply(
        pieces=[ToolCallDelta(index=n, name=name) for n, name in enumerate(("look", "order", "fail"))], first=0.3
    ),
    "writing calls": Reply(pieces=["<tool", '_call>{{"name": "look"}}</tool_call>'], first=0.1),
    "always calling": Reply(pieces=[ToolCallDelta(index=0, name="look")]),
}

VOICES = {
    "plain": Utterance(),
    "long": Utterance(duration=3),
    "slow": Utterance(delay=2),
    "hanging": Utterance(delay=NEVER),
    "failing": Utterance(error=ProviderError("tts", "broke")),
    "silent": Utterance(duration=0),
}

ONE_ROUND = ("calling", "writing calls")
"""Moods that answer in words once tools have answered them."""


async def look() -> str:
    """Takes a moment."""
    await trio.sleep(2)
    return "nothing new"


async def order() -> str:
    """Changes something, and takes a moment."""
    await trio.sleep(0.5)
    return "ordered"


async def fail() -> ToolResult:
    """Does not work."""
    await trio.sleep(0.1)
    raise RefusedError("busy", "no")


MOODS = {"asr": list(HEARINGS), "llm": list(REPLIES), "tts": list(VOICES)}
"""The moods of each provider, the best one first."""


def serial(text: str) -> int:
    """The number of the answer that a sentence belongs to; 0 for the server's own sentences."""
    found = re.search(r"Answer (\d+)", text)
    return int(found[1]) if found else 0


class MoodyAsr(ScriptedAsr):
    """Understands by mood; keeps whose audio each attempt had."""

    def __init__(self) -> None:
        super().__init__()
        self.mood = "text"
        self.next = ""
        """what is understood next, whatever the mood"""
        self.whose: list[str] = []
        """the session of each attempt in `heard`"""

    @asynccontextmanager
    async def recognise(self) -> AsyncIterator[ScriptedRecognition]:
        """Start on one utterance."""
        entry, self.next = (Hearing(text=self.next) if self.next else HEARINGS[self.mood]), ""
        self.whose.append(structlog.contextvars.get_contextvars()["session"])
        self._script = deque([evolve(entry, text=entry.text.format(n=len(self.whose)))])
        async with super().recognise() as recognition:
            yield recognition


class MoodyLlm(ScriptedLlm):
    """Answers by mood; each reply has a number of its own in every sentence."""

    def __init__(self) -> None:
        super().__init__()
        self.mood = "plain"

    @asynccontextmanager
    async def stream(self, prompt: Prompt) -> AsyncIterator[trio.MemoryReceiveChannel[Token]]:
        """The next reply."""
        answered = self.mood in ONE_ROUND and prompt.messages[-1].role == "tool"
        reply, number = REPLIES["plain" if answered else self.mood], len(self.prompts) + 1
        pieces = [piece.format(n=number) if isinstance(piece, str) else piece for piece in reply.pieces]
        self._script = deque([evolve(reply, pieces=pieces)])
        async with super().stream(prompt) as tokens:
            yield tokens


class MoodyTts(ScriptedTts):
    """Speaks by mood; every sample of a sentence is the number of its answer."""

    def __init__(self) -> None:
        super().__init__()
        self.mood = "plain"

    @asynccontextmanager
    async def speak(self, text: str) -> AsyncIterator[trio.MemoryReceiveChannel[bytes]]:
        """The sound of one sentence."""
        how = VOICES[self.mood]
        send, receive = trio.open_memory_channel[bytes](0)
        sample = serial(text).to_bytes(2, "little")

        async def play() -> None:
            with send:
                await trio.sleep(how.delay)
                if how.error is not None:
                    raise how.error
                for _ in range(round(how.duration / how.piece)):
                    await send.send(sample * round(how.piece * MOUTH_RATE))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(play)
            yield receive
            nursery.cancel_scope.cancel()

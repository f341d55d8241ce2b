"""Providers that play a script: real implementations of the ports for tests, replay and load measurements."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Literal

import trio
from attrs import frozen

from providers.pcm import rms, seconds
from providers.ports import EAR_RATE, MOUTH_RATE, Prompt, ProviderError, Text, Token, Transcript

LOUD = 0.02
"""Share of full scale from which audio counts as voice."""


class _Scripted:
    """Starts after `load` s, or fails with `broken`."""

    name = "scripted"

    def __init__(self, *, load: float = 0.0, broken: ProviderError | None = None) -> None:
        self._load = load
        self._broken = broken

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Be ready, or not, as the script says."""
        await trio.sleep(self._load)
        if self._broken is not None:
            raise self._broken
        task_status.started()
        await trio.sleep_forever()


class ScriptedVad(_Scripted):
    """Hears a voice in whatever is loud: one verdict for each 20 ms."""

    window = 0.02

    def stream(self) -> ScriptedVadStream:
        """A fresh stream."""
        return ScriptedVadStream(round(self.window * EAR_RATE) * 2)


class ScriptedVadStream:
    """Loudness of whole windows."""

    def __init__(self, step: int) -> None:
        self._step = step
        self._rest = b""

    def feed(self, pcm: bytes) -> list[bool]:
        """One verdict for each window that is complete."""
        data = self._rest + pcm
        whole = len(data) // self._step * self._step
        self._rest = data[whole:]
        return [rms(data[at : at + self._step]) >= LOUD for at in range(0, whole, self._step)]


@frozen(kw_only=True)
class Hearing:
    """What one attempt at recognition gives: `text` after `delay` s, with `partials` on the way, or `error`."""

    text: str = ""
    delay: float = 0.0
    partials: Sequence[str] = ()
    error: ProviderError | None = None


class ScriptedAsr(_Scripted):
    """Understands what its script says, one entry for each attempt; the last entry goes on for ever."""

    def __init__(
        self, script: Iterable[Hearing | str] = ("",), *, load: float = 0.0, broken: ProviderError | None = None
    ) -> None:
        super().__init__(load=load, broken=broken)
        self._script = deque(Hearing(text=entry) if isinstance(entry, str) else entry for entry in script)
        self.heard: list[bytes] = []
        """the audio of each attempt, as far as it was fed"""

    @asynccontextmanager
    async def recognise(self) -> AsyncIterator[ScriptedRecognition]:
        """Start on one utterance."""
        entry = self._script.popleft() if len(self._script) > 1 else self._script[0]
        self.heard.append(b"")
        yield ScriptedRecognition(entry, self.heard, len(self.heard) - 1)
        await trio.lowlevel.checkpoint()


class ScriptedRecognition:
    """One attempt."""

    def __init__(self, entry: Hearing, heard: list[bytes], index: int) -> None:
        self._entry = entry
        self._heard = heard
        self._index = index
        self._partials = deque(entry.partials)
        self._partial = ""

    async def feed(self, pcm: bytes) -> str:
        """Take audio; the next partial."""
        await trio.lowlevel.checkpoint()
        self._heard[self._index] += pcm
        if self._partials:
            self._partial = self._partials.popleft()
        return self._partial

    async def finish(self) -> Transcript:
        """The words of the script."""
        await trio.sleep(self._entry.delay)
        if self._entry.error is not None:
            raise self._entry.error
        return Transcript(self._entry.text)


@frozen(kw_only=True)
class Reply:
    """What one prompt is answered with: `pieces`, each after `pause` s (the first after `first`), then `error`."""

    pieces: Sequence[str | Token] = ()
    first: float = 0.0
    pause: float = 0.0
    error: ProviderError | None = None


class ScriptedLlm(_Scripted):
    """Answers as its script says, one entry for each prompt; the last entry goes on for ever."""

    def __init__(
        self, script: Iterable[Reply | str] = ("Yes.",), *, load: float = 0.0, broken: ProviderError | None = None
    ) -> None:
        super().__init__(load=load, broken=broken)
        self._script = deque(Reply(pieces=[entry]) if isinstance(entry, str) else entry for entry in script)
        self.prompts: list[Prompt] = []
        self.abandoned = 0
        """streams that their reader left before the end"""

    @asynccontextmanager
    async def stream(self, prompt: Prompt) -> AsyncIterator[trio.MemoryReceiveChannel[Token]]:
        """The next reply of the script."""
        reply = self._script.popleft() if len(self._script) > 1 else self._script[0]
        self.prompts.append(prompt)
        send, receive = trio.open_memory_channel[Token](0)
        done = False

        async def play() -> None:
            nonlocal done
            with send:
                for number, piece in enumerate(reply.pieces):
                    await trio.sleep(reply.pause if number else reply.first)
                    await send.send(Text(piece) if isinstance(piece, str) else piece)
                if not reply.pieces:
                    await trio.sleep(reply.first)
                if reply.error is not None:
                    raise reply.error
                done = True

        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(play)
                yield receive
                nursery.cancel_scope.cancel()
        finally:
            self.abandoned += not done


@frozen(kw_only=True)
class Utterance:
    """How one sentence is spoken: a tone of `duration` s after `delay` s, in pieces of `piece` s, or `error`."""

    duration: float = 0.6
    delay: float = 0.0
    piece: float = 0.2
    error: ProviderError | None = None


class ScriptedTts(_Scripted):
    """Speaks in tones, as `voice` says for each sentence; as `opus` it gives the packets that it was handed."""

    def __init__(
        self,
        voice: Callable[[str], Utterance] = lambda _: Utterance(),
        *,
        packets: Sequence[bytes] = (),
        load: float = 0.0,
        broken: ProviderError | None = None,
    ) -> None:
        super().__init__(load=load, broken=broken)
        self._voice = voice
        self._packets = packets
        self.encoding: Literal["pcm", "opus"] = "opus" if packets else "pcm"
        self.spoken: list[str] = []

    @asynccontextmanager
    async def speak(self, text: str) -> AsyncIterator[trio.MemoryReceiveChannel[bytes]]:
        """The sound of one sentence."""
        self.spoken.append(text)
        how = self._voice(text)
        send, receive = trio.open_memory_channel[bytes](0)

        async def play() -> None:
            with send:
                await trio.sleep(how.delay)
                if how.error is not None:
                    raise how.error
                if self._packets:
                    for packet in self._packets:
                        await send.send(packet)
                    return
                sound = tone(how.duration, MOUTH_RATE)
                step = round(how.piece * MOUTH_RATE) * 2
                for at in range(0, len(sound), step):
                    await send.send(sound[at : at + step])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(play)
            yield receive
            nursery.cancel_scope.cancel()


class ScriptedRecall(_Scripted):
    """Remembers one thing."""

    def __init__(self, memory: str, *, delay: float = 0.0, error: ProviderError | None = None) -> None:
        super().__init__()
        self._memory = memory
        self._delay = delay
        self._error = error
        self.asked: list[tuple[str, str]] = []

    async def recall(self, device: str, text: str, *, ahead: bool = False) -> str:  # noqa: ARG002 - leaves no trace
        """Always the same."""
        self.asked.append((device, text))
        await trio.sleep(self._delay)
        if self._error is not None:
            raise self._error
        return self._memory


def tone(duration: float, rate: int) -> bytes:
    """A steady square wave of 200 Hz: 16-bit mono."""
    half = rate // 400
    period = (4000).to_bytes(2, "little", signed=True) * half + (-4000).to_bytes(2, "little", signed=True) * half
    size = round(duration * rate) * 2
    return (period * (size // len(period) + 1))[:size]


def length(pcm: bytes) -> float:
    """Seconds of audio that a recogniser was fed."""
    return seconds(pcm, EAR_RATE)

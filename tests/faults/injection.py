"""A session's providers, desk and socket with a point at each await: where one fault at a time is let in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Generic, TypeVar

import attrs
import trio

from badge.components import Around, Component
from badge.link import Wire
from badge.recording.desk import desk_of, method_of
from badge.services import Services
from providers.ports import (
    Asr,
    Incoming,
    Llm,
    Prompt,
    Recall,
    Recognition,
    Token,
    Transcript,
    Tts,
    Vad,
    VadStream,
)
from tests.faults.points import Seam

T = TypeVar("T")


def injected(services: Services, seam: Seam) -> Services:
    """The same services, with a point at every await on them."""

    def of(component: Component[Any], wrap: Callable[[Any, Seam], Any]) -> InjectedComponent:
        return InjectedComponent(component, seam, wrap)

    return attrs.evolve(
        services,
        vad=of(services.vad, InjectedVad),
        asr=of(services.asr, InjectedAsr),
        tts=of(services.tts, InjectedTts),
        recall=of(services.recall, InjectedRecall),
        llms=services.llms.around(lambda llm: of(llm, InjectedLlm)),
        desk=desk_of(
            lambda subject, method: _asking(method_of(services.desk, subject, method), seam),
            lambda subject, method: method_of(services.desk, subject, method),
        ),
    )


class InjectedComponent(Around[Any]):
    """A component that may fail to load."""

    def __init__(self, component: Component[Any], seam: Seam, wrap: Callable[[Any, Seam], Any]) -> None:
        super().__init__(component)
        self._seam = seam
        self._wrap = wrap

    async def ready(self) -> Any:
        await self._seam.at(f"{self.kind.partition('.')[0]}.ready")
        return self._wrap(await super().ready(), self._seam)


class InjectedVad:
    """A `Vad`; it is asked without an await, which is a point all the same."""

    def __init__(self, vad: Vad, seam: Seam) -> None:
        self.name, self.window, self.run = vad.name, vad.window, vad.run
        self._vad = vad
        self._seam = seam

    def stream(self) -> VadStream:
        return _VadStream(self._vad.stream(), self._seam)


class _VadStream:
    def __init__(self, stream: VadStream, seam: Seam) -> None:
        self._stream = stream
        self._seam = seam

    def feed(self, pcm: bytes) -> Any:
        garbage = self._seam.now("vad.feed")
        verdicts = self._stream.feed(pcm)
        return verdicts if garbage is None else garbage


class InjectedAsr:
    """An `Asr`."""

    def __init__(self, asr: Asr, seam: Seam) -> None:
        self.name, self.run = asr.name, asr.run
        self._asr = asr
        self._seam = seam

    @asynccontextmanager
    async def recognise(self) -> AsyncIterator[Recognition]:
        await self._seam.at("asr.enter")
        try:
            async with self._asr.recognise() as recognition:
                yield _Recognition(recognition, self._seam)
        finally:
            await self._seam.at("asr.leave")


class _Recognition:
    def __init__(self, recognition: Recognition, seam: Seam) -> None:
        self._recognition = recognition
        self._seam = seam

    async def feed(self, pcm: bytes) -> str:
        garbage = await self._seam.at("asr.feed")
        text = await self._recognition.feed(pcm)
        return text if garbage is None else garbage

    async def finish(self) -> Transcript:
        garbage = await self._seam.at("asr.finish")
        transcript = await self._recognition.finish()
        return transcript if garbage is None else garbage


class InjectedLlm:
    """An `Llm`."""

    def __init__(self, llm: Llm, seam: Seam) -> None:
        self.name, self.run = llm.name, llm.run
        self._llm = llm
        self._seam = seam

    @asynccontextmanager
    async def stream(self, prompt: Prompt) -> AsyncIterator[Incoming[Token]]:
        await self._seam.at("llm.enter")
        try:
            async with self._llm.stream(prompt) as tokens:
                yield _Stream(tokens, self._seam, "llm.receive")
        finally:
            await self._seam.at("llm.leave")


class InjectedTts:
    """A `Tts`."""

    def __init__(self, tts: Tts, seam: Seam) -> None:
        self.name, self.run, self.encoding = tts.name, tts.run, tts.encoding
        self._tts = tts
        self._seam = seam

    @asynccontextmanager
    async def speak(self, text: str) -> AsyncIterator[Incoming[bytes]]:
        await self._seam.at("tts.enter")
        try:
            async with self._tts.speak(text) as audio:
                yield _Stream(audio, self._seam, "tts.receive")
        finally:
            await self._seam.at("tts.leave")


class _Stream(Generic[T]):
    """An `Incoming` in which nothing is ever there at once: every piece is waited for, and each wait is a point."""

    def __init__(self, stream: Incoming[T], seam: Seam, kind: str) -> None:
        self._stream = stream
        self._seam = seam
        self._kind = kind

    async def receive(self) -> T:
        """The next piece, or garbage in its place; after the last piece garbage is one more."""
        garbage = await self._seam.at(self._kind)
        if garbage is None:
            return await self._stream.receive()
        with suppress(trio.EndOfChannel):
            await self._stream.receive()
        return garbage

    def receive_nowait(self) -> T:
        raise trio.WouldBlock


class InjectedRecall:
    """A `Recall`."""

    def __init__(self, recall: Recall, seam: Seam) -> None:
        self.name, self.run = recall.name, recall.run
        self._recall = recall
        self._seam = seam

    async def recall(self, device: str, text: str, *, ahead: bool = False) -> str:
        garbage = await self._seam.at("recall.recall")
        answer = await self._recall.recall(device, text, ahead=ahead)
        return answer if garbage is None else garbage


def _asking(ask: Callable[..., Awaitable[Any]], seam: Seam) -> Callable[..., Awaitable[Any]]:
    """A question at the desk is a point; what the desk is told is not waited for."""

    async def asked(*arguments: Any) -> Any:
        await seam.at("desk.ask")
        return await ask(*arguments)

    return asked


class InjectedWire:
    """A `Wire`. Garbage comes between two messages, so that nothing of what the user said is lost."""

    def __init__(self, wire: Wire, seam: Seam) -> None:
        self._wire = wire
        self._seam = seam

    async def receive(self) -> str | bytes:
        garbage = await self._seam.at("wire.receive")
        return await self._wire.receive() if garbage is None else garbage

    async def send(self, frame: str | bytes) -> None:
        await self._seam.at("wire.send")
        await self._wire.send(frame)

    async def ping(self) -> None:
        await self._seam.at("wire.ping")
        await self._wire.ping()

    async def close(self, code: int, reason: str) -> None:
        """Bounded and shielded, as every wire has it."""
        with trio.CancelScope(shield=True):
            await self._seam.at("wire.close")
        await self._wire.close(code, reason)

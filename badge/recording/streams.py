"""The seams between a session and its providers: each passes everything on, and notes it."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Generic, TypeVar

import attrs
import trio

from badge.recording.journal import Note
from badge.recording.records import Kind
from providers.ports import (
    Asr,
    ChatMessage,
    Incoming,
    Llm,
    Prompt,
    ProviderError,
    Recall,
    Recognition,
    Text,
    Token,
    Transcript,
    Tts,
    Vad,
    VadStream,
    alone,
)

T = TypeVar("T")


def describe_error(exc: BaseException) -> dict[str, Any]:
    """An error as it stands in a recording."""
    if isinstance(exc, ProviderError):
        seldom = {"pause": exc.pause, "unreachable": exc.unreachable}
        return {
            "provider": exc.provider,
            "detail": exc.detail,
            "remedy": exc.remedy,
            "retryable": exc.retryable,
            **{name: value for name, value in seldom.items() if value},
        }
    return {"unforeseen": type(exc).__name__}


class Count:
    """Numbers the streams of one kind."""

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> int:
        """1, 2, 3 …"""
        self._last += 1
        return self._last


class RecordedVad:
    """A `Vad`."""

    def __init__(self, vad: Vad, journal: Note, count: Count) -> None:
        self.name, self.window = vad.name, vad.window
        self.run = vad.run
        self._vad = vad
        self._note = journal.note
        self._count = count

    def stream(self) -> VadStream:
        """A fresh stream."""
        return _RecordedVadStream(self._vad.stream(), self._note, self._count.next())


class _RecordedVadStream:
    def __init__(self, stream: VadStream, note: Any, number: int) -> None:
        self._feed = stream.feed
        self._note = note
        self._number = number

    def feed(self, pcm: bytes) -> list[bool]:
        try:
            verdicts = list(self._feed(pcm))
        except Exception:
            self._note(Kind.VAD, self._number, len(pcm), None)
            raise
        self._note(Kind.VAD, self._number, len(pcm), "".join("1" if speech else "0" for speech in verdicts))
        return verdicts


class RecordedAsr:
    """An `Asr`."""

    def __init__(self, asr: Asr, journal: Note, count: Count) -> None:
        self.name = asr.name
        self.run = asr.run
        self._asr = asr
        self._note = journal.note
        self._count = count

    @asynccontextmanager
    async def recognise(self) -> AsyncIterator[Recognition]:
        """Start on one utterance."""
        number = self._count.next()
        self._note(Kind.ASR_OPEN, number)
        try:
            async with self._asr.recognise() as recognition:
                yield _RecordedRecognition(recognition, self._note, number)
        finally:
            self._note(Kind.ASR_LEAVE, number)


class _RecordedRecognition:
    def __init__(self, recognition: Recognition, note: Any, number: int) -> None:
        self._recognition = recognition
        self._note = note
        self._number = number
        self._fed = self._crc = 0

    async def feed(self, pcm: bytes) -> str:
        self._fed += len(pcm)
        self._crc = zlib.crc32(pcm, self._crc)
        try:
            text = await self._recognition.feed(pcm)
        except Exception as exc:
            self._note(Kind.ASR_ERROR, self._number, describe_error(exc), self._fed)
            raise
        self._note(Kind.ASR_PARTIAL, self._number, self._fed, text)
        return text

    async def finish(self) -> Transcript:
        self._note(Kind.ASR_FINISH, self._number, self._fed, self._crc)
        try:
            transcript = await self._recognition.finish()
        except Exception as exc:
            self._note(Kind.ASR_ERROR, self._number, describe_error(exc), None)
            raise
        self._note(Kind.ASR_FINAL, self._number, transcript.text)
        return transcript


class PromptMemory:
    """The last prompt of a session, so that only what is new in the next one has to be noted."""

    def __init__(self) -> None:
        self._last: tuple[ChatMessage, ...] = ()

    def news(self, prompt: Prompt) -> tuple[int, list[list[Any]]]:
        """How many messages the prompt has in common with the one before, and the others."""
        common = 0
        for old, new in zip(self._last, prompt.messages, strict=False):
            if old != new:
                break
            common += 1
        self._last = prompt.messages
        return common, [_message(message) for message in prompt.messages[common:]]


def _message(message: ChatMessage) -> list[Any]:
    """A message of a prompt as it stands in a recording: role and content, then what only messages about tools have."""
    plain: list[Any] = [message.role, message.content]
    if message.calls or message.call:
        plain += [[attrs.asdict(call) for call in message.calls], message.call]
    return plain


class RecordedLlm:
    """An `Llm`."""

    def __init__(self, llm: Llm, journal: Note, kind: str, count: Count, memory: PromptMemory) -> None:
        self.name = llm.name
        self.run = llm.run
        self._llm = llm
        self._note = journal.note
        self._kind = kind
        self._count = count
        self._memory = memory

    @asynccontextmanager
    async def stream(self, prompt: Prompt) -> AsyncIterator[Incoming[Token]]:
        """The answer as it comes."""
        number = self._count.next()
        self._note(Kind.LLM_OPEN, number, self._kind, *self._memory.news(prompt))
        opened = self._llm.stream(prompt)
        async with _leaving(opened, self._note, number, Kind.LLM_ERROR, Kind.LLM_LEAVE) as tokens:
            yield _RecordedStream(tokens, self._note, number, Kind.LLM_TOKEN, Kind.LLM_END, _token)


class RecordedTts:
    """A `Tts`."""

    def __init__(self, tts: Tts, journal: Note, count: Count) -> None:
        self.name, self.encoding = tts.name, tts.encoding
        self.run = tts.run
        self._tts = tts
        self._note = journal.note
        self._count = count

    @asynccontextmanager
    async def speak(self, text: str) -> AsyncIterator[Incoming[bytes]]:
        """The audio of one sentence as it is made."""
        number = self._count.next()
        self._note(Kind.TTS_OPEN, number, text)
        opened = self._tts.speak(text)
        async with _leaving(opened, self._note, number, Kind.TTS_ERROR, Kind.TTS_LEAVE) as audio:
            yield _RecordedStream(audio, self._note, number, Kind.TTS_CHUNK, Kind.TTS_END, bytes)


@asynccontextmanager
async def _leaving(
    opened: AbstractAsyncContextManager[T], note: Any, number: int, error: Kind, leave: Kind
) -> AsyncIterator[T]:
    """Note when a stream is left, and the error that the provider raises then."""
    ours: BaseException | None = None
    try:
        async with opened as stream:
            try:
                yield stream
            except BaseException as exc:
                ours = exc  # of the session: no news
                raise
    except Exception as exc:
        leaf = alone(exc)
        if leaf is not ours:
            note(error, number, describe_error(leaf))
        raise
    finally:
        note(leave, number)


def _token(token: Token) -> Any:
    return token.text if isinstance(token, Text) else attrs.asdict(token)


class _RecordedStream(Generic[T]):
    """An `Incoming`; noted is when the session takes something, not when it was ready."""

    def __init__(self, stream: Incoming[T], note: Any, number: int, item: Kind, end: Kind, plain: Any) -> None:
        self._stream = stream
        self._note = note
        self._number = number
        self._item, self._end = item, end
        self._plain = plain

    async def receive(self) -> T:
        try:
            value = await self._stream.receive()
        except trio.EndOfChannel:
            self._note(self._end, self._number)
            raise
        self._note(self._item, self._number, self._plain(value))
        return value

    def receive_nowait(self) -> T:
        try:
            value = self._stream.receive_nowait()
        except trio.EndOfChannel:
            self._note(self._end, self._number)
            raise
        self._note(self._item, self._number, self._plain(value))
        return value


class RecordedRecall:
    """A `Recall`."""

    def __init__(self, recall: Recall, journal: Note, count: Count) -> None:
        self.name = recall.name
        self.run = recall.run
        self._recall = recall
        self._note = journal.note
        self._count = count

    async def recall(self, device: str, text: str, *, ahead: bool = False) -> str:
        """What is worth remembering for this text."""
        number = self._count.next()
        self._note(Kind.RECALL_ASK, number, text)
        try:
            answer = await self._recall.recall(device, text, ahead=ahead)
        except Exception as exc:
            self._note(Kind.RECALL_ERROR, number, describe_error(exc))
            raise
        self._note(Kind.RECALL_ANSWER, number, answer)
        return answer

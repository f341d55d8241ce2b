"""Any server that speaks the OpenAI speech API: sentences go there, and are heard while they are still being made."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Literal

import trio
from attrs import frozen

from providers.audiofile import AudioFileError, decode_audio
from providers.language import language_of
from providers.openai_client import Account, closing, host_of, open_client, source_of
from providers.openai_failures import Failure, failure_of
from providers.pcm import Resampler, byte_count
from providers.ports import MOUTH_RATE, ProviderError
from providers.settings import between, setting
from providers.tts.spoken import Send, pieces, spoken

CHUNK = byte_count(0.2, MOUTH_RATE)
"""Bytes that are handed on at most at once."""

HASTE = 1.0
"""Seconds within which a request that failed before any sound is made again at once."""

LONGEST = byte_count(300, MOUTH_RATE)
"""Bytes of answer for one piece of text, which is spoken in 20 s; a server that sends more sends no speech."""


@frozen(kw_only=True)
class OpenAiTtsSettings(Account):
    """A server with the OpenAI speech API: the official one, another company's, or a local one such as Kokoro or
    LocalAI."""

    model: str = setting("gpt-4o-mini-tts", "name of the model", check=bool, expected="the name of a model")
    english: str = setting("alloy", "voice for English", check=bool, expected="the name of a voice")
    mandarin: str = setting("alloy", "voice for Mandarin", check=bool, expected="the name of a voice")
    instructions: str = setting("", "how the voice should sound, for models that can be told; empty: nothing is said")
    speed: float = setting(0.0, "0.25 to 4, 1 is normal; 0 leaves it to the server", **between(0, 4))
    format: Literal["pcm", "wav", "opus", "mp3", "flac"] = setting(
        "pcm",
        "pcm is heard as it comes; wav, opus, mp3 and flac, for servers without it, when they are there as a whole",
    )
    pcm_rate: int = setting(24_000, "Hz of the pcm that the server sends", **between(8_000, 48_000))
    retry: bool = setting(True, "ask once more at once when the server fails early")


class OpenAiTts:
    """Speaks with a server's voice; every request is an HTTP request of its own on a shared pool of connections."""

    encoding: Literal["pcm", "opus"] = "pcm"

    def __init__(self, settings: OpenAiTtsSettings, environment: Mapping[str, str] = os.environ) -> None:
        self._settings = settings
        self._environment = environment
        self._client: Any = None
        self.name = f"openai ({settings.model} at {host_of(settings)})"

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Build the client, then stay. Raises `ProviderError` without a usable key."""
        async with open_client(self.name, self._settings, self._environment, _speech) as (client, _):
            self._client = client
            try:
                task_status.started()
                await trio.sleep_forever()
            finally:
                self._client = None

    def speak(self, text: str) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[bytes]]:
        """The audio of a text as it comes; leaving the context closes the HTTP response."""
        return spoken(partial(self._speak, text))

    async def _speak(self, text: str, send: Send) -> None:
        for piece in pieces(text):
            if any(character.isalnum() for character in piece):
                await self._speak_piece(piece, send)

    async def _speak_piece(self, text: str, send: Send) -> None:
        """One request, and a second one when that makes sense."""
        latest = trio.current_time() + HASTE
        failure = await self._attempt(text, send)
        if failure and self._settings.retry and failure.may_repeat(latest - trio.current_time()):
            await trio.sleep(failure.pause)
            failure = await self._attempt(text, send)
        if failure:
            raise failure.error

    async def _attempt(self, text: str, send: Send) -> Failure | None:
        """Hand on the audio of one HTTP request; what went wrong, if anything did."""
        if self._client is None:
            raise ProviderError(self.name, "is not running.", retryable=True)
        sound = _Sound(send, self._settings.pcm_rate)
        failure = None
        try:
            await self._request(text, sound)
        except (ProviderError, trio.BrokenResourceError):
            raise
        except Exception as exc:  # noqa: BLE001 - the vendor's exceptions become failures, by a table
            failure = failure_of(self.name, exc, source_of(self._settings), _REMEDIES)
        if failure is None and not sound.started:
            failure = Failure(ProviderError(self.name, "the server sent no sound.", retryable=True))
        if failure is not None:
            failure.started = sound.started
        return failure

    async def _request(self, text: str, sound: _Sound) -> None:
        speech = self._client.audio.speech.with_streaming_response
        async with speech.create(**self._fields(text)) as response, closing(response) as body:
            data = bytearray()
            while len(data) < len(_MAGIC[0]) and (piece := await anext(body, None)) is not None:
                data += piece
            what = _kind(response.headers.get("content-type", ""), bytes(data))
            if what == "words":
                raise ValueError("words instead of sound")
            if what == "pcm" and self._settings.format == "pcm":
                await sound.take(bytes(data))
                await _read(body, sound.take, len(data))
                await sound.end()
                return
            await _read(body, partial(_collect, data), len(data))
        decode = partial(decode_audio, bytes(data), MOUTH_RATE, longest=LONGEST)
        try:
            pcm = await trio.to_thread.run_sync(decode, abandon_on_cancel=True)
        except AudioFileError:
            raise ValueError("what was sent cannot be decoded") from None
        await sound.ready(pcm)

    def _fields(self, text: str) -> dict[str, Any]:
        settings = self._settings
        fields: dict[str, Any] = {
            "model": settings.model,
            "input": text,
            "voice": settings.mandarin if language_of(text) == "zh" else settings.english,
            "response_format": settings.format,
        }
        if settings.instructions:
            fields["instructions"] = settings.instructions
        if settings.speed:
            fields["speed"] = max(settings.speed, 0.25)
        return fields


class _Sound:
    """The audio of one answer on its way to the receiver: whole samples at the mouth's rate, in small pieces."""

    def __init__(self, send: Send, rate: int) -> None:
        self.started = False
        self._send = send
        self._resampler = Resampler(rate, MOUTH_RATE)
        self._half = b""

    async def take(self, data: bytes) -> None:
        """More of the server's pcm."""
        data = self._half + data
        whole = len(data) // 2 * 2
        self._half = data[whole:]
        await self.ready(self._resampler.feed(data[:whole]))

    async def end(self) -> None:
        """There is no more."""
        if self.started:
            await self.ready(self._resampler.flush())

    async def ready(self, pcm: bytes) -> None:
        """Audio that can be handed on."""
        for at in range(0, len(pcm), CHUNK):
            self.started = True
            await self._send(pcm[at : at + CHUNK])


def _kind(media_type: str, head: bytes) -> Literal["pcm", "container", "words"]:
    """What an answer is, whatever was asked for: by its media type where that is telling, else by how it begins."""
    kind = media_type.partition(";")[0].strip().lower()
    if kind.endswith("json") or kind.startswith("text/"):
        return "words"
    if kind in _CONTAINERS or head.startswith(_MAGIC):
        return "container"
    return "words" if not kind.startswith("audio/") and head.startswith(_WORDS) else "pcm"


async def _read(body: Any, take: Send, size: int) -> None:
    """The rest of the body, after `size` bytes, as long as it is not too much."""
    while (data := await anext(body, None)) is not None:
        size += len(data)
        if size > LONGEST:
            raise ValueError("endless sound")
        await take(data)


async def _collect(into: bytearray, data: bytes) -> None:  # noqa: ASYNC124 - as `Send` has it
    into += data


def _speech(client: Any) -> Any:
    return client.audio.speech.create


_CONTAINERS = frozenset({"audio/wav", "audio/x-wav", "audio/ogg", "audio/opus", "audio/mpeg", "audio/flac"})
"""Media types of servers that send something else, although they were asked for pcm."""

_MAGIC = (b"RIFF", b"OggS", b"fLaC", b"ID3")
"""How such sound begins, whatever it is called."""

_WORDS = (b'{"', b"{ ", b"{\n", b"<!", b"<h", b"<?")
"""How an error begins that is not called one."""

_REMEDIES = {
    400: "Check model, english, mandarin and format in [tts.openai].",
    404: "Check model and base_url in [tts.openai]; the base_url usually ends in /v1.",
    422: "Check model, english, mandarin and format in [tts.openai].",
}

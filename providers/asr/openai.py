"""Any server that speaks the OpenAI transcription API: each utterance goes there as one sound file when it is over."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal

import trio
from attrs import frozen

from providers.asr.openai_answer import LONGEST_ANSWER, text_of
from providers.audiofile import ogg_bytes, wav_bytes
from providers.language import without_gaps
from providers.openai_client import Account, closing, host_of, open_client, source_of
from providers.openai_failures import Failure, failure_of
from providers.opus import OpusError
from providers.pcm import byte_count, seconds
from providers.ports import EAR_RATE, Language, ProviderError, Transcript
from providers.settings import between, setting

SHORTEST = 0.1
"""Seconds; servers refuse shorter sounds, and nobody says a word in that time."""

HASTE = 1.0
"""Seconds after the end of the utterance within which a request that failed is made again at once; what fails later is
for whoever asked to repeat."""


@frozen(kw_only=True)
class OpenAiAsrSettings(Account):
    """A server with the OpenAI transcription API: the official one, another company's, or a local one such as
    whisper.cpp, faster-whisper or LocalAI."""

    model: str = setting("gpt-4o-mini-transcribe", "name of the model", check=bool, expected="the name of a model")
    prompt: str = setting("", "words that the model should expect, such as names; empty: none")
    format: Literal["wav", "ogg"] = setting(
        "wav", "wav, which every server takes, or ogg (Opus), a tenth of the size: for slow lines"
    )
    stream: bool = setting(False, "have the text sent piece by piece; servers that cannot do that send it whole")
    longest_mb: float = setting(
        25.0, "largest sound file that the server takes; a longer utterance fails", **between(0.1, 100)
    )
    retry: bool = setting(True, "ask once more at once when the server fails early")


class OpenAiAsr:
    """Sends whole utterances; every request is an HTTP request of its own on a shared pool of connections."""

    def __init__(
        self, settings: OpenAiAsrSettings, language: Language, environment: Mapping[str, str] = os.environ
    ) -> None:
        self._settings = settings
        self._language = language
        self._environment = environment
        self._client: Any = None
        self.name = f"openai ({settings.model} at {host_of(settings)})"

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Build the client, then stay. Raises `ProviderError` without a usable key."""
        async with open_client(self.name, self._settings, self._environment, _transcriptions) as (client, _):
            self._client = client
            try:
                task_status.started()
                await trio.sleep_forever()
            finally:
                self._client = None

    @asynccontextmanager
    async def recognise(self) -> AsyncIterator[OpenAiRecognition]:
        """Start on one utterance. Raises `ProviderError` when the client is not there."""
        if self._client is None:
            raise ProviderError(self.name, "is not running.", retryable=True)
        yield OpenAiRecognition(self)

    async def transcribe(self, pcm: bytes) -> str:
        """The words of a whole utterance. Raises `ProviderError`."""
        if len(pcm) < byte_count(SHORTEST, EAR_RATE):
            await trio.lowlevel.checkpoint()
            return ""
        file = await self._file(pcm)
        deadline = trio.current_time() + HASTE
        text = await self._attempt(file)
        if isinstance(text, Failure) and self._settings.retry and text.may_repeat(deadline - trio.current_time()):
            await trio.sleep(text.pause)
            text = await self._attempt(file)
        if isinstance(text, Failure):
            raise text.error
        return without_gaps(text)

    async def _file(self, pcm: bytes) -> tuple[str, bytes, str]:
        """Name, content and media type of the sound file; coding a minute as Opus takes half a second of a thread."""
        if self._settings.format == "wav":
            name, data, kind = "speech.wav", wav_bytes(pcm, EAR_RATE), "audio/wav"
        else:
            try:
                data = await trio.to_thread.run_sync(ogg_bytes, pcm, EAR_RATE, abandon_on_cancel=True)
            except OpusError as exc:
                remedy = 'Set format = "wav" in [asr.openai].'
                raise ProviderError(self.name, f"{exc}.", remedy=remedy) from None
            name, kind = "speech.ogg", "audio/ogg"
        if len(data) > self._settings.longest_mb * 1_048_576:
            detail = f"{seconds(pcm, EAR_RATE):.0f} s of sound are more than {self._settings.longest_mb:g} MB."
            raise ProviderError(
                self.name, detail, remedy='Set format = "ogg" in [asr.openai], or lower listen.longest_s.'
            )
        return name, data, kind

    async def _attempt(self, file: tuple[str, bytes, str]) -> str | Failure:
        """The words, or what went wrong with one HTTP request."""
        try:
            return await self._request(file)
        except Exception as exc:  # noqa: BLE001 - the vendor's exceptions become failures, by a table
            return failure_of(self.name, exc, source_of(self._settings), _REMEDIES)

    async def _request(self, file: tuple[str, bytes, str]) -> str:
        settings = self._settings
        request: dict[str, Any] = {"model": settings.model, "file": file, "language": self._language}
        if settings.prompt:
            request["prompt"] = settings.prompt
        if settings.stream:
            request["stream"] = True
        else:
            request["response_format"] = "json"
        transcriptions = self._client.audio.transcriptions.with_streaming_response
        async with transcriptions.create(**request) as response, closing(response) as body:
            answer = b""
            while (data := await anext(body, None)) is not None:
                answer += data
                if len(answer) > LONGEST_ANSWER:
                    raise ValueError("an endless answer")
            return text_of(answer, response.headers.get("content-type", ""))


class OpenAiRecognition:
    """One utterance; its audio is kept until it is over."""

    def __init__(self, asr: OpenAiAsr) -> None:
        self._asr = asr
        self._pcm = bytearray()
        self._whole = True

    async def feed(self, pcm: bytes) -> str:
        """Keep more audio; there is no text before the end."""
        self._whole = False
        await trio.lowlevel.checkpoint()
        self._whole = True
        self._pcm += pcm
        return ""

    async def finish(self) -> Transcript:
        """The final text. Raises `ProviderError`."""
        if not self._whole:
            raise ProviderError(self._asr.name, "this utterance was given up in the middle.", retryable=True)
        return Transcript(await self._asr.transcribe(bytes(self._pcm[: len(self._pcm) // 2 * 2])))


def _transcriptions(client: Any) -> Any:
    return client.audio.transcriptions.create


_REMEDIES = {
    400: "Check model, format and language in config.toml.",
    404: "Check model and base_url in [asr.openai]; the base_url usually ends in /v1.",
    413: 'Set format = "ogg" in [asr.openai], or lower listen.longest_s.',
    415: 'Set format = "wav" in [asr.openai].',
    422: "Check model, format and language in config.toml.",
}

"""A FunASR server: utterances are heard there while they are spoken, each over a connection of its own."""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from math import inf
from typing import Any
from urllib.parse import urlsplit

import trio
from attrs import frozen
from trio_websocket import ConnectionClosed, WebSocketConnection

from providers.asr.funasr_line import Address, failure_of, open_line
from providers.asr.funasr_reply import Mode, Reply
from providers.keys import read_key
from providers.ports import EAR_RATE, ProviderError, Transcript
from providers.settings import between, setting

PIECE = EAR_RATE * 60 // 1000 * 2
"""Bytes of one message: 60 ms, of which the server's streaming model counts ten."""

QUEUE = 64
"""Pieces that wait to be sent, 4 s; whoever feeds more waits for the line."""


@frozen(kw_only=True)
class FunasrSettings:
    """A FunASR server (speech recognition by Alibaba's open models), which anybody can run."""

    url: str = setting(
        "",
        "address of the server, such as ws://localhost:10095 or wss://asr.example:10095",
        check=lambda v: not v or (v.startswith(("ws://", "wss://")) and bool(urlsplit(v).hostname)),
        expected="empty or an address that begins with ws:// or wss://",
    )
    mode: Mode = setting(
        "2pass", "2pass (words while they are spoken, corrected at the end), online (never corrected) or offline"
    )
    hotwords: dict[str, int] = setting({}, "words to expect and their weights, such as { 阿里巴巴 = 20 }")
    itn: bool = setting(True, "write numbers as digits")
    replacing: bool = setting(False, "first-pass texts are cumulative; FunASR's own servers send only the new words")
    api_key_env: str = setting("FUNASR_API_KEY", "environment variable with a token, for servers behind a gateway")
    api_key_file: str = setting("", "file with the token; takes precedence over api_key_env")
    ca_file: str = setting("", "certificates to trust beside the system's, such as the server's own")
    check_certificate: bool = setting(True, "false takes any certificate: FunASR's images come with a self-signed one")
    connect_timeout_s: float = setting(2.0, "longest wait for a connection", **between(0.1, 60))


class FunasrAsr:
    """Connects when an utterance begins, so that the connection is there before its end."""

    def __init__(self, settings: FunasrSettings, environment: Mapping[str, str] = os.environ) -> None:
        self._settings = settings
        self._environment = environment
        self._address: Address | None = None
        self._mirrored: bool | None = None  # learnt from the server
        self.name = f"funasr ({settings.mode} at {urlsplit(settings.url).hostname or 'no address'})"

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Load key and certificates in a thread, then stay. Raises `ProviderError` when the settings cannot work."""
        if not self._settings.url:
            raise ProviderError(self.name, "there is no address.", remedy="Set url in [asr.funasr].")
        self._address = await trio.to_thread.run_sync(_address_of, self.name, self._settings, self._environment)
        try:
            task_status.started()
            await trio.sleep_forever()
        finally:
            self._address = None

    @asynccontextmanager
    async def recognise(self) -> AsyncIterator[FunasrRecognition]:
        """Start on one utterance. Raises `ProviderError` when the provider does not run."""
        if self._address is None:
            raise ProviderError(self.name, "is not running.", retryable=True)
        reply = Reply(self._settings.mode, replacing=self._settings.replacing, mirrored=self._mirrored)
        recognition = FunasrRecognition(self.name, self._settings, reply)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(recognition.converse, self._address)
            yield recognition
            nursery.cancel_scope.cancel("the utterance is over")
        if reply.mirrored is not None:
            self._mirrored = reply.mirrored


class FunasrRecognition:
    """One utterance: a queue of audio towards the server, and what the server said so far."""

    def __init__(self, name: str, settings: FunasrSettings, reply: Reply) -> None:
        self._name = name
        self._settings = settings
        self._reply = reply
        self._audio = _Audio()
        self._quiet = trio.CancelScope()
        self._failure: ProviderError | None = None
        self._over = trio.Event()

    async def feed(self, pcm: bytes) -> str:
        """The text so far. Waits while the line is behind."""
        await self._handed_over(pcm, last=False)
        return self._reply.text

    async def finish(self) -> Transcript:
        """The final text. Waits until the server has said it."""
        await self._handed_over(b"", last=True)
        if self._audio.empty:
            return Transcript("")
        await self._over.wait()
        if self._failure is not None:
            raise self._failure
        return Transcript(self._reply.text)

    async def _handed_over(self, pcm: bytes, *, last: bool) -> None:
        if self._audio.gap:
            raise ProviderError(self._name, "this utterance was given up in the middle.", retryable=True)
        with suppress(trio.BrokenResourceError):
            await self._audio.put(pcm, last=last)
            return
        await self._over.wait()
        raise self._failure or ProviderError(self._name, "the server ended the utterance early.", retryable=True)

    async def converse(self, address: Address) -> None:
        """Connect, send the audio, take in what is said about it, until the final text or a failure."""
        try:
            async with open_line(address) as socket, trio.open_nursery() as nursery:
                nursery.start_soon(self._talk, socket)
                await self._listen(socket)
                nursery.cancel_scope.cancel("all is said")
        except Exception as exc:
            self._failure = failure_of(self._name, exc)
            if self._failure is None:
                raise
        finally:
            self._audio.close()
            self._over.set()

    async def _talk(self, socket: WebSocketConnection) -> None:
        await socket.send_message(json.dumps(_opening(self._settings), ensure_ascii=False))
        async for piece in self._audio.pieces:
            await socket.send_message(piece)
        await socket.send_message(_CLOSING)
        self._reply.ask()
        self._quiet.deadline = trio.current_time() + self._reply.patience

    async def _listen(self, socket: WebSocketConnection) -> None:
        while not self._reply.final:
            with trio.CancelScope(deadline=trio.current_time() + self._reply.patience) as self._quiet:
                try:
                    self._reply.take(await socket.get_message())
                except ConnectionClosed:
                    if self._reply.patience == inf:  # a final text was owed
                        raise
                    return
            if self._quiet.cancelled_caught:
                return


class _Audio:
    """The audio of one utterance on its way to the line, in pieces."""

    def __init__(self) -> None:
        self.gap = False
        """Some of it was lost, when whoever fed it gave up."""
        self.empty = True
        self._send, self.pieces = trio.open_memory_channel[bytes](QUEUE)
        self._rest = b""

    async def put(self, pcm: bytes, *, last: bool) -> None:
        """Hand over what fills pieces, and after the `last` all of it. Raises `trio.BrokenResourceError`."""
        self.gap = True
        data = self._rest + pcm
        whole = len(data) // 2 * 2 if last else len(data) // PIECE * PIECE
        self.empty &= not whole
        if not whole:
            await trio.lowlevel.checkpoint()
        for at in range(0, whole, PIECE):
            await self._send.send(data[at : min(at + PIECE, whole)])
        self._rest = data[whole:]
        if last:
            self._send.close()
        self.gap = False

    def close(self) -> None:
        """The line is gone: nobody takes any more."""
        self.pieces.close()


def _opening(settings: FunasrSettings) -> dict[str, Any]:
    words = {"hotwords": json.dumps(settings.hotwords, ensure_ascii=False)} if settings.hotwords else {}
    return {
        "mode": settings.mode,
        "chunk_size": [5, 10, 5],
        "chunk_interval": 10,
        "encoder_chunk_look_back": 4,
        "decoder_chunk_look_back": 1,
        "audio_fs": EAR_RATE,
        "wav_name": "utterance",
        "wav_format": "pcm",
        "is_speaking": True,
        "itn": settings.itn,
        **words,
    }


_CLOSING = json.dumps({"is_speaking": False, "is_end": True})


def _address_of(name: str, settings: FunasrSettings, environment: Mapping[str, str]) -> Address:
    token = read_key(name, settings.api_key_env, settings.api_key_file, environment)
    tls = _tls(name, settings) if settings.url.startswith("wss:") else None
    return Address(url=settings.url, connect_timeout=settings.connect_timeout_s, tls=tls, token=token)


def _tls(name: str, settings: FunasrSettings) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not settings.check_certificate:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.ca_file:
        try:
            context.load_verify_locations(settings.ca_file)
        except (OSError, ssl.SSLError) as exc:
            reason = getattr(exc, "strerror", None) or "it holds no certificate"
            detail = f"the file {settings.ca_file} cannot be read: {reason}."
            raise ProviderError(name, detail, remedy="Check ca_file in [asr.funasr].") from None
    return context

"""A FunASR server for tests: real WebSockets, its protocol as each of its servers speaks it, and a real recogniser."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Literal

import trio
import trio_websocket
from trio_websocket import WebSocketConnection, WebSocketRequest

from providers.ports import Asr

Kind = Literal["cpp", "python", "newest", "offline"]


class Utterance:
    """One connection: what the client said, and the means to answer."""

    def __init__(self, socket: WebSocketConnection, headers: dict[str, str]) -> None:
        self.socket = socket
        self.headers = headers
        self.opening: dict[str, Any] = {}
        self.closing: dict[str, Any] = {}
        self.sizes: list[int] = []
        """Bytes of each message of audio."""

    async def open(self) -> None:
        """The first message."""
        self.opening = json.loads(await self.socket.get_message())

    async def audio(self) -> bytes | None:
        """The next message of audio; None when the end is announced."""
        message = await self.socket.get_message()
        if isinstance(message, bytes):
            self.sizes.append(len(message))
            return message
        self.closing = json.loads(message)
        return None

    async def hear_out(self) -> None:
        """Take in everything."""
        await self.open()
        await self.hear_out_rest()

    async def hear_out_rest(self) -> None:
        """Take in all audio."""
        while await self.audio() is not None:
            pass

    async def say(self, **message: Any) -> None:
        """One message as JSON."""
        await self.socket.send_message(json.dumps(message, ensure_ascii=False))

    async def raw(self, message: str | bytes) -> None:
        """One message as it is."""
        await self.socket.send_message(message)


Manner = Callable[[Utterance], Awaitable[None]]


def recognises(asr: Asr, kind: Kind = "cpp") -> Manner:
    """As a server of this kind does it."""

    async def manner(utterance: Utterance) -> None:
        await utterance.open()
        mirrored = kind == "python"
        async with asr.recognise() as recognition:
            shown = ""
            while (piece := await utterance.audio()) is not None:
                text = await recognition.feed(piece)
                if text.startswith(shown) and text != shown and kind != "offline":
                    more, shown = text[len(shown) :], text
                    await utterance.say(mode="2pass-online", text=more, wav_name="utterance", is_final=mirrored)
            text = (await recognition.finish()).text
        if kind == "cpp":
            mode = {"mode": "2pass-offline"} if text else {}
            await utterance.say(**mode, text=text, wav_name="utterance", is_final=True, timestamp="[[0,1]]")
        elif kind == "offline":
            await utterance.say(mode="offline", text=text, wav_name="utterance", is_final=False)
        else:
            if text:
                await utterance.say(mode="2pass-offline", text=text, wav_name="utterance", is_final=not mirrored)
            if kind == "newest":
                await utterance.say(is_end=True, is_final=True, wav_name="utterance")

    return manner


def says(*messages: dict[str, Any] | str) -> Manner:
    """Hears everything and then says this."""

    async def manner(utterance: Utterance) -> None:
        await utterance.hear_out()
        for message in messages:
            await (utterance.raw(message) if isinstance(message, str) else utterance.say(**message))
        await trio.sleep_forever()

    return manner


class FunasrServer:
    """Treats every connection in its manner."""

    def __init__(self, port: int, *, tls: bool) -> None:
        self.url = f"{'wss' if tls else 'ws'}://127.0.0.1:{port}"
        self.port = port
        self.manner: Manner = says({"text": "", "is_final": True})
        self.utterances: list[Utterance] = []
        self.open = 0
        """connections at this moment"""
        self.refusal = 0
        """HTTP status for every handshake; 0: none"""

    async def serve(self, request: WebSocketRequest) -> None:
        """One connection."""
        if self.refusal:
            await request.reject(self.refusal)
            return
        headers = {name.decode().lower(): value.decode() for name, value in request.headers}
        subprotocol = "binary" if "binary" in request.proposed_subprotocols else None
        socket = await request.accept(subprotocol=subprotocol)
        utterance = Utterance(socket, headers)
        self.utterances.append(utterance)
        self.open += 1
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch, socket, nursery.cancel_scope)
                await self.manner(utterance)
                with trio.move_on_after(1):  # it is for the client to leave
                    while True:
                        await socket.get_message()
        except* (trio_websocket.ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            self.open -= 1

    async def _watch(self, socket: WebSocketConnection, scope: trio.CancelScope) -> None:
        while not socket.closed:
            await trio.sleep(0.02)
        scope.cancel()


@asynccontextmanager
async def funasr_server(tls: ssl.SSLContext | None = None, *, port: int = 0) -> AsyncIterator[FunasrServer]:
    """A server on this machine, on a free port unless one is named."""
    async with trio.open_nursery() as nursery:
        box: list[FunasrServer] = []

        async def handle(request: WebSocketRequest) -> None:
            await box[0].serve(request)

        serve = partial(trio_websocket.serve_websocket, handle, "127.0.0.1", port, tls, max_message_size=1 << 24)
        started = await nursery.start(serve)
        box.append(FunasrServer(started.port, tls=tls is not None))
        yield box[0]
        nursery.cancel_scope.cancel()

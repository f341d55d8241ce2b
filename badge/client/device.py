"""A badge in software: the other end of the public protocol, over a real WebSocket and real Opus."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import trio
import trio_websocket
from attrs import define, field, frozen
from wsproto.utilities import LocalProtocolError

from badge.boundary import leaves
from protocol import Framing, RemoteProtocolError, decode_frame, dump, encode_frame
from providers.opus import Encoder
from providers.pcm import byte_count
from providers.ports import EAR_RATE

INBOX = 4096
"""Messages that wait for a reader; a server that sends more is not paced."""

CONNECT_WITHIN = 10.0
HELLO_WITHIN = 10.0
SECOND_HELLO_WITHIN = 0.5
"""Seconds."""


class CannotConnectError(Exception):
    """No session could be had; the message says where and why."""


@frozen(kw_only=True)
class Introduction:
    """How the badge introduces itself."""

    device: str
    client: str
    token: str = field(default="", repr=False)
    framing: Framing = Framing.V1
    features: dict[str, Any] = field(factory=dict)
    frame_ms: int = 60


@frozen
class Heard:
    """What the server sent: a JSON message or the Opus of an audio frame, and when it came (Trio time)."""

    at: float
    message: dict[str, Any] | None = None
    opus: bytes | None = None
    size: int = 0


@define
class Badge:
    """One open connection."""

    _socket: trio_websocket.WebSocketConnection
    _me: Introduction
    inbox: trio.MemoryReceiveChannel[Heard]
    welcome: dict[str, Any]
    early: list[Heard] = field(factory=list)
    """what came before it was clear that no second hello comes"""
    _sent: int = 0

    async def tell(self, **message: Any) -> None:
        """Send a JSON message."""
        await self._socket.send_message(dump({"session_id": self.welcome.get("session_id", ""), **message}))

    async def send_packet(self, opus: bytes) -> None:
        """Send one audio frame."""
        await self._socket.send_message(encode_frame(self._me.framing, opus, timestamp=0, sequence=self._sent))
        self._sent += 1

    async def speak(self, pcm: bytes) -> float:
        """Send audio at the ear's rate as it would be spoken, frame by frame; gives when the last frame left."""
        encoder = Encoder(EAR_RATE, self._me.frame_ms)
        size = byte_count(self._me.frame_ms / 1000, EAR_RATE)
        start = last = trio.current_time()
        for number, at in enumerate(range(0, len(pcm), size)):
            packet = encoder.encode(pcm[at : at + size].ljust(size, b"\0"))
            await trio.sleep_until(start + (number + 1) * self._me.frame_ms / 1000)
            await self.send_packet(packet)
            last = trio.current_time()
        return last

    async def until(self, kind: str, *, state: str | None = None) -> dict[str, Any]:
        """Skip to the next message of a type, and state where given."""
        while True:
            heard = await self.inbox.receive()
            message = heard.message
            if message and message.get("type") == kind and state in (None, message.get("state")):
                return message


@asynccontextmanager
async def connect(url: str, me: Introduction) -> AsyncIterator[Badge]:
    """Connect, say hello and be welcomed. Raises `CannotConnectError`."""
    try:
        async with _connected(url, me) as badge:
            yield badge
    except BaseExceptionGroup as group:  # the library says it in a task of its own
        lost, rest = group.split((trio_websocket.HandshakeError, trio_websocket.ConnectionClosed, LocalProtocolError))
        if lost is None or rest is not None:
            raise
        raise _lost(url, lost) from None


@asynccontextmanager
async def _connected(url: str, me: Introduction) -> AsyncIterator[Badge]:
    headers = _headers(me)
    leaving = False
    try:
        async with await _reach(url) as stream, trio.open_nursery() as nursery:
            socket = await _upgrade(nursery, stream, url, headers)
            send, inbox = trio.open_memory_channel[Heard](INBOX)
            nursery.start_soon(_listen, socket, me.framing, send)
            badge = Badge(socket, me, inbox, {})
            params = {"format": "opus", "sample_rate": EAR_RATE, "channels": 1, "frame_duration": me.frame_ms}
            await badge.tell(type="hello", version=1, transport="websocket", features=me.features, audio_params=params)
            await _welcome(badge, url)
            yield badge
            leaving = True
            with trio.move_on_after(2):
                await socket.aclose()
            nursery.cancel_scope.cancel()
    except* LocalProtocolError:  # a ping that comes between our goodbye and theirs cannot be answered any more
        if not leaving:
            raise


def _headers(me: Introduction) -> list[tuple[bytes, bytes]]:
    """The introduction as HTTP headers; raises `CannotConnectError` for what cannot be in one."""
    headers = {"Device-Id": me.device, "Client-Id": me.client, "Protocol-Version": str(me.framing.value)}
    if me.token:
        headers["Authorization"] = f"Bearer {me.token}"
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable()):
            raise CannotConnectError(f"{name} must be printable ASCII: HTTP headers carry nothing else")
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def _lost(url: str, exc: BaseException) -> CannotConnectError:
    """Why there is no connection, or none any more."""
    exc = next(leaves(exc))
    if not isinstance(exc, trio_websocket.ConnectionRejected):
        return CannotConnectError(f"{url} closed the connection")
    said = (exc.body or b"").decode(errors="replace").strip()
    return CannotConnectError(f"{url} refused the connection: HTTP {exc.status_code}" + (f" ({said})" if said else ""))


async def _welcome(badge: Badge, url: str) -> None:
    """Wait for the answer to our hello; some servers also greet at the door, before they have read ours."""
    refusal = ""
    try:
        with trio.move_on_after(HELLO_WITHIN):
            while not badge.welcome:
                message = (await badge.inbox.receive()).message or {}
                if message.get("type") == "hello":
                    badge.welcome = message
                elif message.get("type") in ("system", "error"):
                    refusal = str(message.get("message", ""))
            with trio.move_on_after(SECOND_HELLO_WITHIN):
                while (heard := await badge.inbox.receive()).message is None or heard.message.get("type") != "hello":
                    badge.early.append(heard)
                badge.welcome = heard.message
    except trio.EndOfChannel:
        raise CannotConnectError(f"{url} closed the connection" + (f": {refusal}" if refusal else "")) from None
    if not badge.welcome:
        raise CannotConnectError(f"{url} did not say hello within {HELLO_WITHIN:g} s: is it a badge server?")


Transport = trio.SocketStream | trio.SSLStream[trio.SocketStream]


async def _reach(url: str) -> Transport:
    wrong = CannotConnectError(f"{url} is no WebSocket address: it should look like ws://host:8000/xiaozhi/v1/")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise wrong
    try:
        with trio.fail_after(CONNECT_WITHIN):
            if parts.scheme == "wss":
                return await trio.open_ssl_over_tcp_stream(parts.hostname, port or 443, https_compatible=True)
            return await trio.open_tcp_stream(parts.hostname, port or 80)
    except trio.TooSlowError:
        raise CannotConnectError(f"{url} did not answer within {CONNECT_WITHIN:g} s") from None
    except OSError as exc:
        raise CannotConnectError(f"cannot connect to {url}: {exc}. Is the server running?") from None


async def _upgrade(
    nursery: trio.Nursery, stream: Transport, url: str, headers: list[tuple[bytes, bytes]]
) -> trio_websocket.WebSocketConnection:
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        with trio.fail_after(CONNECT_WITHIN):
            return await trio_websocket.wrap_client_stream(nursery, stream, parts.netloc, target, extra_headers=headers)
    except trio.TooSlowError:
        raise CannotConnectError(f"{url} did not answer the upgrade within {CONNECT_WITHIN:g} s") from None


async def _listen(
    socket: trio_websocket.WebSocketConnection, framing: Framing, inbox: trio.MemorySendChannel[Heard]
) -> None:
    with inbox:
        while True:
            try:
                data = await socket.get_message()
            except trio_websocket.ConnectionClosed:
                return
            at = trio.current_time()
            try:
                if isinstance(data, bytes):
                    heard = Heard(at, opus=decode_frame(framing, data).opus, size=len(data))
                else:
                    heard = Heard(at, message=dict(json.loads(data)))
            except (RemoteProtocolError, ValueError, TypeError):
                continue  # not for a badge: an echo, or an extension of that server
            await inbox.send(heard)

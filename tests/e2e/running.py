"""A running server for end-to-end tests: real sockets, the real program below them, and a raw client."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio
import trio_websocket

from badge.app import Running, Server, serve
from badge.config.settings import Settings
from protocol import Framing, decode_frame, encode_frame
from tests.house import House, packets

LOCAL = {"host": "127.0.0.1", "port": 0, "http_port": 0}


def local(settings: Settings) -> Settings:
    """The same settings on free ports of this machine, with a short goodbye, and in memory unless a file was chosen."""
    store = settings.store
    return attrs.evolve(
        settings,
        store=attrs.evolve(store, use="memory") if store == Settings().store else store,
        server=attrs.evolve(settings.server, **LOCAL),
        timeouts=attrs.evolve(settings.timeouts, shutdown_s=0.0),
    )


@asynccontextmanager
async def running(server: Server) -> AsyncIterator[Running]:
    """The server, until the block ends."""
    async with trio.open_nursery() as nursery:
        yield await nursery.start(serve, server)
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def scripted_server(
    *, settings: Settings | None = None, **providers: Any
) -> AsyncIterator[tuple[Running, House]]:
    """A real server whose providers play a script."""
    async with trio.open_nursery() as unused:
        house = House(unused, settings=local(settings or Settings()), start=False, **providers)
        async with running(house.server) as server:
            yield server, house
        unused.cancel_scope.cancel()


class Client:
    """A raw badge: sends exactly what it is told, keeps everything that comes."""

    def __init__(self, socket: trio_websocket.WebSocketConnection, framing: Framing) -> None:
        self.socket = socket
        self.framing = framing
        self.got: list[tuple[float, str | bytes]] = []
        self.close_code: int | None = None
        self._news = trio.Event()

    async def listen(self) -> None:
        while True:
            try:
                data = await self.socket.get_message()
            except trio_websocket.ConnectionClosed as exc:
                self.close_code = exc.reason.code if exc.reason else 1006
                self._ring()
                return
            self.got.append((trio.current_time(), data))
            self._ring()

    def _ring(self) -> None:
        self._news.set()
        self._news = trio.Event()

    async def tell(self, **message: Any) -> None:
        await self.socket.send_message(json.dumps(message, ensure_ascii=False))

    async def packet(self, opus: bytes) -> None:
        await self.socket.send_message(encode_frame(self.framing, opus))

    async def sound(self, kind: str, duration: float, *, frame_ms: int = 60, pace: float = 0.1) -> None:
        """Voice or silence, at a tenth of real time unless told otherwise: decisions count audio."""
        stock = packets(kind, frame_ms)
        for number in range(round(duration * 1000 / frame_ms)):
            await self.packet(stock[number % len(stock)])
            await trio.sleep(frame_ms / 1000 * pace)

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(data) for _, data in self.got if isinstance(data, str) and data[:1] == "{"]

    @property
    def audio(self) -> list[bytes]:
        return [decode_frame(self.framing, data).opus for _, data in self.got if isinstance(data, bytes)]

    @property
    def turn(self) -> list[str]:
        """What came, in short, without welcome, news and questions about the badge's tools."""
        told: list[str] = []
        for _, data in self.got:
            if isinstance(data, bytes):
                word = "audio"
            elif data[:1] != "{":
                word = f"raw {data[:20]}"
            else:
                message = json.loads(data)
                word = " ".join(filter(None, (message["type"], message.get("state") or message.get("event"))))
            if word not in ("hello", "server stats", "pong", "mcp") and (word != "audio" or told[-1:] != ["audio"]):
                told.append(word)
        return told

    def of(self, kind: str, state: str | None = None) -> list[dict[str, Any]]:
        return [m for m in self.messages if m["type"] == kind and state in (None, m.get("state"))]

    async def until(self, kind: str, state: str | None = None, *, count: int = 1, within: float = 20) -> dict[str, Any]:
        with trio.fail_after(within):
            while len(self.of(kind, state)) < count:
                assert self.close_code is None, f"closed with {self.close_code} after {self.turn}"
                await self._news.wait()
        return self.of(kind, state)[count - 1]

    async def closed(self, within: float = 20) -> int:
        with trio.fail_after(within):
            while self.close_code is None:
                await self._news.wait()
        return self.close_code

    async def alive(self) -> None:
        """The session still answers."""
        before = len(self.of("pong"))
        await self.tell(type="ping")
        await self.until("pong", count=before + 1, within=5)


@asynccontextmanager
async def client(
    server: Running,
    *,
    target: str = "/xiaozhi/v1/",
    framing: Framing = Framing.V1,
    welcomed: bool = True,
    **headers: str,
) -> AsyncIterator[Client]:
    """One connection; header names are given with underscores."""
    lines = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    stream = await trio.open_tcp_stream("127.0.0.1", server.port)
    async with stream, trio.open_nursery() as nursery:
        socket = await trio_websocket.wrap_client_stream(nursery, stream, "127.0.0.1", target, extra_headers=lines)
        badge = Client(socket, framing)
        nursery.start_soon(badge.listen)
        if welcomed:
            await badge.until("hello")
        yield badge
        with trio.move_on_after(1):
            await socket.aclose()
        nursery.cancel_scope.cancel()


UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


async def upgraded(port: int, *headers: bytes) -> trio.SocketStream:
    """A connection on which nobody speaks WebSocket but the server, after its welcome."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    await stream.send_all(UPGRADE + b"".join(header + b"\r\n" for header in headers) + b"\r\n")
    answer = b""
    with trio.fail_after(15):
        while b'"hello"' not in answer:
            piece = await stream.receive_some()
            assert piece, answer
            answer += piece
    assert answer.startswith(b"HTTP/1.1 101 ")
    return stream


def masked(text: str) -> bytes:
    """A short text frame as clients send it."""
    data = text.encode()
    assert len(data) < 126
    return bytes([0x81, 0x80 | len(data)]) + bytes(4) + data


async def reset(stream: trio.SocketStream) -> None:
    """End a connection without any goodbye, not even that of TCP."""
    linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
    stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, linger)
    await trio.aclose_forcefully(stream)


async def raw_http(port: int, data: bytes) -> bytes:
    """Everything that a connection answers to these bytes."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with stream:
        await stream.send_all(data)
        answer = b""
        with trio.fail_after(15):
            while piece := await stream.receive_some():
                answer += piece
        return answer

"""A chat completions server for tests: real sockets, answers by script, remembers what it saw."""

from __future__ import annotations

import json
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import h11
import trio

READ_SIZE = 65536


class Exchange:
    """One request and the means to answer it, properly or not."""

    def __init__(
        self, stream: trio.SocketStream, connection: h11.Connection, request: h11.Request, body: bytes
    ) -> None:
        self._stream = stream
        self._connection = connection
        self.path = request.target.decode()
        self.headers = {name.decode(): value.decode() for name, value in request.headers}
        self.content = body
        self.gone = trio.Event()
        """The client closed the connection before the answer was complete."""

    @property
    def body(self) -> dict[str, Any]:
        """The request, as JSON."""
        return json.loads(self.content or b"{}")

    async def head(self, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Status line and headers; the body follows in chunks."""
        fields = {"content-type": "text/event-stream", **(headers or {})}
        await self._send(h11.Response(status_code=status, headers=list(fields.items()), reason=b""))

    async def data(self, piece: str | bytes) -> None:
        """A piece of the body."""
        await self._send(h11.Data(data=piece.encode() if isinstance(piece, str) else piece))

    async def event(self, value: Any) -> None:
        """A server-sent event with a JSON value."""
        await self.data(f"data: {json.dumps(value)}\n\n")

    async def chunk(self, *, finish: str | None = None, **delta: Any) -> None:
        """A piece of the answer, as the API has it."""
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        await self.event(
            {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        )

    async def words(self, *words: str) -> None:
        """Pieces of text."""
        for word in words:
            await self.chunk(content=word)

    async def done(self, finish: str = "stop") -> None:
        """The orderly end of an answer."""
        await self.chunk(finish=finish)
        await self.data("data: [DONE]\n\n")
        await self.end()

    async def end(self) -> None:
        """The end of the body."""
        await self._send(h11.EndOfMessage())

    async def plain(self, status: int, value: Any = None, headers: Mapping[str, str] | None = None) -> None:
        """A whole answer of JSON."""
        await self.head(status, {"content-type": "application/json", **(headers or {})})
        await self.data(json.dumps(value))
        await self.end()

    async def raw(self, data: bytes) -> None:
        """Bytes as they are, past all rules of HTTP."""
        await self._stream.send_all(data)

    async def reset(self) -> None:
        """Break the connection as a crash does, after what was sent has arrived."""
        await trio.sleep(0.02)
        self._stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await self._stream.aclose()

    async def _send(self, event: Any) -> None:
        data = self._connection.send(event)
        if data:
            await self._stream.send_all(data)


Reply = Callable[[Exchange], Awaitable[None]]


def says(*words: str) -> Reply:
    """An ordinary answer."""

    async def reply(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.chunk(role="assistant", content="")
        await exchange.words(*words)
        await exchange.done()

    return reply


def refuses(status: int, message: str = "", headers: Mapping[str, str] | None = None) -> Reply:
    """An HTTP error in the API's form."""

    async def reply(exchange: Exchange) -> None:
        await exchange.plain(status, {"error": {"message": message, "type": "t", "code": None}}, headers)

    return reply


class OpenAiServer:
    """Answers requests with the planned replies in turn, the last one again and again."""

    def __init__(self, port: int) -> None:
        self.base_url = f"http://127.0.0.1:{port}/v1"
        self.exchanges: list[Exchange] = []
        self.connections = 0
        self.asked = trio.Event()
        """A request has come."""
        self._replies: deque[Reply] = deque()

    def plan(self, *replies: Reply) -> None:
        """What comes next."""
        self._replies = deque(replies)

    async def serve(self, stream: trio.SocketStream) -> None:
        """One connection with any number of requests."""
        self.connections += 1
        connection = h11.Connection(h11.SERVER)
        try:
            while True:
                await self._exchange(stream, connection)
                connection.start_next_cycle()
        except (trio.BrokenResourceError, trio.ClosedResourceError, h11.ProtocolError, EOFError):
            pass
        finally:
            with trio.move_on_after(1, shield=True):
                await stream.aclose()

    async def _exchange(self, stream: trio.SocketStream, connection: h11.Connection) -> None:
        request = await _next_event(stream, connection)
        if not isinstance(request, h11.Request):
            raise EOFError
        body = bytearray()
        while isinstance(event := await _next_event(stream, connection), h11.Data):
            body += event.data
        exchange = Exchange(stream, connection, request, bytes(body))
        self.exchanges.append(exchange)
        self.asked.set()
        reply = self._replies.popleft() if len(self._replies) > 1 else self._replies[0]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_watch, stream, connection, exchange, nursery.cancel_scope)
            try:
                await reply(exchange)
            except* (trio.BrokenResourceError, trio.ClosedResourceError):
                exchange.gone.set()
            nursery.cancel_scope.cancel()
        if exchange.gone.is_set():
            raise EOFError


async def _next_event(stream: trio.SocketStream, connection: h11.Connection) -> Any:
    while (event := connection.next_event()) is h11.NEED_DATA:
        connection.receive_data(await stream.receive_some(READ_SIZE))
    return event


async def _watch(
    stream: trio.SocketStream, connection: h11.Connection, exchange: Exchange, scope: trio.CancelScope
) -> None:
    """Notice that the client leaves."""
    try:
        while data := await stream.receive_some(READ_SIZE):
            connection.receive_data(data)
    except trio.BrokenResourceError:
        pass
    except trio.ClosedResourceError:  # we closed it ourselves
        return
    exchange.gone.set()
    scope.cancel()


@asynccontextmanager
async def openai_server(port: int = 0) -> AsyncIterator[OpenAiServer]:
    """A server on this machine, on a free port unless one is named."""
    listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
    server = OpenAiServer(listeners[0].socket.getsockname()[1])
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, server.serve, listeners)
        yield server
        nursery.cancel_scope.cancel()

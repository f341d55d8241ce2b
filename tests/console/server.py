"""A management console for tests: real sockets, answers by script, remembers what it was asked."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import h11
import trio

AGENT_MODELS = "/xiaozhi/config/agent-models"
REPORT = "/xiaozhi/agent/chat-history/report"

Answer = Callable[[dict[str, Any]], Awaitable[bytes | dict[str, Any]]]


def ok(data: Any = None) -> dict[str, Any]:
    return {"code": 0, "msg": "success", "data": data}


class LocalConsole:
    """Answers each path with what `answers` has for it: a value, raw bytes, or a function of the request's body."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}/xiaozhi"
        self.answers: dict[str, Any] = {AGENT_MODELS: ok({}), REPORT: ok()}
        self.status = 200
        self.headers_sent: list[tuple[str, str]] = []
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.headers: list[dict[str, str]] = []
        self.news = trio.Event()

    def of(self, path: str) -> list[dict[str, Any]]:
        return [body for asked, body in self.asked if asked == path]

    async def until(self, path: str, count: int, within: float = 10) -> list[dict[str, Any]]:
        with trio.fail_after(within):
            while len(self.of(path)) < count:
                self.news = trio.Event()
                await self.news.wait()
        return self.of(path)

    async def serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            try:
                await self._serve(stream)
            except trio.BrokenResourceError:
                return

    async def _serve(self, stream: trio.SocketStream) -> None:
        connection = h11.Connection(h11.SERVER)
        request, body = None, b""
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                connection.receive_data(await stream.receive_some())
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                return
        assert request is not None
        path, asked = request.target.decode(), json.loads(body)
        self.headers.append({name.decode(): value.decode() for name, value in request.headers})
        answer = self.answers.get(path, b"no such path")
        if callable(answer):
            answer = await answer(asked)
        self.asked.append((path, asked))
        self.news.set()
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        fields = [("content-length", str(len(data))), ("connection", "close"), *self.headers_sent]
        await stream.send_all(
            connection.send(h11.Response(status_code=self.status, headers=fields))
            + connection.send(h11.Data(data=data))
        )
        connection.send(h11.EndOfMessage())


@asynccontextmanager
async def local_console() -> AsyncIterator[LocalConsole]:
    """The console, until the block ends."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    console = LocalConsole(listener.socket.getsockname()[1])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, console.serve, [listener])
        yield console
        nursery.cancel_scope.cancel()


async def free_port() -> int:
    """A port at which nobody listens."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        return int(listener.socket.getsockname()[1])

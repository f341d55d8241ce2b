"""A chat completions server with TLS, some way off."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import trio
import trustme

from tests.providers.openai_server import Exchange, OpenAiServer, says


class FarStream(trio.abc.Stream):
    """A connection whose other end is far away: what the server sends needs a round trip."""

    def __init__(self, stream: trio.SocketStream, distance: float) -> None:
        self._stream = stream
        self._distance = distance
        self._asked = False

    async def send_all(self, data: bytes) -> None:
        if self._asked:  # an answer comes after a round trip, what follows it right behind
            self._asked = False
            await trio.sleep(self._distance)
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        data = await self._stream.receive_some(max_bytes)
        self._asked = True
        return data

    async def aclose(self) -> None:
        await self._stream.aclose()

    def setsockopt(self, *option: object) -> None:
        """The server breaks connections in other tests."""


@asynccontextmanager
async def far_server(authority: trustme.CA, distance: float) -> AsyncIterator[OpenAiServer]:
    """A server with TLS that is so many seconds away, there and back."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    server = OpenAiServer(port)
    server.base_url = f"https://localhost:{port}/v1"

    async def receive(stream: trio.SocketStream) -> None:
        tls = trio.SSLStream(FarStream(stream, distance), context, server_side=True, https_compatible=True)
        await server.serve(tls)  # type: ignore[arg-type]

    async with trio.open_nursery() as nursery:
        await nursery.start(partial(trio.serve_listeners, receive, listeners))
        yield server
        nursery.cancel_scope.cancel()


async def models_or_words(exchange: Exchange) -> None:
    """What the API answers: a page for HEAD, which has no body, or an answer."""
    if exchange.path.endswith("/models"):
        await exchange.head(200)
        await exchange.end()
    else:
        await says("yes")(exchange)

"""The line to a FunASR server: one WebSocket, plain or over TLS, and what it means when it breaks."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import inf
from typing import Any, cast
from urllib.parse import urlsplit

import h11
import trio
from attrs import frozen
from trio_websocket import ConnectionClosed, ConnectionRejected, WebSocketConnection, wrap_client_stream
from wsproto.utilities import ProtocolError

from providers.asr.funasr_reply import ServerError
from providers.ports import ProviderError, alone

QUEUE = 64
"""Messages of the server that wait to be read; beyond it the connection is read no further."""

LARGEST = 1 << 20
"""Bytes of one message; a server that sends more sends no result, and is left."""

GOODBYE = 0.02
"""Seconds that the closing words may take after the result; the result waits for them."""

PAUSE = 0.25
"""Seconds after which a server that could not be reached or broke off is worth another try."""


@frozen(kw_only=True)
class Address:
    """Where a server is, and how to trust it. `tls` is None for plain connections; `token` goes with the handshake."""

    url: str
    connect_timeout: float
    tls: ssl.SSLContext | None = None
    token: str = ""

    @property
    def host(self) -> str:
        """The name of the server."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The port that the address names, or the usual one."""
        return urlsplit(self.url).port or (443 if self.tls else 80)

    @property
    def resource(self) -> str:
        """What comes after the port."""
        parts = urlsplit(self.url)
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


@asynccontextmanager
async def open_line(address: Address) -> AsyncIterator[WebSocketConnection]:
    """A connection, closed at once when the context is left early. What goes wrong leaves in a group, for `failure_of`."""
    async with trio.open_nursery() as nursery:
        with trio.fail_after(address.connect_timeout) as patience:
            raw = await trio.open_tcp_stream(address.host, address.port)
            try:
                socket = await _greet(nursery, raw, address)
                patience.deadline = inf
                yield socket
                with trio.move_on_after(GOODBYE):
                    await socket.aclose()
            finally:
                await trio.aclose_forcefully(raw)
                nursery.cancel_scope.cancel("the line is closed")


class _Greeting(trio.abc.Stream):
    """A stream whose end is an error until the server has greeted: the package would wait for the greeting all the same."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.greeted = False
        self._stream = stream

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """What comes. Raises `ConnectionResetError` when the server leaves without a greeting."""
        try:
            data = await self._stream.receive_some(max_bytes)
        except trio.BrokenResourceError:
            if self.greeted:
                raise
            raise ConnectionResetError from None
        if not (data or self.greeted):
            raise ConnectionResetError
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Pass this on."""
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait for room."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close the stream."""
        await self._stream.aclose()


async def _greet(nursery: trio.Nursery, raw: trio.SocketStream, address: Address) -> WebSocketConnection:
    stream: trio.SocketStream | trio.SSLStream[trio.SocketStream] = raw
    if address.tls is not None:
        stream = trio.SSLStream(raw, address.tls, server_hostname=address.host)
        await stream.do_handshake()
    headers = [(b"authorization", f"Bearer {address.token}".encode())] if address.token else []
    greeting = _Greeting(stream)
    socket = await wrap_client_stream(
        nursery,
        cast(Any, greeting),
        urlsplit(address.url).netloc.rpartition("@")[2],
        address.resource,
        subprotocols=["binary"],
        extra_headers=headers,
        message_queue_size=QUEUE,
        max_message_size=LARGEST,
    )
    greeting.greeted = True
    return socket


def failure_of(name: str, exc: BaseException) -> ProviderError | None:
    """What an error on the line means: one table. None for what has nothing to do with it. Of several errors, as when
    both directions break, the first one counts."""
    if isinstance(exc, BaseExceptionGroup):
        failures = [failure_of(name, inner) for inner in exc.exceptions]
        return None if None in failures else failures[0]
    match exc:
        case ConnectionRejected():
            return _refused(name, exc.status_code)
        case trio.TooSlowError():
            detail = "the server does not take the connection in time."
            return ProviderError(name, detail, remedy=_CHECK, retryable=True, pause=PAUSE, unreachable=True)
        case ConnectionClosed():
            code = exc.reason.code if exc.reason else 1006
            return ProviderError(name, f"the server closed the connection (code {code}).", retryable=True, pause=PAUSE)
        case trio.BrokenResourceError() if isinstance(exc.__cause__, ssl.SSLError):
            reason = getattr(exc.__cause__, "verify_message", "") or exc.__cause__.reason or "no common ground"
            return ProviderError(name, f"the encrypted connection failed ({reason}).", remedy=_CHECK_TLS)
        case trio.BrokenResourceError() | OSError():
            detail = f"the connection failed ({type(alone(exc.__cause__ or exc)).__name__})."
            return ProviderError(name, detail, remedy=_CHECK, retryable=True, pause=PAUSE, unreachable=True)
        case h11.ProtocolError() | ProtocolError():
            return ProviderError(name, "the server does not speak the protocol.", remedy=_CHECK, retryable=True)
        case ServerError():
            return ProviderError(name, "the server reports an error.", retryable=True, pause=PAUSE)
        case ValueError() | RecursionError():
            return ProviderError(name, "the server sent something that is no result.", retryable=True, pause=PAUSE)
    return None


def _refused(name: str, status: int) -> ProviderError:
    remedy = _CHECK_KEY if status in (401, 403) else _CHECK
    lasting = status < 500 and status not in (408, 429)
    return ProviderError(
        name, f"the server refuses the connection (HTTP {status}).", remedy=remedy, retryable=not lasting, pause=PAUSE
    )


_CHECK = "Check the network and url in [asr.funasr]."
_CHECK_KEY = "Check the key that api_key_env or api_key_file in [asr.funasr] names."
_CHECK_TLS = "Name the server's certificate in ca_file in [asr.funasr], or set check_certificate = false there."

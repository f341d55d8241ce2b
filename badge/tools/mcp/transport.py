"""The way to an MCP server: a process of its own, or an address."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from typing import TextIO

import anyio
import httpx2
import mcp_types
import trio
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._stream_protocols import ReadStream, WriteStream
from mcp.shared.message import SessionMessage

from badge.config.mcp import McpSettings
from badge.tools.mcp import keeper
from badge.tools.mcp.forms import filled

LAST_WORDS = 500
"""Bytes kept of the end of what a process writes to its standard error."""

CONNECT_WITHIN = 10.0
SILENT_WITHIN = 300.0
"""Seconds in which an address answers a connection, and that an open stream may be silent."""


class Complaints:
    """What went wrong with a server, as far as it is known, for the log, should it not start: the end of what its process has
    written to its standard error, or how its address has answered. Later that may quote users, so it is forgotten then."""

    def __init__(self) -> None:
        self._tail = b""
        self.heeded = True
        """Whether it has not started yet."""

    @property
    def last(self) -> str:
        """The last line."""
        lines = self._tail.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    def take(self, chunk: bytes) -> None:
        """There is more."""
        if self.heeded:
            self._tail = (self._tail + chunk)[-LAST_WORDS:]
        elif keeper.TOO_LARGE.encode() in chunk:
            self._tail = keeper.TOO_LARGE.encode()

    def ignore(self) -> None:
        """It has started."""
        self._tail, self.heeded = b"", False


MOST_AT_ONCE, AT_ONCE = 250, 0.25
"""How many messages of one server are taken in how many seconds. One that sends more has to wait: it would take the time
that others need."""

ANSWERS = (mcp_types.JSONRPCResponse, mcp_types.JSONRPCError)

LARGEST_ANSWER = keeper.LARGEST_MESSAGE
"""Bytes of one answer over HTTP."""


class TooLargeError(httpx2.StreamError):
    """An answer has too many bytes, or does not say how many."""


Streams = tuple[ReadStream[SessionMessage | Exception], WriteStream[SessionMessage]]


@asynccontextmanager
async def way_to(
    settings: McpSettings,
    environment: Mapping[str, str],
    complaints: Complaints,
    *,
    answered: Callable[[], None],
    ended: Callable[[], None],
) -> AsyncIterator[Streams]:
    """The two streams of messages from and to a server; `answered` is told of each answer, whoever still waits for it, and
    `ended` when nothing more will come. Leaving it ends the process: its input is closed, 2 s later it is told to end, another 2 s later it is killed, with all that it has started.

    Raises `UnsetError`, `OSError` when there is no such program, and what the HTTP library raises.
    """
    async with _transport(settings, environment, complaints) as (read, write), trio.open_nursery() as nursery:
        send, receive = anyio.create_memory_object_stream[SessionMessage | Exception](0)

        async def pass_on() -> None:
            with suppress(anyio.BrokenResourceError):  # nobody listens any more
                async with send:
                    await _paced(read, send, answered)
            ended()

        nursery.start_soon(pass_on)
        yield receive, write
        nursery.cancel_scope.cancel("the connection is not needed any more")


async def _paced(
    read: ReadStream[SessionMessage | Exception],
    send: WriteStream[SessionMessage | Exception],
    answered: Callable[[], None],
) -> None:
    count, began = 0, trio.current_time()
    async for message in read:
        if isinstance(message, SessionMessage) and isinstance(message.message, ANSWERS):
            answered()
        await send.send(_unchecked(message))
        count += 1
        if count == MOST_AT_ONCE:
            await trio.sleep_until(began + AT_ONCE)
            count, began = 0, trio.current_time()


def _unchecked(message: SessionMessage | Exception) -> SessionMessage | Exception:
    """The same; tools without the schemas of their results. The library would hold results to them on this thread, and a
    pattern can take it for ever."""
    match message:
        case SessionMessage(message=mcp_types.JSONRPCResponse(result={"tools": list() as tools})):
            for tool in tools:
                if isinstance(tool, dict):
                    tool.pop("outputSchema", None)
    return message


def _transport(
    settings: McpSettings, environment: Mapping[str, str], complaints: Complaints
) -> AbstractAsyncContextManager[Streams]:
    fill = partial(filled, environment=environment)
    if settings.command:
        command = [fill(settings.command), *(fill(one) for one in settings.args)]
        server = StdioServerParameters(
            command=sys.executable,
            args=["-I", "-S", keeper.__file__, *command],
            env={name: fill(value) for name, value in settings.env.items()},
        )
        return _process(server, complaints)
    url, headers = fill(settings.url), {name: fill(value) for name, value in settings.headers.items()}
    client = partial(_http_client, complaints)
    if settings.transport == "sse":
        return sse_client(url, headers, CONNECT_WITHIN, SILENT_WITHIN, httpx_client_factory=client)
    return _address(url, client(headers, httpx2.Timeout(CONNECT_WITHIN, read=SILENT_WITHIN)))


@asynccontextmanager
async def _process(server: StdioServerParameters, complaints: Complaints) -> AsyncIterator[Streams]:
    ours, its = os.pipe()
    async with trio.lowlevel.FdStream(ours) as errors, trio.open_nursery() as nursery:

        async def hear() -> None:
            async for chunk in errors:
                complaints.take(bytes(chunk))

        with _writing(its) as stderr:
            async with stdio_client(server, errlog=stderr) as streams:
                stderr.close()  # the process has it now
                nursery.start_soon(hear)
                yield streams
        nursery.cancel_scope.cancel("the process has ended")


def _writing(descriptor: int) -> TextIO:
    return os.fdopen(descriptor, "w")


@asynccontextmanager
async def _address(url: str, http: httpx2.AsyncClient) -> AsyncIterator[Streams]:
    async with http, streamable_http_client(url, http_client=http, max_sse_event_size=LARGEST_ANSWER) as streams:
        yield streams


def _http_client(
    complaints: Complaints,
    headers: dict[str, str] | None = None,
    timeout: httpx2.Timeout | None = None,
    auth: httpx2.Auth | None = None,
) -> httpx2.AsyncClient:
    async def look_at(response: httpx2.Response) -> None:
        await trio.lowlevel.checkpoint()
        if response.is_error:
            complaints.take(f"HTTP {response.status_code}\n".encode())
        if response.headers.get("content-encoding", "identity") != "identity":
            complaints.take(b"the answer is compressed\n")
            raise TooLargeError("it is compressed")
        if "text/event-stream" not in response.headers.get("content-type", ""):  # the library bounds those itself
            assert isinstance(response.stream, httpx2.AsyncByteStream)
            response.stream = _Bounded(response.stream)

    return httpx2.AsyncClient(
        headers={**(headers or {}), "Accept-Encoding": "identity"},  # so that its size is known
        timeout=timeout,
        auth=auth,
        event_hooks={"response": [look_at]},
    )


class _Bounded(httpx2.AsyncByteStream):
    """An answer that ends with `TooLargeError` when it is too long."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > LARGEST_ANSWER:
                raise TooLargeError(f"it has more than {LARGEST_ANSWER} bytes")
            yield chunk

    async def aclose(self) -> None:
        """There is nothing more to read."""
        await self._stream.aclose()

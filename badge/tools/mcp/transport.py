"""The way to an MCP server: a process of its own, or an address."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from typing import TextIO

import anyio
import httpx2
import trio
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._stream_protocols import ReadStream, WriteStream
from mcp.shared.message import SessionMessage

from badge.config.mcp import McpSettings
from badge.tools.mcp.forms import filled

LAST_WORDS = 500
"""Bytes kept of the end of what a process writes to its standard error."""

CONNECT_WITHIN = 10.0
SILENT_WITHIN = 300.0
"""Seconds in which an address answers a connection, and that an open stream may be silent."""


class Complaints:
    """The end of what a process has written to its standard error, for the log, should it not start. Later that may quote
    users, so it is forgotten then."""

    def __init__(self) -> None:
        self._tail = b""
        self.heeded = True
        """Whether it has not started yet."""

    @property
    def last(self) -> str:
        """Its last line."""
        lines = self._tail.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    def take(self, chunk: bytes) -> None:
        """It has written more."""
        if self.heeded:
            self._tail = (self._tail + chunk)[-LAST_WORDS:]

    def ignore(self) -> None:
        """It has started."""
        self._tail, self.heeded = b"", False


Streams = tuple[ReadStream[SessionMessage | Exception], WriteStream[SessionMessage]]


@asynccontextmanager
async def way_to(
    settings: McpSettings, environment: Mapping[str, str], complaints: Complaints, ended: Callable[[], None]
) -> AsyncIterator[Streams]:
    """The two streams of messages from and to a server; `ended` is told when nothing more will come. Leaving it ends the
    process: its input is closed, 2 s later it is told to end, another 2 s later it is killed.

    Raises `UnsetError`, `OSError` when there is no such program, and what the HTTP library raises.
    """
    async with _transport(settings, environment, complaints) as (read, write), trio.open_nursery() as nursery:
        send, receive = anyio.create_memory_object_stream[SessionMessage | Exception](0)

        async def pass_on() -> None:
            with suppress(anyio.BrokenResourceError):  # nobody listens any more
                async with send:
                    async for message in read:
                        await send.send(message)
            ended()

        nursery.start_soon(pass_on)
        yield receive, write
        nursery.cancel_scope.cancel("the connection is not needed any more")


def _transport(
    settings: McpSettings, environment: Mapping[str, str], complaints: Complaints
) -> AbstractAsyncContextManager[Streams]:
    fill = partial(filled, environment=environment)
    if settings.command:
        server = StdioServerParameters(
            command=fill(settings.command),
            args=[fill(one) for one in settings.args],
            env={name: fill(value) for name, value in settings.env.items()},
        )
        return _process(server, complaints)
    headers = {name: fill(value) for name, value in settings.headers.items()}
    if settings.transport == "sse":
        return sse_client(fill(settings.url), headers, timeout=CONNECT_WITHIN)
    return _address(fill(settings.url), headers)


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
async def _address(url: str, headers: dict[str, str]) -> AsyncIterator[Streams]:
    patience = httpx2.Timeout(CONNECT_WITHIN, read=SILENT_WITHIN)
    async with (
        httpx2.AsyncClient(headers=headers, timeout=patience) as client,
        streamable_http_client(url, http_client=client) as streams,
    ):
        yield streams

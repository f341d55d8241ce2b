"""What comes piece by piece: having it made, reading it, and passing it on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import trio

from providers.ports import Incoming

T = TypeVar("T")


@asynccontextmanager
async def made_beside(
    make: Callable[[trio.MemorySendChannel[T]], Awaitable[None]], size: int
) -> AsyncIterator[trio.MemoryReceiveChannel[T]]:
    """What `make` sends and closes, while it runs beside the receiver; up to `size` pieces may wait. It ends with the
    receiver, whoever is done first, and raises here what it raises."""
    send, receive = trio.open_memory_channel[T](size)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(make, send)
        try:
            yield receive
        finally:
            nursery.cancel_scope.cancel("the receiver left")
            receive.close()


async def next_of(stream: Incoming[T]) -> T | None:
    """The next piece; None after the last one."""
    try:
        return await stream.receive()
    except trio.EndOfChannel:
        return None


async def next_at_once(stream: Incoming[T]) -> T | None:
    """The same, without a pause when the piece is already there."""
    try:
        return stream.receive_nowait()
    except trio.WouldBlock:
        pass
    except trio.EndOfChannel:
        return None
    return await next_of(stream)


async def pass_on(piece: T, send: trio.MemorySendChannel[T]) -> None:
    """Hand a piece over, at once where there is room: whoever fails at this very moment must not take it along."""
    try:
        send.send_nowait(piece)
    except trio.WouldBlock:
        await send.send(piece)

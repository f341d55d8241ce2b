"""Reading what comes piece by piece, and passing it on."""

from __future__ import annotations

from typing import TypeVar

import trio

from providers.ports import Incoming

T = TypeVar("T")


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

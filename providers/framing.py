"""What the server and its worker processes say to each other: messages in length-prefixed msgpack frames."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args

import msgpack

MAX_FRAME = 1 << 20
"""Bytes of one frame without its prefix; more is a fault of whoever sends it."""

PREFIX = 4
"""Bytes that give the length of a frame, big-endian."""

Kind = Literal["settings", "request", "cancel", "ready", "refused", "reply", "done", "failed"]
"""To the child: `settings` once, then `request` and `cancel`. From the child: `ready` or `refused` once, then any
number of `reply` and one `done` or `failed` for each request."""

_KINDS: tuple[Kind, ...] = get_args(Kind)

Message = tuple[Kind, int, Any]
"""Kind, number of the request (0 for what belongs to none), body."""


class FramingError(ValueError):
    """A frame that is too large, or bytes that are none of our frames."""


def pack(kind: Kind, number: int, body: Any = None) -> bytes:
    """One message as bytes. Raises `FramingError` when it is too large."""
    data: bytes = msgpack.packb((kind, number, body))
    if len(data) > MAX_FRAME:
        raise FramingError(f"a message of {len(data)} bytes; the most is {MAX_FRAME}")
    return len(data).to_bytes(PREFIX, "big") + data


class Unframer:
    """Cuts a stream of bytes into messages."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes | bytearray) -> Iterator[Message]:
        """The messages that are complete. Raises `FramingError`; after that the stream is of no use."""
        self._data += data
        while len(self._data) >= PREFIX:
            end = PREFIX + int.from_bytes(self._data[:PREFIX], "big")
            if end > PREFIX + MAX_FRAME:
                raise FramingError(f"a frame of {end - PREFIX} bytes; the most is {MAX_FRAME}")
            if len(self._data) < end:
                return
            frame = bytes(self._data[PREFIX:end])
            del self._data[:end]
            yield _unpack(frame)


def _unpack(frame: bytes) -> Message:
    try:
        message = msgpack.unpackb(frame)
    except (ValueError, msgpack.UnpackException) as exc:
        raise FramingError(f"{len(frame)} bytes that are no message") from exc
    if not isinstance(message, list) or len(message) != 3:
        raise FramingError(f"{len(frame)} bytes that are no message")
    kind, number, body = message
    if kind not in _KINDS or type(number) is not int:
        raise FramingError(f"{len(frame)} bytes that are no message")
    return kind, number, body

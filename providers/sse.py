"""Server-sent events, read without I/O: bytes of a body in, the data of each event out."""

from __future__ import annotations

from collections.abc import Iterator

LONGEST_EVENT = 1 << 20
"""Bytes of one line, characters of one event; a server that sends more without an end sends no events."""


class Events:
    """What the bytes of one body say so far."""

    def __init__(self) -> None:
        self._bytes = b""
        self._data: list[str] = []
        self._size = 0

    def feed(self, data: bytes) -> Iterator[str]:
        """The data of the events in the next bytes. Raises ValueError for what are no events."""
        *lines, self._bytes = (self._bytes + data).split(b"\n")
        if len(self._bytes) > LONGEST_EVENT:
            raise ValueError("an endless line")
        for line in lines:
            yield from self._line(line)

    def end(self) -> Iterator[str]:
        """The body is over: the data of a last event without its blank line."""
        yield from self._line(self._bytes)
        yield from self._line(b"")

    def _line(self, line: bytes) -> Iterator[str]:
        text = line.decode().removesuffix("\r")
        if text.startswith("data:"):
            self._data.append(text[5:].removeprefix(" "))
            self._size += len(text)
            if self._size > LONGEST_EVENT:
                raise ValueError("an endless event")
        elif not text and self._data:
            event, self._data, self._size = "\n".join(self._data), [], 0
            yield event

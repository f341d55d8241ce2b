"""The tape: what a badge sent and was sent lately, for those who are told what was said."""

from __future__ import annotations

from base64 import b64encode
from collections import deque
from collections.abc import Iterable

LONGEST = 75.0
"""Seconds that are kept: the longest utterance, and what comes before it is understood."""

MOST_BYTES = 2 * 1_048_576


class Tape:
    """Packets with the time at which each came; the oldest make room."""

    def __init__(self) -> None:
        self._packets: deque[tuple[float, bytes]] = deque()
        self._bytes = 0

    def add(self, packet: bytes, at: float) -> None:
        """One more packet (Trio time)."""
        self._packets.append((at, packet))
        self._bytes += len(packet)
        while self._bytes > MOST_BYTES or self._packets[0][0] < at - LONGEST:
            self._bytes -= len(self._packets.popleft()[1])

    def cut(self, since: float, until: float) -> list[bytes]:
        """What came in this span, which has gone from the tape with everything before it."""
        found = [packet for at, packet in self._packets if since <= at <= until]
        while self._packets and self._packets[0][0] <= until:
            self._bytes -= len(self._packets.popleft()[1])
        return found


def written(packets: Iterable[bytes]) -> str:
    """Packets as text: in base64, with a space between."""
    return " ".join(b64encode(packet).decode("ascii") for packet in packets)

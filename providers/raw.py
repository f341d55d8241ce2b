"""No codec at all, with the shape of one: for badges that ask for `pcm`."""

from __future__ import annotations


class RawDecoder:
    """Takes 16-bit mono audio at the ear's rate as it is."""

    def decode(self, packet: bytes) -> bytes:
        """The same audio, a whole number of samples."""
        return packet[: len(packet) // 2 * 2]


class RawEncoder:
    """Gives 16-bit mono audio in frames of `frame_ms`."""

    def __init__(self, rate: int, frame_ms: int) -> None:
        self.frame_bytes = rate * frame_ms // 1000 * 2

    def encode(self, pcm: bytes) -> bytes:
        """The same audio."""
        return pcm

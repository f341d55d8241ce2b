"""Opus packets without their sound: as long as before, in bytes and in ms, and as broken, where they are (RFC 6716, 3)."""

from __future__ import annotations

LONGEST_FRAME = 1275
"""Bytes."""

LONGEST_PACKET_MS = 120

_SEVERAL = 3
"""The code of a packet that says itself how many frames it has."""

_PADDED = 0x40


def silenced(packet: bytes) -> bytes:
    """A packet of the same size whose frames are empty: a decoder makes as many samples of it, or refuses it as well.

    All that stays is the kind of the frames and their number; what was sound is padding.
    """
    if len(packet) < 2:
        return packet
    kind = packet[0] | _SEVERAL
    frames = frames_in(packet)
    if len(packet) == 2 or not frames:
        return bytes([kind, frames]) + bytes(len(packet) - 2)
    full, rest = divmod(len(packet) - 3, 255)
    padding = 254 * full + rest
    return bytes([kind, frames | _PADDED]) + b"\xff" * full + bytes([rest]) + bytes(padding)


def frames_in(packet: bytes) -> int:
    """How many frames a packet has; 0 when it is no Opus packet."""
    if not packet:
        return 0
    body = packet[1:]
    match packet[0] & 3:
        case 0:
            frames, last = 1, len(body)
        case 1:
            frames, last = 2, -1 if len(body) % 2 else len(body) // 2
        case 2:
            frames, last = 2, _last_of(body, 2)
        case _:
            frames, last = _several(body, _frame_ms(packet[0]))
    return frames if 0 <= last <= LONGEST_FRAME else 0


def _frame_ms(toc: int) -> float:
    config = toc >> 3
    if config < 12:
        return (10, 20, 40, 60)[config & 3]
    if config < 16:
        return (10, 20)[config & 1]
    return (2.5, 5, 10, 20)[config & 3]


def _several(body: bytes, frame_ms: float) -> tuple[int, int]:
    """Number of frames, and size of the last; below 0 when it does not work out."""
    frames = body[0] & 0x3F if body else 0
    if not frames or frames * frame_ms > LONGEST_PACKET_MS:
        return 0, -1
    sized, padded = body[0] & 0x80, body[0] & _PADDED
    body = body[1:]
    while padded:
        if not body:
            return 0, -1
        padding, padded = min(body[0], 254), body[0] == 255
        if padding > len(body) - 1:
            return 0, -1
        body = body[1 : len(body) - padding]
    if sized:
        return frames, _last_of(body, frames)
    return frames, -1 if len(body) % frames else len(body) // frames


def _last_of(body: bytes, frames: int) -> int:
    """Size of the last frame, when those of the others stand before them; below 0 when they do not fit."""
    at = others = 0
    for _ in range(frames - 1):
        if at >= len(body):
            return -1
        size, at = body[at], at + 1
        if size >= 252:
            if at >= len(body):
                return -1
            size, at = size + 4 * body[at], at + 1
        others += size
    return len(body) - at - others

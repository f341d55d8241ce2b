"""Voice clips as badges send them to each other: Opus packets in JSON, looked at without decoding the sound."""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from badge.desk import RefusedError
from providers.opus import MAX_FRAME_MS, MAX_PACKET

FRAMES = (20, 40, 60)
"""How long a packet may be, in ms: what badges play."""

_SILK, _HYBRID, _CELT = (10, 20, 40, 60), (10, 20), (2.5, 5, 10, 20)
_FRAME_MS = _SILK * 3 + _HYBRID * 2 + _CELT * 4  # by the upper five bits of the first byte


@frozen(kw_only=True)
class Clip:
    """A recorded voice: packets that last `frame_ms` each."""

    packets: tuple[bytes, ...] = field(repr=False)
    frame_ms: int


def packet_ms(packet: bytes) -> float:
    """How long an Opus packet lasts, in ms, by its first two bytes (RFC 6716, 3.1 and 3.2); 0 when it is no Opus."""
    if not packet:
        return 0
    match packet[0] & 3:
        case 0:
            frames = 1
        case 1 | 2:
            frames = 2
        case _:
            frames = packet[1] & 0x3F if len(packet) > 1 else 0
    lasts = frames * _FRAME_MS[packet[0] >> 3]
    return lasts if lasts <= MAX_FRAME_MS else 0


def read_clip(payload: Mapping[str, Any], *, longest_s: float) -> Clip:
    """The clip in the payload of a message: `opus`, packets in base64, and `frame_ms`. Raises `RefusedError`."""
    coded, frame_ms = payload.get("opus"), payload.get("frame_ms")
    if not isinstance(frame_ms, int) or frame_ms not in FRAMES:
        raise _bad("payload.frame_ms must be 20, 40 or 60")
    if not isinstance(coded, list) or not coded:
        raise _bad("payload.opus must be a list of at least one Opus packet in base64")
    most = int(longest_s * 1000 // frame_ms)
    if len(coded) > most:
        raise _bad(
            f"a clip lasts at most {longest_s:g} s (peer.longest_clip_s): {most} packets of {frame_ms} ms, not {len(coded)}"
        )
    return Clip(packets=tuple(_packet(text, number, frame_ms) for number, text in enumerate(coded)), frame_ms=frame_ms)


def _packet(text: object, number: int, frame_ms: int) -> bytes:
    try:
        packet = binascii.a2b_base64(text, strict_mode=True) if isinstance(text, str) else b""
    except ValueError:
        packet = b""
    if not 0 < len(packet) <= MAX_PACKET:
        raise _bad(f"payload.opus[{number}] must be base64 of 1 to {MAX_PACKET} bytes")
    if packet_ms(packet) != frame_ms:
        raise _bad(f"payload.opus[{number}] is no Opus packet of {frame_ms} ms, which payload.frame_ms promises")
    return packet


def _bad(message: str) -> RefusedError:
    return RefusedError("bad-clip", message)

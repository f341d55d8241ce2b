"""Binary frames: the three layouts that badges use around one Opus packet, and the one of the MQTT gateway."""

from __future__ import annotations

import struct
from enum import Enum

from attrs import frozen

from protocol.errors import ErrorCode, RemoteProtocolError

OPUS = 0
"""The only payload type that badges send; type 1 (JSON) is declared by the firmware but never used."""

_V2 = struct.Struct(">HHIII")  # version, type, reserved, timestamp ms, payload size
_V3 = struct.Struct(">BBH")  # type, reserved, payload size
_GATEWAY = struct.Struct(">BBHIII")  # 1, 0, payload size, sequence, timestamp ms, payload size


class Framing(Enum):
    """How one WebSocket binary message wraps one Opus packet; a badge uses the same one in both directions."""

    V1 = 1
    V2 = 2
    V3 = 3
    GATEWAY = 4


@frozen
class AudioPacket:
    """One Opus packet and its `timestamp` in ms (0 where the framing has none)."""

    opus: bytes
    timestamp: int = 0


def decode_frame(framing: Framing, data: bytes) -> AudioPacket:
    """Unwrap one binary message; an empty message is an empty packet. Raises `RemoteProtocolError`."""
    if framing is Framing.V1 or not data:
        return AudioPacket(data)
    header = _V3 if framing is Framing.V3 else _V2
    if len(data) < header.size:
        raise _bad(framing, f"{len(data)} bytes are less than the {header.size} byte header")
    if framing is Framing.V3:
        kind, _, size = _V3.unpack_from(data)
        timestamp = 0
    else:
        version, kind, _, timestamp, size = _V2.unpack_from(data)
        if framing is Framing.V2 and version not in (0, 2):  # 0: a gateway that announces v2 but leaves the head blank
            raise _bad(framing, f"version field is {version}, not 2")
    if kind != OPUS and framing is not Framing.GATEWAY:
        raise _bad(framing, f"payload type is {kind}, not {OPUS} (Opus)")
    if size != len(data) - header.size:
        raise _bad(framing, f"header says {size} payload bytes, message has {len(data) - header.size}")
    return AudioPacket(data[header.size :], timestamp)


def encode_frame(framing: Framing, opus: bytes, *, timestamp: int = 0, sequence: int = 0) -> bytes:
    """Wrap one Opus packet; `timestamp` in ms and `sequence` in frames count from the start of the reply."""
    match framing:
        case Framing.V1:
            return opus
        case Framing.V2:
            return _V2.pack(2, OPUS, 0, timestamp & 0xFFFFFFFF, len(opus)) + opus
        case Framing.V3:
            return _V3.pack(OPUS, 0, len(opus)) + opus
        case Framing.GATEWAY:
            stamp, count = timestamp & 0xFFFFFFFF, sequence & 0xFFFFFFFF
            return _GATEWAY.pack(1, 0, len(opus) & 0xFFFF, count, stamp, len(opus)) + opus


def _bad(framing: Framing, detail: str) -> RemoteProtocolError:
    return RemoteProtocolError(
        ErrorCode.BAD_FRAME,
        f"binary frame is not {framing.name.lower()}: {detail}",
        ref={"framing": framing.name.lower()},
    )

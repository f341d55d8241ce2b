"""Binary frames, byte for byte."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import AudioPacket, ErrorCode, Framing, RemoteProtocolError, decode_frame, encode_frame


@pytest.mark.parametrize(
    ("framing", "frame"),
    [
        (Framing.V1, b"abc"),
        (Framing.V2, bytes.fromhex("0002 0000 00000000 000000b4 00000003") + b"abc"),
        (Framing.V3, bytes.fromhex("00 00 0003") + b"abc"),
        (Framing.GATEWAY, bytes.fromhex("01 00 0003 00000007 000000b4 00000003") + b"abc"),
    ],
)
def test_layout_on_the_wire(framing: Framing, frame: bytes) -> None:
    assert encode_frame(framing, b"abc", timestamp=180, sequence=7) == frame


@pytest.mark.parametrize("framing", list(Framing))
@given(opus=st.binary(max_size=2300), timestamp=st.integers(0, 2**32 - 1))
def test_round_trip(framing: Framing, opus: bytes, timestamp: int) -> None:
    decoded = decode_frame(framing, encode_frame(framing, opus, timestamp=timestamp))
    assert decoded.opus == opus
    assert decoded.timestamp == (timestamp if framing in (Framing.V2, Framing.GATEWAY) else 0)


def test_gateway_uplink_has_a_blank_head() -> None:
    uplink = bytes(8) + (77).to_bytes(4, "big") + (2).to_bytes(4, "big") + b"op"
    assert decode_frame(Framing.GATEWAY, uplink) == AudioPacket(b"op", 77)
    assert decode_frame(Framing.V2, uplink) == AudioPacket(b"op", 77)


@pytest.mark.parametrize("framing", list(Framing))
def test_empty_message_is_an_empty_packet(framing: Framing) -> None:
    assert decode_frame(framing, b"") == AudioPacket(b"")


@pytest.mark.parametrize(
    ("framing", "frame", "says"),
    [
        (Framing.V2, b"short", "16 byte header"),
        (Framing.V3, b"\0\0", "4 byte header"),
        (Framing.V2, bytes.fromhex("0003 0000 00000000 00000000 00000000"), "version field is 3"),
        (Framing.V2, bytes.fromhex("0002 0001 00000000 00000000 00000000"), "type is 1"),
        (Framing.V2, bytes.fromhex("0002 0000 00000000 00000000 00000005") + b"abc", "5 payload bytes, message has 3"),
        (Framing.V3, bytes.fromhex("00 00 0002") + b"abc", "2 payload bytes, message has 3"),
        (Framing.V3, bytes.fromhex("01 00 0003") + b"abc", "type is 1"),
        (Framing.GATEWAY, bytes(15), "16 byte header"),
    ],
)
def test_wrong_frames_are_named(framing: Framing, frame: bytes, says: str) -> None:
    with pytest.raises(RemoteProtocolError, match=says) as refused:
        decode_frame(framing, frame)
    assert refused.value.code is ErrorCode.BAD_FRAME


@pytest.mark.parametrize("framing", list(Framing))
@given(st.binary(max_size=64))
def test_any_bytes_are_a_packet_or_a_refusal(framing: Framing, data: bytes) -> None:
    with suppress(RemoteProtocolError):
        assert decode_frame(framing, data).opus in data or not data

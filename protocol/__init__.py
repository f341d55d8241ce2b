"""The wire protocol between a badge and the server, without any input or output of its own."""

from protocol.codec import Echo, Unknown, decode_text, dump, encode_text
from protocol.errors import ErrorCode, HandshakeError, LocalProtocolError, RemoteProtocolError
from protocol.frames import AudioPacket, Framing, decode_frame, encode_frame
from protocol.identity import Identity, Source, identify, normalise
from protocol.phases import Phase, require_legal
from protocol.registry import FROM_BADGE, TO_BADGE, wire_name
from protocol.vocabulary import ListenMode

__all__ = [
    "FROM_BADGE",
    "TO_BADGE",
    "AudioPacket",
    "Echo",
    "ErrorCode",
    "Framing",
    "HandshakeError",
    "Identity",
    "ListenMode",
    "LocalProtocolError",
    "Phase",
    "RemoteProtocolError",
    "Source",
    "Unknown",
    "decode_frame",
    "decode_text",
    "dump",
    "encode_frame",
    "encode_text",
    "identify",
    "normalise",
    "require_legal",
    "wire_name",
]

"""What is taken out of a recording that is to be without sound: all that was heard and spoken, and the clips in messages."""

from __future__ import annotations

import binascii
import hashlib
import json
from typing import Any

from attrs import frozen

from badge.recording.records import Kind
from badge.recording.silence import silenced
from protocol import Framing, RemoteProtocolError, decode_frame, dump

Raw = tuple[Any, ...]


@frozen
class Hashing:
    """Takes the sound out of a recording; a hash stays, so that two recordings of the same sound can be recognised.

    `clips`: whether the voices in messages between badges can be read. In a masked message they are masked, too.
    """

    framing: Framing
    opus_speech: bool = False
    clips: bool = True

    def data(self, kind: Kind, data: Raw) -> Raw:
        """A record's data without sound, with the hash of the sound at its end."""
        if kind in (Kind.IN, Kind.OUT) and isinstance(data[0], bytes) and len(data) == 1:
            return self._frame(data[0]), _digest(data[0])
        if self.clips and kind in (Kind.IN, Kind.OUT, Kind.POST) and isinstance(data[0], str):
            return without_clips(data[0]), *data[1:]
        if self.clips and kind is Kind.DESK_ASK:
            return *data[:-1], _silent(data[-1])
        if kind is Kind.ANNOUNCE:
            return *data[:-1], [silenced(packet) for packet in data[-1]]
        if kind is Kind.TTS_CHUNK and len(data) == 2:
            number, sound = data
            return number, silenced(sound) if self.opus_speech else bytes(len(sound)), _digest(sound)
        return data

    def _frame(self, frame: bytes) -> bytes:
        try:
            opus = decode_frame(self.framing, frame).opus
        except RemoteProtocolError:
            return frame[:4] + bytes(max(0, len(frame) - 4))
        return frame[: len(frame) - len(opus)] + silenced(opus)


def without_clips(frame: str) -> str:
    """A text message with the voice in it silenced, as long as before."""
    if '"opus"' not in frame or '"payload"' not in frame:
        return frame
    try:
        return dump(_silent(json.loads(frame)))
    except (ValueError, RecursionError):
        return frame


def _silent(value: Any, key: str = "") -> Any:
    """A JSON value with the packets under `opus` silenced."""
    match value:
        case dict():
            return {name: _silent(inner, name) for name, inner in value.items()}
        case list():
            return [_silent(inner, key) for inner in value]
        case str() if key == "opus":
            try:
                packet = binascii.a2b_base64(value, strict_mode=True)
            except ValueError:
                return value
            return binascii.b2a_base64(silenced(packet), newline=False).decode()
    return value


def _digest(sound: bytes) -> bytes:
    return hashlib.blake2b(sound, digest_size=8).digest()


def hashing_of(header: dict[str, Any], *, masked: bool = False) -> Hashing:
    """How the audio of a recording is hashed; `masked`: its texts are masked before."""
    opus = header["components"].get("tts", {}).get("encoding") == "opus"
    clips = not masked and header.get("text") != "redact"
    return Hashing(Framing[header["identity"]["framing"]], opus, clips)

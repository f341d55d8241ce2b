"""What stays of sound in a recording that is to be shared: how long it was, and a hash."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from badge.recording.records import Kind
from badge.recording.silence import frames_in, silenced
from badge.recording.soundless import Hashing
from protocol import Framing, decode_frame, encode_frame
from providers.opus import Decoder, Encoder, OpusError
from providers.scripted import tone


def samples(packet: bytes) -> int | None:
    """How many a decoder makes of a packet; None when it refuses it."""
    try:
        return len(Decoder(16_000).decode(packet)) // 2
    except OpusError:
        return None


def several(config: int, code: int, stereo: int) -> bytes:
    """A packet of one, two or three frames that differ in size where the code allows it."""
    toc = bytes([config << 3 | stereo << 2 | code])
    sound = bytes(range(7, 107))
    match code:
        case 0:
            return toc + sound
        case 1:
            return toc + sound
        case 2:
            return toc + bytes([40]) + sound
    frames = 2 if config in (3, 7, 11) else 3  # of 60 ms: not more than two
    return toc + bytes([0x80 | frames]) + bytes([30] * (frames - 1)) + sound


@pytest.mark.parametrize("code", [0, 1, 2, 3])
@pytest.mark.parametrize("config", range(32))
def test_a_silenced_packet_is_as_long_as_before(config: int, code: int) -> None:
    for stereo in (0, 1):
        packet = several(config, code, stereo)
        assert samples(packet) is not None
        assert samples(silenced(packet)) == samples(packet)
        assert len(silenced(packet)) == len(packet)
        assert silenced(silenced(packet)) == silenced(packet)


HEADS = st.sampled_from([0, 1, 2, 3, 6, 63, 0x41, 0x42, 0x43, 0x81, 0x82, 0xC2, 0xC3])


@given(st.integers(0, 255), HEADS, st.binary(max_size=60), st.sampled_from([0, 0, 1, 252, 253, 1215, 1275, 2490, 2550]))
@example(3, 0x42, b"\x01\x05\x05\x05\x05", 0)  # padding, and two frames of the same size
@example(2, 0xFC, b"\xfa", 2000)  # two frames of a thousand bytes
@example(1, 0, b"", 0)
def test_a_silenced_packet_is_refused_when_it_was_before(toc: int, head: int, rest: bytes, more: int) -> None:
    packet = bytes([toc, head]) + rest + bytes(more)
    for piece in (packet, packet[:1]):
        assert samples(silenced(piece)) == samples(piece)
        assert bool(frames_in(piece)) == (samples(piece) is not None)


@pytest.mark.parametrize("framing", Framing)
@pytest.mark.parametrize("frame_ms", [20, 40, 60])
def test_hashing_takes_the_sound_and_knows_it_again(framing: Framing, frame_ms: int) -> None:
    encoder = Encoder(16_000, frame_ms)
    hashing = Hashing(framing)
    one, two = (encoder.encode(tone(frame_ms / 1000, 16_000)) for _ in range(2))
    frames = [encode_frame(framing, packet, timestamp=120, sequence=2) for packet in (one, two, one)]
    done = [hashing.data(Kind.IN, (frame,)) for frame in frames]
    assert done[0] == done[2] != done[1]
    for frame, (silent, _) in zip(frames, done, strict=True):
        before, after = decode_frame(framing, frame), decode_frame(framing, silent)
        assert after.timestamp == before.timestamp
        assert samples(after.opus) == samples(before.opus) == 16 * frame_ms
        assert after.opus == silenced(before.opus)


def test_hashing_synthetic_speech() -> None:
    sound = tone(0.1, 24_000)
    (number, silence, first), (_, _, second) = (Hashing(Framing.V1).data(Kind.TTS_CHUNK, (1, sound)) for _ in range(2))
    assert (number, silence) == (1, bytes(len(sound)))
    assert first == second
    packet = Encoder(24_000, 60).encode(tone(0.06, 24_000))
    _, silent, _ = Hashing(Framing.V1, opus_speech=True).data(Kind.TTS_CHUNK, (1, packet))
    assert silent == silenced(packet)


def test_hashing_leaves_alone_what_has_no_sound() -> None:
    hashing = Hashing(Framing.V3)
    assert hashing.data(Kind.IN, ("text",)) == ("text",)
    assert hashing.data(Kind.STATE, ("m", "e", "a", "b")) == ("m", "e", "a", "b")
    broken = b"\x07\x00\x00\xff" + b"no frame of ours"
    silent, _ = hashing.data(Kind.IN, (broken,))
    assert silent == broken[:4] + bytes(len(broken) - 4)
    once = hashing.data(Kind.IN, (broken,))
    assert hashing.data(Kind.IN, once) == once

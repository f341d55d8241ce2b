"""Opus in Ogg: another program reads it, and finds the sound that was put in."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.ogg import LONGEST_PACKET, ogg_opus
from providers.opus import Decoder, Encoder
from providers.ports import MOUTH_RATE
from providers.scripted import tone
from tests.soundfile import RATE, heard

FRAME_MS = 60


def encoded(pcm: bytes) -> tuple[list[bytes], int]:
    """The packets of a sound, with as much silence after it as makes the last one whole; and what to skip."""
    encoder = Encoder(MOUTH_RATE, FRAME_MS)
    size = encoder.frame_bytes
    count = -(-(len(pcm) + 2 * encoder.lookahead) // size)
    pcm = pcm.ljust(count * size, b"\0")
    return [encoder.encode(pcm[at : at + size]) for at in range(0, len(pcm), size)], encoder.lookahead


def samples(pcm: bytes) -> np.ndarray:
    return np.frombuffer(pcm, np.int16).astype(float)


def alike(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one, other)[0, 1])


@pytest.mark.parametrize("seconds", [0.0371, 0.06, 1.0, 3.21])
def test_another_program_hears_what_our_decoder_hears(seconds: float) -> None:
    pcm = tone(seconds, MOUTH_RATE)
    packets, skip = encoded(pcm)
    count = len(pcm) // 2
    file = ogg_opus(packets, frame_ms=FRAME_MS, rate=MOUTH_RATE, skip=skip, samples=count)
    found, rate = heard(file), RATE
    assert len(found) == count * rate // MOUTH_RATE
    decoder = Decoder(rate)
    ours = samples(b"".join(map(decoder.decode, packets)))
    likeness = {lag: alike(found[:1000], ours[2 * skip + lag :][:1000]) for lag in range(-20, 21)}
    best = max(likeness, key=likeness.__getitem__)
    assert abs(best) <= 1  # two decoders, two resampling filters
    assert alike(found, ours[2 * skip + best :][: len(found)]) > 0.98
    assert alike(found[::2], samples(pcm)) > 0.7  # nothing is late: the tone would cancel itself


@given(st.lists(st.integers(1, 1500), min_size=1, max_size=400), st.data())
@settings(deadline=None, max_examples=60)
def test_packets_of_every_length_come_out_as_they_went_in(sizes: list[int], data: st.DataObject) -> None:
    packets = [bytes([8 * 11]) + bytes([number % 256]) * (size - 1) for number, size in enumerate(sizes)]
    count = (len(packets) - 1) * 960 + data.draw(st.integers(1, 960))
    file = ogg_opus(packets, frame_ms=60, rate=16_000, skip=0, samples=count)
    with av.open(io.BytesIO(file), options={"crccheck": "1"}) as container:
        (stream,) = container.streams.audio
        out = [packet for packet in container.demux(stream) if packet.size]
    assert [bytes(packet) for packet in out] == packets


@pytest.mark.parametrize("size", [1, 254, 255, 256, 509, 510, 511, 4000, LONGEST_PACKET])
def test_lacing_at_its_edges(size: int) -> None:
    packets = [bytes([88]) * size, bytes([88])]
    file = ogg_opus(packets, frame_ms=60, rate=48_000, skip=0, samples=5760)
    with av.open(io.BytesIO(file)) as container:
        assert [packet.size for packet in container.demux() if packet.size] == [size, 1]


def pages(file: bytes) -> list[tuple[int, int, int]]:
    """Flags, position and checksum of each page, read by the book: a checksum bit by bit."""
    found = []
    while file:
        assert file.startswith(b"OggS\0")
        lacing = file[27 : 27 + file[26]]
        page, file = file[: 27 + len(lacing) + sum(lacing)], file[27 + len(lacing) + sum(lacing) :]
        register = 0
        for byte in page[:22] + bytes(4) + page[26:]:
            register ^= byte << 24
            for _ in range(8):
                register = (register << 1 ^ (0x104C11DB7 if register & 1 << 31 else 0)) & 0x1FFFFFFFF
        assert register == int.from_bytes(page[22:26], "little")
        found.append((page[5], int.from_bytes(page[6:14], "little"), int.from_bytes(page[18:22], "little")))
    return found


def test_pages_say_where_they_are_and_which_is_the_last() -> None:
    packets, skip = encoded(tone(2.5, MOUTH_RATE))
    file = ogg_opus(packets, frame_ms=FRAME_MS, rate=MOUTH_RATE, skip=skip, samples=60_000)
    found = pages(file)
    assert [page[2] for page in found] == list(range(len(found)))
    assert [page[0] for page in found] == [2, 0, 0, 0, 4]
    assert [page[1] for page in found] == [0, 0, 16 * 2880, 32 * 2880, 2 * skip + 120_000]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_packets_that_do_not_fit_the_sound_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match="do not hold"):
        ogg_opus([b"\x58"] * count, frame_ms=60, rate=24_000, skip=0, samples=2000)


def test_a_packet_that_no_page_holds_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 65024 bytes"):
        ogg_opus([bytes(LONGEST_PACKET + 1)], frame_ms=60, rate=24_000, skip=0, samples=1000)

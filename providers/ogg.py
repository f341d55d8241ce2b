"""Opus in an Ogg file (RFC 3533 and 7845): what players and browsers take, from packets in memory to the bytes of a file."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence

GRANULES = 48_000
"""Positions in an Opus file count samples at this rate, whatever rate its sound was coded with."""

PAGE_MS = 1000
"""How much sound one page holds at most: a player that joins or seeks finds its place by pages."""

LONGEST_PACKET = 255 * 254 + 254
"""Bytes; the longest packet that fits into one page."""

_SEGMENTS = 255
_SERIAL = 1
_FIRST, _LAST = 2, 4
_VENDOR = b"badge"
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def ogg_opus(packets: Sequence[bytes], *, frame_ms: int, rate: int, skip: int, samples: int) -> bytes:
    """The file with these mono packets, each of which lasts `frame_ms`.

    `rate` (Hz) is that of the sound before it was coded. Of what comes out of a decoder the first `skip` samples are
    thrown away, then `samples` are the sound, both at that rate; what follows in the last packet is thrown away, too.
    Raises `ValueError` when the last packet is not the one in which the sound ends, or a packet is too long for a page.
    """
    frame, scale = frame_ms * GRANULES // 1000, GRANULES // rate
    skip, end = skip * scale, (skip + samples) * scale
    if not (len(packets) - 1) * frame < end <= len(packets) * frame:
        raise ValueError(f"{len(packets)} packets of {frame_ms} ms do not hold {end} samples of {GRANULES} Hz")
    head = struct.pack("<8sBBHIhB", b"OpusHead", 1, 1, skip, rate, 0, 0)
    tags = struct.pack("<8sI", b"OpusTags", len(_VENDOR)) + _VENDOR + struct.pack("<I", 0)
    pages = [_page([head], number=0, position=0, kind=_FIRST), _page([tags], number=1, position=0)]
    done = 0
    for group in _grouped(packets, PAGE_MS // frame_ms):
        done += len(group)
        last = done == len(packets)
        position = end if last else done * frame
        pages.append(_page(group, number=len(pages), position=position, kind=_LAST if last else 0))
    return b"".join(pages)


def _grouped(packets: Sequence[bytes], most: int) -> Iterator[list[bytes]]:
    """The packets of one page after the other."""
    group: list[bytes] = []
    room = _SEGMENTS
    for packet in packets:
        need = len(packet) // 255 + 1
        if need > _SEGMENTS:
            raise ValueError(f"a packet has at most {LONGEST_PACKET} bytes, not {len(packet)}")
        if group and (need > room or len(group) >= most):
            yield group
            group, room = [], _SEGMENTS
        group.append(packet)
        room -= need
    if group:
        yield group


def _page(packets: Sequence[bytes], *, number: int, position: int, kind: int = 0) -> bytes:
    """One page: `position` is that of its last sample."""
    lacing = b"".join(b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255]) for packet in packets)
    head = struct.pack("<4sBBqIIIB", b"OggS", 0, kind, position, _SERIAL, number, 0, len(lacing))
    page = head + lacing + b"".join(packets)
    return page[:22] + struct.pack("<I", _checksum(page)) + page[26:]


def _checksum(page: bytes) -> int:
    """Ogg's CRC-32 is zlib's with each byte and the result read from the other end, and without its two complements."""
    reflected = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{reflected:032b}"[::-1], 2)

"""The file format: whatever was written can be read, wherever it is cut, and damage is located."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from badge.recording.fileformat import LONGEST, MAGIC, VERSION, Packer, Recording, RecordingError, parse, read
from badge.recording.records import INPUTS, OUTPUTS, SHAPES, Kind, Record, fits

HEADER = {"program": "1", "settings": {}}
RAW = [
    (0, 0, Kind.BEGIN, HEADER),
    (10, 3, Kind.IN, '{"type":"hello"}'),
    (20, 1, Kind.IN, bytes(range(200))),
    (1_000_000, 2, Kind.STATE, "TurnMachine", "listen", "idle", "listening"),
    (2_000_000, 0, Kind.LLM_TOKEN, 1, {"index": 0, "id": "", "name": "f", "arguments": "{}"}),
    (3_000_000, 1, Kind.ENTER, [["question", "answer"]], ""),
    (4_000_000, 1, Kind.END, "over"),
]


def packed(*batches: list[tuple[object, ...]]) -> bytes:
    packer = Packer()
    return b"".join(packer.pack(batch) for batch in batches)


def test_what_was_written_is_read() -> None:
    recording = parse("x", packed(RAW[:2], RAW[2:5], RAW[5:]))
    assert recording.header == HEADER
    assert recording.flaw == ""
    assert recording.duration == 4.0
    assert [(r.at, r.after, r.kind, *r.data) for r in recording.records] == RAW[1:]


def test_every_kind_is_done_to_the_session_or_by_it_or_told_at_once() -> None:
    others = {Kind.BEGIN, Kind.END, Kind.CUT, Kind.ENTER, Kind.INHERIT, Kind.NOW, Kind.VAD}
    assert set(Kind) == INPUTS | OUTPUTS | others
    assert not (INPUTS | OUTPUTS) & others


def attempt(data: bytes) -> Recording | str:
    """The recording, or why there is none."""
    try:
        return parse("x", data)
    except RecordingError as exc:
        return str(exc)


def test_a_file_that_is_cut_at_any_byte_is_read_up_to_its_last_whole_record() -> None:
    data = packed(*([record] for record in RAW))
    whole = parse("x", data).records
    counts = []
    for size in range(len(data)):
        found = attempt(data[:size])
        if isinstance(found, str):
            assert found.startswith("x: record 0, byte ")
            continue
        assert found.records == whole[: len(found.records)]
        cut = f"record {len(found.records) + 1}, byte {size}: "
        assert found.flaw.startswith(cut) or (not found.flaw and found.records == whole)
        counts.append(len(found.records))
    assert counts == sorted(counts)
    assert set(counts) == set(range(len(whole) + 1))


@settings(max_examples=200, deadline=None)
@given(st.integers(min_value=10), st.integers(1, 255))
def test_a_flipped_byte_is_noticed_and_located(position: int, flip: int) -> None:
    data = bytearray(packed(RAW))
    whole = parse("x", bytes(data)).records
    data[10 + position % (len(data) - 10)] ^= flip
    found = attempt(bytes(data))
    if isinstance(found, str):
        assert found.startswith("x: record 0, byte ")
    else:
        assert found.records == whole[: len(found.records)]
        assert found.flaw.startswith("record ") or found.records == whole  # the flip was in bits that mean nothing


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_foreign_bytes_are_refused_in_words(data: bytes) -> None:
    for beginning in (b"", MAGIC + struct.pack(">H", VERSION)):
        with pytest.raises(RecordingError, match="x: record 0, byte"):
            parse("x", beginning + data)


def test_a_newer_version_is_refused_with_the_remedy() -> None:
    data = MAGIC + struct.pack(">H", VERSION + 1) + packed(RAW)[10:]
    with pytest.raises(RecordingError, match=f"format version {VERSION + 1}, and this program reads .* update"):
        parse("x", data)


def framed(payload: bytes, *, crc: int | None = None, length: int | None = None) -> bytes:
    """A file with the header record and one record that was made by hand."""
    begin = msgpack.packb(RAW[0])
    body = b"".join(
        struct.pack(">II", size, check) + content
        for content, size, check in (
            (begin, len(begin), zlib.crc32(begin)),
            (payload, len(payload) if length is None else length, zlib.crc32(payload) if crc is None else crc),
        )
    )
    return MAGIC + struct.pack(">H", VERSION) + zlib.compress(body)


@pytest.mark.parametrize(
    ("data", "flaw"),
    [
        (framed(msgpack.packb([1, 0, "in", "x"]), crc=7), "checksum"),
        (framed(b"x", length=LONGEST + 1), "impossible length"),
        (framed(msgpack.packb([1, 0, "of another time", "x"])), "does not know"),
        (framed(msgpack.packb("no list")), "does not know"),
        (framed(msgpack.packb([1])), "does not know"),
        (framed(b"\xc1"), "does not know"),
        (framed(msgpack.packb([1, 0, "in"])), "makes no sense (in)"),
        (framed(msgpack.packb([1, 0, "lost", "x"])), "makes no sense (lost)"),
        (framed(msgpack.packb([-1, 0, "cut"])), "makes no sense (cut)"),
        (framed(msgpack.packb([1, -1, "cut"])), "makes no sense (cut)"),
    ],
)
def test_records_that_cannot_be_are_located(data: bytes, flaw: str) -> None:
    recording = parse("x", data)
    assert recording.records == ()
    assert recording.flaw.startswith("record 1, byte ")
    assert flaw in recording.flaw


def test_a_header_that_is_none_is_refused() -> None:
    with pytest.raises(RecordingError, match="header is missing"):
        parse("x", packed([RAW[1]]))
    with pytest.raises(RecordingError, match=r"makes no sense \(begin\)"):
        parse("x", packed([(0, 0, Kind.BEGIN, "no mapping")]))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"nowhere.badgerec: cannot be read: No such file"):
        read(tmp_path / "nowhere.badgerec")
    with pytest.raises(RecordingError, match="cannot be read: Is a directory"):
        read(tmp_path)


def test_a_record_shows_no_words() -> None:
    assert "secret" not in repr(Record(0, 0, Kind.IN, ("secret",)))


def test_every_kind_has_a_shape() -> None:
    assert set(SHAPES) == set(Kind)
    for record in RAW:
        assert fits(record[2], record[3:])  # type: ignore[arg-type]
    assert fits(Kind.IN, (b"sound", b"hash"))
    assert not fits(Kind.POST, ("text", True, b"hash"))
    assert fits(Kind.POST, ("text", True, True))  # newer recordings say more

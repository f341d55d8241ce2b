"""The file format of recordings: records to bytes and back. `docs/recording.md` describes it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgpack
from attrs import field, frozen

from badge.recording.records import Kind, Record, fits

MAGIC = b"BADGEREC"
VERSION = 1
"""Grows when older programs can no longer read what is written. Whatever was once written can be read for ever."""

LEVEL, STRATEGY = 1, zlib.Z_RLE
"""Of compression: speech shrinks as well by this as by anything slower, in a fifth of the time."""

LONGEST = 64 * 1_048_576
"""Bytes of one batch of records; more is damage."""

_HEAD = struct.Struct(">8sH")
_FRAME = struct.Struct(">II")
_SLICE = 512
"""Bytes that are unpacked at once, so that damage can be located."""


class RecordingError(Exception):
    """A file is no recording that can be read; the message names the file, the record, the byte, and what to do."""


@frozen(kw_only=True)
class Recording:
    """What a file holds. `flaw` says where and why reading ended early; empty when the recording is whole."""

    name: str
    header: dict[str, Any] = field(repr=False)
    records: tuple[Record, ...] = field(repr=False)
    flaw: str = ""

    @property
    def duration(self) -> float:
        """Seconds from the first record to the last."""
        return self.records[-1].at / 1_000_000 if self.records else 0.0


class Packer:
    """Turns batches of records into the bytes of one file. Whatever has been written can be read, wherever it is cut."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(LEVEL, strategy=STRATEGY)
        self._message = msgpack.Packer(use_bin_type=True, unicode_errors="surrogatepass", autoreset=False)
        self._begun = False

    def pack(self, records: Iterable[tuple[Any, ...]]) -> bytes:
        """The bytes that a batch of records, as (at, after, kind, *data), adds to the file."""
        for record in records:
            self._message.pack(record)
        batch = self._message.bytes()
        self._message.reset()
        head = b"" if self._begun else _HEAD.pack(MAGIC, VERSION)
        self._begun = True
        framed = self._deflate.compress(_FRAME.pack(len(batch), zlib.crc32(batch)) + batch)
        return head + framed + self._deflate.flush(zlib.Z_SYNC_FLUSH)


def read(path: Path) -> Recording:
    """The recording in a file, as far as it goes. Raises `RecordingError` when not even the header can be read."""
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise RecordingError(f"{path}: cannot be read: {exc.strerror}") from None
    return parse(str(path), data)


def parse(name: str, data: bytes) -> Recording:
    """The recording in the bytes of a file that is called `name`. Raises `RecordingError`."""
    if len(data) < _HEAD.size or not data.startswith(MAGIC):
        raise RecordingError(
            f"{name}: record 0, byte 0: this is no recording of a badge session ({_about(data)}); recordings are the "
            f"files that the server writes into the folder of [recording]"
        )
    _, version = _HEAD.unpack_from(data)
    if version > VERSION:
        raise RecordingError(
            f"{name}: record 0, byte {len(MAGIC)}: the recording has format version {version}, and this program reads "
            f"versions up to {VERSION}: update the program"
        )
    records: list[Record] = []
    flaw = ""
    unpacking = _Unpacking(data)
    try:
        records.extend(unpacking.records())
    except _FlawError as exc:
        flaw = f"record {len(records)}, byte {unpacking.position}: {exc}"
    if not records or records[0].kind is not Kind.BEGIN:
        why = flaw or f"record 0, byte {_HEAD.size}: the header is missing"
        raise RecordingError(f"{name}: {why}; nothing of it can be used")
    if not flaw and records[-1].kind is not Kind.END:
        flaw = f"record {len(records)}, byte {len(data)}: the recording ends without its last record, it was cut off"
    return Recording(name=name, header=records[0].data[0], records=tuple(records[1:]), flaw=flaw)


def _about(data: bytes) -> str:
    return f"it begins with {data[:8]!r}" if data else "it is empty"


class _FlawError(Exception):
    """What follows is damaged or missing."""


class _Unpacking:
    """Goes through a file; `position` is how far it got, in bytes of the file."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = _HEAD.size

    def records(self) -> Iterator[Record]:
        """Each whole record. Raises `_FlawError` where there is something else."""
        rest = bytearray()
        last = 0
        for piece in self._pieces():
            rest += piece
            while (end := self._end_of(rest)) is not None:
                batch = bytes(rest[_FRAME.size : end])
                if zlib.crc32(batch) != _FRAME.unpack_from(rest)[1]:
                    raise _FlawError("the recording is damaged: a checksum is wrong")
                for record in _records(batch, last):
                    last = record.at
                    yield record
                del rest[:end]
        if rest:
            yield from _records(bytes(rest[_FRAME.size :]), last, cut=True)
            raise _FlawError("the recording is cut off in the middle of a batch of records")

    def _end_of(self, rest: bytearray) -> int | None:
        if len(rest) < _FRAME.size:
            return None
        length, _ = _FRAME.unpack_from(rest)
        if length > LONGEST:
            raise _FlawError("the recording is damaged: a batch of impossible length")
        end: int = _FRAME.size + length
        return end if end <= len(rest) else None

    def _pieces(self) -> Iterator[bytes]:
        inflate = zlib.decompressobj()
        while self.position < len(self._data):
            piece = self._data[self.position : self.position + _SLICE]
            try:
                unpacked = inflate.decompress(piece)
            except zlib.error:
                raise _FlawError("the recording is damaged: it cannot be unpacked") from None
            self.position += len(piece)
            yield unpacked


def _records(batch: bytes, last: int, *, cut: bool = False) -> Iterator[Record]:
    """The records of a batch, after one at `last` µs; of one that is `cut` those that are whole."""
    unpacker = msgpack.Unpacker(unicode_errors="surrogatepass", strict_map_key=False, max_buffer_size=LONGEST)
    unpacker.feed(batch)
    try:
        for item in unpacker:
            at, after, kind, *data = item
            record = Record(int(at), int(after), Kind(kind), tuple(data))
            if record.at < last or record.after < 0 or not fits(record.kind, record.data):
                raise _FlawError(f"the recording holds a record that makes no sense ({record.kind})")
            last = record.at
            yield record
    except (ValueError, TypeError, OverflowError, msgpack.UnpackException) as exc:
        unknown = f"the recording holds something that this program does not know ({type(exc).__name__})"
        raise _FlawError("the recording is damaged, or cut off" if cut else unknown) from None
    if not cut and unpacker.tell() != len(batch):
        raise _FlawError("the recording is damaged: a batch does not end with a record")

"""Unpacking an archive that nobody vouches for."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

MAX_ENTRIES = 10_000

MAX_RATIO = 20
"""Times that the content may be larger than the archive: models shrink to a half or a third, bombs to a thousandth."""

SPARE_BYTES = 1024 * 1024
"""Bytes that any archive may hold, whatever the ratio: small text files shrink well."""

_CHUNK = 1024 * 1024
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others unpack a whole block at once, however large it gets


class UnpackError(Exception):
    """The archive is damaged, hostile or too large for the disk; the message is a clause about "it"."""


def unpack(archive: Path, target: Path, *, check_cancelled: Callable[[], None] = lambda: None) -> None:
    """Unpack a zip file into the new folder `target`.

    Blocks; `check_cancelled` is called for every MiB and may raise. Nothing is ever written outside of `target`, but
    what was written before an error stays there. Raises `UnpackError`, and `OSError` for a full or broken disk.
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            entries = packed.infolist()
            _refuse_hostile(entries, archive.stat().st_size)
            _refuse_too_large(entries, target.parent)
            target.mkdir()
            for entry in entries:
                _extract(packed, entry, target, check_cancelled)
    except (zipfile.BadZipFile, zlib.error, EOFError, FileExistsError, NotADirectoryError) as exc:
        raise UnpackError(f"it is damaged ({exc})") from exc
    except RuntimeError as exc:  # zipfile's word for a password
        raise UnpackError(f"it is encrypted ({exc})") from exc


def _refuse_hostile(entries: Sequence[zipfile.ZipInfo], size: int) -> None:
    if len(entries) > MAX_ENTRIES:
        raise UnpackError(f"it has {len(entries)} entries")
    if sum(entry.file_size for entry in entries) > size * MAX_RATIO + SPARE_BYTES:
        raise UnpackError("its content is far too large for its size")
    for entry in entries:
        path = PurePosixPath(entry.filename)
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if path.is_absolute() or ".." in path.parts or not path.parts or set("\\:") & set(entry.filename):
            raise UnpackError(f"the entry {entry.filename!r} points outside")
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise UnpackError(f"the entry {entry.filename!r} is a link or a device")
        if entry.compress_type not in _METHODS:
            raise UnpackError(f"the entry {entry.filename!r} uses compression method {entry.compress_type}")


def _refuse_too_large(entries: Sequence[zipfile.ZipInfo], folder: Path) -> None:
    needed = sum(entry.file_size for entry in entries)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise UnpackError(f"it needs {needed / 1e6:.0f} MB and the disk has {free / 1e6:.0f} MB left")


def _extract(
    packed: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, check_cancelled: Callable[[], None]
) -> None:
    path = target / entry.filename
    if entry.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with packed.open(entry) as source, path.open("xb") as sink:
        while chunk := source.read(_CHUNK):
            check_cancelled()
            sink.write(chunk)

"""Downloading one file: resumed where it broke off, and verified."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx2
import trio
from attrs import frozen

from badge.commands.model_lists import Part

TIMEOUT = httpx2.Timeout(30, connect=10)
"""Seconds: 30 without a single byte, 10 until somebody answers."""

OnBytes = Callable[[int], None]


class DownloadError(Exception):
    """The file was not had; the message is a sentence for the operator."""


class UnreachableError(DownloadError):
    """Nobody answers at the address; the message has no full stop, so that it can go on."""

    def __init__(self, url: str, exc: Exception) -> None:
        super().__init__(f"Cannot reach {url} ({_reason(exc)})")


async def download(client: httpx2.AsyncClient, part: Part, path: Path, on_bytes: OnBytes) -> None:
    """Make `path` the verified file of `part`.

    What lies at `path` already is continued, provided that the server still has the same file. `on_bytes` hears how
    many bytes are there. When cancelled or cut off, `path` stays for the next time; a file that fails verification is
    deleted. Raises `DownloadError`.
    """
    partial = _Partial(path)
    try:
        if await trio.to_thread.run_sync(partial.size) != part.size:
            await _transfer(client, part, partial, on_bytes)
        on_bytes(part.size)
        await trio.to_thread.run_sync(_verify, part, path, abandon_on_cancel=True)
        await trio.to_thread.run_sync(partial.set_mark, "")
    except OSError as exc:
        raise DownloadError(
            f"Cannot write {path} ({exc.strerror or exc}); mend that and run the same command again."
        ) from exc
    except _WrongFileError as exc:
        partial.delete()
        raise DownloadError(
            f"{part.url} is not the file that the list of models describes ({exc}), and was deleted; run the same "
            f"command again, and if that fails too, try later or another --mirror."
        ) from exc


async def fetch_bytes(client: httpx2.AsyncClient, url: str, limit: int) -> bytes:
    """A small file in memory, of at most `limit` bytes. Raises `DownloadError`."""
    data = bytearray()
    try:
        async with client.stream("GET", url) as response:
            _start(response, 0)
            async for chunk in response.aiter_bytes():
                data += chunk
                if len(data) > limit:
                    raise DownloadError(f"{url} has more than {limit} bytes: that is no list of models.")
    except (httpx2.HTTPError, httpx2.InvalidURL) as exc:
        raise UnreachableError(url, exc) from exc
    return bytes(data)


class _WrongFileError(Exception):
    """The server's file is another one than was promised; the message says how."""


@frozen
class _Partial:
    """A file under way, and beside it the mark by which the server knows whether its own is still the same."""

    path: Path

    def size(self) -> int:
        """Bytes that are there."""
        return self.path.stat().st_size if self.path.exists() else 0

    def resumable(self, whole: int) -> tuple[int, str]:
        """Bytes that can be continued, and the mark for that; nothing without a mark."""
        mark = self._mark.read_text() if self._mark.exists() else ""
        size = self.size()
        return (size, mark) if mark and 0 < size < whole else (0, "")

    def set_mark(self, mark: str) -> None:
        """Keep the mark; an empty one is forgotten."""
        if mark:
            self._mark.write_text(mark)
        else:
            self._mark.unlink(missing_ok=True)

    def delete(self) -> None:
        """Forget all of it."""
        self.path.unlink(missing_ok=True)
        self.set_mark("")

    @property
    def _mark(self) -> Path:
        return self.path.with_name(f"{self.path.name}.etag")


async def _transfer(client: httpx2.AsyncClient, part: Part, partial: _Partial, on_bytes: OnBytes) -> None:
    have, mark = await trio.to_thread.run_sync(partial.resumable, part.size)
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": mark}
    try:
        async with client.stream("GET", part.url, headers=headers) as response:
            start = _start(response, have)
            await trio.to_thread.run_sync(partial.set_mark, _mark_of(response))
            async with await trio.open_file(partial.path, "ab" if start else "wb") as file:
                await _save(response, part, file, start, on_bytes)
    except (httpx2.HTTPError, httpx2.InvalidURL) as exc:
        raise UnreachableError(part.url, exc) from exc


async def _save(response: httpx2.Response, part: Part, file: Any, have: int, on_bytes: OnBytes) -> None:
    try:
        async for chunk in response.aiter_raw():
            have += len(chunk)
            if have > part.size:
                raise _WrongFileError(f"longer than {part.size} bytes")
            await file.write(chunk)
            on_bytes(have)
        if have < part.size and not _is_framed(response):
            raise httpx2.RemoteProtocolError("the connection was closed")
    except httpx2.HTTPError as exc:
        raise DownloadError(
            f"{part.url} broke off after {have / 1e6:.1f} of {part.size / 1e6:.1f} MB ({_reason(exc)}); run the same "
            f"command again to go on from there."
        ) from exc


def _start(response: httpx2.Response, have: int) -> int:
    """The offset of the first byte that comes: `have` when the server goes on there, else 0."""
    if response.status_code == HTTPStatus.OK:
        return 0
    if response.status_code == HTTPStatus.PARTIAL_CONTENT:
        span = re.match(r"bytes (\d+)-", response.headers.get("content-range", ""))
        if have and span and int(span[1]) == have:
            return have
        raise _WrongFileError("the server goes on at another place than asked")
    if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
        raise _WrongFileError(f"not longer than {have} bytes")
    raise DownloadError(f"{response.url} answered {response.status_code} {response.reason_phrase}.")


def _is_framed(response: httpx2.Response) -> bool:
    """Whether the end of the body can be told from the end of the connection."""
    return "content-length" in response.headers or "transfer-encoding" in response.headers


def _mark_of(response: httpx2.Response) -> str:
    """What tells this file from a later one at the same address; a weak ETag may not be used for that."""
    etag: str = response.headers.get("etag", "")
    return etag if etag.startswith('"') else response.headers.get("last-modified", "")


def _verify(part: Part, path: Path) -> None:
    size = path.stat().st_size
    if size != part.size:
        raise _WrongFileError(f"{size} bytes instead of {part.size}")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if digest != part.md5:
        raise _WrongFileError(f"md5 {digest} instead of {part.md5}")


def _reason(exc: Exception) -> str:
    """What went wrong with a request, in the library's words or else in its name for it."""
    return str(exc).strip().rstrip(".") or type(exc).__name__

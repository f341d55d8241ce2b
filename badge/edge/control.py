"""The operator's door: commands to a running server, through a Unix socket beside its store."""

from __future__ import annotations

import json
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import trio

from badge.boundary import boundary
from badge.config.team import StoreSettings
from badge.desk import RefusedError
from badge.log import get_log
from protocol.codec import dump

log = get_log(__name__)

LONGEST_PATH = 100
"""Bytes; systems take 104 to 108."""

LONGEST_LINE = 64 * 1024
LONGEST_ANSWER = 1024 * 1024
"""Bytes of a request and of an answer."""

REQUEST_WITHIN = 5.0
ANSWER_WITHIN = 10.0
"""Seconds from the connection to the whole request, and from there until the answer was taken."""

CALLERS = 16
"""Connections at one time; others wait."""

Command = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
"""Carries out one request and gives the answer; may raise `RefusedError`."""


class ControlError(Exception):
    """The door cannot be opened, or there is nobody behind it; the message says why, and what to do."""


class NobodyThereError(ControlError):
    """No server runs with this store."""


def control_path(store: StoreSettings) -> Path | None:
    """Where the door of the server with this store is; None when the store is no file, and there is no door."""
    if store.use == "memory":
        return None
    file = Path(store.file).expanduser().absolute()
    return file.with_name(f"{file.name}.sock")


async def open_control(
    path: Path, commands: Mapping[str, Command], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Take commands at `path` until cancelled: one line of JSON with a `command` in, one out, and the end.

    The door stays closed, with a warning, where nothing can be put safely. Raises `ControlError` when another server has
    it open.
    """
    try:
        door, mark = _bind(path)
    except _UnfitError as exc:
        log.warning("commands cannot be taken", reason=str(exc))
        task_status.started()
        return
    try:
        door.listen(CALLERS)
        limit = trio.CapacityLimiter(CALLERS)

        async def attend(stream: trio.SocketStream) -> None:
            async with stream:
                with boundary("operator's command", log):
                    async with limit:
                        await _serve_one(stream, commands)

        listener = trio.SocketListener(trio.socket.from_stdlib_socket(door))
        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, attend, [listener])
            task_status.started()
    finally:
        door.close()
        _remove(path, mark)


async def ask(path: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """Have a running server do something; gives its answer. Raises `ControlError`."""
    if (problem := _too_long(path)) is not None:
        raise ControlError(problem)
    try:
        with trio.fail_after(REQUEST_WITHIN + ANSWER_WITHIN):
            async with await trio.open_unix_socket(os.fspath(path)) as stream:
                await stream.send_all(_line(request))
                answer = json.loads(await _read_line(stream, LONGEST_ANSWER) or b"null")
    except (FileNotFoundError, ConnectionRefusedError):
        raise NobodyThereError(
            f"no server runs with this store: there is nobody at {path}. Start one, or name its configuration with --config"
        ) from None
    except PermissionError:
        raise ControlError(f"{path} belongs to another user: be the user who runs the server") from None
    except (OSError, trio.BrokenResourceError, ValueError, RecursionError) as exc:
        raise ControlError(f"{path} did not answer as a server does ({exc})") from None
    except trio.TooSlowError:
        raise ControlError(f"the server at {path} did not answer in time; its log may say why") from None
    if not isinstance(answer, dict):
        raise ControlError(f"{path} did not answer as a server does")
    return answer


# --- the socket file --------------------------------------------------------------------------------------------------------


class _UnfitError(Exception):
    """No socket can be put at this path, and the server goes on without; the message says why."""


def _bind(path: Path) -> tuple[socket.socket, os.stat_result]:
    """A socket at a path, for its owner only, and how to know it again. What a server left there that ended in a hurry is replaced."""
    if (problem := _too_long(path) or _unsafe(path.parent)) is not None:
        raise _UnfitError(problem)
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if _is_taken(path):
            path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            door.bind(os.fspath(path))
        finally:
            os.umask(before)
        return door, path.lstat()
    except OSError as exc:
        door.close()
        raise _UnfitError(f"{path}: {exc.strerror}") from exc
    except BaseException:
        door.close()
        raise


def _is_taken(path: Path) -> bool:
    """Whether there is a socket that nobody listens to. Raises for everything else that is there."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISSOCK(mode):
        raise _UnfitError(f"{path} is there, and no socket: move it away")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0)
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            return True
        except BlockingIOError:
            pass  # so many callers that it must be alive
    raise ControlError(f"another server takes commands at {path}: stop it, or let store.file name another file")


def _too_long(path: Path) -> str | None:
    size = len(os.fsencode(path))
    if size <= LONGEST_PATH:
        return None
    return f"{path} has {size} bytes, a socket's path at most {LONGEST_PATH}: let store.file name a file with a shorter path"


def _unsafe(folder: Path) -> str | None:
    """Why others could put a socket of theirs into a folder; None when they cannot."""
    try:
        about = folder.stat()
    except OSError as exc:
        return f"{folder}: {exc.strerror}"
    foreign = about.st_uid not in (0, os.geteuid())
    shared = about.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not about.st_mode & stat.S_ISVTX
    if foreign or shared:
        return f"others can write to {folder}: make it yours alone (chmod 700), or let store.file name another folder"
    return None


def _remove(path: Path, mark: os.stat_result) -> None:
    """Take our own socket away, and no other."""
    with suppress(OSError):
        if os.path.samestat(path.lstat(), mark):
            path.unlink()


# --- a conversation -----------------------------------------------------------------------------------------------------------


async def _serve_one(stream: trio.SocketStream, commands: Mapping[str, Command]) -> None:
    try:
        with trio.fail_after(REQUEST_WITHIN):
            line = await _read_line(stream, LONGEST_LINE)
        with trio.fail_after(ANSWER_WITHIN):
            await stream.send_all(_line(await _answer(line, commands)))
    except (trio.TooSlowError, trio.BrokenResourceError):
        log.info("an operator's command was cut short")


async def _answer(line: bytes, commands: Mapping[str, Command]) -> Mapping[str, Any]:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        request = None
    if not isinstance(request, dict):
        return _refusal("bad-request", f"a request is one line of at most {LONGEST_LINE} bytes, with a JSON object")
    command = commands.get(str(request.get("command")))
    if command is None:
        return _refusal("unknown-command", f"there are: {', '.join(sorted(commands))}")
    answer: Mapping[str, Any] = _refusal("failed", "the command failed; the server's log says why")
    with boundary("operator's command", log):
        try:
            answer = {"ok": True, **await command(request)}
        except RefusedError as exc:
            answer = _refusal(exc.code, exc.message)
    return answer


def _refusal(code: str, message: str) -> dict[str, Any]:
    return {"ok": False, "code": code, "message": message}


def _line(value: Mapping[str, Any]) -> bytes:
    return dump(dict(value)).encode(errors="backslashreplace") + b"\n"


async def _read_line(stream: trio.SocketStream, longest: int) -> bytes:
    """The first line, or as much as there is of it before the end or the bound."""
    data = bytearray()
    while b"\n" not in data and len(data) <= longest:
        piece = await stream.receive_some()
        if not piece:
            break
        data += piece
    return bytes(data[:longest].partition(b"\n")[0])

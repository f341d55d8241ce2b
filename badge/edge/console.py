"""The operator's console: short commands on the terminal that the server was started from."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

import trio

from badge.peers.presence import Presence

LOOK_EVERY = 1.0
"""Seconds between looks whether the terminal is ours again, while the server runs in its shell's background."""

HELP = "commands: status (who is online), help, quit (stop; answers under way have a moment to finish)"


async def read_commands(fd: int, presence: Presence, write: Callable[[str], None], stop: Callable[[], None]) -> None:
    """Carry out the lines that arrive on a terminal or pipe; its end is nobody at the keyboard, not a command."""
    if not _waitable(fd):
        return
    pending = b""
    while True:
        await trio.lowlevel.wait_readable(fd)
        if not _ours(fd):
            await trio.sleep(LOOK_EVERY)
            continue
        try:
            data = os.read(fd, 4096)
        except OSError:  # the terminal is gone
            return
        if not data:
            return
        *lines, pending = (pending + data).split(b"\n")
        pending = pending[-256:]  # a line that long is no command
        for line in lines:
            execute(line.decode(errors="replace").strip().lower(), presence, write, stop)


def execute(line: str, presence: Presence, write: Callable[[str], None], stop: Callable[[], None]) -> None:
    """Carry out one line."""
    match line:
        case "":
            pass
        case "status":
            online = presence.online()
            write(f"{len(online)} online" + (": " + ", ".join(online) if online else ""))
        case "quit" | "exit" | "q":
            write("stopping")
            stop()
        case _:
            write(HELP)


def _ours(fd: int) -> bool:
    """Whether lines typed now are for us: reading another job's terminal would suspend the whole server."""
    try:
        return not os.isatty(fd) or os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return True  # gone, or not the terminal that controls us: reading will tell


def _waitable(fd: int) -> bool:
    """Whether the descriptor is something that lines come from over time: a terminal, a pipe or a socket."""
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return False
    return os.isatty(fd) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)

"""Stands between Badge and a process that is an MCP server: passes on what it says, and ends it with all that it has started.

    keeper.py COMMAND [ARGUMENT…]

Badge cannot do that when it is killed itself, and some servers go on without it: they do not heed the end of their input,
or have started others. The command reads the keeper's own standard input; its output comes through the keeper, which parts
with one that writes a line without an end. It is a script, and knows nothing of the rest of the program.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading  # noqa: TID251 - a process of its own, without Trio
from contextlib import suppress
from typing import IO

LARGEST_MESSAGE = 8 * 1024 * 1024
"""Bytes of one line."""

TOO_LARGE = f"it sent a message of more than {LARGEST_MESSAGE} bytes"

LEAVE_WITHIN, DIE_WITHIN = 2.0, 2.0
"""Seconds for a server to end when its input has, and then when it is told to, before it is killed."""

REST_WITHIN = 0.5
"""Seconds in which what a server has written before it ended is passed on, should others hold its output open."""

LOOK_EVERY_MS = 250

CHUNK = 65_536


def pass_on(output: IO[bytes]) -> None:
    """Pass on what the server says, until it says no more, or nobody listens."""
    line = 0
    with output, suppress(OSError):
        while chunk := os.read(output.fileno(), CHUNK):
            _, newline, tail = chunk.rpartition(b"\n")
            line = len(tail) if newline else line + len(chunk)
            if line > LARGEST_MESSAGE:
                sys.stderr.write(TOO_LARGE + "\n")
                break
            while chunk:
                chunk = chunk[os.write(1, chunk) :]
    os.close(1)


def ends(server: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether it ends within so many seconds."""
    with suppress(subprocess.TimeoutExpired):
        server.wait(seconds)
    return server.returncode is not None


def main() -> None:
    """Run the command. When it is over nothing of it is left."""
    if os.getpgrp() != os.getpid():
        os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # those are for the server; the keeper is the last one to go
    try:
        server = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE)
    except (OSError, ValueError) as exc:
        sys.exit(str(exc))
    assert server.stdout is not None
    passing = threading.Thread(target=pass_on, args=(server.stdout,), daemon=True)
    passing.start()
    badge = select.poll()
    badge.register(0, 0)  # that it has hung up is reported in any case; what it says is not for us
    while server.poll() is None and passing.is_alive() and not badge.poll(LOOK_EVERY_MS):
        pass
    if not ends(server, LEAVE_WITHIN):
        os.killpg(0, signal.SIGTERM)
        ends(server, DIE_WITHIN)
    passing.join(REST_WITHIN)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()

"""A program that becomes `python -m badge` again and again, without the seconds that imports take: `python -m tests.e2e.killing.warm
[FAULT]`.

Each line of standard input is a JSON object: `arguments` for one server, the `folder` for what it prints, and whether it
starts `cold`, as a program of its own. It is answered by the server's process id, and, when that has ended, by its status.
FAULT is planted into every server that does not start cold: the tests of the tests want one that breaks its promises.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from outcome import Outcome, capture

import badge.__main__
import badge.storage.sqlite
from badge.storage.carrying import Operation

COMMIT_EVERY = 100
"""Batches."""


def promise_too_early() -> None:
    """Have operations acknowledged when they are done, and committed only with many others."""
    batches = 0

    def carry_out(connection: sqlite3.Connection, operations: Sequence[Operation[Any]]) -> list[Outcome[Any]]:
        nonlocal batches
        batches += 1
        if not connection.in_transaction:
            connection.execute("BEGIN IMMEDIATE")
        outcomes = [capture(operation, connection) for operation in operations]
        if batches % COMMIT_EVERY == 0:
            connection.execute("COMMIT")
        return outcomes

    badge.storage.sqlite.carry_out = carry_out  # type: ignore[assignment]


FAULTS = {"early": promise_too_early}


def become(arguments: list[str], folder: Path, *, cold: bool) -> None:
    """Be the server; never returns."""
    for number, name in enumerate((os.devnull, folder / "out", folder / "log")):
        there = os.open(name, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(there, number)
        os.close(there)
    if cold:
        os.execv(sys.executable, [sys.executable, "-m", "badge", *arguments])
    status = 1
    try:
        status = badge.__main__.main(arguments)
    finally:
        os._exit(status)


def main() -> None:
    for fault in sys.argv[1:]:
        FAULTS[fault]()
    for line in sys.stdin:
        order = json.loads(line)
        server = os.fork()
        if server == 0:
            become(order["arguments"], Path(order["folder"]), cold=order["cold"])
        os.write(1, b"%d\n" % server)
        os.write(1, b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(server, 0)[1]))


if __name__ == "__main__":
    main()

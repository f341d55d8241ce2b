"""A worker process that does whatever a test asks of it."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from pathlib import Path
from typing import Any

from providers.child import Job, Work, WorkError, serve


def start(settings: dict[str, Any]) -> Work:
    if "births" in settings:
        with Path(settings["births"]).open("a") as file:
            file.write(f"{os.getpid()}\n")
    if "refuse" in settings:
        raise WorkError(settings["refuse"], remedy="Do something about it.")
    if "refuse_if" in settings and Path(settings["refuse_if"]).exists():
        raise WorkError("no room", retryable=True)
    if "crash" in settings:
        raise RuntimeError(settings["crash"])
    if "hang" in settings:
        time.sleep(settings["hang"])  # noqa: TID251 - no Trio here
    return work


def work(job: Job) -> None:
    verb, argument = job.payload
    VERBS[verb](job, argument)


def echo(job: Job, argument: Any) -> None:
    job.reply(argument)


def count(job: Job, argument: int) -> None:
    """Reply with numbers, one each ms, as long as somebody listens."""
    for number in range(argument):
        if job.cancelled:
            return
        job.reply(number)
        time.sleep(0.001)  # noqa: TID251 - no Trio here


def flood(job: Job, argument: float) -> None:
    for number in range(int(argument)):
        job.reply(number)


def sleep(job: Job, argument: float) -> None:
    """Deaf to cancellation, as a long call of a native library."""
    job.reply("asleep")
    time.sleep(argument)  # noqa: TID251 - no Trio here
    job.reply("awake")


def die(job: Job, argument: int) -> None:
    job.reply("last reply")
    sys.stderr.write("something\nit hurts here\n")
    sys.stderr.flush()
    os._exit(argument)


def chat(job: Job, argument: str) -> None:
    """Write where a library would write."""
    sys.stdout.write(argument)
    sys.stdout.flush()
    os.write(1, argument.encode())
    libc = ctypes.CDLL(None)
    libc.puts(argument.encode())
    libc.fflush(None)
    job.reply(os.read(0, 10))


def fail(job: Job, argument: str) -> None:
    job.reply("begun")
    raise WorkError(argument, remedy="Ask otherwise.", retryable=True)


def stumble(job: Job, argument: str) -> None:
    raise ValueError(argument)


def garble(job: Job, argument: int) -> None:
    """Break the protocol."""
    os.write(job._wire._out, b"\xff" * argument)
    time.sleep(60)  # noqa: TID251 - no Trio here


def environment(job: Job, argument: str) -> None:
    job.reply(os.environ.get(argument))


VERBS = {verb.__name__: verb for verb in (echo, count, flood, sleep, die, chat, fail, stumble, garble, environment)}

if __name__ == "__main__":
    serve(start)

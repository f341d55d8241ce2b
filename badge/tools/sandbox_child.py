"""The process of a plugin that is not trusted: loads it within limits, tells what tools it has, and calls them.

python -m badge.tools.sandbox_child
"""

from __future__ import annotations

import gc
import inspect
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import trio

from badge.plugin import Context
from badge.tools.functions import Function
from badge.tools.loading import LoadError, line_in, load
from badge.tools.results import result_of
from providers.child import Job, Work, WorkError, serve

try:
    import resource
except ImportError:  # not on Windows, where only the time is limited
    resource = None  # type: ignore[assignment]

LARGEST_FILE = 100 << 20
"""Bytes of one file that a plugin writes."""

OPEN_FILES = 128

LOAD_WITHIN = 10.0
"""Seconds that a plugin has to load."""

GRACE = 1.0
"""Seconds beyond its time after which a process ends by itself."""


def _confine(megabytes: float) -> None:
    """From here on the process gets so much memory more than it has."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: os._exit(1))  # a copy of us would be a second plugin
    if resource is None:
        return
    gc.collect()
    limits = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: LARGEST_FILE, resource.RLIMIT_NOFILE: OPEN_FILES}
    limits[resource.RLIMIT_AS] = _address_space() + round(megabytes * (1 << 20))
    for kind, most in limits.items():
        resource.setrlimit(kind, (most, most))


def _address_space() -> int:
    """Bytes of memory that the process has mapped."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
    except OSError:
        return 1 << 30  # not on Linux: a rough limit is better than none
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def _bounded(seconds: float) -> Iterator[None]:
    """Whatever takes longer ends the process. The server does so sooner; but it may be killed while the plugin keeps all
    other threads of this process from running."""
    if not hasattr(signal, "setitimer"):
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, seconds + GRACE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _end_all() -> None:
    """The server is gone: end, together with all that the plugin has started."""
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


class _Tools:
    """What the plugin can do. Errors of a tool are told without their words: those may quote a user."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._file = settings["file"]
        self._own: dict[str, Any] = json.loads(settings["own"])
        self._language = settings["language"]
        self._seconds = settings["seconds"]
        functions = load(settings["name"], file=self._file, source=settings["source"], module=settings["module"])
        self._functions = {function.tool.spec.name: function for function in functions}

    def work(self, job: Job) -> None:
        """Answer one request."""
        job.reply(self.describe() if job.payload is None else self.call(job.payload))

    def describe(self) -> list[dict[str, Any]]:
        """All tools."""
        return [
            {
                "name": function.tool.spec.name,
                "description": function.tool.spec.description,
                "parameters": json.dumps(function.tool.spec.parameters),
                "effects": function.tool.effects,
                "seconds": function.seconds,
            }
            for function in self._functions.values()
        ]

    def call(self, request: dict[str, Any]) -> dict[str, Any]:
        """Call one."""
        function = self._functions[request["tool"]]
        arguments = function.signature.read(json.loads(request["arguments"]))
        if isinstance(arguments, str):
            return {"kind": "answer", "text": arguments}
        if name := function.signature.context:
            arguments[name] = Context(
                device=request["device"],
                now=datetime.fromisoformat(request["now"]),
                language=self._language,
                settings=self._own,
            )
        try:
            with _bounded(self._seconds):
                result = result_of(_called(function, arguments))
        except (Exception, SystemExit, KeyboardInterrupt, GeneratorExit) as exc:  # noqa: BLE001 - it ends the call only
            return {"kind": "failed", "error": type(exc).__name__[:64], "line": line_in(exc, self._file)}
        return {"kind": result.kind, "text": result.text}


def _called(function: Function, arguments: dict[str, Any]) -> Any:
    if inspect.iscoroutinefunction(function.function):
        return trio.run(lambda: function.function(**arguments))
    return function.function(**arguments)


def _silence() -> None:
    """What a tool prints goes nowhere: it may be what a user said."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def _start(settings: dict[str, Any]) -> Work:
    _confine(settings["megabytes"])
    try:
        with _bounded(LOAD_WITHIN):
            tools = _Tools(settings)
    except (LoadError, MemoryError) as exc:
        raise WorkError(str(exc) or "it takes too much memory") from exc
    sys.stdout.flush()
    _silence()
    return tools.work


if __name__ == "__main__":
    serve(_start, abandoned=_end_all)

"""Servers as processes, one after the other, that end by SIGKILL."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trio

ROOT = Path(__file__).parents[3]

CONFIG = """
[server]
host = "127.0.0.1"
port = 0
http_port = 0
console = false
[vad]
use = "none"
[asr]
use = "none"
[tts]
use = "none"
[llm.default]
use = "offline"
[meeting]
push_interval_ms = 100
[peer]
queue = 1000
announce = "off"
[log]
level = "warning"
[store]
"""


class Servers:
    """Starts one server at a time."""

    def __init__(self, folder: Path, warm: subprocess.Popen[bytes]) -> None:
        self._folder = folder
        self._warm = warm
        self._pid = 0

    async def start(self, *, cold: bool = False) -> int:
        """A server takes connections; gives its port. `cold` is `python -m badge` itself, which takes longer; otherwise
        the same is run by a program that has it imported."""
        out = trio.Path(self._folder / "out")
        await out.write_text("", encoding="utf-8")
        arguments = ["--config", str(self._folder / "config.toml")]
        order = {"arguments": arguments, "folder": str(self._folder), "cold": cold}
        assert self._warm.stdin is not None
        self._warm.stdin.write(json.dumps(order).encode() + b"\n")
        self._warm.stdin.flush()
        self._pid = await self._read()
        with trio.fail_after(30):
            while "Try it" not in (said := await out.read_text(encoding="utf-8")):
                os.kill(self._pid, 0)
                await trio.sleep(0.005)
        found = re.search(r"127\.0\.0\.1:(\d+)/", said)
        assert found is not None
        return int(found[1])

    async def kill(self) -> None:
        """At once, and returns when it has gone."""
        os.kill(self._pid, signal.SIGKILL)
        assert await self._read() == -signal.SIGKILL, "the server had ended by itself"
        self._pid = 0

    def end(self) -> None:
        """Leave nothing behind."""
        if self._pid:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)

    @property
    def log(self) -> str:
        """What all of them logged."""
        return (self._folder / "log").read_text(encoding="utf-8")

    async def _read(self) -> int:
        assert self._warm.stdout is not None
        return int(await trio.to_thread.run_sync(self._warm.stdout.readline))


@asynccontextmanager
async def servers(folder: Path, *, store: str = "sqlite", fault: str | None = None) -> AsyncIterator[Servers]:
    """Servers that share a store in a folder."""
    store_settings = f'use = "{store}"\nfile = "{folder / "badge.db"}"\n'
    (folder / "config.toml").write_text(CONFIG + store_settings, encoding="utf-8")
    command = [sys.executable, "-m", "tests.e2e.killing.warm", *([fault] if fault else [])]
    environment = {**os.environ, "BADGE_MODELS": "/nonexistent", "OPENAI_API_KEY": ""}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as warm:  # noqa: ASYNC220, RUF100 - it takes no time to start one
        some = Servers(folder, warm)
        try:
            yield some
        finally:
            some.end()
            warm.kill()

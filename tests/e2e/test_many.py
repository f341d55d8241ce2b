"""Many badges that only wait: what each of them costs the running server."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from tests.e2e.running import upgraded

SERVER = Path(__file__).parents[1] / "bench" / "bench_server.py"
COUNT = 1000


class Measured:
    """A server in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.port = int(self._read()["port"])

    def _read(self) -> dict[str, float]:
        assert self._process.stdout is not None
        answer: dict[str, float] = json.loads(self._process.stdout.readline())
        return answer

    def threads(self) -> float:
        assert self._process.stdin is not None
        self._process.stdin.write("?\n")
        self._process.stdin.flush()
        return self._read()["threads"]

    def memory(self) -> int:
        """Resident bytes."""
        lines = Path(f"/proc/{self._process.pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("Rss:"))


@contextmanager
def measured() -> Iterator[Measured]:
    command = [sys.executable, str(SERVER)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Measured(process)
        finally:
            process.kill()


@pytest.fixture
def _files() -> Iterator[None]:
    """As many open files as the badges need, here and in the server."""
    before = soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = COUNT + 200
    if soft != resource.RLIM_INFINITY and soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            pytest.skip(f"no more than {hard} files may be open here")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("_files")
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process has in memory")
@pytest.mark.req("B-50", "B-126")
async def test_a_thousand_badges_that_wait() -> None:
    """No thread for any of them, and less than 100 kB each, all that belongs to its socket included."""
    streams: list[trio.SocketStream] = []
    slots = trio.CapacityLimiter(20)

    async def enter(port: int, number: int) -> None:
        async with slots:
            streams.append(await upgraded(port, b"Device-Id: d%d" % number))

    with measured() as server:
        await enter(server.port, 0)
        threads, memory = server.threads(), server.memory()
        async with trio.open_nursery() as nursery:
            for number in range(COUNT):
                nursery.start_soon(enter, server.port, number + 1)
        assert len(streams) == COUNT + 1
        assert server.threads() == threads
        assert (server.memory() - memory) / COUNT < 100_000
        for stream in streams:
            await trio.aclose_forcefully(stream)

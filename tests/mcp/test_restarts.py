"""When an MCP server that does not last is started again, and how long a call waits for it; on a clock that jumps."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing
from mcp.client._memory import InMemoryTransport
from mcp.server.mcpserver import MCPServer
from trio.testing import MockClock

from badge.config.mcp import McpSettings
from badge.tools.mcp import server
from badge.tools.mcp.server import COMES_BACK_WITHIN, FIRST_PAUSE, LONGEST_PAUSE, STEADY, McpServer

program = MCPServer("tested", log_level="CRITICAL")


@program.tool()
async def add(a: int, b: int) -> str:
    """Adds two numbers; not in a thread, of which the clock knows nothing."""
    await trio.lowlevel.checkpoint()
    return str(a + b)


class Mortal:
    """The way to a server whose lives last so many seconds each, the last one for ever; None: it does not start."""

    def __init__(self, lives: Sequence[float | None]) -> None:
        self._lives = iter(lives)
        self.starts: list[float] = []

    @asynccontextmanager
    async def way_to(self, *_: Any, ended: Callable[[], None], **__: Any) -> AsyncIterator[Any]:
        self.starts.append(trio.current_time())
        life = next(self._lives, 1e9)
        if life is None:
            raise FileNotFoundError("no such program")
        async with InMemoryTransport(program) as streams, trio.open_nursery() as nursery:

            async def live() -> None:
                await trio.sleep(life)
                ended()

            nursery.start_soon(live)
            yield streams
            nursery.cancel_scope.cancel()

    @property
    def pauses(self) -> list[float]:
        """Seconds between two starts."""
        return [later - earlier for earlier, later in zip(self.starts, self.starts[1:], strict=False)]


@pytest.fixture
def supervised(nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[McpServer, Mortal]]:
    def begin(*lives: float | None) -> tuple[McpServer, Mortal]:
        mortal = Mortal(lives)
        monkeypatch.setattr(server, "way_to", mortal.way_to)
        one = McpServer("tested", McpSettings(command="tested"), {}, lambda: None)
        nursery.start_soon(one.run)
        return one, mortal

    return begin


async def waited(one: McpServer) -> tuple[str, float]:
    """What a call comes to, and after how many seconds."""
    began = trio.current_time()
    result = await one.call("add", {"a": 1, "b": 2})
    return "" if result is None else result.text, trio.current_time() - began


Supervised = Callable[..., tuple[McpServer, Mortal]]


@pytest.mark.req("MC-3")
async def test_the_pause_before_a_start_doubles_up_to_a_minute(
    supervised: Supervised, autojump_clock: MockClock
) -> None:
    _, mortal = supervised(*[None] * 10)
    await trio.sleep(500)
    assert mortal.pauses == pytest.approx([0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60])
    assert (FIRST_PAUSE, LONGEST_PAUSE) == (0.5, 60)


@pytest.mark.req("MC-3")
async def test_a_server_that_lasted_is_started_again_soon(supervised: Supervised, autojump_clock: MockClock) -> None:
    _, mortal = supervised(None, None, None, STEADY - 1, STEADY + 1, 1)
    await trio.sleep(500)
    assert mortal.pauses == pytest.approx([0.5, 1, 2, STEADY - 1 + 4, STEADY + 1 + 0.5, 1 + 1])


@pytest.mark.req("MC-8", "B-51")
async def test_nobody_waits_for_a_server_that_does_not_start(supervised: Supervised, autojump_clock: MockClock) -> None:
    one, mortal = supervised(None)
    await trio.sleep(0.1)
    assert await waited(one) == ("", 0)
    await trio.sleep(1)
    assert len(mortal.starts) == 2
    assert (await waited(one))[0] == "3", "it has started after all"


@pytest.mark.req("MC-8", "B-51")
async def test_who_calls_waits_for_a_server_that_is_soon_back_but_not_for_one_that_keeps_dying(
    supervised: Supervised, autojump_clock: MockClock
) -> None:
    one, mortal = supervised(*[1] * 6)
    expected = FIRST_PAUSE
    await trio.testing.wait_all_tasks_blocked()
    for number in range(1, 7):
        await trio.sleep_until(mortal.starts[-1] + 1.1)
        assert len(mortal.starts) == number
        text, seconds = await waited(one)
        if expected <= COMES_BACK_WITHIN:
            assert text == "3"
            assert seconds == pytest.approx(expected - 0.1)
        else:
            assert (text, seconds) == ("", 0)
            await trio.sleep(expected)
        expected *= 2
    assert (await waited(one))[0] == "3"

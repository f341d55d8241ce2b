"""An office of tools for tests: with plugins whose text is given, beside real offices on a store in memory."""

from __future__ import annotations

import textwrap
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import structlog
import trio

from badge.clock import Ids
from badge.config.team import ReminderSettings, WorkflowSettings
from badge.config.tools import ToolSettings
from badge.desk import Tool, ToolResult
from badge.offices.board import Board
from badge.offices.reminders import Reminders
from badge.peers.presence import Presence
from badge.plugin import Offices
from badge.storage.memory import MemoryStore
from badge.tools.office import ToolOffice
from badge.tools.opening import open_tools
from badge.tools.source import Request, Source
from providers.ports import ToolSpec
from tests.offices.seats import MovingClock

DEVICE = "aa:bb:cc:00:00:01"


def write(folder: Path, plugins: Mapping[str, str]) -> Path:
    """Plugins as files of a folder, each with the usual import."""
    folder.mkdir(exist_ok=True)
    for name, text in plugins.items():
        head = "from badge.plugin import Context, Silent, Spoken, Within, tool\n"
        (folder / f"{name}.py").write_text(head + textwrap.dedent(text), encoding="utf-8")
    return folder


def sandboxes() -> list[psutil.Process]:
    """The processes of plugins that are not trusted."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # also one that has ended and was not waited for yet
            if any("sandbox_child" in word for word in child.cmdline()):
                found.append(child)
    return found


class Counter:
    """The office, and those that its tools ask."""

    def __init__(self, settings: ToolSettings, first: Sequence[Source] = (), language: Any = "en") -> None:
        self.clock = MovingClock()
        self.store = MemoryStore()
        ids = Ids(seed=3)
        presence = Presence(10)
        board = Board(store=self.store, settings=WorkflowSettings(), clock=self.clock, ids=ids)
        reminders = Reminders(
            store=self.store, presence=presence, settings=ReminderSettings(), clock=self.clock, ids=ids
        )
        self.offices = Offices(tasks=board, reminders=reminders, meetings=self.store.meetings)
        self.office: ToolOffice = open_tools(settings, self.offices, self.clock, language, first=first)
        self._keys = iter(range(1_000_000))

    async def call(self, tool: str, /, _device: str = DEVICE, **arguments: Any) -> ToolResult:
        """A call that was not made before."""
        return await self.office.call(_device, f"key-{next(self._keys)}", tool, arguments)

    async def text(self, tool: str, /, **arguments: Any) -> str:
        """What the model is told."""
        result = await self.call(tool, **arguments)
        assert result.kind == "answer", result
        return result.text

    async def names(self, device: str = DEVICE) -> list[str]:
        """The tools that are offered."""
        return [tool.spec.name for tool in await self.office.offered(device)]


@asynccontextmanager
async def opened(first: Sequence[Source] = (), language: Any = "en", **settings: Any) -> AsyncIterator[Counter]:
    """An office that serves, with no plugins unless a folder is named."""
    counter = Counter(ToolSettings(**{"plugins": "/nowhere", **settings}), first, language)
    async with trio.open_nursery() as nursery:
        await nursery.start(counter.office.run)
        yield counter
        nursery.cancel_scope.cancel("the test is over")


class Shelf:
    """A source of tools that do what a test says."""

    def __init__(self, calls: Mapping[str, Any], *, effects: Iterable[str] = (), seconds: float | None = None) -> None:
        self._calls = dict(calls)
        self._effects = frozenset(effects)
        self._seconds = seconds
        self.calls: list[Request] = []

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        task_status.started()
        await trio.sleep_forever()

    def tools(self, device: str) -> list[Tool]:
        return [
            Tool(spec=ToolSpec(name, "", {"type": "object", "properties": {}}), effects=name in self._effects)
            for name in self._calls
        ]

    def seconds(self, tool: str) -> float | None:
        return self._seconds

    async def call(self, request: Request) -> ToolResult:
        self.calls.append(request)
        value = await self._calls[request.tool](request)
        return value if isinstance(value, ToolResult) else ToolResult(kind="answer", text=str(value))


@contextmanager
def logged() -> Any:
    """The log lines of the block."""
    with structlog.testing.capture_logs() as lines:
        yield lines

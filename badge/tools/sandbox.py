"""A plugin that is not trusted, in a process of its own: started when it is needed, killed when it misbehaves."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

import trio
from attrs import field, frozen

from badge.config.tools import ToolSettings
from badge.desk import Tool, ToolResult
from badge.log import get_log
from badge.tools.discovery import Plugin
from badge.tools.functions import NAME
from badge.tools.loading import MOST_TOOLS
from badge.tools.offering import LARGEST_SCHEMA, brief, object_schema
from badge.tools.results import cut
from badge.tools.source import Request
from badge.tools.wording import trouble
from protocol.strict import Mistake, make_converter, structure
from providers.ports import Language, ProviderError, ToolSpec, single_error
from providers.process import Cell, WorkerProcess

log = get_log(__name__)

MODULE = "badge.tools.sandbox_child"

START_WITHIN = 10.0
"""Seconds until its process must be ready."""

INHERITED = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "SYSTEMROOT")
"""All that a plugin sees of the server's environment: there are secrets in the rest."""

_T = TypeVar("_T")

_CONVERTER = make_converter(forbid_unknown=True)


class _LateError(Exception):
    """A call did not end within its time."""


@frozen(kw_only=True)
class _Described:
    """A tool, as the process tells of it: not to be trusted."""

    name: str
    description: str
    parameters: str
    effects: bool
    seconds: float | None


@frozen(kw_only=True)
class _Reply:
    """What came of a call, as the process tells of it."""

    kind: Literal["answer", "spoken", "silent", "failed"]
    text: str = field(default="", repr=False)
    error: str = ""
    line: int = 0


@frozen(kw_only=True)
class _Life:
    """One process; it ends when its time is over, which is never while it is needed."""

    worker: WorkerProcess
    scope: trio.CancelScope


class Sandbox:
    """A plugin, and at most one process with it. One call runs after the other. A call that takes too long ends with its
    process; the next one gets a fresh one."""

    def __init__(
        self, plugin: Plugin, settings: ToolSettings, *, folder: Path, nursery: trio.Nursery, language: Language
    ) -> None:
        self._plugin = plugin
        self._settings = settings
        self._language = language
        self._nursery = nursery
        self._cell = Cell(environment=_environment(folder), folder=folder)
        self._turn = trio.Lock()
        self._life: _Life | None = None
        self._seconds: dict[str, float] = {}  # of tools that may take less than any

    @property
    def pid(self) -> int | None:
        """Number of the process; None while there is none."""
        return self._life.worker.pid if self._life else None

    async def describe(self) -> tuple[Tool, ...]:
        """The tools of the plugin. Raises `ProviderError` when it cannot be used."""
        described = await self._ask(None, START_WITHIN, tuple[_Described, ...])
        if len(described) > MOST_TOOLS:
            raise ProviderError(self._plugin.name, f"has {len(described)} tools; the most is {MOST_TOOLS}.")
        self._seconds = {one.name: one.seconds for one in described if one.seconds is not None and one.seconds > 0}
        return tuple(map(self._tool, described))

    async def call(self, request: Request, now: datetime) -> ToolResult:
        """Call a tool."""
        most = self._settings.plugin_s
        payload = {
            "tool": request.tool,
            "arguments": json.dumps(request.arguments),
            "device": request.device,
            "now": now.isoformat(),
        }
        try:
            reply = await self._ask(payload, min(most, self._seconds.get(request.tool, most)), _Reply)
        except _LateError:
            self._warn(request, "it took too long")
            return trouble("late", request.tool, self._language)
        except ProviderError as exc:
            self._warn(request, exc.detail)
            return trouble("failed", request.tool, self._language)
        if reply.kind == "failed":
            self._warn(request, _error(reply))
            return trouble("failed", request.tool, self._language)
        return ToolResult(kind=reply.kind, text=cut(reply.text))

    def _warn(self, request: Request, reason: str) -> None:
        log.warning("a plugin failed", plugin=self._plugin.name, tool=request.tool, reason=reason)

    async def _ask(self, payload: Any, seconds: float, form: type[_T]) -> _T:
        """The first reply of the process. Unless all goes well its life ends here. Raises `ProviderError`, `_LateError`."""
        async with self._turn:
            life = await self._living()
            with ExitStack() as otherwise:
                otherwise.callback(self._end, life)
                reply: _T | list[Mistake] = structure(_CONVERTER, await _first(life.worker, payload, seconds), form)
                if isinstance(reply, list):
                    raise ProviderError(self._plugin.name, "does not speak as it should.")
                if getattr(reply, "error", "") != MemoryError.__name__:  # else it may never have enough again
                    otherwise.pop_all()
                    life.scope.deadline = trio.current_time() + self._settings.plugin_idle_s
            return reply

    async def _living(self) -> _Life:
        """The process, kept from ending by itself."""
        if self._life is None or self._life.scope.cancel_called:
            with single_error():
                self._life = await self._nursery.start(self._live)
        self._life.scope.deadline = trio.current_time() + 2 * (START_WITHIN + self._settings.plugin_s)
        return self._life

    def _end(self, life: _Life) -> None:
        life.scope.cancel("the plugin misbehaved, or nobody waits for it")
        self._life = None

    async def _live(self, *, task_status: trio.TaskStatus[_Life]) -> None:
        """One process until its end. Raises `ProviderError` when it cannot start; later it is started again when it dies, but
        seldom needs to be: whoever notices ends this life."""
        worker = WorkerProcess(self._plugin.name, MODULE, self._given(), cell=self._cell)
        async with trio.open_nursery() as nursery:
            with trio.move_on_after(START_WITHIN) as patience:
                await nursery.start(worker.run)
            if patience.cancelled_caught:
                raise ProviderError(self._plugin.name, f"was not ready within {START_WITHIN:g} s.")
            task_status.started(_Life(worker=worker, scope=nursery.cancel_scope))

    def _given(self) -> dict[str, Any]:
        plugin = self._plugin
        return {
            "name": plugin.name,
            "file": plugin.file,
            "source": plugin.source,
            "module": plugin.module,
            "own": json.dumps(plugin.settings, default=str),
            "language": self._language,
            "megabytes": self._settings.plugin_mb,
            "seconds": self._settings.plugin_s,
        }

    def _tool(self, described: _Described) -> Tool:
        parameters = _schema(described.parameters)
        if parameters is None or not NAME.fullmatch(described.name):
            raise ProviderError(self._plugin.name, "does not tell properly what a tool of it takes.")
        spec = ToolSpec(described.name, brief(described.description), parameters)
        return Tool(spec=spec, effects=described.effects)


async def _first(worker: WorkerProcess, payload: Any, seconds: float) -> Any:
    with trio.move_on_after(seconds):
        async with worker.request(payload) as replies:
            async for reply in replies:
                return reply
        raise ProviderError(worker.name, "gave no reply.")
    raise _LateError


def _schema(text: str) -> dict[str, Any] | None:
    """What a process says of the parameters, if a language model can be told so."""
    if len(text) > LARGEST_SCHEMA:
        return None
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return object_schema(schema) if isinstance(schema, dict) and isinstance(schema.get("properties"), dict) else None


def _error(reply: _Reply) -> str:
    """For the log: an error's kind and line, if that is what they are."""
    return (
        f"{reply.error} in line {reply.line}" if reply.error.isidentifier() and len(reply.error) <= 64 else "an error"
    )


def _environment(folder: Path) -> dict[str, str]:
    ours = {name: os.environ[name] for name in INHERITED if name in os.environ}
    own = {"HOME": str(folder), "TMPDIR": str(folder), "MALLOC_ARENA_MAX": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return ours | own | {"PYTHONUTF8": "1"}

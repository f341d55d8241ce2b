"""Tools that run inside the server: those that are shipped, and trusted plugins."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import trio

from badge.boundary import boundary
from badge.desk import RefusedError, Tool, ToolResult
from badge.log import get_log
from badge.plugin import Context
from badge.tools.functions import Function
from badge.tools.results import result_of
from badge.tools.source import Request
from badge.tools.wording import trouble

log = get_log(__name__)

MakeContext = Callable[[str], Context]
"""Makes what a tool may know, for a device."""


class EndedError(Exception):
    """A plugin wants to end the program; it ends its call."""


class TrustedTools:
    """A `Source` of functions that have been loaded. `async` ones run on Trio, others in a thread; no more threads than
    the limiter has tokens, and whoever finds none free waits."""

    def __init__(self, functions: Iterable[Function], context: MakeContext, threads: trio.CapacityLimiter) -> None:
        self._functions = {function.tool.spec.name: function for function in functions}
        self._context = context
        self._threads = threads

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """There is nothing to load."""
        task_status.started()
        await trio.sleep_forever()

    def tools(self, device: str) -> Sequence[Tool]:  # noqa: ARG002 - all are for everybody
        """All of them."""
        return tuple(function.tool for function in self._functions.values())

    def seconds(self, tool: str) -> float | None:
        """What the author said."""
        return self._functions[tool].seconds

    async def call(self, request: Request) -> ToolResult:
        """Call a function. An error of its own is a failure; a refusal of an office is for the model to read."""
        function, context = self._functions[request.tool], self._context(request.device)
        arguments = function.signature.read(request.arguments)
        if isinstance(arguments, str):
            return ToolResult(kind="answer", text=arguments)
        if function.signature.context:
            arguments[function.signature.context] = context
        result = trouble("failed", request.tool, context.language)
        with boundary(f"tool {request.tool}", log):
            try:
                result = await self._perform(function.function, arguments)
            except RefusedError as exc:
                result = ToolResult(kind="answer", text=exc.message)
        return result

    async def _perform(self, function: Callable[..., Any], arguments: dict[str, Any]) -> ToolResult:
        if inspect.iscoroutinefunction(function):
            try:
                return result_of(await function(**arguments))
            except SystemExit as exc:
                raise EndedError from exc
        work = partial(_finished, function, arguments)
        return await trio.to_thread.run_sync(work, limiter=self._threads, abandon_on_cancel=True)


def _finished(function: Callable[..., Any], arguments: dict[str, Any]) -> ToolResult:
    """The whole work in the thread, so that a huge result is made small there."""
    try:
        return result_of(function(**arguments))
    except SystemExit as exc:
        raise EndedError from exc

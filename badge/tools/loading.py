"""Runs the code of a plugin, and finds its tools: in a thread of the server, or in a process of its own."""

from __future__ import annotations

import importlib
import sys
import types

from badge.tools.functions import Function, functions_of
from badge.tools.signature import SignatureError

MOST_TOOLS = 32
"""Tools of one plugin."""


class LoadError(Exception):
    """A plugin cannot be used; the message says why, and where."""


def load(name: str, *, file: str = "", source: str = "", module: str = "") -> tuple[Function, ...]:
    """The tools of a file with this source, or of an installed module. Raises `LoadError`."""
    try:
        functions = functions_of(importlib.import_module(module) if module else _executed(name, file, source))
    except SignatureError as exc:
        raise LoadError(str(exc)) from exc
    except (Exception, SystemExit) as exc:
        raise LoadError(f"{type(exc).__name__}: {exc}"[:500] + _line(exc, file)) from exc
    if not functions:
        raise LoadError("it has no function with @tool")
    if len(functions) > MOST_TOOLS:
        raise LoadError(f"it has {len(functions)} tools; the most is {MOST_TOOLS}")
    return functions


def _executed(name: str, file: str, source: str) -> types.ModuleType:
    module = types.ModuleType(f"badge_plugin_{name}")
    module.__file__ = file
    sys.modules[module.__name__] = module  # type hints are looked up there
    exec(compile(source, file, "exec"), vars(module))
    return module


def _line(exc: BaseException, file: str) -> str:
    number = line_in(exc, file)
    return f" (line {number})" if number else ""


def line_in(exc: BaseException, file: str) -> int:
    """The line of a file in which an error arose; 0 when it did not arise there."""
    number, trace = (exc.lineno or 0 if isinstance(exc, SyntaxError) else 0), exc.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            number = trace.tb_lineno
        trace = trace.tb_next
    return number

"""Functions as tools: what the model is told of one, found in a module or in an object."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from math import inf
from typing import Any

from attrs import frozen

from badge.desk import Tool
from badge.plugin import marks_of
from badge.tools.offering import LARGEST_SCHEMA, brief, object_schema
from badge.tools.signature import Signature, SignatureError
from providers.ports import ToolSpec

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What language models take for the name of a function."""


@frozen(kw_only=True)
class Function:
    """A function that is a tool. `seconds`: how long it may take, None: as long as any."""

    tool: Tool
    function: Callable[..., Any]
    signature: Signature
    seconds: float | None = None


def functions_of(owner: object) -> tuple[Function, ...]:
    """The marked functions of a module, or the marked methods of an object, in the order of their definition. Raises
    `SignatureError`."""
    names = vars(owner) if inspect.ismodule(owner) else vars(type(owner))
    return tuple(_functions(getattr(owner, name) for name in names if not name.startswith("__")))


def _functions(values: Iterable[object]) -> Iterable[Function]:
    for value in values:
        marks = marks_of(value)
        if marks is None or not callable(value):
            continue
        name = getattr(value, "__name__", "")
        if not NAME.fullmatch(name):
            raise SignatureError(f"{name or value!r}: must be a function whose name has at most 64 letters of a-z")
        try:
            signature = Signature(value)
        except SignatureError as exc:
            raise SignatureError(f"{name}: {exc}") from exc
        parameters = object_schema(signature.parameters)
        if parameters is None:
            raise SignatureError(f"{name}: its parameters take more than {LARGEST_SCHEMA} characters to describe")
        if marks.seconds is not None and not 0 < marks.seconds < inf:
            raise SignatureError(f"{name}: seconds must be a number above 0")
        spec = ToolSpec(name, _description(value), parameters)
        yield Function(
            tool=Tool(spec=spec, effects=marks.effects), function=value, signature=signature, seconds=marks.seconds
        )


def _description(function: object) -> str:
    """The first paragraph of the docstring."""
    return brief(" ".join((inspect.getdoc(function) or "").split("\n\n")[0].split()))

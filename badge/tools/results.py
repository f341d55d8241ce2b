"""What a function gives back, as the result of a call."""

from __future__ import annotations

import json

from badge.desk import ToolResult
from badge.plugin import Silent, Spoken
from providers.ports import well_formed

LONGEST = 16_000
"""Characters of a result; the rest is cut off."""


class NoResultError(Exception):
    """A value that is neither text nor JSON."""


def cut(text: str, longest: int = LONGEST) -> str:
    """The text as it can be sent on; one that was longer ends with a note that says so."""
    if len(text) <= longest:
        return well_formed(text)
    note = f"\n(cut off: there were {len(text)} characters)"
    return well_formed(text[: longest - len(note)]) + note


def result_of(value: object) -> ToolResult:
    """The result that a value stands for. Raises `NoResultError`."""
    if isinstance(value, Spoken) and isinstance(value.text, str):
        return ToolResult(kind="spoken", text=cut(value.text))
    if isinstance(value, Silent):
        return ToolResult(kind="silent")
    if value is None:
        return ToolResult(kind="answer", text="Done.")
    if isinstance(value, str):
        return ToolResult(kind="answer", text=cut(value))
    try:
        return ToolResult(kind="answer", text=cut(json.dumps(value, ensure_ascii=False)))
    except (TypeError, ValueError, RecursionError) as exc:
        raise NoResultError(type(value).__name__) from exc

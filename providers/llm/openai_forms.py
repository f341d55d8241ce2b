"""The form of an answer, as servers with the OpenAI API let it be asked for: not all know the newest way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from providers.ports import Schema


def _by_schema(schema: Schema) -> dict[str, Any]:
    form = {"name": schema.name, "strict": True, "schema": schema.json}
    return {"response_format": {"type": "json_schema", "json_schema": form}}


def _as_object(_: Schema) -> dict[str, Any]:
    return {"response_format": {"type": "json_object"}}


def _unsaid(_: Schema) -> dict[str, Any]:
    return {}


WAYS: tuple[Callable[[Schema], dict[str, Any]], ...] = (_by_schema, _as_object, _unsaid)
"""The strictest first; the last is understood everywhere."""

REFUSED = frozenset({400, 422})
"""HTTP statuses of servers that do not know a field of the request."""


class Forms:
    """What a server has shown to understand: after a way that it refuses the next one is tried, and the one that gave an
    answer is remembered."""

    def __init__(self) -> None:
        self._known = 0

    def ways(self, schema: Schema | None) -> list[dict[str, Any]]:
        """Fields to add to a request, in the order in which they are worth a try."""
        return [{}] if schema is None else [way(schema) for way in WAYS[self._known :]]

    def worked(self, left: int) -> None:
        """An answer came, with so many ways left untried."""
        self._known = len(WAYS) - 1 - left

"""The form of an answer, as servers with the OpenAI API let it be asked for: not all know the newest way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

USAGE: dict[str, Any] = {"stream_options": {"include_usage": True}}
"""Asks the server to say at the end what the answer has cost."""

REFUSED = frozenset({400, 422})
"""HTTP statuses of servers that do not know a field of the request."""


class Way(dict[str, Any]):
    """Fields to add to a request. `strictness`: which of `WAYS` it is, None when no form is wanted."""

    def __init__(self, fields: dict[str, Any], strictness: int | None) -> None:
        super().__init__(fields)
        self.strictness = strictness


class Forms:
    """What a server has shown to understand: after a way that it refuses the next one is tried, and the one that gave an
    answer is remembered."""

    def __init__(self) -> None:
        self._known = 0
        self._counts: bool | None = None  # whether it takes `USAGE`; None: not known yet

    def ways(self, schema: Schema | None) -> list[Way]:
        """Fields to add to a request, in the order in which they are worth a try."""
        forms = [Way({}, None)] if schema is None else [Way(WAYS[n](schema), n) for n in range(self._known, len(WAYS))]
        match self._counts:
            case True:
                return [Way({**form, **USAGE}, form.strictness) for form in forms]
            case False:
                return forms
            case None:
                return [Way({**forms[0], **USAGE}, forms[0].strictness), *forms]

    def worked(self, tried: Sequence[Way]) -> None:
        """The last of these gave an answer, those before it did not."""
        way = tried[-1]
        if way.strictness is not None:
            self._known = way.strictness
        if "stream_options" in way:
            self._counts = True
        elif len(tried) == 2:  # the same without it worked at once: it was that
            self._counts = False

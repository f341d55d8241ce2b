"""How a foreign tool is put so that a language model's interface takes it: names, descriptions and schemas."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterator
from typing import Any

from providers.ports import well_formed

LONGEST_NAME = 64
LONGEST_DESCRIPTION = 1024
"""Characters: what OpenAI's interface takes."""

LARGEST_SCHEMA = 16_384
"""Characters of a schema as JSON; a tool with a larger one is not offered: every prompt would carry it."""


def model_name(*parts: str) -> str:
    """A name of letters, digits, `_` and `-` only, at most 64 characters long."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", "_".join(parts))[:LONGEST_NAME] or "tool"


def free_name(taken: Container[str], *wanted: str) -> str:
    """The first of the names that is free; when none is, the last one with a number."""
    return next(name for name in _candidates(wanted) if name not in taken)


def _candidates(wanted: tuple[str, ...]) -> Iterator[str]:
    yield from wanted
    number = 2
    while True:
        tail = f"_{number}"
        yield wanted[-1][: LONGEST_NAME - len(tail)] + tail
        number += 1


def brief(text: object, limit: int = LONGEST_DESCRIPTION) -> str:
    """A description that is not too long; anything but text is none."""
    return well_formed(text[:limit]) if isinstance(text, str) else ""


def object_schema(schema: object) -> dict[str, Any] | None:
    """The schema of the arguments, as a copy that is sound JSON and surely describes an object; none at all means that there are
    no arguments. None when it cannot be used."""
    if schema is None:
        schema = {}
    if not isinstance(schema, dict) or schema.get("type", "object") != "object":
        return None
    try:
        text = json.dumps(schema, ensure_ascii=False, allow_nan=False)
        if len(text) > LARGEST_SCHEMA:
            return None
        sound: dict[str, Any] = json.loads(well_formed(text))
    except (TypeError, ValueError, RecursionError):
        return None
    properties = sound.get("properties")
    return {**sound, "type": "object", "properties": properties if isinstance(properties, dict) else {}}

"""The shape of what a badge says about itself and is told to do: what decides on the course of a session stays. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

from badge.recording.shape import shape

MESSAGES = ("mcp", "iot")
"""Types of messages that are about the badge: their numbers are facts about it."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._/-]{0,63}|\d[\d.-]{0,15}")

_TECHNICAL = frozenset(
    {
        *("type", "jsonrpc", "id", "method", "name", "cursor", "nextCursor", "audience", "protocolVersion", "action"),
        *("required",),
    }
)
"""Fields whose values are names."""


_NAMEPLATES = frozenset({"clientInfo", "serverInfo"})
"""Fields that tell who speaks; nothing depends on them."""


def badge_shape(value: Any, key: str = "") -> Any:
    """The shape of such a message, or of a part of it that stands under `key`: names of tools and things, and numbers, stay;
    descriptions and what is said in a result do not."""
    match value:
        case str():
            if key in _TECHNICAL and _NAME.fullmatch(value):
                return value
            return _said(value) if key == "text" else shape(value)
        case list():
            return [badge_shape(one, key) for one in value]
        case dict():
            names = {n: n if _NAME.fullmatch(n) else shape(n) for n in value}
            return {names[n]: {} if n in _NAMEPLATES else badge_shape(v, n) for n, v in value.items()}
    return value


def _said(text: str) -> str:
    """A result; one that is a JSON object can still be read."""
    if not text.lstrip().startswith("{"):
        return shape(text)
    try:
        return json.dumps(badge_shape(json.loads(text)), ensure_ascii=False)
    except (ValueError, RecursionError):
        return shape(text)

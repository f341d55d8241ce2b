"""The arguments of a call, as a model writes them."""

from __future__ import annotations

import json
from typing import Any


def parse_arguments(text: str) -> dict[str, Any] | None:
    """The arguments in the JSON text that a model wrote; nothing, or only space, means that there are none. None when it is not
    a JSON object. An object that is quoted once more, as some models do, is taken, too."""
    value: Any = text
    for _ in range(2):
        if not isinstance(value, str):
            break
        if not value.strip():
            return {}
        try:
            value = json.loads(value, parse_constant=_refuse)
        except (ValueError, RecursionError):
            return None
    if value is None:
        return {}
    return value if isinstance(value, dict) else None


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")

"""The arguments of a call, as a model writes them."""

from __future__ import annotations

import json
from typing import Any

from providers.ports import well_formed


def parse_arguments(text: str) -> dict[str, Any] | None:
    """The arguments in the JSON text that a model wrote; nothing, or only space, means that there are none. None when it is not
    a JSON object. An object that is quoted once more, as some models do, is taken, too. Its texts can be sent on, and its
    numbers are finite."""
    value: Any = text
    try:
        for _ in range(2):
            if not isinstance(value, str):
                break
            if not value.strip():
                return {}
            value = json.loads(value, parse_constant=_refuse)
        if value is None:
            return {}
        return _sound(value) if isinstance(value, dict) else None
    except (ValueError, RecursionError):
        return None


def _sound(value: dict[str, Any]) -> dict[str, Any]:
    """The same without halves of surrogate pairs, as JSON escapes can bring them. Raises ValueError for numbers beyond all
    bounds, such as 1e999."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    sound = well_formed(text)
    whole: dict[str, Any] = value if sound is text else json.loads(sound)
    return whole


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")

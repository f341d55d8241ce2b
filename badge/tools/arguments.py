"""The arguments of a call as a model writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

UNREADABLE = "参数解析失败"
"""What the model is told of arguments that are no JSON object."""


def read_arguments(written: object) -> dict[str, Any] | None:
    """The arguments that are meant by an object, or by JSON text of one; an empty text means none. None when it cannot be
    read."""
    if isinstance(written, str):
        try:
            written = json.loads(written) if written.strip() else {}
        except (ValueError, RecursionError):
            return None
    if not isinstance(written, Mapping) or not all(isinstance(name, str) for name in written):
        return None
    return dict(written)

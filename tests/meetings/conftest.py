"""What all tests of meetings share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import structlog


@pytest.fixture(autouse=True)
def log_lines(_quiet_log: None) -> Iterator[list[dict[str, Any]]]:
    """The log of a test; an error of ours that a boundary has contained fails it."""
    lines: list[dict[str, Any]] = []

    def keep(_: object, level: str, event: dict[str, Any]) -> Any:
        lines.append({**event, "level": level})
        raise structlog.DropEvent

    structlog.configure(processors=[keep])
    yield lines
    failed = [(line, line.get("exc_info")) for line in lines if line["event"] == "failed"]
    assert not failed, failed

"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog


def _drop(*_: object) -> None:
    raise structlog.DropEvent


@pytest.fixture(autouse=True)
def _quiet_log() -> Iterator[None]:
    """No log lines on the terminal; tests that read the log capture it."""
    structlog.configure(processors=[_drop])
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()

"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog


class _Whole(str):
    """A keyword that `-k` matches as a whole: `-k B_7` is not `-k B_70`."""

    __slots__ = ()

    def lower(self) -> str:
        return _Whole(super().lower())

    def __contains__(self, word: object) -> bool:
        return self == word


def pytest_itemcollected(item: pytest.Item) -> None:
    """Every test can be selected by the requirements that it holds the code to: `pytest -k B_70`."""
    for mark in item.iter_markers("req"):
        item.extra_keyword_matches.update(_Whole(requirement.replace("-", "_")) for requirement in mark.args)


def _drop(*_: object) -> None:
    raise structlog.DropEvent


@pytest.fixture(autouse=True)
def _quiet_log() -> Iterator[None]:
    """No log lines on the terminal; tests that read the log capture it."""
    structlog.configure(processors=[_drop])
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()

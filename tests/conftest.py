"""What all tests share."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

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


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Makes a disk of a size such as `200k`."""
    with ExitStack() as undo:

        def make(size: str) -> Path:
            folder = tmp_path / "disk"
            folder.mkdir()
            mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "badge-test", str(folder)]
            if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
                pytest.skip("a small disk needs root and the right to mount")
            undo.callback(subprocess.run, ["umount", "-l", str(folder)], check=True)
            return folder

        yield make

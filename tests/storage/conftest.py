"""What tests of files share."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest


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

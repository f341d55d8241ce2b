"""Which plugins there are: installed ones and files of the folder. Nothing of them is run here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from attrs import field, frozen

from badge.config.tools import ToolSettings
from badge.log import get_log

log = get_log(__name__)

GROUP = "badge.plugins"

LARGEST = 512 * 1024
"""Bytes of one file."""


@frozen(kw_only=True)
class Plugin:
    """A plugin before it is loaded: either the `source` of a `file`, or an importable `module`."""

    name: str
    trusted: bool
    file: str = ""
    source: str = field(default="", repr=False)
    module: str = ""
    settings: dict[str, Any] = field(factory=dict, repr=False)

    @property
    def where(self) -> str:
        """For the log."""
        return self.file or self.module


def discover(settings: ToolSettings) -> tuple[Plugin, ...]:
    """Installed plugins, then those of the folder, each in the order of their names. What cannot be read is logged."""
    return *_installed(settings), *_of_folder(settings)


@cache
def _entry_points() -> Sequence[tuple[str, str]]:
    """Name and module; looking through all packages takes a while."""
    return sorted((entry.name, entry.module) for entry in entry_points(group=GROUP))


def _installed(settings: ToolSettings) -> Iterator[Plugin]:
    for name, module in _entry_points():
        yield Plugin(
            name=name,
            trusted=name not in settings.untrusted,
            module=module,
            settings=settings.plugin.get(name, {}),
        )


def _of_folder(settings: ToolSettings) -> Iterator[Plugin]:
    folder = Path(settings.plugins)
    for path in sorted(folder.glob("*.py")):
        name = path.stem
        try:
            source = _checked(path, settings)
        except (OSError, ValueError) as exc:
            log.warning("a plugin is not loaded", plugin=name, file=str(path), reason=str(exc))
            continue
        yield Plugin(
            name=name,
            trusted=name in settings.trusted,
            file=str(path.absolute()),
            source=source,
            settings=settings.plugin.get(name, {}),
        )


def _checked(path: Path, settings: ToolSettings) -> str:
    """The text of a file that is what the operator knows. Raises `OSError`, `ValueError`."""
    if path.stat().st_size > LARGEST:
        raise ValueError(f"it is larger than {LARGEST} bytes")
    data = path.read_bytes()
    digest = settings.digests.get(path.stem)
    if digest is None and settings.digests_only:
        raise ValueError("its SHA-256 is not in tools.digests, and tools.digests_only is true")
    if digest is not None and hashlib.sha256(data).hexdigest() != digest.lower():
        raise ValueError("its SHA-256 is not the one in tools.digests")
    return data.decode("utf-8-sig")

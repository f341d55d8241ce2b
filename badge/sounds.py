"""Sound files that badges fetch: in memory, for a short time."""

from __future__ import annotations

from collections import OrderedDict

import trio
from attrs import field, frozen

FILES = 64
BYTES = 8 * 1024 * 1024
"""What is kept at most; the oldest goes for one more."""

LIFETIME = 60.0
"""Seconds in which a file can be asked for."""

FOLDER = "/sounds/"


def sound_path(name: str) -> str:
    """Where the file of this name is found."""
    return f"{FOLDER}{name}.ogg"


@frozen
class _File:
    data: bytes = field(repr=False)
    until: float


class Sounds:
    """Files by their names. Whoever knows a name gets the file: a name has to be one that cannot be guessed."""

    def __init__(self) -> None:
        self._files: OrderedDict[str, _File] = OrderedDict()  # the oldest first

    def put(self, name: str, data: bytes) -> bool:
        """Keep a file for a while; false when it is larger than all that is kept."""
        if len(data) > BYTES:
            return False
        self._files[name] = _File(data, trio.current_time() + LIFETIME)
        self._files.move_to_end(name)
        self._forget_old()
        while len(self._files) > FILES or self.size > BYTES:
            self._files.popitem(last=False)
        return True

    def get(self, name: str) -> bytes | None:
        """The file; None when there is none, or not any more."""
        self._forget_old()
        file = self._files.get(name)
        return file.data if file is not None else None

    @property
    def size(self) -> int:
        """Bytes that are kept."""
        return sum(len(file.data) for file in self._files.values())

    def _forget_old(self) -> None:
        now = trio.current_time()
        while self._files and next(iter(self._files.values())).until <= now:
            self._files.popitem(last=False)

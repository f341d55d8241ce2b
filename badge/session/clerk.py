"""The clerk: carries out what the user wants done, and says what came of it."""

from __future__ import annotations

from badge.clock import WallClock
from badge.desk import Desk
from badge.modes.base import Answer


class Clerk:
    """Orders that are carried out at the desk."""

    def __init__(self, device: str, desk: Desk, clock: WallClock) -> None:
        self._device = device
        self._desk = desk
        self._clock = clock

    def understand(self, text: str) -> Answer | None:
        """How words are answered that want something done; None when they are talk."""
        return None

"""What is being said: the captures of which it is not known yet what they hold, each with the mode that it was said in."""

from __future__ import annotations

from collections.abc import Callable

from badge.clock import WallClock, milliseconds
from badge.modes.base import Mode
from badge.session.capture import Capture


class Utterances:
    """Keeps captures until they are understood or lost, so that a mode knows of everything that was said in it."""

    def __init__(self, clock: WallClock, settled: Callable[[Mode], None]) -> None:
        """`settled` is told when nothing that was said in a mode is open any more."""
        self._clock = clock
        self._settled = settled
        self._open: list[Capture] = []

    def begin(self, capture: Capture, mode: Mode) -> None:
        """Somebody begins to speak."""
        capture.mode, capture.began = mode, milliseconds(self._clock)
        self._open.append(capture)

    def decide(self, capture: Capture, *, lost: str = "") -> None:
        """It is known what was said, or that it is lost, and why."""
        if capture in self._open:
            self._open.remove(capture)
            self._close(capture, lost)

    def lose(self, reason: str, which: Callable[[Capture], bool] = lambda _: True) -> None:
        """Nobody will know what was said."""
        lost = list(filter(which, self._open))
        self._open = [capture for capture in self._open if capture not in lost]
        for capture in lost:
            self._close(capture, reason)

    @property
    def any(self) -> bool:
        """Whether somebody speaks, or has just spoken."""
        return bool(self._open)

    def concern(self, mode: Mode) -> bool:
        """Whether something that was said in a mode is still open."""
        return any(capture.mode is mode for capture in self._open)

    def _close(self, capture: Capture, lost: str) -> None:
        mode = capture.mode
        if lost and mode.overhears:
            mode.miss(capture.began, milliseconds(self._clock), lost)
        if not self.concern(mode):
            self._settled(mode)

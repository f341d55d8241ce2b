"""The watchdog: what happens to a session when nothing happens."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import trio

from badge import texts
from badge.config.settings import TimeoutSettings
from badge.link import Goodbye
from badge.log import get_log
from badge.machines.session import SessionMachine

log = get_log(__name__)

IDLE_EXTRA = 60.0
"""Seconds beyond the no-voice limit after which a connection without any message is warned."""


class Watchdog:
    """One moving deadline; whatever changes it rings the bell. `busy` tells whether the server itself is at work."""

    def __init__(self, timeouts: TimeoutSettings, life: SessionMachine, busy: Callable[[], bool]) -> None:
        self._timeouts = timeouts
        self._life = life
        self._busy = busy
        self._last_sign = trio.current_time()
        self._since = self._last_sign
        self._bell = trio.Event()
        self._too_slow = False

    def touch(self) -> None:
        """A frame came: as cheap as noting the time."""
        self._last_sign = trio.current_time()

    def ring(self, *, too_slow: bool = False) -> None:
        """The state changed, or the badge turned out to be too slow: think again."""
        self._since = trio.current_time()
        self._too_slow |= too_slow
        self._bell.set()

    async def run(self) -> None:
        """Warn, wait and end the session in time, until cancelled."""
        while True:
            self.give_up_slow()
            with trio.move_on_at(self.deadline) as patience:
                self._bell = trio.Event()
                await self._bell.wait()
            if patience.cancelled_caught:
                self.expire()

    # --- the steps of the task between its waits ---

    def give_up_slow(self) -> None:
        """End the session of a badge that does not read."""
        if self._too_slow:
            self._life.close(Goodbye.TOO_SLOW)
            self._too_slow = False

    @property
    def deadline(self) -> float:
        """When nothing has happened for too long, as things are (Trio time)."""
        match self._life.state:
            case "open":
                return self._last_sign + self._timeouts.no_voice_s + IDLE_EXTRA
            case "warned":
                return self._since + self._timeouts.grace_s
            case "superseded":
                return self._since + self._timeouts.takeover_s
            case _:
                return inf

    def expire(self) -> None:
        """The deadline has passed."""
        state = self._life.state
        if state == "open":
            if trio.current_time() < self.deadline:
                pass  # a frame has moved it
            elif self._busy():
                self.touch()
            else:
                self._life.idle()
                self.ring()
        elif state == "warned":
            if self._last_sign > self._since:
                self._life.active()
            else:
                log.info(texts.LOG_TIMEOUT)
                self._life.close(Goodbye.IDLE)
        elif state == "superseded":
            self._life.close(Goodbye.SUPERSEDED)

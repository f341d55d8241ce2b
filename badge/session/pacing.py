"""When audio frames leave, so that the badge's buffer neither runs dry nor over."""

from __future__ import annotations


class Pacer:
    """Follows the estimated play-out on absolute deadlines: lateness of one frame is not passed on to the next.

    Times are seconds on any monotonic clock, given by the caller.
    """

    def __init__(self, *, frame: float, lead: int) -> None:
        self._frame = frame
        self._lead = lead * frame
        self._end: float | None = None

    def due(self, now: float) -> float:
        """When the next frame may leave: when no more than the lead waits to be played."""
        return now if self._end is None else max(now, self._end - self._lead)

    def schedule(self, now: float) -> float:
        """Plan one more frame and give its due time. After a pause in which the badge played everything, its clock
        starts anew."""
        if self._end is None or now > self._end + self._frame:
            self._end = now
        due = self.due(now)
        self._end += self._frame
        return due

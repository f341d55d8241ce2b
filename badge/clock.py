"""Wall time and invented ids: the two things that a replay must be able to hand in."""

from __future__ import annotations

import datetime
import random
import uuid
from typing import Protocol


class WallClock(Protocol):
    """The time of day; never used to measure durations."""

    def now(self) -> datetime.datetime:
        """The present moment, with its time zone."""


class SystemClock:
    """The machine's clock in the machine's time zone."""

    def now(self) -> datetime.datetime:
        """The present moment, with its time zone."""
        return datetime.datetime.now(datetime.UTC).astimezone()  # noqa: TID251 - the one reader of the wall clock


class Ids:
    """Source of every random id; a seed makes the sequence repeatable."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.SystemRandom() if seed is None else random.Random(seed)

    def session(self) -> str:
        """A fresh session id, in the usual form of a UUID."""
        return str(self._uuid())

    def sentence(self) -> str:
        """A fresh id of one answer: 32 hexadecimal digits."""
        return self._uuid().hex

    def device(self) -> str:
        """The id of a badge that names none: `auto-` and 8 hexadecimal digits."""
        return f"auto-{self._random.getrandbits(32):08x}"

    def short(self) -> str:
        """A fresh id of something that one group or device has few of, such as a task: 8 hexadecimal digits."""
        return f"{self._random.getrandbits(32):08x}"

    def _uuid(self) -> uuid.UUID:
        return uuid.UUID(int=self._random.getrandbits(128), version=4)


def milliseconds(clock: WallClock) -> int:
    """The present moment in ms since the epoch."""
    return round(clock.now().timestamp() * 1000)

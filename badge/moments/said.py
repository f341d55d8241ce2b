"""What was said about a time, and the moment that it stands for."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, datetime, time, timedelta
from typing import Literal

import attrs
from attrs import frozen

Part = Literal["am", "pm", "dawn", "morning", "noon", "afternoon", "evening", "night"]

_HOURS: dict[Part, int] = {
    "am": 9, "pm": 15, "dawn": 5, "morning": 9, "noon": 12, "afternoon": 15, "evening": 19, "night": 21,
}  # fmt: skip
"""What a part of the day stands for when no time is said."""

WEEK = timedelta(days=7)


@frozen
class Clock:
    """A time of day: an hour from 0 to 24 and a minute. Unless `exact`, an hour from 1 to 12 may be before noon or after."""

    hour: int
    minute: int = 0
    exact: bool = False

    def during(self, part: Part) -> Clock:
        """This time in a part of the day."""
        return self if self.exact else Clock(_hour(self.hour, part), self.minute, exact=True)

    def on(self, day: date, now: datetime) -> datetime:
        """This time on a day: of two readings the one in daylight, but today the first that is still to come."""
        readings = [self._moment(hour, day, now) for hour in self._readings()]
        if day == now.date():
            return next((moment for moment in readings if moment > now), readings[0])
        return readings[0] if self.hour >= 7 else readings[-1]

    def next(self, now: datetime) -> datetime:
        """The next time that it is so late."""
        today = self.on(now.date(), now)
        return today if today > now else self.on(now.date() + timedelta(days=1), now)

    def _readings(self) -> tuple[int, ...]:
        if self.exact or not 1 <= self.hour <= 12:
            return (self.hour,)
        return (12, 24) if self.hour == 12 else (self.hour, self.hour + 12)

    def _moment(self, hour: int, day: date, now: datetime) -> datetime:
        return datetime.combine(day, time(), now.tzinfo) + timedelta(hours=hour, minutes=self.minute)


def _hour(hour: int, part: Part) -> int:
    """The hour of the day, from that on the face of a clock."""
    if hour > 12:
        return hour
    if part in ("am", "dawn"):
        return hour % 12
    if part == "morning" or (part == "noon" and hour > 9) or (part == "night" and hour < 5):
        return hour
    midnight = hour == 12 and part in ("evening", "night")
    return 24 if midnight else hour % 12 + 12


@frozen
class Day:
    """A day; `weekly` when it was named by its weekday, so that it is one week later when its time is over."""

    date: date
    weekly: bool = False


@frozen(kw_only=True)
class Said:
    """Parts of a time: a day, a part of it, a time of day, or how long from now. `sure` when the words mean nothing
    else."""

    day: Day | None = None
    part: Part | None = None
    clock: Clock | None = None
    months: int = 0
    span: timedelta | None = None
    sure: bool = True

    def joined(self, other: Said) -> Said:
        """One time from two parts of a sentence; what was said first counts."""
        return attrs.evolve(
            self,
            day=self.day or other.day,
            part=self.part or other.part,
            clock=self.clock or other.clock,
            sure=self.sure or other.sure,
        )

    def at(self, now: datetime) -> date | datetime:
        """The moment, or the day when no time of day was said. Raises `OverflowError` beyond the calendar."""
        if self.span is not None:
            return add_months(now, self.months) + self.span
        clock = self._clock()
        if self.day is None:
            return (clock or Clock(now.hour, now.minute, exact=True)).next(now)
        day, again = self.day.date, self.day.weekly and self.day.date == now.date()
        if clock is None:
            return day + WEEK if again else day
        moment = clock.on(day, now)
        return clock.on(day + WEEK, now) if again and moment <= now else moment

    def _clock(self) -> Clock | None:
        if self.part is None:
            return self.clock
        return self.clock.during(self.part) if self.clock else Clock(_HOURS[self.part], exact=True)


def add_months(now: datetime, months: int) -> datetime:
    """So many months later, at the latest on the last day of that month. Raises `OverflowError`."""
    year, month = divmod(now.year * 12 + now.month - 1 + months, 12)
    if year > 9999:
        raise OverflowError
    return now.replace(year=year, month=month + 1, day=min(now.day, monthrange(year, month + 1)[1]))


def weekday(name: int, weeks: int | None, now: datetime) -> Day:
    """The day with this weekday (0: Monday) so many calendar weeks from now; `None`: the next one, today included."""
    today = now.date()
    if weeks is None:
        return Day(today + timedelta(days=(name - today.weekday()) % 7), weekly=True)
    return Day(today + timedelta(days=name - today.weekday()) + weeks * WEEK)


def calendar_day(day: int, month: int | None, year: int | None, now: datetime) -> Day | None:
    """The day with this number, in this month and year; those that were not said are the next that fit. None when there
    is no such day."""
    today = now.date()
    if year is not None:
        return _day(year, month or today.month, day)
    first = today.year * 12 + today.month - 1
    months = (first + later for later in range(12 * 8 + 1))  # the 29th of February comes after four years, or eight
    days = (_day(one // 12, one % 12 + 1, day) for one in months if month in (None, one % 12 + 1))
    return next((found for found in days if found is not None and found.date >= today), None)


def _day(year: int, month: int, day: int) -> Day | None:
    try:
        return Day(date(year, month, day))
    except (ValueError, OverflowError):
        return None

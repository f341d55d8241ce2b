"""The time and the date."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from badge.moments.finding import read_moment
from badge.plugin import Context, tool


def parse_zone(name: str) -> ZoneInfo | None:
    """A time zone by its IANA name; None when there is none."""
    try:
        return ZoneInfo(name.strip().replace(" ", "_"))
    except (OSError, ValueError, KeyError):  # hostile names: too long, absolute, folders
        return None


class Moments:
    """Tools about now and then."""

    @tool
    async def current_time(  # noqa: ASYNC124 - a question at the desk
        self, context: Context, zone: Annotated[str, "IANA name such as Asia/Tokyo; empty: where the user is"] = ""
    ) -> str:
        """Tell the present time, date and weekday, here or in another time zone."""
        now = context.now
        if zone.strip():
            found = parse_zone(zone)
            if found is None:
                return f"zone: must be an IANA time zone such as Europe/Berlin, not '{zone[:40]}'."
            now = now.astimezone(found)
        return f"{now:%A, %Y-%m-%d %H:%M:%S} ({_offset(now)}{', ' + zone.strip() if zone.strip() else ''})"

    @tool
    async def find_date(  # noqa: ASYNC124
        self, context: Context, when: Annotated[str, "such as next Friday, in 40 days, 2026-12-24, 下周五"]
    ) -> str:
        """Tell the date and weekday of a day, and how many days there are until it."""
        moment = read_when(when, context.now)
        if moment is None:
            return f"when: must be a day or a time, not '{when[:40]}'."
        day, today = moment.date(), context.now.date()
        days = (day - today).days
        apart = f"{abs(days)} day{'' if abs(days) == 1 else 's'}"
        count = "today" if not days else f"in {apart}" if days > 0 else f"{apart} ago"
        return f"{day:%A}, {day.isoformat()}, {count}"


def read_when(text: str, now: datetime) -> datetime | None:
    """The moment that is meant by ISO 8601 text, or by words; a day without a time is its beginning."""
    text = text.strip()
    readers: tuple[Callable[[], datetime | None], ...] = (lambda: _iso(text, now), lambda: _said(text, now))
    return next((moment for moment in (read() for read in readers) if moment is not None), None)


def _iso(text: str, now: datetime) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=now.tzinfo) if moment.tzinfo is None else moment.astimezone(now.tzinfo)
    except (ValueError, OverflowError):
        return None


def _said(text: str, now: datetime) -> datetime | None:
    found = read_moment(text, now)
    if found is None or found[1]:
        return None
    day = found[0]
    return day if isinstance(day, datetime) else datetime(day.year, day.month, day.day, tzinfo=now.tzinfo)


def _offset(now: datetime) -> str:
    written = f"{now:%z}"
    return f"UTC{written[:3]}:{written[3:5]}" if written else "local time"

"""What is stored, as values. Times are ms since the epoch unless a name says otherwise."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen

MailStatus = Literal["queued", "delivered", "heard"]


@frozen(kw_only=True)
class Letter:
    """One message for one device. (`sender`, `id`, `to`) is unique: the same letter again is the same letter."""

    id: str
    sender: str
    to: str
    category: str
    payload: str = field(repr=False)
    """a JSON object"""
    sent: int
    expires: int
    status: MailStatus = "queued"


@frozen(kw_only=True)
class Posted:
    """What became of a letter that was handed in: its status, whether it was there before, and which older ones of that
    device were dropped for it, named by (sender, id)."""

    status: MailStatus
    duplicate: bool = False
    displaced: tuple[tuple[str, str], ...] = ()

    @property
    def dropped(self) -> int:
        """How many were dropped."""
        return len(self.displaced)


@frozen(kw_only=True)
class Waiting:
    """The letters that wait for a device, the oldest first, and how many were dropped since the last look."""

    letters: tuple[Letter, ...]
    dropped: int = 0


MeetingState = Literal["active", "interrupted", "finalising", "summarising", "finalised"]


@frozen(kw_only=True)
class Segment:
    """What was said at one time; `number` counts from 1 within the meeting."""

    number: int
    ts: int
    text: str = field(repr=False)


@frozen(kw_only=True)
class Hole:
    """A time of which nothing is known, and why: disconnected, server-restart, overload, not-recognised."""

    since: int
    until: int
    reason: str


@frozen(kw_only=True)
class MeetingRecord:
    """One meeting without its segments. `pushed` is the number of the last segment that the badge was sent, `pushes` how
    many pushes there were. `minutes` is a JSON object, empty until there are some; `checkpoint` the summary so far."""

    id: str
    device: str
    started: int
    state: MeetingState = "active"
    ended: int = 0
    seen: int = 0
    """the last time at which it was known to go on"""
    pushed: int = 0
    pushes: int = 0
    segments: int = 0
    checkpoint: str = field(default="", repr=False)
    minutes: str = field(default="", repr=False)
    delivered: bool = False
    """whether the badge has got the minutes"""


@frozen(kw_only=True)
class Found:
    """What was looked for in meetings: a segment; or, with the number 0, the minutes of a meeting, a JSON object."""

    meeting: str
    started: int
    number: int
    ts: int
    text: str = field(repr=False)


SEARCHED_MEETINGS = 200
"""The newest meetings of a device that are searched."""

MOST_WORDS = 8
"""Words of a search; the rest is not looked for."""


def search_words(text: str) -> tuple[str, ...]:
    """The words that are looked for: separated by spaces, without the case of A to Z."""
    return tuple(word.encode().lower().decode() for word in text.split()[:MOST_WORDS])


@frozen(kw_only=True)
class Reminder:
    """Something to be said to a device at a time."""

    id: str
    device: str
    due: int
    text: str = field(repr=False)
    created: int

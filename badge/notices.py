"""What the server says to a badge by itself: reminders, messages of others, words of the operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from attrs import field, frozen


@frozen(kw_only=True)
class Notice:
    """Something to be spoken when the badge is free, and no meeting runs. `clip` are Opus packets that are played after
    the text."""

    kind: Literal["message", "waiting", "reminder", "push"]
    text: str = field(repr=False)
    clip: tuple[bytes, ...] = field(default=(), repr=False)


Ending = Literal["played", "cut", "sent", "lost"]
"""What became of a notice: it was played to its end; the user did not want to hear all of it; it was given to a badge
that plays it by itself, and nobody knows whether it did; or nothing of it was heard for certain, because the connection
ended."""

Told = Callable[[Ending], None]
"""Is told once what became of a notice. Synchronous, never raises."""

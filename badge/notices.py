"""What the server says to a badge by itself: reminders, messages of others, words of the operator."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen


@frozen(kw_only=True)
class Notice:
    """Something to be spoken when the badge is free. `letter` is (sender, id) of the message that it is about, whose
    being heard is reported; `clip` are Opus packets that are played after the text; `frame_ms` how long each lasts.

    `urgent`: also while a meeting runs; others wait for its end.
    """

    id: str
    kind: Literal["message", "waiting", "reminder", "push"]
    text: str = field(repr=False)
    letter: tuple[str, str] | None = None
    clip: tuple[bytes, ...] = field(default=(), repr=False)
    frame_ms: int = 60
    urgent: bool = False

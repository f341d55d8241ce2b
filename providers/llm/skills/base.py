"""What a skill is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from attrs import field, frozen

from providers.ports import Language


@frozen(kw_only=True)
class Context:
    """What a skill may know beside the words."""

    now: datetime
    """the present moment, with its time zone"""
    language: Language
    """the language to answer in"""
    said_before: str = field(default="", repr=False)
    """the assistant's previous answer"""


Skill = Callable[[str, Context], str | None]
"""Takes what the user said, as typed or as a recogniser gives it, and answers in one to three sentences; None when it
is about something else."""

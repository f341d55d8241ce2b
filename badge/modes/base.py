"""How an utterance can be answered: the vocabulary between a mode and the session that carries the answer out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

from attrs import field, frozen

from badge.llms import Purpose
from protocol import ListenMode


@frozen
class Ask:
    """Let a language model answer `words`, as part of the dialogue; `context` is what it should know for this answer."""

    purpose: Purpose
    words: str = field(repr=False)
    context: str = field(default="", repr=False)


@frozen
class Say:
    """Speak a fixed text."""

    text: str = field(repr=False)


@frozen
class Play:
    """Play a sound file and show `text`, without needing speech synthesis."""

    file: Path
    text: str


@frozen
class Clip:
    """Speak a text, then play Opus packets of another badge."""

    text: str = field(repr=False)
    packets: tuple[bytes, ...] = field(repr=False)


@frozen
class Act:
    """Do something that takes a moment, and say what came of it."""

    do: Callable[[], Awaitable[str]] = field(repr=False)


@frozen
class Nothing:
    """No answer; the words are shown, and the badge is out of its speaking state."""


@frozen
class Taken:
    """The mode has taken the words for itself: nothing is shown or said."""


Answer = Ask | Say | Play | Clip | Act | Nothing | Taken


class Mode(Protocol):
    """One way of answering. The session knows none of them by name."""

    @property
    def purpose(self) -> Purpose:
        """What the mode asks a language model for."""

    @property
    def overhears(self) -> bool:
        """Whether everything that is said belongs to the mode: nothing is a question to the assistant, and nobody is
        disturbed."""

    @property
    def muted(self) -> bool:
        """Whether nothing is spoken."""

    @property
    def listening(self) -> ListenMode | None:
        """How the badge is listened to; None: as it wants."""

    def enter(self, *, again: bool) -> None:
        """The mode begins; `again` on another connection of the badge."""

    async def begin(self) -> None:
        """What takes a moment at the beginning. Raises `RefusedError` when the mode cannot be."""

    async def end(self) -> None:
        """The mode is over: what takes a moment then."""

    def hear(self, words: str, began: int) -> Answer:
        """Decide on the answer to one utterance that began at that time (ms since the epoch); what takes time happens
        when the answer is carried out."""

    def would_ask(self, words: str) -> Ask | None:
        """What the model would be asked if these words were heard; None when it would not be. Without any effect."""

    def miss(self, since: int, until: int, reason: str) -> None:
        """Something was said from `since` to `until`, in ms since the epoch, and is lost."""

    def heard_out(self) -> None:
        """The mode is over, and everything that was said in it is recognised."""

"""How an utterance can be answered: the vocabulary between a mode and the session that carries the answer out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

from attrs import field, frozen

from badge.llms import Purpose


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
    """One way of answering."""

    def hear(self, words: str) -> Answer:
        """Decide on the answer to one utterance; what takes time happens when the answer is carried out."""

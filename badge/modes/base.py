"""How an utterance can be answered: the vocabulary between a mode and the session that carries the answer out."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Protocol

from attrs import field, frozen


class Purpose(StrEnum):
    """What a language model is asked for; each purpose may have a model of its own."""

    CHAT = "chat"


@frozen
class Ask:
    """Let a language model answer `words`, as part of the dialogue."""

    purpose: Purpose
    words: str = field(repr=False)


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
class Nothing:
    """No answer: the mode has taken the words for itself."""


Answer = Ask | Say | Play | Nothing


class Mode(Protocol):
    """One way of answering."""

    def hear(self, words: str) -> Answer:
        """Decide on the answer to one utterance; what takes time happens when the answer is carried out."""

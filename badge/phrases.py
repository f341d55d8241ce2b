"""What words mean before any model sees them: wake word, exit command, announcement, or plain talk."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from attrs import frozen

ANNOUNCEMENT = "[device_call]"
"""Prefix by which gateways ask the server to read the rest aloud, as it is."""


@frozen
class Wake:
    """Only the wake word was said."""


@frozen
class Exit:
    """The user ends the conversation."""


@frozen
class Announce:
    """Somebody wants this read aloud."""

    text: str


@frozen
class Plain:
    """Ordinary talk."""

    text: str


Meaning = Wake | Exit | Announce | Plain


def bare(text: str) -> str:
    """A text as phrases are compared: without punctuation, symbols and spaces, in lower case."""
    return "".join(c for c in text.lower() if unicodedata.category(c)[0] not in "PSZC")


class Phrases:
    """The phrase tables of a configuration; whole utterances are compared, never parts of them."""

    def __init__(self, *, wake: Iterable[str], exits: Iterable[str]) -> None:
        self._wake = frozenset(filter(None, map(bare, wake)))
        self._exits = frozenset(filter(None, map(bare, exits)))
        self._longest_exit = max(map(len, self._exits), default=0)

    def interpret(self, text: str) -> Meaning:
        """What one utterance means, spoken or typed."""
        if text.startswith(ANNOUNCEMENT):
            return Announce(text[len(ANNOUNCEMENT) :].strip())
        words = bare(text)
        if words in self._wake:
            return Wake()
        if len(words) <= self._longest_exit and words in self._exits:
            return Exit()
        return Plain(text)

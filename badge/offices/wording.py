"""What is said aloud about messages."""

from __future__ import annotations

import json
import re
from typing import Literal

from attrs import frozen

from badge import texts
from badge.desk import RefusedError
from badge.notices import Notice
from badge.offices.clips import read_clip
from badge.storage.records import Letter
from providers.language import language_of
from providers.ports import Language

OPERATOR = "server"
"""The sender of what the operator leaves for a badge; no device may send under this name."""

SPOKEN = frozenset({"text", "clip"})
"""Categories that are for people; the others are for programs."""

LONGEST_TEXT = 4000
"""Characters of a text that is read aloud."""

_ANY_LENGTH = 86400.0
_MAC = re.compile(r"[0-9a-f]{2}([:-]?[0-9a-f]{2}){5}")


@frozen(kw_only=True)
class Wording:
    """Makes notices, as the configuration wants them. `language` is for words that have no text to go by."""

    use: Literal["read", "count", "off"]
    language: Language

    def reads(self, letter: Letter) -> bool:
        """Whether letters like this are read aloud."""
        return self.use == "read" and letter.category in SPOKEN

    def letter(self, letter: Letter) -> Notice | None:
        """How a letter is read aloud; None when there is nothing to read in it."""
        try:
            payload = json.loads(letter.payload)
            return self._clip(letter, payload) if letter.category == "clip" else self._text(letter, payload)
        except (ValueError, RecursionError, RefusedError):  # written by another version, or to the edge of the stack
            return None

    def waited(self, count: int) -> Notice | None:
        """How it is said that so many letters had waited; None when it is not."""
        if self.use != "count" or not count:
            return None
        say = texts.ONE_WAITED if count == 1 else texts.SOME_WAITED
        counts = texts.COUNTS[self.language]
        words = counts[count - 1] if count <= len(counts) else str(count)
        return Notice(kind="waiting", text=say[self.language].format(count=words))

    def _text(self, letter: Letter, payload: dict[str, object]) -> Notice | None:
        text = payload.get("text")
        if not isinstance(text, str) or not text.strip() or len(text) > LONGEST_TEXT:
            return None
        language = language_of(text)
        said = texts.MESSAGE_FROM[language].format(name=spoken_name(letter.sender, language), text=text.strip())
        return Notice(kind="message", text=said)

    def _clip(self, letter: Letter, payload: dict[str, object]) -> Notice:
        clip = read_clip(payload, longest_s=_ANY_LENGTH)  # short enough when it was sent
        said = texts.CLIP_FROM[self.language].format(name=spoken_name(letter.sender, self.language))
        return Notice(kind="message", text=said, clip=clip.packets)


def spoken_name(device: str, language: Language) -> str:
    """A device id as it is said: of a MAC address the last four digits are enough."""
    if device == OPERATOR:
        return texts.THE_OPERATOR[language]
    if _MAC.fullmatch(device):
        return texts.BADGE_NUMBER[language].format(
            digits=" ".join(device.replace(":", "").replace("-", "")[-4:].upper())
        )
    return device

"""What a FunASR server says about one utterance, read without I/O: messages in, the text so far and whether it is final out.

Several servers speak this protocol. The C++ runtime says `is_final` with its last message and never before. The newest
Python server answers the end with `is_end`. The older one sends `is_final` the wrong way round, true as long as somebody
speaks, and nothing at all when its last stretch is settled. Gateways send plain text, or a result further inside.
"""

from __future__ import annotations

import json
from math import inf
from typing import Any, Literal

from providers.language import without_gaps

Mode = Literal["2pass", "online", "offline"]

STATUSES = frozenset({"ready", "processing", "chunk_received", "error"})
"""What servers say about themselves; no words of the user, even when there is a text beside it."""

LONGEST_TEXT = 100_000
"""Characters of one utterance; a server that says more says nothing sensible."""

NEXT_SETTLED, NEXT_FIRST_PASS, NEXT_AT_ALL = 0.3, 1.0, 2.0
"""Seconds of silence after the end of the utterance that mean the end of the text, from servers that do not say so: after
a settled stretch, after one that is never settled, and when all was settled before."""


class ServerError(Exception):
    """The server says that it failed."""


class Reply:
    """The text of one utterance. What the second pass says replaces what the first pass said about the same stretch."""

    def __init__(self, mode: Mode, *, replacing: bool = False, mirrored: bool | None = None) -> None:
        """`replacing`: a first-pass text is the whole stretch so far, else it goes on from the one before. `mirrored`:
        whether this server is known to send `is_final` the wrong way round, or not to."""
        self.final = False
        """There is nothing more to come."""
        self.mirrored = mirrored
        """Whether `is_final` is the wrong way round, as far as known."""
        self._one_pass = mode == "online"
        self._replacing = replacing
        self._asked = False
        self._settled = False
        self._done = ""
        self._passing = ""

    @property
    def text(self) -> str:
        """The words so far."""
        return without_gaps(" ".join(filter(None, (self._done, self._passing.strip()))))

    @property
    def patience(self) -> float:
        """Seconds without a message after which nothing more is to be expected; endless where a final text is owed."""
        if not self._asked:
            return inf
        if self._settled and not self._passing:
            return NEXT_SETTLED
        if self._one_pass and self._passing:
            return NEXT_FIRST_PASS
        if self.mirrored or (self._done and not self._passing):  # such a server is silent about what it takes for noise
            return NEXT_AT_ALL
        return inf

    def ask(self) -> None:
        """The end was announced: from now on a message can be the last one."""
        self._asked = True

    def take(self, message: str | bytes) -> None:
        """One message of the server. Raises `ServerError`, and ValueError or RecursionError for what is none."""
        text = message.decode() if isinstance(message, bytes) else message
        try:
            value = json.loads(text)
        except ValueError:
            if text.lstrip()[:1] in ("{", "["):
                raise
            value = text  # words, and nothing around them
        if isinstance(value, dict):
            self._object(value)
        elif value is not None and not isinstance(value, list):
            self._settle(value if isinstance(value, str) else text)
        if len(self._passing) + len(self._done) > LONGEST_TEXT:
            raise ValueError("an endless text")

    def _object(self, value: dict[str, Any]) -> None:
        status = value.get("status")
        if status == "error" or value.get("error"):
            raise ServerError
        if isinstance(status, str) and status in STATUSES:
            return
        nested = "text" not in value and isinstance(value.get("payload_msg"), dict)
        first = nested or value.get("mode") in ("2pass-online", "online")
        if nested:
            self._pass(_text(value["payload_msg"].get("result")), replacing=True)
            self._one_pass = True
        elif first:
            self._pass(_text(value), replacing=self._replacing)
        elif "text" in value:
            self._settle(_text(value))
        self._conclude(value, first=first)

    def _conclude(self, value: dict[str, Any], *, first: bool) -> None:
        """Whether this message was the last one."""
        last = value.get("is_final")
        if not self._asked:
            if self.mirrored is None and isinstance(last, bool):
                self.mirrored = last
        elif value.get("is_end") is True:
            self.final = True
        elif self.mirrored:
            self.final = last is False and not first
        else:
            self.final = last is True and not (first and self.mirrored is None)

    def _pass(self, text: str, *, replacing: bool) -> None:
        if text.strip():
            self._passing = text if replacing else self._passing + text

    def _settle(self, text: str) -> None:
        if text.strip():
            self._done = f"{self._done} {text.strip()}".lstrip()
            self._passing = ""
        self._settled = self._asked


def _text(value: object) -> str:
    text = value.get("text") if isinstance(value, dict) else None
    return text if isinstance(text, str) else ""

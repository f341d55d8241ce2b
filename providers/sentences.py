"""Token stream in, speakable sentences out: where a text may be cut so that each piece can be spoken on its own."""

from __future__ import annotations

import re

from providers.language import IDEOGRAPH
from providers.speakable import PlainText

_ENDS = "。！？；…!?;."
_WIDE_ENDS = "。！？；…"
_CLAUSES = "，、：,:～~—"
_CLOSERS = "”’」』）】》〉)]}»"
_OPENERS = "“‘「『（【《〈([{«"
_MARKS = frozenset(_ENDS + _CLAUSES)

_WORD = re.compile(r"[A-Za-z0-9.'’&@:/_-]*\Z")
_INITIALS = re.compile(r"(?:[A-Za-z]\.)+[A-Za-z]|[A-HJ-Z]")
"""U.S, e.g, and the J of J. Smith, but not the pronoun I."""
_ITEM = re.compile(r"[(\[]?(?:\d{1,3}|[A-Za-z])")
"""What may stand before the point of a numbered item."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TITLES = _words(
    "mr mrs ms dr prof st mt ft gen sen rep gov capt cpt lt col maj sgt rev hon pres vs viz cf ca approx dept est"
)
"""Never the last word of a sentence."""
_COUNTED = _words(
    "no nos fig vol p pp ch art sec eq jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thurs fri"
)
"""An abbreviation only before a number."""
_TAILS = _words("etc inc ltd co corp bros jr sr al a.m p.m")
"""The last word when a capital follows."""

ABBREVIATIONS = _TITLES | _COUNTED | _TAILS
"""Words that decide where a sentence ends, in lower case."""

_BREAKS = (
    re.compile(r"(?<!\d)[，、：；,:;～~—]+(?=\s|[^\x00-\x7f])|[，、：；～—]+(?!\d)"),
    re.compile(r"\s"),
    re.compile(f"{IDEOGRAPH.pattern}(?={IDEOGRAPH.pattern})"),
)
"""Where a text that is too long may be cut, best first: after a mark, at a space, between ideographs."""

_LOOSE = re.compile(r"\s+(?=[,.!?;:，。！？；：…]+(?:\s|$))")
"""White space before a mark, where an emoji was."""

_NO = 0


class SentenceSplitter:
    """Cuts one answer into pieces of at most `max_chars` characters.

    The first piece may be a clause, from `first_min` characters on (`first_min_cjk` for Chinese; 0: it may not), so that
    speaking can begin early; the others are sentences. How the text was divided into tokens makes no difference.
    """

    _plain: PlainText
    _text: str
    _at: int
    """all of the text before it is known to be no end"""
    _first: bool

    def __init__(self, first_min: int = 8, first_min_cjk: int = 4, max_chars: int = 200) -> None:
        self._first_min = first_min
        self._first_min_cjk = first_min_cjk
        self._max = max_chars
        self._reset()

    def feed(self, text: str) -> list[str]:
        """The sentences that this piece completes."""
        self._text += self._plain.feed(text)
        sentences: list[str] = []
        while True:
            if not self._at:
                self._text = self._text.lstrip()
            end = self._find_end()
            if end is None:
                return sentences
            sentence, self._text, self._at = _LOOSE.sub("", self._text[:end]).strip(), self._text[end:], 0
            if any(map(str.isalnum, sentence)):
                self._first = False
                sentences.append(sentence)

    def flush(self) -> list[str]:
        """The rest; the splitter is as new afterwards."""
        sentences = self.feed("\n")  # settles everything that waits for what comes next
        self._reset()
        return sentences

    def _reset(self) -> None:
        self._plain = PlainText()
        self._text = ""
        self._at = 0
        self._first = True

    def _find_end(self) -> int | None:
        """Length of the first piece of the text, or None while that is undecided."""
        text = self._text
        while self._at < min(len(text), self._max):
            character = text[self._at]
            if character == "\n":
                return self._at + 1
            if character in _MARKS:
                end = self._judge(self._at, character)
                if end is None:
                    return None
                if _NO < end <= self._max:
                    return end
            self._at += 1
        return self._break() if len(text) > self._max else None

    def _judge(self, at: int, mark: str) -> int | None:
        """Where the piece that `mark` ends is over; _NO when it ends nothing."""
        if mark in _CLAUSES and not (self._first and self._is_clause(at)):
            return _NO
        end = self._with_closers(at + 1, _CLAUSES if mark in _CLAUSES else _ENDS)
        if end >= len(self._text):
            return None if end <= self._max else end
        after = self._text[end]
        if mark in _WIDE_ENDS or after == "\n":
            return end
        if mark in _CLAUSES:
            return end if self._divides(at, mark, after) else _NO
        if mark == ".":
            return self._full_stop(at, end, after)
        if after.isspace() or after > "\x7f":
            return end
        in_address = "/" in self._text[self._text.rfind(" ", 0, at) + 1 : at]
        return end if after.isalnum() and not in_address else _NO

    def _is_clause(self, at: int) -> bool:
        clause = self._text[:at]
        least = self._first_min_cjk if IDEOGRAPH.search(clause) else self._first_min
        return 0 < least <= len(clause)

    def _divides(self, at: int, mark: str, after: str) -> bool:
        if mark in ",:~":
            return after.isspace() or after > "\x7f"
        return not (after.isdigit() and self._text[at - 1].isdigit())

    def _with_closers(self, end: int, marks: str) -> int:
        """Further marks, brackets and quotation marks go with the sentence that they close."""
        text = self._text
        while end < len(text) and end <= self._max:
            character = text[end]
            closes = character in _CLOSERS or character == "'"
            if character == '"':
                closes = text.count('"', 0, end) % 2 == 1
            if not closes and character not in marks:
                break
            end += 1
        return end

    def _full_stop(self, at: int, end: int, after: str) -> int | None:
        if not after.isspace():
            starts = after in _OPENERS or (after > "\u2e7f" and after.isalnum())
            return end if starts and not _ITEM.fullmatch(self._text, 0, at) else _NO
        word = self._word(at)
        lower = word.lower()
        if lower in _TAILS or lower in _COUNTED:
            following = self._text[end + 1 : end + 2]
            if not following:
                return None
            goes_on = following.isdigit() or (lower in _TAILS and not following.isupper() and following <= "\x7f")
            return _NO if goes_on else end
        if lower in _TITLES or _INITIALS.fullmatch(word) or _ITEM.fullmatch(self._text, 0, at):
            return _NO
        return end

    def _word(self, at: int) -> str:
        found = _WORD.search(self._text, max(0, at - 64), at)
        return found.group().lstrip("'’.") if found else ""

    def _break(self) -> int:
        """Where to cut a text without an end: in its second half if there is a good place."""
        for low in (self._max // 2, 1):
            for pattern in _BREAKS:
                ends = [m.end() for m in pattern.finditer(self._text, 0, self._max + 1) if low <= m.end() <= self._max]
                if ends:
                    return ends[-1]
        return self._max

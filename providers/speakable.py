"""What of a text can be said: Markdown, emoji and control characters out, white space folded, piece by piece."""

from __future__ import annotations

import re
import string
import unicodedata

MOODS = {
    "😂": "funny", "😭": "crying", "😠": "angry", "😔": "sad", "😍": "loving", "😲": "surprised", "😱": "shocked",
    "🤔": "thinking", "😌": "relaxed", "😴": "sleepy", "😜": "silly", "🙄": "confused", "😶": "neutral", "🙂": "happy",
    "😆": "laughing", "😳": "embarrassed", "😉": "winking", "😎": "cool", "🤤": "delicious", "😘": "kissy", "😏": "confident",
}  # fmt: skip
"""The faces that badges can show: emoji and the name by which they know it."""

_MOOD = re.compile("|".join(MOODS))

_EMOJI = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u27bf\u2b05-\u2b07\u2b1b\u2b1c\u2b50\u2b55\u231a\u231b\u2328\u23cf\u23e9-\u23fa"
    "\u25aa\u25ab\u25b6\u25c0\u25fb-\u25fe\u2934\u2935\u3030\u303d\ufe0e\ufe0f\u20e3\U000e0020-\U000e007f]"
)
_FIGURES = "%‰#@&"
"""Punctuation by Unicode, but part of what it stands next to."""


def mood_of(text: str) -> tuple[str, str]:
    """Emoji and name of the first face in a text; a smile when there is none."""
    found = _MOOD.search(text)
    emoji = found.group() if found else "🙂"
    return emoji, MOODS[emoji]


def strip_edges(text: str) -> str:
    """A text without the punctuation, spaces and emoji around it, as badges display what was heard."""
    start, end = 0, len(text)
    while start < end and _is_edge(text[start]):
        start += 1
    while end > start and _is_edge(text[end - 1]):
        end -= 1
    return text[start:end]


def _is_edge(character: str) -> bool:
    if character in _FIGURES:
        return False
    return unicodedata.category(character)[0] in "PZCM" or _is_emoji(character)


def _is_emoji(character: str) -> bool:
    return not character.isalnum() and _EMOJI.match(character) is not None  # some of the ranges hold digits in circles


# --- Markdown ---------------------------------------------------------------------------------------------------------

_PLAIN = re.compile(r"[A-Za-z0-9\u4e00-\u9fff,.;:?'\"()，。、；：？！“”‘’（）…%-]+")
"""A run of characters that never mean anything but themselves, once a line has begun."""

_FENCE = re.compile(r"`{3,8}[ \t]{0,8}[\w+#.-]{0,40}[ \t]{0,8}")
_HASHES = re.compile("#{1,6}")
_LONGEST_RUN = 8
_RUN = re.compile(r"\*{1,8}|_{1,8}|~{1,8}|`{1,8}")
_LABEL = re.compile(r"!?\[([^\[\]\n]{0,200})")
_LONGEST_TARGET = 1000

_BULLETS = "-*+•"
_UNDECIDED = -1
_NONE = 0


class PlainText:
    """Takes Markdown in pieces of any size and gives the speakable text so far.

    Lines stay lines, each run of other white space becomes one space. What a piece means is decided as soon as the
    text settles it, and never differently because of where a piece ends; a line feed settles everything.
    """

    def __init__(self) -> None:
        self._raw = ""
        self._before = "\n"  # the character before `_raw`
        self._line_start = True
        self._in_table = False
        self._gap = ""  # in a table: what to say before the next character
        self._last = "\n"  # the last character given out
        self._out: list[str] = []

    def feed(self, text: str) -> str:
        """What can be said of the text so far and was not given before."""
        self._raw += text
        at = 0
        while at < len(self._raw):
            end = self._begin_line(at) if self._line_start else self._inline(at)
            if end == _UNDECIDED:
                break
            if end > at:
                self._before = self._raw[end - 1]
            at = end
        self._raw = self._raw[at:]
        out, self._out = "".join(self._out), []
        return out

    # Each step looks at the text from `at` on and returns where the next one begins, or _UNDECIDED.

    def _begin_line(self, at: int) -> int:
        character = self._raw[at]
        if character in " \t>":
            return at + 1
        if character in _BULLETS:
            after = self._peek(at + 1)
            if after == "" or after in " \t":
                return at + 2 if after else _UNDECIDED
        elif character == "#":
            end = _end(_HASHES, self._raw, at)
            after = self._peek(end)
            if after == "" or after in " \t\n":
                self._line_start = not after
                return end if after else _UNDECIDED
        elif character == "`" and self._raw.startswith("`", at):
            return self._fence(at)
        self._line_start = False
        if character == "|":
            self._in_table = True
            return at + 1
        return at

    def _fence(self, at: int) -> int:
        end = _end(_FENCE, self._raw, at) if self._raw.startswith("```", at) else _end(_RUN, self._raw, at)
        after = self._peek(end)
        if after == "":
            return _UNDECIDED
        self._line_start = False
        return end if after == "\n" else _end(_RUN, self._raw, at)

    def _inline(self, at: int) -> int:
        if plain := _PLAIN.match(self._raw, at):
            self._say(plain.group())
            return plain.end()
        character = self._raw[at]
        if character.isspace():
            return self._space(at)
        if character in "*_~`":
            return self._emphasis(at)
        if character == "!" and self._peek(at + 1) == "":
            return _UNDECIDED
        if character == "[" or self._raw.startswith("![", at):
            return self._link(at)
        if character == "\\":
            return self._escape(at)
        if character == "|" and self._in_table:
            self._gap = ", "
        elif not _is_emoji(character) and unicodedata.category(character)[0] != "C":
            self._say(character)
        return at + 1

    def _space(self, at: int) -> int:
        if self._raw[at] == "\n":
            self._line_start, self._in_table, self._gap = True, False, ""
            if self._last != "\n":
                self._give("\n")
        elif self._in_table:
            self._gap = self._gap or " "
        elif self._last not in " \n":
            self._give(" ")
        return at + 1

    def _emphasis(self, at: int) -> int:
        end = _end(_RUN, self._raw, at)
        marker, length = self._raw[at], end - at
        if length == _LONGEST_RUN:  # a line of stars
            return end
        after = self._peek(end)
        if after == "":
            return _UNDECIDED
        before = self._raw[at - 1] if at else self._before
        if marker == "*":  # a product: 3 * 4, 3*4
            literal = (before.isspace() and after.isspace()) or (before.isdigit() and after.isdigit())
        elif marker == "_":  # a name: snake_case
            literal = before.isalnum() and after.isalnum()
        else:
            literal = marker == "~" and length == 1
        if literal:
            self._say(self._raw[at:end])
        return end

    def _link(self, at: int) -> int:
        """`[text](target)` and `![text](target)` become their text."""
        label = _LABEL.match(self._raw, at)
        assert label is not None
        after = self._raw[label.end() : label.end() + 2]
        if after in ("", "]"):
            return _UNDECIDED
        end = _closing(self._raw, label.end() + 1) if after == "](" else _NONE
        if end == _UNDECIDED:
            return _UNDECIDED
        if end == _NONE:
            self._say(self._raw[at])
            return at + 1
        self._raw = self._raw[:at] + label.group(1) + self._raw[end:]
        return at

    def _escape(self, at: int) -> int:
        after = self._peek(at + 1)
        if after == "":
            return _UNDECIDED
        if after in string.punctuation:
            self._say(after)
            return at + 2
        if not after.isspace():
            self._say("\\")
        return at + 1

    def _peek(self, at: int) -> str:
        return self._raw[at : at + 1]

    def _say(self, text: str) -> None:
        if self._gap:
            self._give(self._gap)
            self._gap = ""
        self._give(text)

    def _give(self, text: str) -> None:
        self._out.append(text)
        self._last = text[-1]


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _closing(text: str, at: int) -> int:
    """Where the target of a link that opens at `at` is over; _NONE when it is none."""
    depth = 0
    for end, character in enumerate(text[at : at + _LONGEST_TARGET], start=at + 1):
        if character == "\n":
            return _NONE
        depth += (character == "(") - (character == ")")
        if not depth:
            return end
    return _UNDECIDED if len(text) < at + _LONGEST_TARGET else _NONE

"""The shape of a text: everything in it replaced, character by character, but what decides where sentences end. Pure."""

from __future__ import annotations

import re
import unicodedata

from providers.language import IDEOGRAPH
from providers.sentences import ABBREVIATIONS

_WORDS = re.compile(r"[A-Za-z]+|[^\W_]|[^\x00-\x7f]", re.ASCII)
_LETTERS_THAT_DECIDE = frozenset("IaApPmM")
"""I is a word where other capitals are initials; a.m. and p.m. may end a sentence."""

_OF_EMOJI = frozenset("\ufe0e\ufe0f\u20e3")
"""Marks that are parts of emoji."""


def shape(text: str) -> str:
    """A text with its letters and digits masked, character by character."""
    return _WORDS.sub(_shape, text)


_OF_JSON = re.compile(r"\\u[0-9A-Fa-f]{4}|\\[bfnrt]|\b(?:insights|risks|next_steps)\b")


def token_shape(text: str) -> str:
    """The shape of what a model answers: when it is JSON it can still be read, and the names of insights stay."""
    at, pieces = 0, []
    for found in _OF_JSON.finditer(text):
        pieces += [shape(text[at : found.start()]), "\\u0078" if found[0][:2] == "\\u" else found[0]]
        at = found.end()
    return "".join((*pieces, shape(text[at:])))


def ends_in_a_word(text: str) -> bool:
    """Whether what follows may belong to the last word, or name."""
    return text[-1:].isalnum() or text[-1:] in ("\\", "_")


def _shape(match: re.Match[str]) -> str:
    found = match[0]
    if len(found) > 1 or found.isascii():
        return found if found in _LETTERS_THAT_DECIDE or found.lower() in ABBREVIATIONS else blank(found)
    if IDEOGRAPH.match(found):
        return "某"
    kind = unicodedata.category(found)[0]
    if kind == "N":
        return "٠"
    if kind == "L":
        return "Ж" if found.isupper() else "ж"
    if kind == "M" and found not in _OF_EMOJI:
        return "\u0301"
    return found


def blank(text: str) -> str:
    """A text with none of its letters and digits left."""
    return "".join("0" if c.isdigit() else c if not c.isalpha() else "X" if c.isupper() else "x" for c in text)

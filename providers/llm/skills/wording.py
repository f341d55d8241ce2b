"""The same request in many wordings: case, punctuation and politeness taken off."""

from __future__ import annotations

import re
from collections.abc import Container

from providers.language import IDEOGRAPH

_EDGES = " .,!?;:…\"'“”‘’«»。，、！？；：～~"
_LEFT_EDGES = _EDGES.replace(".", "")  # .5 is a number
_FULL_WIDTH = {0xFF01 + offset: 0x21 + offset for offset in range(94)} | {0x2019: "'", 0x3000: " "}


def _entries(text: str) -> tuple[str, ...]:
    return tuple(text.split("|"))


_PREFIXES = _entries(
    "hey|hi|hello|ok|okay|so|well|um|uh|and|please|badge|hey badge|can you|could you|would you|will you|tell me|"
    "do you know|"
    "i want to know|i would like to know|i'd like to know|let me know|just|now|"
    "请问一下|请问|请|麻烦你|麻烦|帮我|给我|替我|你能不能|你能|能不能|你可以|可不可以|可以|告诉我|我想知道|你知道|那么|那|嗯|呃|嘿|喂|你好|"
    "小智|一下"
)
_SUFFIXES = _entries(
    "please|for me|right now|now|today|then|thanks|thank you|badge|谢谢你|谢谢|可以吗|好吗|行吗|呢|啊|呀|吧|哦|嘛|吗|哈"
)
_SHORT = {
    "what's": "what is",
    "whats": "what is",
    "how's": "how is",
    "who's": "who is",
    "it's": "it is",
    "today's": "todays",
}
_SHORT_WORD = re.compile("|".join(map(re.escape, _SHORT)))
_BETWEEN_IDEOGRAPHS = re.compile(f"(?<={IDEOGRAPH.pattern})\\s+(?={IDEOGRAPH.pattern})")


def word_set(text: str) -> frozenset[str]:
    """The words of a table."""
    return frozenset(text.split())


def plain(text: str) -> str:
    """Lower case, one space between English words and none between Chinese ones, no punctuation at the edges."""
    text = text.translate(_FULL_WIDTH).lower()
    text = _SHORT_WORD.sub(lambda found: _SHORT[found.group()], text)
    return _BETWEEN_IDEOGRAPHS.sub("", " ".join(text.split())).rstrip(_EDGES).lstrip(_LEFT_EDGES)


def core(text: str) -> str:
    """The request itself: plain, without greetings, politeness and particles round it, yet never empty for that."""
    text = plain(text)
    while (shorter := _shorter(text)) != text:
        text = shorter
    return text


def _shorter(text: str) -> str:
    for word in _PREFIXES:
        rest = text.removeprefix(word)
        if rest != text and (not rest[:1].isascii() or not word.isascii() or not rest[:1].isalnum()):
            return rest.strip(_EDGES) or text
    for word in _SUFFIXES:
        rest = text.removesuffix(word)
        if rest != text and (not word.isascii() or not rest[-1:].isalnum()):
            return rest.strip(_EDGES) or text
    return text


def bare(text: str) -> str:
    """A plain text as phrases are compared: letters and digits only."""
    return "".join(filter(str.isalnum, plain(text)))


def phrases(*texts: str) -> frozenset[str]:
    """A phrase table; each text may hold several phrases, divided by `|`."""
    return frozenset(bare(phrase) for text in texts for phrase in text.split("|"))


def phrase_in(text: str, table: Container[str]) -> str:
    """The phrase of the table that the whole text is, as it is or without politeness; empty when it is none."""
    for form in (bare(text), bare(core(text))):
        if form in table:
            return form
    return ""

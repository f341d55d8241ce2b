"""The terms of a text, by which it is found again: the same for what is kept and for what is looked for.

SQLite's own tokenisers do not serve: unicode61 takes a whole Chinese sentence for one word, and trigram finds nothing
shorter than three characters, which most Chinese words are. So words are cut here, and SQLite only sees them with
spaces between: a word without its English ending, a Chinese character, and each two of them that stand together.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

MOST_TERMS = 40
"""Different terms of one text that are looked for."""

LONGEST_QUESTION = 500
"""Characters of it that are looked at."""

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\U00020000-\U0003ffff"
_RUN = re.compile(f"[{_CJK}]+|[^\\W_{_CJK}]+")
_IS_CJK = re.compile(f"[{_CJK}]")

_EMPTY = frozenset(
    re.findall(
        r"\w+",
        """a an and are am as at be been but by can could did do doe for from had ha have he her hi him i if in is it me my no
        not of on or our please she so some than that the their them then there they thi to too u was we were what when where
        which who why will with would you your about any tell know user s t m re ve ll d""",
    )
)
_EMPTY_CHARACTERS = frozenset("的了是我你您他她它们吗呢吧啊呀嘛么什怎有在不也都就和与跟这那哪个请把被给说要会能可以很")


def terms(text: str) -> tuple[str, ...]:
    """All terms of a text, in order, as often as they come."""
    return tuple(_terms(text))


def sought(text: str) -> tuple[str, ...]:
    """The different terms of a question that tell anything, at most `MOST_TERMS`."""
    told = [term for term in _terms(text[:LONGEST_QUESTION]) if not _is_empty(term)]
    return tuple(dict.fromkeys(told))[:MOST_TERMS]


def _terms(text: str) -> Iterator[str]:
    for run in _RUN.findall(unicodedata.normalize("NFKC", text).casefold()):
        if _IS_CJK.match(run):
            yield from run
            yield from (run[at : at + 2] for at in range(len(run) - 1))
        else:
            yield _stem(run)


def _stem(word: str) -> str:
    """A word without the commonest English endings: names of one thing meet, and it does not matter what they become."""
    if not word.isascii() or not word.isalpha():
        return word
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        word = word[:-1]
    for ending in ("ing", "ed"):
        if len(word) >= len(ending) + 3:
            word = word.removesuffix(ending)
    if len(word) > 3:
        word = word.removesuffix("e")
    return f"{word[:-1]}i" if len(word) > 3 and word.endswith("y") else word


def _is_empty(term: str) -> bool:
    return term in _EMPTY or all(character in _EMPTY_CHARACTERS for character in term)

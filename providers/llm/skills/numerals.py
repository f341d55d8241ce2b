"""Numbers as people say them, in English and Chinese, read into exact fractions and written for speaking."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

Number = tuple[Fraction, int]
"""A value and the position after it."""


def _counted(text: str) -> dict[str, int]:
    return {word: value for value, word in enumerate(text.split())}


_SMALL = _counted(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = {
    w: 10 * v for w, v in _counted("_ _ twenty thirty forty fifty sixty seventy eighty ninety").items() if w != "_"
}
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_PARTS = {"half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4, "tenth": 10, "tenths": 10}
_DIGITS = re.compile(r"\d[\d,]*(?:\.\d+)?|\.\d+")
_LONGEST = 40  # characters of one number in digits


def read_english(words: Sequence[str], at: int) -> Number | None:
    """The number that begins at word `at`: digits, or words such as `two hundred and five point one`; None if none."""
    whole = _whole(words, at)
    if whole is None:
        return _part(words, at)
    value, at = whole
    if _word(words, at) in _PARTS:  # three quarters
        return value / _PARTS[words[at]], at + 1
    if _word(words, at) == "dozen":
        value, at = value * 12, at + 1
    if _word(words, at) == "and" and (part := _part(words, at + 1)):  # two and a half
        return value + part[0], part[1]
    return value, at


def _part(words: Sequence[str], at: int) -> Number | None:
    """`half`, `a half`, `a quarter`; `a dozen` too."""
    if _word(words, at) in ("a", "an"):
        if _word(words, at + 1) == "dozen":
            return Fraction(12), at + 2
        return (Fraction(1, _PARTS[words[at + 1]]), at + 2) if _word(words, at + 1) in _PARTS else None
    if _word(words, at) != "half":
        return None
    return Fraction(1, 2), at + 1 + (_word(words, at + 1) in ("a", "an"))  # half a mile


def _whole(words: Sequence[str], at: int) -> Number | None:
    if _DIGITS.fullmatch(_word(words, at)):
        value, at = _digits(words[at]), at + 1
        while (scale := {**_SCALES, "hundred": 100}.get(_word(words, at))) is not None:
            value, at = value * scale, at + 1
        return value, at
    if _word(words, at) == "point":
        return _decimals(words, at, Fraction(0))
    total, limit = Fraction(0), 10**15
    first = at
    while (group := _group(words, at + (at > first and _word(words, at) == "and"))) is not None:
        count, after = group
        scale = _SCALES.get(_word(words, after), 1)
        if scale >= limit:
            break
        total, at, limit = total + count * scale, after + (scale > 1), scale
        if scale == 1:
            break
    return _decimals(words, at, total) if at > first else None


def _group(words: Sequence[str], at: int) -> tuple[int, int] | None:
    """A number below a thousand, or `a` before a scale."""
    word, after = _word(words, at), _word(words, at + 1)
    if word == "a" and (after == "hundred" or after in _SCALES):
        value, at = 1, at + 1
    elif (tens := _tens(words, at)) is not None:
        value, at = tens
    else:
        return None
    if _word(words, at) != "hundred" or value > 99:
        return value, at
    value, at = value * 100, at + 1
    rest = _tens(words, at + (_word(words, at) == "and"))
    return (value + rest[0], rest[1]) if rest and rest[0] else (value, at)


def _tens(words: Sequence[str], at: int) -> tuple[int, int] | None:
    word, after = _word(words, at), _word(words, at + 1)
    if word in _TENS:
        ones = _SMALL.get(after, 0)
        return (_TENS[word] + ones, at + 2) if 0 < ones < 10 else (_TENS[word], at + 1)
    return (_SMALL[word], at + 1) if word in _SMALL else None


def _decimals(words: Sequence[str], at: int, value: Fraction) -> Number | None:
    end = at + 1
    figures = ""
    while _word(words, at) == "point" and (
        _SMALL.get(_word(words, end), 10) < 10 or re.fullmatch(r"\d+", _word(words, end))
    ):
        figures += str(_SMALL.get(words[end], words[end]))
        end += 1
    if not figures:
        return None if _word(words, at) == "point" else (value, at)
    return value + Fraction(int(figures[:_LONGEST]), 10 ** len(figures[:_LONGEST])), end


def _word(words: Sequence[str], at: int) -> str:
    return words[at] if at < len(words) else ""


def _digits(text: str) -> Fraction:
    return Fraction(text[:_LONGEST].replace(",", "").rstrip("."))


# --- Chinese ----------------------------------------------------------------------------------------------------------

_FIGURES = {"零": 0, "〇": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
_UNITS = {"十": 10, "百": 100, "千": 1000}
_GROUPS = {"万": 10**4, "亿": 10**8}
_PLAIN_CHINESE = r"(?:\d[\d,]*+(?:\.\d++)?+|[零〇一二两三四五六七八九十百千万亿])+(?:点[零〇一二三四五六七八九\d]+)?"

CHINESE_NUMBER = rf"(?:一半|{_PLAIN_CHINESE}分之{_PLAIN_CHINESE}|{_PLAIN_CHINESE}|半)"
"""Pattern of a number; it may match nonsense such as 十百, for which `read_chinese` gives None."""


def read_chinese(text: str) -> Fraction | None:
    """The value of a whole text that matches `CHINESE_NUMBER`: 一百二 (120), 3.5万, 三点五, 四分之三, 半."""
    if text in ("半", "一半"):
        return Fraction(1, 2)
    if "分之" in text:
        lower, upper = (read_chinese(part) for part in text.split("分之", 1))
        return upper / lower if upper is not None and lower else None
    before, _, after = text.partition("点")
    value = _chinese_whole(before)
    if value is None or not after:
        return value
    figures = "".join(str(_FIGURES.get(c, c)) for c in after)[:_LONGEST]
    return value + Fraction(int(figures), 10 ** len(figures))


def _chinese_whole(text: str) -> Fraction | None:
    pieces = re.findall(r"\d[\d,]*(?:\.\d+)?|\D", text)
    if len(pieces) > 1 and all(piece in _FIGURES for piece in pieces):  # 二零二五
        return Fraction("".join(str(_FIGURES[piece]) for piece in pieces)[:_LONGEST])
    total, section, unit = Fraction(0), Fraction(0), 10
    ones: Fraction | None = None
    for piece in pieces:
        if piece in _UNITS:
            section += (1 if ones is None else ones) * _UNITS[piece]
            ones, unit = None, _UNITS[piece]
        elif piece in _GROUPS:
            section += ones or 0
            total = (total + section) * _GROUPS[piece] if piece == "亿" else total + section * _GROUPS[piece]
            section, ones, unit = Fraction(0), None, _GROUPS[piece]
        elif ones:
            return None  # two figures without a unit between them
        else:
            ones = Fraction(_FIGURES[piece]) if piece in _FIGURES else _digits(piece)
            unit = unit if ones else 10  # 一百零五 is not 一百五
    return total + section + (ones or 0) * (unit // 10)


# --- writing ----------------------------------------------------------------------------------------------------------


def figure(value: Fraction, decimals: int = 4) -> tuple[str, bool]:
    """A value in digits with so many decimals, small ones with three figures, and whether that is exact."""
    zeros = 0
    while 0 < abs(value) * 10 ** (zeros + 1) < 1 and zeros < 6:
        zeros += 1
    places = max(decimals, zeros + 3) if zeros else decimals
    rounded = Fraction(round(value * 10**places), 10**places)
    whole, rest = divmod(abs(rounded), 1)
    digits = f"{int(rest * 10**places):0{places}d}".rstrip("0")
    return ("-" if rounded < 0 else "") + str(whole) + (f".{digits}" if digits else ""), rounded == value


def ideographs(value: int) -> str:
    """A number from 0 to 99 in Chinese."""
    tens, ones = divmod(value, 10)
    names = "零一二三四五六七八九"
    if not tens:
        return names[ones]
    return (names[tens] if tens > 1 else "") + "十" + (names[ones] if ones else "")


def year_ideographs(year: int) -> str:
    """A year figure by figure, as it is read."""
    return "".join("零一二三四五六七八九"[int(digit)] for digit in str(year))

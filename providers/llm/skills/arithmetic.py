"""Sums in words or signs, in English or Chinese: read, and answered with the sum said again."""

from __future__ import annotations

import re
from fractions import Fraction

from providers.llm.skills.base import Context
from providers.llm.skills.numerals import CHINESE_NUMBER, figure, read_chinese, read_english
from providers.llm.skills.sums import Item, SumError, Trouble, compute
from providers.llm.skills.wording import core
from providers.ports import Language

_TROUBLES: dict[Trouble, dict[Language, str]] = {
    "zero": {"en": "I cannot divide by zero.", "zh": "零不能做除数。"},
    "large": {"en": "That number is too large for me.", "zh": "这个数字太大了，我算不了。"},
    "root": {"en": "A negative number has no real square root.", "zh": "负数没有实数平方根。"},
}


def arithmetic(text: str, context: Context) -> str | None:
    """The result of a sum with at least one operator."""
    text = core(text)
    items = _read_chinese(text) if context.language == "zh" else _read_english(text)
    if not items or not _is_sum(items):
        return None
    try:
        result = compute(items)
    except SumError as exc:
        return _TROUBLES[exc.trouble][context.language]
    return None if result is None else _answer(items, *result, context)


def _is_sum(items: list[Item]) -> bool:
    return any(item in _OPERATORS for item in items[1:]) or items[0] == "√"


_OPERATORS = frozenset({"+", "-", "*", "/", "of", "^", "mod", "²", "³", "√"})

# --- reading ----------------------------------------------------------------------------------------------------------

_QUESTION = re.compile(
    r"^(?:what is|what are|what does|how much is|how much are|how much|"
    r"calculate|compute|work out|solve|evaluate|the result of)\s+"
)
_EQUALS = re.compile(r"\s*(?:=\s*\??|equals?(?: what| to)?|is(?: equal to)?(?: what)?|make)?\s*$")
_IMPERATIVES = (
    (re.compile(r"^add (.+?) (?:and|to|with) (.+)$"), r"\1 plus \2"),
    (re.compile(r"^subtract (.+?) from (.+)$"), r"\2 minus \1"),
    (re.compile(r"^multiply (.+?) (?:by|with|and) (.+)$"), r"\1 times \2"),
    (re.compile(r"^divide (.+?) by (.+)$"), r"\1 divided by \2"),
    (re.compile(r"^(?:the )?sum of (.+?) and (.+)$"), r"\1 plus \2"),
)
_ENGLISH_OPERATORS: dict[tuple[str, ...], str] = {
    tuple(words.split()): operator
    for operator, several in {
        "+": "plus|added to|+",
        "-": "minus|negative|take away|subtracted by|-",
        "*": "times|multiplied by|x|*|×",
        "/": "divided by|over|/|÷",
        "of": "of",
        "^": "to the power of|to the power|raised to|^|* *",
        "mod": "modulo|mod",
        "²": "squared|²",
        "³": "cubed|³",
        "√": "the square root of|square root of|root of|√",
        "%": "percent|per cent|%",
        "(": "(",
        ")": ")",
    }.items()
    for words in several.split("|")
}
_LONGEST_OPERATOR = max(map(len, _ENGLISH_OPERATORS))
_ENGLISH_WORD = re.compile(r"\d[\d,]*(?:\.\d+)?|\.\d+|[a-z']+|[^\s\w]|\w")
_CODE = re.compile(r"\d+(?:[-/.]\d+){2,}|\d{3,}-\d{4,}")
"""A bare date or telephone number."""


def _read_english(text: str) -> list[Item] | None:
    if _CODE.fullmatch(text):
        return None
    text = _EQUALS.sub("", _QUESTION.sub("", text))
    for pattern, form in _IMPERATIVES:
        text = pattern.sub(form, text)
    words = _ENGLISH_WORD.findall(re.sub(r"(?<=[a-z])-(?=[a-z])", " ", text))
    items: list[Item] = []
    at = 0
    while at < len(words):
        operator = next(
            (size for size in range(_LONGEST_OPERATOR, 0, -1) if tuple(words[at : at + size]) in _ENGLISH_OPERATORS), 0
        )
        if operator:
            items.append(_ENGLISH_OPERATORS[tuple(words[at : at + operator])])
            at += operator
        elif (number := read_english(words, at)) is not None:
            items.append(number[0])
            at = number[1]
        else:
            return None
    return items


_CHINESE_QUESTION = re.compile(r"^(?:计算|算算|算一算|算|求)(?:一下)?|(?:等于|是|得|有|=)?(?:几|多少|什么)?[?=]*$")
_CHINESE_FORMS = tuple(
    (re.compile(pattern), form)
    for pattern, form in (
        ("^(.+)(?:的平方根|开平方)$", r"√(\1)"),
        (f"的({CHINESE_NUMBER})次方", r"^\1"),
        (f"的({CHINESE_NUMBER})倍", r"*\1"),
        (f"的(?=一半|{CHINESE_NUMBER}分之|\\d+%)", "*"),
        ("的平方", "²"),
        ("的立方", "³"),
        ("根号", "√"),
        ("加上|加", "+"),
        ("减去|减掉|减|负", "-"),
        ("乘以|乘上|乘|×|x", "*"),
        ("除以|÷", "/"),
    )
)
_CHINESE_ITEM = re.compile(rf"\s*(?:(?P<number>{CHINESE_NUMBER})|(?P<operator>[-+*/^²³√%()]))")


def _read_chinese(text: str) -> list[Item] | None:
    text = _CHINESE_QUESTION.sub("", text)
    for pattern, form in _CHINESE_FORMS:
        text = pattern.sub(form, text)
    items: list[Item] = []
    at = 0
    while at < len(text):
        found = _CHINESE_ITEM.match(text, at)
        item = (found["operator"] or read_chinese(found["number"])) if found else None
        if found is None or item is None:
            return None
        items.append(item)
        at = found.end()
    return items


# --- answering --------------------------------------------------------------------------------------------------------

_SPOKEN = {
    "en": {"+": "plus", "-": "minus", "*": "times", "/": "divided by", "of": "of", "mod": "modulo",
           "^": "to the power of", "²": "squared", "³": "cubed", "%": "percent", "√": "the square root of"},
    "zh": {"+": "加", "-": "减", "*": "乘以", "/": "除以"},
}  # fmt: skip


def _answer(items: list[Item], value: Fraction, exact: bool, context: Context) -> str:  # noqa: FBT001
    """The sum said again, so that a mishearing is noticed, and its result."""
    digits, unrounded = figure(value)
    close = exact and unrounded
    spoken = _SPOKEN[context.language]
    again = [figure(item)[0] if isinstance(item, Fraction) else spoken.get(item, "") for item in items]
    said_again = all(again)
    if context.language == "zh":
        digits = digits.replace("-", "负")
        return (
            f"{''.join(again)}{'等于' if close else '约等于'}{digits}。"
            if said_again
            else f"结果{'是' if close else '约是'}{digits}。"
        )
    digits = ("" if close else "about ") + digits.replace("-", "minus ")
    if not said_again:
        return f"The result is {digits}."
    sentence = f"{' '.join(again)} is {digits}."
    return sentence[0].upper() + sentence[1:]

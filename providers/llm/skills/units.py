"""Conversion of units: length, mass, volume, speed, time and temperature, in English and Chinese."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from providers.llm.skills.base import Context
from providers.llm.skills.numerals import CHINESE_NUMBER, figure, read_chinese, read_english
from providers.llm.skills.unit_table import CHINESE, DIMENSIONS, ENGLISH, Unit
from providers.llm.skills.wording import core, word_set

Amount = list[tuple[Fraction, Unit]]
"""Such as 5 feet 10 inches."""

DECIMALS = 2


def convert(text: str, context: Context) -> str | None:
    """An amount in another unit."""
    question = _chinese(core(text)) if context.language == "zh" else _english(core(text))
    if question is None:
        return None
    amount, target = question
    sources = [unit for _, unit in amount]
    if any(unit.dimension != target.dimension for unit in sources):
        return _mismatch(sources, target, context)
    if len(amount) > 1 and target.dimension == "temperature":
        return None
    base = sum((value * unit.size + unit.zero for value, unit in amount), Fraction(0))
    return _answer(amount, (base - target.zero) / target.size, target, context)


# --- reading English --------------------------------------------------------------------------------------------------

_WORD = re.compile(r"\d[\d,]*(?:\.\d+)?|\.\d+|[a-z']+|[^\s\w]")
_LEAD = re.compile(
    r"^(?:convert|change|turn|what is|what are|"
    r"how (?:much|far|long|tall|high|heavy|hot|cold|fast|big|warm) (?:is|are))\s+"
)
_LINKS = word_set("to in into as is are equals equal make makes from")
_ASKS = (("how", "many"), ("how", "much"))
_VERBS = word_set("is are there in make makes does do equals equal to it take fit per")
_LONGEST_NAME = max(map(len, ENGLISH))


def _english(text: str) -> tuple[Amount, Unit] | None:
    words = _WORD.findall(re.sub(r"(?<=[a-z])-(?=[a-z])", " ", _LEAD.sub("", text)))
    if tuple(words[:2]) in _ASKS:
        return _how_many(words[2:])
    for size in range(_LONGEST_NAME, 0, -1):
        target = ENGLISH.get(tuple(words[-size:]))
        if target is None:
            continue
        rest = words[:-size]
        linked = len(rest)
        while linked and (rest[linked - 1] in _LINKS or tuple(rest[linked - 2 : linked]) in _ASKS):
            linked -= 1 if rest[linked - 1] in _LINKS else 2
        amount = _amount(rest[:linked]) if linked < len(rest) else None
        return (amount, target) if amount else None
    return None


def _how_many(words: list[str]) -> tuple[Amount, Unit] | None:
    """`feet are there in ten meters`."""
    named = _name(words, 0)
    if named is None:
        return None
    target, at = named
    while at < len(words) and words[at] in _VERBS:
        at += 1
    amount = _amount(words[at:])
    return (amount, target) if amount else None


def _amount(words: Sequence[str]) -> Amount | None:
    amount: Amount = []
    at = 0
    while at < len(words):
        at += bool(amount) and words[at] == "and"
        sign = -1 if words[at : at + 1] in (["minus"], ["negative"], ["-"]) else 1
        at += sign < 0
        number = read_english(words, at)
        if number is None and words[at : at + 1] in (["a"], ["an"]):
            number = Fraction(1), at + 1
        named = _name(words, number[1] + (words[number[1] : number[1] + 1] == ["of"])) if number else None
        if number is None or named is None:
            return None
        amount.append((sign * number[0], named[0]))
        at = named[1]
    return amount


def _name(words: Sequence[str], at: int) -> tuple[Unit, int] | None:
    for size in range(_LONGEST_NAME, 0, -1):
        unit = ENGLISH.get(tuple(words[at : at + size]))
        if unit is not None:
            return unit, at + size
    return None


# --- reading Chinese --------------------------------------------------------------------------------------------------

_UNIT = "|".join(sorted(map(re.escape, CHINESE), key=len, reverse=True))
_QUANTITY = rf"\s*(负|零下|-)?\s*({CHINESE_NUMBER})\s*(个半|个)?\s*({_UNIT})"
_CHINESE_QUESTION = re.compile(
    rf"^(?:把|将|换算)?(?P<amount>(?:{_QUANTITY})+?)\s*"
    rf"(?:(?:是|等于|有|合|为|换算成|换算为|换成|转换成|转换为|转成|转为|折合|相当于|=)+\s*(?:多少|几)?个?|(?:多少|几)个?)\s*"
    rf"(?P<target>{_UNIT})$"
)
_QUANTITIES = re.compile(_QUANTITY)
_SCALE_FIRST = re.compile(rf"(华氏|摄氏)((?:零下|负)?(?:{CHINESE_NUMBER}|多少|几))度")
"""华氏一百度 is 一百华氏度."""


def _chinese(text: str) -> tuple[Amount, Unit] | None:
    found = _CHINESE_QUESTION.match(_SCALE_FIRST.sub(r"\2\1度", text))
    if found is None:
        return None
    amount: Amount = []
    for sign, number, more, name in _QUANTITIES.findall(found["amount"]):
        value = read_chinese(number)
        if value is None:
            return None
        value += Fraction(1, 2) if more == "个半" else 0  # 一个半小时
        amount.append((-value if sign else value, CHINESE[name]))
    return amount, CHINESE[found["target"]]


# --- answering --------------------------------------------------------------------------------------------------------


def _answer(amount: Amount, value: Fraction, target: Unit, context: Context) -> str:
    digits, exact = figure(value, DECIMALS)
    if context.language == "zh":
        given = "".join(_spoken_chinese(figure(number)[0], unit) for number, unit in amount)
        return f"{given}{'等于' if exact else '约等于'}{_spoken_chinese(digits, target)}。"
    given = " ".join(_spoken_english(figure(number)[0], unit) for number, unit in amount)
    sentence = f"{given} is {'' if exact else 'about '}{_spoken_english(digits, target)}."
    return sentence[0].upper() + sentence[1:]


def _spoken_english(digits: str, unit: Unit) -> str:
    return f"{digits.replace('-', 'minus ')} {unit.one if digits in ('1', '-1') else unit.many}"


def _spoken_chinese(digits: str, unit: Unit) -> str:
    return digits.replace("-", "负") + unit.chinese


def _mismatch(sources: list[Unit], target: Unit, context: Context) -> str:
    source = next(unit for unit in sources if unit.dimension != target.dimension)
    if context.language == "zh":
        here, there = DIMENSIONS[source.dimension], DIMENSIONS[target.dimension]
        return f"{source.chinese}是{here}单位，{target.chinese}是{there}单位，不能换算。"
    return (
        f"I cannot convert {source.many} to {target.many}: one is a {source.dimension}, the other a {target.dimension}."
    )

"""Sums and units."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from typing import Annotated

from badge.plugin import Context, Within, tool
from providers.language import language_of
from providers.llm.skills.arithmetic import arithmetic
from providers.llm.skills.base import Context as Conversation
from providers.llm.skills.numerals import figure
from providers.llm.skills.sums import Item, SumError, Trouble, compute
from providers.llm.skills.units import convert

LONGEST = 300
"""Characters of a sum."""

DECIMALS = 12

_TROUBLES: dict[Trouble, str] = {
    "zero": "Division by zero.",
    "large": "The result is too large.",
    "root": "A negative number has no real square root.",
}
_ITEM = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,2})?)|(?P<sign>\*\*|[-+*/^%()²³√×÷−])|(?P<word>sqrt|mod)\b)"
)
_SIGNS = {"**": "^", "×": "*", "÷": "/", "−": "-", "sqrt": "√"}


class Sums:
    """Tools that compute, exactly and within limits."""

    @tool
    async def calculate(  # noqa: ASYNC124 - a question at the desk
        self, context: Context, expression: Annotated[str, "such as (2.5 + 3) * 4 ^ 2, sqrt(2), 15% of 80"]
    ) -> str:
        """Compute the value of an arithmetic expression exactly."""
        if len(expression) > LONGEST:
            return f"expression: must have at most {LONGEST} characters."
        try:
            value = compute(items) if (items := _items(expression)) else None
        except SumError as exc:
            return _TROUBLES[exc.trouble]
        if value is None:
            return arithmetic(expression, _conversation(expression, context)) or "expression: must be a sum."
        digits, unrounded = figure(value[0], DECIMALS)
        return digits if value[1] and unrounded else f"about {digits}"

    @tool
    async def convert_units(  # noqa: ASYNC124
        self,
        context: Context,
        amount: Annotated[float, Within(-1e15, 1e15)],
        unit: Annotated[str, "such as miles, kg, °F, 斤"],
        target: Annotated[str, "the unit to convert to"],
    ) -> str:
        """Convert an amount to another unit of length, mass, volume, speed, time or temperature."""
        words = [name.strip()[:40] for name in (unit, target)]
        question = f"{_digits(amount)} {words[0]} to {words[1]}"
        if any(language_of(word) == "zh" for word in words):
            question = f"{_digits(amount)}{words[0]}等于多少{words[1]}"
        return convert(question, _conversation(question, context)) or f"I do not know how {words[0]} become {words[1]}."


def _items(text: str) -> list[Item]:
    """Numbers and operators; empty when the text has anything else."""
    items: list[Item] = []
    at, text = 0, text.strip().rstrip("=?").rstrip()
    while at < len(text):
        found = _ITEM.match(text, at)
        if found is None:
            return []
        sign = found["sign"] or found["word"]
        items.append(_SIGNS.get(sign, sign) if sign else Fraction(found["number"]))
        at = found.end()
    return items


def _digits(amount: float) -> str:
    return f"{Decimal(repr(amount)):f}".removesuffix(".0")


def _conversation(text: str, context: Context) -> Conversation:
    return Conversation(now=context.now, language=language_of(text))

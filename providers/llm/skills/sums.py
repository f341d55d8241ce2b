"""The value of a sum that is given as numbers and operators, computed exactly and within limits; no `eval`."""

from __future__ import annotations

from fractions import Fraction
from math import isqrt
from typing import Literal

Item = Fraction | str
"""A number, or an operator: + - * / of ^ mod, the postfixes ² ³ %, the prefix √, and brackets."""

Trouble = Literal["zero", "large", "root"]

LARGEST = 10**15
"""Results from here on are not said."""

MOST_ITEMS = 60
"""Longer sums are not computed; this also bounds the recursion."""


class SumError(Exception):
    """There is no result: division by zero, a number too large to say, the root of a negative number."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble)
        self.trouble: Trouble = trouble


def compute(items: list[Item]) -> tuple[Fraction, bool] | None:
    """The value and whether it is exact, or None when the items are no sum. Raises `SumError`."""
    if len(items) > MOST_ITEMS:
        return None
    parser = _Parser(items)
    value = parser.result()
    if value is not None and abs(value) >= LARGEST:
        raise SumError("large")
    return None if value is None else (value, parser.exact)


class _Parser:
    """Recursive descent over the items; `exact` tells whether a root was rounded."""

    def __init__(self, items: list[Item]) -> None:
        self._items = items
        self._at = 0
        self.exact = True

    def result(self) -> Fraction | None:
        """The value, or None when the items are no sum. Raises `SumError`."""
        value = self._sum()
        return value if self._at == len(self._items) else None

    def _take(self, *wanted: str) -> str:
        item = self._items[self._at] if self._at < len(self._items) else None
        if isinstance(item, str) and item in wanted:
            self._at += 1
            return item
        return ""

    def _sum(self) -> Fraction | None:
        value = self._product()
        while value is not None and (operator := self._take("+", "-")):
            other = self._product()
            if other is None:
                return None
            value = value + other if operator == "+" else value - other
        return value

    def _product(self) -> Fraction | None:
        value = self._signed()
        while value is not None and (operator := self._take("*", "/", "mod", "of")):
            part = self._items[self._at - 2] == "%" or value.denominator != 1
            other = self._signed()
            if other is None or (operator == "of" and not part):
                return None  # "half of ten" is a sum, "two of ten" is none
            if operator in ("*", "of"):
                value *= other
            elif not other:
                raise SumError("zero")
            else:
                value = value / other if operator == "/" else value % other
        return value

    def _signed(self) -> Fraction | None:
        if self._take("-"):
            value = self._signed()
            return None if value is None else -value
        if self._take("√"):
            value = self._signed()
            return None if value is None else self._root(value)
        return self._power()

    def _power(self) -> Fraction | None:
        value = self._atom()
        while value is not None and (operator := self._take("^", "²", "³", "%")):
            if operator == "%":
                value /= 100
                continue
            exponent = self._signed() if operator == "^" else Fraction(2 if operator == "²" else 3)
            value = None if exponent is None else _raised(value, exponent)
        return value

    def _atom(self) -> Fraction | None:
        item = self._items[self._at] if self._at < len(self._items) else None
        if isinstance(item, Fraction):
            self._at += 1
            return item
        if not self._take("("):
            return None
        value = self._sum()
        return value if self._take(")") else None

    def _root(self, value: Fraction) -> Fraction:
        if value < 0:
            raise SumError("root")
        scale = 10**12
        scaled = value * scale * scale
        root = Fraction(isqrt(scaled.numerator // scaled.denominator), scale)
        top, bottom = isqrt(value.numerator), isqrt(value.denominator)
        if Fraction(top, bottom) ** 2 == value:
            return Fraction(top, bottom)
        self.exact = False
        return root


def _raised(value: Fraction, exponent: Fraction) -> Fraction | None:
    if exponent.denominator != 1:
        return None
    if not value and exponent < 0:
        raise SumError("zero")
    if abs(exponent) > 64 or max(abs(value.numerator), value.denominator).bit_length() * abs(exponent) > 256:
        raise SumError("large")
    return Fraction(value ** int(exponent))

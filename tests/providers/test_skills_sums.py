"""Numbers in words and sums: tables, and laws against an independent writer and Python's own fractions."""

from __future__ import annotations

import datetime
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.language import language_of
from providers.llm.skills.arithmetic import arithmetic
from providers.llm.skills.base import Context
from providers.llm.skills.numerals import figure, ideographs, read_chinese, read_english, year_ideographs

NOON = datetime.datetime(2025, 11, 21, 12, tzinfo=datetime.UTC)


def compute(text: str) -> str | None:
    """The skill's answer in the language of the text."""
    return arithmetic(text, Context(now=NOON, language=language_of(text)))


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("what is twelve times three", "12 times 3 is 36."),
        ("What's 12 x 3?", "12 times 3 is 36."),
        ("12*3=", "12 times 3 is 36."),
        ("3.5 * (2+1)", "The result is 10.5."),
        (".5 + 1", "0.5 plus 1 is 1.5."),
        ("how much is two hundred and five minus seven", "205 minus 7 is 198."),
        ("twenty-one plus one", "21 plus 1 is 22."),
        ("please calculate three point one four times two", "3.14 times 2 is 6.28."),
        ("two plus three times four", "2 plus 3 times 4 is 14."),
        ("ten minus two minus three", "10 minus 2 minus 3 is 5."),
        ("what is ten divided by three", "10 divided by 3 is about 3.3333."),
        ("1/3", "1 divided by 3 is about 0.3333."),
        ("one divided by three thousand", "1 divided by 3000 is about 0.000333."),
        ("0.1 + 0.2", "0.1 plus 0.2 is 0.3."),
        ("five minus eight", "5 minus 8 is minus 3."),
        ("minus five plus three", "Minus 5 plus 3 is minus 2."),
        ("negative two times negative two", "Minus 2 times minus 2 is 4."),
        ("five squared", "5 squared is 25."),
        ("what is two to the power of ten", "2 to the power of 10 is 1024."),
        ("2^-2", "2 to the power of minus 2 is 0.25."),
        ("2**3", "2 to the power of 3 is 8."),
        ("the square root of sixteen", "The square root of 16 is 4."),
        ("square root of two", "The square root of 2 is about 1.4142."),
        ("what is the square root of sixteen plus nine", "The square root of 16 plus 9 is 13."),
        ("twenty percent of fifty", "20 percent of 50 is 10."),
        ("200% of 50", "200 percent of 50 is 100."),
        ("half of ten", "0.5 of 10 is 5."),
        ("three quarters of twelve", "0.75 of 12 is 9."),
        ("add five and seven", "5 plus 7 is 12."),
        ("subtract two from ten", "10 minus 2 is 8."),
        ("divide one hundred by four", "100 divided by 4 is 25."),
        ("seven mod four", "7 modulo 4 is 3."),
        ("1,200 + 34", "1200 plus 34 is 1234."),
        ("two dozen plus one", "24 plus 1 is 25."),
        ("3.5 million plus one", "3500000 plus 1 is 3500001."),
        ("三加五等于几", "3加5等于8。"),
        ("三 加 五 等于 几", "3加5等于8。"),
        ("请问三加五等于多少呢？", "3加5等于8。"),
        ("一百二十除以四", "120除以4等于30。"),
        ("3乘以5是多少", "3乘以5等于15。"),
        ("３＋５等于几？", "3加5等于8。"),
        ("３＋５＝？", "3 plus 5 is 8."),
        ("十减十二", "10减12等于负2。"),
        ("十除以三", "10除以3约等于3.3333。"),
        ("一百零五加一百二", "105加120等于225。"),
        ("三点五乘二", "3.5乘以2等于7。"),
        ("三万五加一", "35000加1等于35001。"),
        ("五十的百分之二十", "50乘以0.2等于10。"),
        ("十的一半是多少", "10乘以0.5等于5。"),
        ("三的两倍", "3乘以2等于6。"),
        ("四分之三加四分之一", "0.75加0.25等于1。"),
        ("五的平方是多少", "结果是25。"),
        ("二的十次方", "结果是1024。"),
        ("九的平方根", "结果是3。"),
        ("二的平方根", "结果约是1.4142。"),
        ("计算（三加五）乘以二", "结果是16。"),
        ("ten divided by zero", "I cannot divide by zero."),
        ("zero to the power of minus one", "I cannot divide by zero."),
        ("五除以零", "零不能做除数。"),
        ("the square root of minus four", "A negative number has no real square root."),
        ("one million times one million times one million", "That number is too large for me."),
        ("9 ^ 9 ^ 9", "That number is too large for me."),
        ("9^9999999999999999999999", "That number is too large for me."),
        ("九的一百次方", "这个数字太大了，我算不了。"),
    ],
)
def test_sums(text: str, answer: str) -> None:
    """Spoken and typed, in both languages."""
    assert compute(text) == answer


@pytest.mark.parametrize(
    "text",
    [
        "five",
        "what is five",
        "2 of 3",
        "twelve times",
        "times three",
        "three plus plus",
        "(1 + 2",
        "1 + 2)",
        "2024-01-05",
        "555-1234",
        "192.168.0.1",
        "how much is the fish",
        "what is love",
        "one two three",
        "plus",
        "",
        "()",
        "十",
        "三加",
        "天气加三",
        "一二三",
        "__import__('os')",
        "2 + a",
        "1e5 + 1",
        "(" * 200,
        "-" * 200 + "1",
        "1+" * 200 + "1",
        "√" * 100 + "2",
    ],
)
def test_no_sums(text: str) -> None:
    """Anything else is left to the other skills."""
    assert compute(text) is None


# --- numbers ----------------------------------------------------------------------------------------------------------

ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety"


def english(value: int, *, use_and: bool) -> str:
    """A number in words, written by other code than that which reads it."""
    for size, name in (
        (10**12, "trillion"),
        (10**9, "billion"),
        (10**6, "million"),
        (1000, "thousand"),
        (100, "hundred"),
    ):
        if value >= size:
            head, rest = divmod(value, size)
            glue = " and " if use_and and rest < 100 else " "
            tail = glue + english(rest, use_and=use_and) if rest else ""
            return f"{english(head, use_and=use_and)} {name}{tail}"
    if value < 20:
        return ONES.split()[value]
    tens, ones = divmod(value, 10)
    return TENS.split()[tens] + (f" {ONES.split()[ones]}" if ones else "")


def chinese(value: int) -> str:
    """A number in Chinese, every figure with its unit."""
    figures = "零一二三四五六七八九"
    for size, name in ((10**8, "亿"), (10**4, "万"), (1000, "千"), (100, "百"), (10, "十")):
        if value >= size:
            head, rest = divmod(value, size)
            zero = "零" if rest and rest < size // 10 else ""
            return chinese(head) + name + zero + (chinese(rest) if rest else "")
    return figures[value]


@given(st.integers(0, 10**15 - 1) | st.integers(0, 2000), st.booleans())
def test_english_numbers(value: int, use_and: bool) -> None:
    """Every number that can be said is read."""
    words = english(value, use_and=use_and).split()
    assert read_english(words, 0) == (Fraction(value), len(words))
    assert read_english([*words, "apples"], 0) == (Fraction(value), len(words))


@given(st.integers(0, 10**12 - 1) | st.integers(0, 20000))
def test_chinese_numbers(value: int) -> None:
    """Every number that can be said is read, with the short form of ten too."""
    assert read_chinese(chinese(value)) == value
    assert read_chinese(chinese(value).removeprefix("一") if 10 <= value < 20 else chinese(value)) == value


@given(st.integers(0, 999), st.text("0123456789", min_size=1, max_size=9))
def test_decimals(whole: int, decimals: str) -> None:
    """Figure by figure after the point."""
    value = Fraction(f"{whole}.{decimals}")
    words = [*english(whole, use_and=False).split(), "point", *(ONES.split()[int(d)] for d in decimals)]
    assert read_english(words, 0) == (value, len(words))
    assert read_chinese(f"{chinese(whole)}点{''.join('零一二三四五六七八九'[int(d)] for d in decimals)}") == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a hundred", 100),
        ("a million", 10**6),
        ("half", 0.5),
        ("a quarter", 0.25),
        ("three quarters", 0.75),
        ("a dozen", 12),
        ("two and a half", 2.5),
        ("point five", 0.5),
        ("1,234.5", 1234.5),
        ("two million", 2e6),
        ("two hundred thousand", 200000),
    ],
)
def test_further_english_forms(text: str, value: float) -> None:
    """Shorter ways to say it."""
    assert read_english(text.split(), 0) == (Fraction(value), len(text.split()))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("一百二", 120),
        ("三千五", 3500),
        ("一万二", 12000),
        ("两百五", 250),
        ("二零二五", 2025),
        ("3.5万", 35000),
        ("半", 0.5),
        ("一半", 0.5),
        ("百分之二十", 0.2),
        ("1万2千", 12000),
        ("十", 10),
        ("二十", 20),
        ("一亿零五", 100000005),
        ("2亿", 2e8),
    ],
)
def test_further_chinese_forms(text: str, value: float) -> None:
    """Shorter ways to say it."""
    assert read_chinese(text) == Fraction(str(value))


@pytest.mark.parametrize("text", ["一十二十三四", "三四百", "一分之零分之零"])
def test_chinese_nonsense(text: str) -> None:
    """What nobody means is refused, or at least does not raise."""
    assert read_chinese(text) in (None, 0)


@pytest.mark.parametrize(
    ("value", "digits", "exact"),
    [
        ("0", "0", True),
        ("12", "12", True),
        ("10.5", "10.5", True),
        ("-2.25", "-2.25", True),
        ("2/3", "0.6667", False),
        ("1/3000", "0.000333", False),
        ("1/7000000000", "0", False),
        ("99999.99999", "100000", False),
        ("0.5", "0.5", True),
    ],
)
def test_figures(value: str, digits: str, exact: bool) -> None:
    """Short enough to be spoken, and honest about rounding."""
    assert figure(Fraction(value)) == (digits, exact)


@given(st.fractions(-(10**9), 10**9), st.integers(1, 6))
def test_figures_are_close(value: Fraction, decimals: int) -> None:
    """Within half of the last place; `exact` says the truth."""
    digits, exact = figure(value, decimals)
    assert abs(Fraction(digits) - value) * 2 * 10**decimals <= 1
    assert exact == (Fraction(digits) == value)


@given(st.integers(0, 99))
def test_ideographs(value: int) -> None:
    """What is written can be read."""
    assert read_chinese(ideographs(value)) == value


def test_years() -> None:
    """Figure by figure."""
    assert year_ideographs(2025) == "二零二五"


# --- laws of sums -----------------------------------------------------------------------------------------------------

Sum = tuple[str, Fraction]


def _combine(parts: tuple[Sum, str, Sum]) -> Sum:
    (left, a), operator, (right, b) = parts
    if operator == "/" and not b:
        operator = "+"
    value = {"+": a + b, "-": a - b, "*": a * b}[operator] if operator != "/" else a / b
    return f"({left} {operator} {right})", value


NUMBERS = st.integers(0, 99).map(lambda n: (str(n), Fraction(n))) | st.integers(1, 99).map(
    lambda n: (f"0.{n}", Fraction(f"0.{n}"))
)
SUMS = st.recursive(
    NUMBERS, lambda inner: st.tuples(inner, st.sampled_from("+-*/"), inner).map(_combine), max_leaves=10
)


@settings(max_examples=300, deadline=None)
@given(SUMS)
def test_sums_are_right(pair: Sum) -> None:
    """Against Python's fractions, for every bracketed sum."""
    text, value = pair
    answer = compute(text)
    if "(" not in text:
        assert answer is None
    elif abs(value) >= 10**15:
        assert answer == "That number is too large for me."
    else:
        digits, exact = figure(value)
        assert answer == f"The result is {'' if exact else 'about '}{digits.replace('-', 'minus ')}."


@settings(max_examples=300, deadline=None)
@given(
    st.text("0123456789.+-*/^()% √²=x", max_size=60)
    | st.text("零一二三十百万点加减乘以除的平方根次倍半分之", max_size=40)
)
def test_nonsense_never_raises(text: str) -> None:
    """Whatever is typed."""
    answer = compute(text)
    assert answer is None or answer.endswith((".", "。"))

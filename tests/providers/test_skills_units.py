"""Conversion of units: a table in both languages, and laws for all units."""

from __future__ import annotations

import datetime
import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.language import language_of
from providers.llm.skills.base import Context
from providers.llm.skills.unit_table import CHINESE, DIMENSIONS, ENGLISH, Unit
from providers.llm.skills.units import convert

NOON = datetime.datetime(2025, 11, 21, 12, tzinfo=datetime.UTC)


def ask(text: str) -> str | None:
    """The skill's answer in the language of the text."""
    return convert(text, Context(now=NOON, language=language_of(text)))


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("convert ten meters to feet", "10 meters is about 32.81 feet."),
        ("Convert 10m to ft, please!", "10 meters is about 32.81 feet."),
        ("ten kilometers in miles", "10 kilometers is about 6.21 miles."),
        ("what is ten kilometers in miles", "10 kilometers is about 6.21 miles."),
        ("how many feet are there in ten meters", "10 meters is about 32.81 feet."),
        ("how many feet is a mile", "1 mile is 5280 feet."),
        ("can you tell me how many seconds in a day", "1 day is 86400 seconds."),
        ("a mile is how many kilometers", "1 mile is about 1.61 kilometers."),
        ("one inch in centimeters", "1 inch is 2.54 centimeters."),
        ("two point five four centimeters in inches", "2.54 centimeters is 1 inch."),
        ("five feet ten inches in centimeters", "5 feet 10 inches is 177.8 centimeters."),
        ("five feet and ten inches to meters", "5 feet 10 inches is about 1.78 meters."),
        ("half a mile in meters", "0.5 miles is about 804.67 meters."),
        ("two and a half hours in minutes", "2.5 hours is 150 minutes."),
        ("how many minutes are two and a half hours", "2.5 hours is 150 minutes."),
        ("what is 98.6 degrees fahrenheit in celsius", "98.6 degrees Fahrenheit is 37 degrees Celsius."),
        ("100 f in c", "100 degrees Fahrenheit is about 37.78 degrees Celsius."),
        ("30°C to °F", "30 degrees Celsius is 86 degrees Fahrenheit."),
        ("minus forty degrees celsius in fahrenheit", "Minus 40 degrees Celsius is minus 40 degrees Fahrenheit."),
        ("zero kelvin in celsius", "0 kelvin is minus 273.15 degrees Celsius."),
        ("sixty miles per hour in kilometers per hour", "60 miles per hour is about 96.56 kilometers per hour."),
        ("60 mph to km/h", "60 miles per hour is about 96.56 kilometers per hour."),
        ("ten meters per second in km/h", "10 meters per second is 36 kilometers per hour."),
        ("how heavy is two pounds in kilograms", "2 pounds is about 0.91 kilograms."),
        ("three cups in milliliters", "3 cups is about 709.76 milliliters."),
        ("a gallon of in liters", None),
        ("one gallon in liters", "1 gallon is about 3.79 liters."),
        ("twelve ounces to grams", "12 ounces is about 340.19 grams."),
        ("three nautical miles in kilometers", "3 nautical miles is about 5.56 kilometers."),
        ("一百华氏度是多少摄氏度", "100华氏度约等于37.78摄氏度。"),
        ("华氏一百度是摄氏多少度", "100华氏度约等于37.78摄氏度。"),
        ("零下十摄氏度等于多少华氏度", "负10摄氏度等于14华氏度。"),
        ("十公里等于多少英里", "10公里约等于6.21英里。"),
        ("十 公里 等于 多少 英里", "10公里约等于6.21英里。"),
        ("请问一英里有几公里呢", "1英里约等于1.61公里。"),
        ("把三斤换算成克", "3斤等于1500克。"),
        ("三两是多少克", "3两等于150克。"),
        ("两斤是多少公斤", "2斤等于1公斤。"),
        ("一天有多少秒", "1天等于86400秒。"),
        ("一个小时多少分钟", "1小时等于60分钟。"),
        ("一个半小时是多少分钟", "1.5小时等于90分钟。"),
        ("半个小时等于多少分钟", "0.5小时等于30分钟。"),
        ("六十英里每小时是多少公里每小时", "60英里每小时约等于96.56公里每小时。"),
        ("1.5升等于多少毫升", "1.5升等于1500毫升。"),
        ("一米七十厘米等于多少英尺", "1米70厘米约等于5.58英尺。"),
        ("ten meters in kilograms", "I cannot convert meters to kilograms: one is a length, the other a mass."),
        ("三斤是多少米", "斤是重量单位，米是长度单位，不能换算。"),
        ("convert ten to feet", None),
        ("ten meters", None),
        ("how many people are in china", None),
        ("what is the time in minutes", None),
        ("ten degrees celsius five kelvin in fahrenheit", None),
        ("feet", None),
        ("in feet", None),
        ("", None),
        ("三斤", None),
        ("多少米", None),
        ("三斤是多少", None),
    ],
)
def test_conversions(text: str, answer: str | None) -> None:
    """Spoken and typed, in both languages; None is for the other skills."""
    assert ask(text) == answer


UNITS = sorted(set(ENGLISH.values()), key=lambda unit: (unit.dimension, unit.one))


def test_the_table_is_complete() -> None:
    """Every dimension is there, every unit has a name in both languages, and names are never shared."""
    assert {unit.dimension for unit in UNITS} == set(DIMENSIONS)
    assert set(UNITS) == set(CHINESE.values())
    assert len({unit.chinese for unit in UNITS}) == len({unit.one for unit in UNITS}) == len(UNITS)


@given(st.sampled_from(UNITS), st.sampled_from(UNITS), st.integers(1, 1000))
def test_every_pair(source: Unit, target: Unit, count: int) -> None:
    """Converting there and computing back gives the amount again, as far as the rounding goes."""
    answers = (
        ask(f"convert {count} {source.many} to {target.many}"),
        ask(f"{count}{source.chinese}等于多少{target.chinese}"),
    )
    for answer in answers:
        assert answer is not None
        if source.dimension != target.dimension:
            assert "cannot" in answer or "不能" in answer
            continue
        found = re.findall(r"(minus |负)?(\d+(?:\.\d+)?)", answer)[-1]
        value = Fraction(found[1]) * (-1 if found[0] else 1)
        exact = (count * source.size + source.zero - target.zero) / target.size
        assert (
            abs(value - exact) <= max(Fraction(1, 200), abs(exact) / 100) or "about 0 " in answer or "约等于0" in answer
        )


@given(st.text("0123456789.,零一二三十百两个半点度米斤是多少华氏摄 ", max_size=80) | st.text("ab c123.", max_size=60))
def test_nonsense_never_raises(text: str) -> None:
    """Whatever is typed."""
    answer = ask(text)
    assert answer is None or answer.endswith((".", "。"))

"""Chinese times: one pattern for how long, one for when."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from fractions import Fraction

from badge.moments.said import WEEK, Clock, Day, Part, Said, add_months, calendar_day, weekday
from providers.llm.skills.numerals import CHINESE_NUMBER, read_chinese

_COUNT = r"(?:\d{1,4}|[零〇一二两三四五六七八九十]{1,4})"

# --- how long -----------------------------------------------------------------------------------------------------------

_UNITS = {
    "秒": 1, "秒钟": 1, "分": 60, "分钟": 60, "刻钟": 900, "小时": 3600, "钟头": 3600, "天": 86400, "日": 86400, "周": 604800,
    "星期": 604800, "礼拜": 604800,
}  # fmt: skip
_MONTHS = {"月": 1, "年": 12}
_AMOUNT = (
    rf"(?P<number>{CHINESE_NUMBER})(?P<some>个)?(?P<half>半)?"
    r"(?P<unit>秒钟|秒|分钟|分|刻钟|小时|钟头|天|日|周|星期|礼拜|月|年)(?P<more>半)?"
)
_AMOUNTS = re.compile(_AMOUNT)
_UNNAMED = re.sub(r"\?P<[a-z]+>", "?:", _AMOUNT)
_SPAN = re.compile(rf"(?:在|再?过)?(?P<amounts>(?:{_UNNAMED}[零又]?)+)(?P<after>以后|之后|过后|后)?")


def span(text: str, place: int) -> tuple[Said, int] | None:
    """How long, whether from now or not: `十分钟`, `一个半小时`, `两小时三十分钟`."""
    found = _SPAN.match(text, place)
    if found is None:
        return None
    months, seconds = Fraction(0), Fraction(0)
    for amount in _AMOUNTS.finditer(found["amounts"]):
        value = read_chinese(amount["number"])
        if value is None or (amount["unit"] == "月" and not amount["some"] and amount["number"] != "半"):
            return None  # 三月 is March
        value += Fraction(1 if amount["half"] else 0, 2) + Fraction(1 if amount["more"] else 0, 2)
        months += value * _MONTHS.get(amount["unit"], 0)
        seconds += value * _UNITS.get(amount["unit"], 0)
    whole, rest = divmod(months, 1)
    seconds = min(seconds + rest * 30 * 86400, Fraction(10**12))  # beyond the calendar, but not beyond a timedelta
    return Said(months=min(int(whole), 10**6), span=timedelta(seconds=float(seconds))), found.end()


def _from_now(text: str, place: int) -> tuple[Said, int] | None:
    found = _SPAN.match(text, place)
    return span(text, place) if found and (found["after"] or found[0][0] in "再过") else None


# --- when ---------------------------------------------------------------------------------------------------------------

_NEAR = {"今": 0, "今天": 0, "今日": 0, "明": 1, "明天": 1, "明日": 1, "后天": 2, "大后天": 3}
_PARTS: dict[str, Part] = {
    "凌晨": "dawn", "清晨": "morning", "早上": "morning", "早晨": "morning", "早": "morning", "上午": "morning",
    "中午": "noon", "下午": "afternoon", "傍晚": "evening", "晚上": "evening", "晚": "evening", "夜里": "night",
    "半夜": "night", "午夜": "night",
}  # fmt: skip
_WHEN = re.compile(
    r"(?P<before>在|到|于|定在)?"
    r"(?P<day>(?P<near>大后天|后天|今天|今日|明天|明日|今(?=早|晚)|明(?=早|晚))"
    r"|(?P<week>下下|下|这|本)?个?(?:周|星期|礼拜)(?P<weekday>[一二三四五六日天])"
    r"|(?P<next>下个?(?:周|星期|礼拜|月))(?![一二三四五六日天])"
    rf"|(?:(?P<year>20\d\d|二[零〇][零〇一二三四五六七八九]{{2}})年)?(?P<month>{_COUNT})月(?:份)?(?P<date>{_COUNT})[日号]?"
    rf"|(?P<number>{_COUNT})[日号]"
    r"|(?P<iso>\d{4}-\d\d?-\d\d?))?"
    r"的?(?P<part>凌晨|清晨|早上|早晨|上午|中午|下午|傍晚|晚上|夜里|半夜|午夜|(?<=[今明])[早晚])?"
    rf"的?(?P<clock>(?P<hour>{_COUNT})(?:点钟|点|时(?!候|间))(?:(?P<half>半)|(?P<quarter>[一三])刻|过?(?P<minute>{_COUNT})分?|整)?"
    r"|(?P<hours>\d\d?)[:：](?P<minutes>\d\d))?"
    r"(?P<after>之前|以前|前)?(?:的时候)?"
)


def read(text: str, place: int, now: datetime) -> tuple[Said, int] | None:
    """A time: how long from now, or a day, a part of it, and a time of day. Not sure when it is only a number with 点 or
    号, as in 快一点."""
    if found := _from_now(text, place):
        return found
    when = _WHEN.match(text, place)
    if when is None or not (when["day"] or when["part"] or when["clock"]):
        return None
    try:
        day, clock = _day(when, now), _clock(when)
    except ValueError:
        return None
    named = when["day"] if when["number"] is None else None  # a number and 号 may be that of anything
    minutes = when["half"] or when["quarter"] or when["minute"] or when["minutes"]
    sure = bool(when["before"] or named or when["part"] or minutes)
    return Said(day=day, part=_PARTS.get(when["part"] or ""), clock=clock, sure=sure), when.end()


def _day(when: re.Match[str], now: datetime) -> Day | None:
    """Raises `ValueError` for a day that does not exist."""
    if when["day"] is None:
        return None
    if name := when["near"]:
        return Day(now.date() + timedelta(days=_NEAR[name]))
    if name := when["next"]:
        return Day(add_months(now, 1).date() if "月" in name else now.date() + WEEK)
    if when["weekday"]:
        weeks = {"下": 1, "下下": 2}.get(when["week"] or "")
        return weekday("一二三四五六日".find(when["weekday"].replace("天", "日")), weeks, now)
    if when["iso"]:
        year, month, number = map(int, when["iso"].split("-"))
        day = calendar_day(number, month, year, now)
    else:
        number = _whole(when["date"] or when["number"])
        day = calendar_day(number, _optional(when["month"]), _optional(when["year"]), now)
    if day is None:
        raise ValueError("there is no such day")
    return day


def _clock(when: re.Match[str]) -> Clock | None:
    """Raises `ValueError` for a time that does not exist."""
    if when["clock"] is None:
        return None
    hour = _whole(when["hour"] or when["hours"])
    quarters = {"一": 15, "三": 45}
    minute = _whole(when["minute"] or when["minutes"] or "0") or quarters.get(when["quarter"] or "", 0)
    minute = 30 if when["half"] else minute
    if hour > 24 or minute > 59 or (hour == 24 and minute):
        raise ValueError("there is no such time")
    return Clock(hour, minute, exact=not 0 < hour <= 12 or (when["hours"] or "").startswith("0"))


def _optional(text: str | None) -> int | None:
    return None if text is None else _whole(text)


def _whole(text: str) -> int:
    value = read_chinese(text)
    if value is None or value.denominator != 1:
        raise ValueError("not a number")
    return int(value)

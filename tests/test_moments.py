"""Times as people say them."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from badge.moments import find, read_moment, read_span

ZONE = timezone(timedelta(hours=8))
NOW = datetime(2026, 11, 21, 9, 30, tzinfo=ZONE)
"""A Saturday."""


def at(text: str) -> datetime:
    """`21 17:30`: the day of this month or `12-03`, and the time."""
    day, clock = text.split()
    month, number = day.split("-") if "-" in day else ("11", day)
    hour, minute = clock.split(":")
    return datetime(2026, int(month), int(number), int(hour), int(minute), tzinfo=ZONE)


MOMENTS = {
    # how long from now
    "in ten minutes": "21 9:40",
    "in a minute": "21 9:31",
    "in an hour and a half": "21 11:00",
    "in half an hour": "21 10:00",
    "in a quarter of an hour": "21 9:45",
    "in two and a half hours": "21 12:00",
    "in 2 hours and 5 minutes": "21 11:35",
    "in 90 min": "21 11:00",
    "within the hour": None,
    "ten minutes from now": "21 9:40",
    "in a couple of hours": "21 11:30",
    "in 2 days": "23 9:30",
    "in a week": "28 9:30",
    "in one month": "12-21 9:30",
    "half an hour": None,
    "ten minutes": None,
    "十分钟后": "21 9:40",
    "十分钟以后": "21 9:40",
    "过十分钟": "21 9:40",
    "再过两个小时": "21 11:30",
    "在十分钟后": "21 9:40",
    "半小时后": "21 10:00",
    "半个小时之后": "21 10:00",
    "一个半小时后": "21 11:00",
    "两小时三十分钟后": "21 12:00",
    "90分钟后": "21 11:00",
    "一刻钟后": "21 9:45",
    "两天后": "23 9:30",
    "一周后": "28 9:30",
    "一个月后": "12-21 9:30",
    "十分钟": None,
    # what time
    "at five": "21 17:00",
    "at ten": "21 10:00",
    "at nine": "21 21:00",
    "at 9 am": "22 9:00",
    "at 5:30 pm": "21 17:30",
    "at 5:30 p.m.": "21 17:30",
    "at five p m": "21 17:00",
    "5pm": "21 17:00",
    "at half past nine": "21 21:30",
    "at half past ten": "21 10:30",
    "at a quarter to ten": "21 9:45",
    "at quarter past one": "21 13:15",
    "at five past three": "21 15:05",
    "at ten minutes to eleven": "21 10:50",
    "at five thirty": "21 17:30",
    "at five oh five": "21 17:05",
    "at twenty one thirty": "21 21:30",
    "at 17:45": "21 17:45",
    "at 05:00": "22 5:00",
    "at eleven o'clock": "21 11:00",
    "eleven o’clock": "21 11:00",
    "at noon": "21 12:00",
    "at midnight": "22 0:00",
    "at twelve": "21 12:00",
    "at 12 am": "22 0:00",
    "at ten in the morning": "21 10:00",
    "at nine in the morning": "22 9:00",
    "at nine in the evening": "21 21:00",
    "at three at night": "22 3:00",
    "in the morning": "22 9:00",
    "in the evening": "21 19:00",
    "eight": None,
    "a table for two": None,
    "at 25:00": None,
    "at 9:75": None,
    "下午三点半": "21 15:30",
    "下午三点一刻": "21 15:15",
    "三点四十五分": "21 15:45",
    "晚上八点": "21 20:00",
    "晚上十二点": "22 0:00",
    "凌晨两点": "22 2:00",
    "中午": "21 12:00",
    "中午十二点半": "21 12:30",
    "中午一点": "21 13:00",
    "八点": "21 20:00",
    "十点": "21 10:00",
    "十点钟": "21 10:00",
    "二十点": "21 20:00",
    "8:15": "21 20:15",
    "20：15": "21 20:15",
    "二十五点": None,
    # which day, and what time
    "tomorrow at 9": "22 9:00",
    "tomorrow at five": "22 17:00",
    "at five tomorrow": "22 17:00",
    "tomorrow morning": "22 9:00",
    "tomorrow evening at seven": "22 19:00",
    "tonight": "21 21:00",
    "tonight at 8": "21 20:00",
    "this afternoon": "21 15:00",
    "today at 4": "21 16:00",
    "the day after tomorrow at noon": "23 12:00",
    "on friday at noon": "27 12:00",
    "friday 5 pm": "27 17:00",
    "at 10 am on saturday": "21 10:00",
    "on saturday at 9 am": "28 9:00",
    "next saturday at 10 am": "28 10:00",
    "on the 3rd of december at half past eight": "12-03 8:30",
    "明天早上八点": "22 8:00",
    "明早八点": "22 8:00",
    "明晚": "22 19:00",
    "今晚八点": "21 20:00",
    "今天下午": "21 15:00",
    "后天中午": "23 12:00",
    "周五上午十点": "27 10:00",
    "星期六上午十点": "21 10:00",
    "周六上午九点": "28 9:00",
    "下周六上午十点": "28 10:00",
    "十二月三号下午两点一刻": "12-03 14:15",
}

DAYS = {
    "by friday": "11-27",
    "on Friday": "11-27",
    "friday": "11-27",
    "by tomorrow": "11-22",
    "today": "11-21",
    "on saturday": "11-28",
    "this sunday": "11-22",
    "next monday": "11-23",
    "next sunday": "11-29",
    "next week": "11-28",
    "next month": "12-21",
    "on the 3rd of december": "12-03",
    "december 3": "12-03",
    "dec 3rd": "12-03",
    "the third of december": "12-03",
    "on the twenty fifth": "11-25",
    "on the third": "12-03",
    "before the 1st of december": "12-01",
    "2026-12-03": "12-03",
    "周五前": "11-27",
    "在周五之前": "11-27",
    "明天": "11-22",
    "大后天": "11-24",
    "下周一": "11-23",
    "下下周一": "11-30",
    "星期天": "11-22",
    "下周": "11-28",
    "下个月": "12-21",
    "12月3日": "12-03",
    "十二月三号": "12-03",
    "25号": "11-25",
    "on the 32nd of december": None,
    "february 30": None,
    "12月32日": None,
    "十三月一号": None,
    "sun": None,
    "may": None,
    "周末": None,
}


@pytest.mark.parametrize(("text", "moment"), MOMENTS.items())
def test_moments(text: str, moment: str | None) -> None:
    assert read_moment(text, NOW) == (moment and (at(moment), ""))


@pytest.mark.parametrize(("text", "day"), DAYS.items())
def test_days(text: str, day: str | None) -> None:
    assert read_moment(text, NOW) == (day and (date.fromisoformat(f"2026-{day}"), ""))


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("january 2", "2027-01-02"),
        ("on november 20", "2027-11-20"),
        ("december 3 2027", "2027-12-03"),
        ("february 29", "2028-02-29"),
        ("2月29日", "2028-02-29"),
        ("一月二号", "2027-01-02"),
        ("2028年12月3日", "2028-12-03"),
        ("二零二八年十二月三日", "2028-12-03"),
    ],
)
def test_years(text: str, day: str) -> None:
    assert read_moment(text, NOW) == (date.fromisoformat(day), "")


def test_months_end_sooner_or_later() -> None:
    end = datetime(2026, 12, 31, 9, 30, tzinfo=ZONE)
    assert read_moment("in two months", end) == (datetime(2027, 2, 28, 9, 30, tzinfo=ZONE), "")
    assert read_moment("on the 31st", datetime(2026, 9, 5, tzinfo=ZONE)) == (date(2026, 10, 31), "")


@pytest.mark.parametrize(
    ("text", "moment", "rest"),
    [
        ("in ten minutes to stretch", "21 9:40", "to stretch"),
        ("to call Bob at five", "21 17:00", "to call Bob"),
        ("At five, call Bob!", "21 17:00", "call Bob"),
        ("Call Ümit's office tomorrow at 9.", "22 9:00", "Call Ümit's office"),
        ("at five to eat", "21 17:00", "to eat"),
        ("十分钟后喝水", "21 9:40", "喝水"),
        ("明天早上八点开会", "22 8:00", "开会"),
        ("喝水，十分钟后", "21 9:40", "喝水"),
        ("给Bob打电话 明天下午三点", "22 15:00", "给Bob打电话"),
    ],
)
def test_the_rest_of_the_text(text: str, moment: str, rest: str) -> None:
    assert read_moment(text, NOW) == (at(moment), rest)


@pytest.mark.parametrize(
    "text",
    [
        "watch black friday",
        "call the man",
        "book a table for two",
        "think about ten",
        "wait a second",
        "add two and three",
        "call Bob at five about the invoice",
        "走快一点",
        "买五号电池",
        "早餐后吃药",
        "讲一个故事",
        "",
        " ",
        "x" * 2000,
    ],
)
def test_no_time(text: str) -> None:
    assert read_moment(text, NOW) is None


def test_nothing_beyond_the_calendar() -> None:
    for text in ("in 99999999999999 years", "in 99999999999999 hours", "99999999999999年后", "in 9999999 months"):
        assert read_moment(text, NOW) is None
    assert read_moment("tomorrow", datetime(9999, 12, 31, tzinfo=ZONE)) is None


@pytest.mark.parametrize(
    ("text", "seconds", "rest"),
    [
        ("ten minutes", 600, ""),
        ("an hour and a half", 5400, ""),
        ("five minute pasta", 300, "pasta"),
        ("十分钟", 600, ""),
        ("一个半小时", 5400, ""),
    ],
)
def test_spans(text: str, seconds: float, rest: str) -> None:
    found = read_span(text)
    assert found is not None
    assert (found[0].span, found[1]) == (timedelta(seconds=seconds), rest)
    assert read_span("pasta") is None


# --- any text -----------------------------------------------------------------------------------------------------------

WORDS = st.sampled_from(
    [
        "in",
        "at",
        "on",
        "by",
        "the",
        "a",
        "an",
        "and",
        "half",
        "past",
        "quarter",
        "to",
        "ten",
        "five",
        "5",
        "5:30",
        "9.75",
        "99999999999999999999",
        "minutes",
        "hours",
        "months",
        "years",
        "tomorrow",
        "tonight",
        "friday",
        "next",
        "this",
        "december",
        "may",
        "3",
        "rd",
        "first",
        "twenty",
        "noon",
        "midnight",
        "o'clock",
        "am",
        "p.m.",
        "morning",
        "of",
        "from",
        "now",
        "stretch",
        "2026-99-99",
        "0000-00-00",
        "１２",
        "²",
    ]
)
SIGNS = st.sampled_from(
    "十一二三两半个零〇年月日号点分刻钟小时天周下这前后在过再早晚上午明今去:：0123456789 万亿千百，开会喝水"
)
TEXTS = st.one_of(st.text(), st.lists(WORDS, max_size=12).map(" ".join), st.lists(SIGNS, max_size=25).map("".join))
END_OF_TIME = datetime(9999, 12, 31, 23, 59, tzinfo=ZONE)
MOMENTS_OF_SPEAKING = st.one_of(
    st.just(NOW),
    st.datetimes(timezones=st.just(ZONE)),
    st.timedeltas(timedelta(0), timedelta(days=400)).map(lambda before: END_OF_TIME - before),
)


@given(TEXTS, MOMENTS_OF_SPEAKING)
@example("0年后", NOW)
@example("2026-00-00", NOW)
def test_any_text_is_read_without_an_error(text: str, now: datetime) -> None:
    found = read_moment(text, now)
    if found is not None:
        moment, rest = found
        assert len(rest) <= len(text)
        assert isinstance(moment, date)
        if isinstance(moment, datetime):
            assert moment.tzinfo is not None
    for side in ("start", "end"):
        find(text, now, side)  # type: ignore[arg-type]
    read_span(text)


@given(st.integers(1, 12), st.integers(0, 59), st.sampled_from(["am", "pm"]), st.datetimes(timezones=st.just(ZONE)))
def test_a_time_of_day_is_the_next_one(hour: int, minute: int, half: str, now: datetime) -> None:
    if now.year == 9999:
        return
    found = read_moment(f"at {hour}:{minute:02} {half}", now)
    assert found is not None
    moment = found[0]
    assert isinstance(moment, datetime)
    assert timedelta(0) < moment - now <= timedelta(days=1)
    assert (moment.hour, moment.minute) == (hour % 12 + (12 if half == "pm" else 0), minute)

"""What is said about reminders and tasks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from badge import sayings

ZONE = timezone(timedelta(hours=8))
NOW = datetime(2026, 11, 21, 9, 30, tzinfo=ZONE)
"""A Saturday."""
SOON, TOMORROW, FRIDAY, LATER = (
    NOW + timedelta(minutes=70),
    datetime(2026, 11, 22, 8, 0, tzinfo=ZONE),
    datetime(2026, 11, 27, 17, 5, tzinfo=ZONE),
    datetime(2027, 1, 2, 12, 0, tzinfo=ZONE),
)


@pytest.mark.parametrize(
    ("when", "english", "chinese"),
    [
        (SOON, "at 10:40 AM", "上午10点40分"),
        (TOMORROW, "tomorrow at 8 AM", "明天上午8点"),
        (FRIDAY, "on Friday at 5:05 PM", "周五下午5点5分"),
        (LATER, "on January 2, 2027 at noon", "2027年1月2日中午12点"),
        (NOW - timedelta(days=1), "yesterday at 9:30 AM", "昨天上午9点30分"),
        (datetime(2026, 11, 23, tzinfo=ZONE), "on Monday at midnight", "后天凌晨0点"),
        (datetime(2026, 11, 21, 2, 40, tzinfo=UTC), "at 10:40 AM", "上午10点40分"),
        (datetime(2026, 11, 28, 20, 0, tzinfo=ZONE), "on November 28 at 8 PM", "11月28日晚上8点"),
    ],
)
def test_moments(when: datetime, english: str, chinese: str) -> None:
    assert (sayings.moment(when, NOW, "en"), sayings.moment(when, NOW, "zh")) == (english, chinese)


def test_reminders_that_are_due() -> None:
    minute = timedelta(minutes=1)
    assert sayings.due("stretch", NOW, NOW + minute) == "Reminder: stretch."
    assert sayings.due("喝水", NOW, NOW) == "提醒你：喝水。"
    assert sayings.due("stretch", NOW, NOW + 1.01 * minute) == "This was due at 9:30 AM: stretch."
    assert sayings.due("喝水", NOW, NOW + timedelta(days=1)) == "昨天上午9点30分的提醒：喝水。"


def test_reminders_that_are_set() -> None:
    assert sayings.will_remind("stretch", SOON, NOW, "en") == "I will remind you at 10:40 AM: stretch."
    assert sayings.will_remind("喝水", SOON, NOW, "zh") == "好的，我会在上午10点40分提醒你：喝水。"
    assert sayings.will_remind(sayings.TIMER["en"], SOON, NOW, "en") == "I will tell you at 10:40 AM."
    assert sayings.will_remind(sayings.ALARM["zh"], TOMORROW, NOW, "zh") == "好的，我会在明天上午8点提醒你。"


def test_questions() -> None:
    assert sayings.ask_when("stretch", "en").startswith("When shall I remind you?")
    assert sayings.ask_when("喝水", "zh") == "什么时候提醒你？请说，比如：十分钟后提醒我喝水。"
    assert sayings.ask_what("en").startswith("What is the task?")
    assert sayings.ask_what("zh").startswith("是什么任务？")


def test_lists_of_reminders() -> None:
    one, many = [("stretch", SOON)], [("stretch", SOON), ("eat", TOMORROW)] * 4
    assert sayings.reminders([], NOW, "en") == "You have no reminders."
    assert sayings.reminders(one, NOW, "en") == "You have one reminder: at 10:40 AM, stretch."
    assert sayings.reminders(many, NOW, "en").endswith("; at 10:40 AM, stretch; and 3 more.")
    assert sayings.reminders(many, NOW, "en").startswith(
        "You have 8 reminders: at 10:40 AM, stretch; tomorrow at 8 AM, eat;"
    )
    assert sayings.reminders([], NOW, "zh") == "你没有提醒。"
    assert sayings.reminders([("喝水", SOON)], NOW, "zh") == "你有1个提醒：上午10点40分，喝水。"
    assert sayings.reminders([("喝水", SOON)] * 7, NOW, "zh").endswith("，喝水；还有2个。")


def test_reminders_that_are_cancelled() -> None:
    told = [sayings.cancelled(count, "en") for count in (0, 1, 2)]
    assert told == ["You have no reminders.", "One reminder cancelled.", "2 reminders cancelled."]
    assert [sayings.cancelled(count, "zh") for count in (0, 2)] == ["你没有提醒。", "好的，取消了2个提醒。"]


@pytest.mark.parametrize(
    ("written", "english", "chinese"),
    [
        (None, "", ""),
        ("", "", ""),
        ("2026-11-27", "due on Friday", "周五到期"),
        ("2026-11-22T17:00", "due tomorrow at 5 PM", "明天下午5点到期"),
        ("2026-11-22T09:00+00:00", "due tomorrow at 5 PM", "明天下午5点到期"),
        ("nonsense", "", ""),
    ],
)
def test_due_dates(written: str | None, english: str, chinese: str) -> None:
    assert (sayings.due_by(written, NOW, "en"), sayings.due_by(written, NOW, "zh")) == (english, chinese)


def test_tasks() -> None:
    assert sayings.added("buy milk", "2026-11-27", NOW, "en") == "Added: buy milk, due on Friday."
    assert sayings.added("买牛奶", None, NOW, "zh") == "已添加：买牛奶。"
    assert sayings.tasks([], NOW, "en") == "There are no tasks."
    assert sayings.tasks([("milk", None)], NOW, "en") == "There is one task: milk."
    assert (
        sayings.tasks([("milk", "2026-11-22")] * 6, NOW, "en")
        == "There are 6 tasks: " + "; ".join(["milk, due tomorrow"] * 5) + "; and 1 more."
    )
    assert sayings.tasks([("买牛奶", "2026-11-22"), ("开会", None)], NOW, "zh") == "有2个任务：买牛奶，明天到期；开会。"
    assert sayings.tasks([], NOW, "zh") == "没有任务。"


def test_edits() -> None:
    assert sayings.renamed("bread", "en") == "Your task is now: bread."
    assert sayings.renamed("面包", "zh") == "任务改成了：面包。"
    assert sayings.due_changed("bread", "2026-11-22", NOW, "en") == "OK: bread, due tomorrow."
    assert sayings.due_changed("bread", None, NOW, "en") == "OK: bread, with no due date."
    assert sayings.due_changed("面包", None, NOW, "zh") == "好的：面包，没有截止日期。"
    assert sayings.released("bread", "en") == "Given back: bread."
    assert sayings.released("面包", "zh") == "任务已退回：面包。"
    for language in ("en", "zh"):
        for saying in (sayings.no_task, sayings.failed):
            assert saying(language).endswith("。" if language == "zh" else ".")  # type: ignore[arg-type]

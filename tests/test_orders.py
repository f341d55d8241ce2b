"""What utterances ask for, about reminders and tasks."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from badge.orders import (
    AddTask,
    AddWhat,
    CancelReminders,
    ListReminders,
    ListTasks,
    Order,
    ReleaseTask,
    Remind,
    RemindWhat,
    RenameTask,
    SetDue,
    iso,
    order,
)
from badge.phrases import Phrases, Plain, command
from badge.sayings import ALARM, NOTHING, TIMER
from tests.session.test_phrases import COMMANDS, SWITCHES

ZONE = timezone(timedelta(hours=8))
NOW = datetime(2026, 11, 21, 9, 30, tzinfo=ZONE)
"""A Saturday."""


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=ZONE)


FRIDAY = date(2026, 11, 27)

REMINDERS: dict[str, Order] = {
    "remind me in ten minutes to stretch": Remind("stretch", at(21, 9, 40)),
    "Remind me to call Bob at five.": Remind("call Bob", at(21, 17)),
    "please remind me to call Bob at five": Remind("call Bob", at(21, 17)),
    "Could you please remind me tomorrow at 8 to water the plants?": Remind("water the plants", at(22, 8)),
    "remind me tomorrow to call Bob at nine": Remind("call Bob", at(22, 9)),
    "remind me at half past ten that the oven is on": Remind("the oven is on", at(21, 10, 30)),
    "remind me about the meeting at 2 pm": Remind("the meeting", at(21, 14)),
    "remind me of the meeting at five": Remind("the meeting", at(21, 17)),
    "remind me in 2 days to pay the rent": Remind("pay the rent", at(23, 9, 30)),
    "remind me to pay the rent on friday": Remind("pay the rent", at(27, 9)),
    "remind me at five p m to go": Remind("go", at(21, 17)),
    "set a reminder to call Bob at five": Remind("call Bob", at(21, 17)),
    "set a reminder for five to call Bob": Remind("call Bob", at(21, 17)),
    "remind me at five": Remind(NOTHING["en"], at(21, 17)),
    "remind me to drink water": RemindWhat("drink water"),
    "remind me to smile today": RemindWhat("smile"),
    "remind me about the meeting": RemindWhat("the meeting"),
    "remind me": RemindWhat(NOTHING["en"]),
    "set a reminder": RemindWhat(NOTHING["en"]),
    "十分钟后提醒我喝水": Remind("喝水", at(21, 9, 40)),
    "十分钟后提醒我喝水。": Remind("喝水", at(21, 9, 40)),
    "十 分钟 后 提醒 我 喝水": Remind("喝水", at(21, 9, 40)),
    "请帮我在十分钟后提醒我关火": Remind("关火", at(21, 9, 40)),
    "提醒我明天早上八点开会": Remind("开会", at(22, 8)),
    "明天早上八点提醒我开会": Remind("开会", at(22, 8)),
    "你明天下午三点提醒我一下去接孩子": Remind("去接孩子", at(22, 15)),
    "提醒我半小时后关火": Remind("关火", at(21, 10)),
    "提醒我喝水，十分钟后": Remind("喝水", at(21, 9, 40)),
    "明天提醒我八点开会": Remind("开会", at(22, 8)),
    "周五提醒我交房租": Remind("交房租", at(27, 9)),
    "别忘了十分钟后提醒我喝水": Remind("喝水", at(21, 9, 40)),
    "十分钟后提醒我": Remind(NOTHING["zh"], at(21, 9, 40)),
    "十分钟后叫我": Remind(NOTHING["zh"], at(21, 9, 40)),
    "提醒我喝水": RemindWhat("喝水"),
    "提醒我要带伞": RemindWhat("带伞"),
    "提醒我": RemindWhat(NOTHING["zh"]),
}

TIMERS: dict[str, Order] = {
    "set a timer for ten minutes": Remind(TIMER["en"], at(21, 9, 40)),
    "Set a timer for ten minutes, please.": Remind(TIMER["en"], at(21, 9, 40)),
    "set a ten minute timer": Remind(TIMER["en"], at(21, 9, 40)),
    "start a 10-minute timer": Remind(TIMER["en"], at(21, 9, 40)),
    "timer for an hour and a half": Remind(TIMER["en"], at(21, 11)),
    "set a timer": RemindWhat(TIMER["en"]),
    "set an alarm for 7 am tomorrow": Remind(ALARM["en"], at(22, 7)),
    "set an alarm for noon": Remind(ALARM["en"], at(21, 12)),
    "wake me up at seven": Remind(ALARM["en"], at(22, 7)),
    "wake me in half an hour": Remind(ALARM["en"], at(21, 10)),
    "定一个十分钟的闹钟": Remind(ALARM["zh"], at(21, 9, 40)),
    "定个明天早上七点的闹钟": Remind(ALARM["zh"], at(22, 7)),
    "设一个闹钟明天早上七点": Remind(ALARM["zh"], at(22, 7)),
    "倒计时五分钟": Remind(TIMER["zh"], at(21, 9, 35)),
    "五分钟倒计时": Remind(TIMER["zh"], at(21, 9, 35)),
    "请设置一个半小时的定时器": Remind(TIMER["zh"], at(21, 11)),
    "设置半小时的定时器": Remind(TIMER["zh"], at(21, 10)),
    "定个闹钟": RemindWhat(ALARM["zh"]),
    "明天七点叫醒我": Remind(ALARM["zh"], at(22, 7)),
    "七点叫我起床": Remind("起床", at(22, 7)),
}

TASKS: dict[str, Order] = {
    "add task buy milk": AddTask("buy milk"),
    "Add a task to buy milk by Friday.": AddTask("buy milk", FRIDAY),
    "add a new task: call Bob tomorrow at five": AddTask("call Bob", at(22, 17)),
    "new task Call Bob tomorrow": AddTask("Call Bob", date(2026, 11, 22)),
    'create a task "write the report" please': AddTask("write the report"),
    "add task pay the rent in two days": AddTask("pay the rent", date(2026, 11, 23)),
    "add task check the oven in ten minutes": AddTask("check the oven", at(21, 9, 40)),
    "add buy milk to my to-do list": AddTask("buy milk"),
    "add task watch black friday": AddTask("watch black friday"),
    "add a task called friday": AddTask("friday"),
    "新建任务买牛奶": AddTask("买牛奶"),
    "新建任务：买牛奶。": AddTask("买牛奶"),
    "添加任务周五前交报告": AddTask("交报告", FRIDAY),
    "加一个任务明天下午三点给妈妈打电话": AddTask("给妈妈打电话", at(22, 15)),
    "帮我加一个任务买牛奶": AddTask("买牛奶"),
    "把买牛奶加到任务列表里": AddTask("买牛奶"),
    "add a task": AddWhat(),
    "new task": AddWhat(),
    "加一个任务": AddWhat(),
    "请新建任务": AddWhat(),
    "rename my task to buy bread": RenameTask("buy bread"),
    "change the title to Buy bread": RenameTask("Buy bread"),
    "把任务改成买面包": RenameTask("买面包"),
    "把我的任务改名为明天买面包": RenameTask("明天买面包"),
    "set the due date to friday": SetDue(FRIDAY),
    "Move the deadline to tomorrow at five": SetDue(at(22, 17)),
    "my task is due next monday": SetDue(date(2026, 11, 23)),
    "截止日期改到周五": SetDue(FRIDAY),
    "把任务的截止日期改到12月3日": SetDue(date(2026, 12, 3)),
    "remove the due date": SetDue(None),
    "取消截止日期": SetDue(None),
    "give my task back": ReleaseTask(),
    "放弃任务": ReleaseTask(),
}

LISTS: dict[Order, str] = {
    ListReminders(): "what are my reminders|What are my reminders?|list my reminders|show me my reminders|my reminders|"
    "do I have any reminders|what reminders do I have|我有什么提醒|我有哪些提醒？|有什么提醒|查看我的提醒|提醒列表|我的提醒|请列出提醒",
    CancelReminders(): "cancel my reminders|cancel all my reminders|delete all reminders|clear my reminders please|"
    "cancel the timer|stop reminding me|取消提醒|取消所有提醒|删除我的提醒|请取消提醒|不用提醒我了|关掉闹钟",
    ListTasks(): "what are my tasks|What are the tasks?|list tasks|list my tasks|show me my tasks|what tasks do I have|"
    "what do I have to do|what's on my to do list|task list|我的任务|有什么任务|任务列表|我有哪些任务？|查看任务列表|还有什么任务",
}

TALK = [
    "remind me of your name",
    "remind me who you are",
    "remind me what we talked about",
    "remind me about what you said",
    "you remind me of my mother",
    "don't remind me to call Bob",
    "remind me to take my pills every day at eight",
    "remind him to call Bob at five",
    "提醒我你叫什么名字",
    "不要提醒我喝水",
    "每天早上八点提醒我吃药",
    "叫我小明",
    "请叫我起床大师",
    "提醒他明天开会",
    "add two and three",
    "add salt",
    "add five to ten",
    "what is a task",
    "the task is hard",
    "my task is boring",
    "make coffee",
    "make a list",
    "what time is it",
    "what is the time in ten minutes",
    "set the table for two",
    "how does a timer work",
    "我不喜欢闹钟",
    "任务很难",
    "完成任务的人是谁",
    "加一加二等于几",
    "明天早上八点",
    "十分钟后",
    "把灯改成蓝色",
    "cancel my meeting",
    "取消会议",
    "",
    "。",
    "remind me to " + "x" * 400,
]


@pytest.mark.parametrize(("text", "asked"), [*REMINDERS.items(), *TIMERS.items(), *TASKS.items()])
def test_orders(text: str, asked: Order) -> None:
    assert order(text, NOW) == asked


@pytest.mark.parametrize(
    ("asked", "text"), [(asked, text) for asked, texts in LISTS.items() for text in texts.split("|")]
)
def test_lists(asked: Order, text: str) -> None:
    assert order(text, NOW) == asked


@pytest.mark.parametrize("text", TALK)
def test_talk(text: str) -> None:
    assert order(text, NOW) is None


@pytest.mark.req("WK-12", "LI-11")
def test_no_words_mean_two_things() -> None:
    """Orders, commands about tasks and switches of modes never want the same words."""
    phrases = Phrases(wake=[], exits=["退出", "关闭", "再见", "exit", "goodbye"])
    for texts in (*COMMANDS.values(), *SWITCHES.values()):
        for text in texts.split("|"):
            assert order(text, NOW) is None, text
    orders = [*REMINDERS, *TIMERS, *TASKS, *(text for texts in LISTS.values() for text in texts.split("|"))]
    for text in orders:
        assert command(text) is None, text
        assert phrases.interpret(text) == Plain(text), text


def test_words_are_bounded() -> None:
    asked = order("add task " + "x" * 300, NOW)
    assert isinstance(asked, AddTask)
    assert len(asked.title) == 200
    reminder = order("remind me in ten minutes to " + "x" * 350, NOW)
    assert isinstance(reminder, Remind)
    assert len(reminder.text) == 300


def test_words_of_the_user_are_not_in_any_log() -> None:
    for asked in (*REMINDERS.values(), *TASKS.values()):
        assert not any(word in repr(asked) for word in ("water", "milk", "喝水", "bread", "Bob"))


def test_dates_as_tasks_keep_them() -> None:
    assert [iso(due) for due in (None, FRIDAY, at(22, 17))] == [None, "2026-11-27", "2026-11-22T17:00+08:00"]


WORDS = st.sampled_from(
    [word for text in (*REMINDERS, *TIMERS, *TASKS) for word in text.split()]
    + ["９９", "99999999999999", "\x00", "\ud800"]
)
SIGNS = st.sampled_from("".join(text for text in (*REMINDERS, *TIMERS, *TASKS) if not text.isascii()) + "0123456789 ")


@given(
    st.one_of(st.text(), st.lists(WORDS, max_size=14).map(" ".join), st.lists(SIGNS, max_size=30).map("".join)),
    st.one_of(st.just(NOW), st.datetimes(timezones=st.just(ZONE))),
)
@settings(max_examples=300)
def test_any_text_is_an_order_or_talk(text: str, now: datetime) -> None:
    asked = order(text, now)
    if isinstance(asked, Remind):
        assert asked.text.strip()
        assert asked.due.tzinfo is not None
    if isinstance(asked, AddTask | RenameTask):
        assert 0 < len(asked.title) <= 200

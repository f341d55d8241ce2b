"""Orders that are always said in the same words: the tables."""

from __future__ import annotations

from collections.abc import Iterator

from badge.orders.values import (
    AddWhat,
    CancelReminders,
    ListReminders,
    ListTasks,
    Order,
    ReleaseTask,
    SetDue,
)
from badge.phrases import bare

_WHOLE: tuple[tuple[Order, str], ...] = (
    (
        ListReminders(),
        "[|what are|list|show|show me|read|read me|tell me|tell me about] [my|all my|the|all the] [reminders|timers|alarms];"
        "reminders;list reminders;show reminders;what [reminders|timers|alarms] [do i have|have i got|are there|are set];"
        "do i have [|any] [reminders|timers|alarms];are there [|any] reminders;"
        "[|我][有|有没有|设了|设置了|定了]什么[提醒|闹钟];[|我][有|设了|定了]哪些[提醒|闹钟];[|查看|看看|列出|显示|查一下|念一下|读一下]我的[提醒|闹钟];"
        "[查看|列出|显示][|所有|全部][提醒|闹钟];提醒列表;[|我][有没有提醒|有提醒吗|有闹钟吗];我的[提醒|闹钟]有哪些",
    ),
    (
        CancelReminders(),
        "[cancel|delete|remove|clear|forget|erase] [|all|my|the|all my|all the|all of my] [reminders|reminder|timers|timer|"
        "alarms|alarm];stop reminding me;do not remind me;don't remind me;"
        "[取消|删除|清除|清空|删掉|关掉|关闭|去掉][|我的|所有|全部|所有的|全部的|我所有的][提醒|闹钟|计时器|定时器|倒计时];不用提醒我[|了];别提醒我[|了];不要提醒我[|了]",
    ),
    (
        ListTasks(),
        "[|what are|list|show|show me|read|read me|tell me] [my|all my|the|our|all the] [tasks|to dos|todos|to do list|"
        "task list|todo list];tasks;task list;list [|all] tasks;show [|me] [|all] tasks;what tasks [do i have|have i got|"
        "are there|are open];what do i have to do;what is there to do;what is on my [task list|to do list|todo list|list];"
        "what's on my [task list|to do list|todo list|list];which tasks [do i have|are there|are open];"
        "do i have [|any] tasks;are there [|any] tasks;"
        "[|查看|看看|列出|显示|念一下|读一下|查一下][我的|所有|全部|所有的]任务[|列表|清单];[|我|我们][有|还有]什么任务;[|我|我们][有|还有]哪些任务;任务[列表|清单];"
        "[查看|列出|显示]任务[|列表|清单];有没有任务;我有任务吗;我的任务有哪些",
    ),
    (
        ReleaseTask(),
        "[release|give back|return|drop|give up] [my|the|this] task;give [my|the|this] task back;unassign [me|my task];"
        "[放弃|退回|交回|释放|归还][|我的|这个]任务;[|我]不做这个任务了",
    ),
    (
        SetDue(None),
        "[remove|delete|clear|cancel] the [due date|deadline] [|of my task|of the task];[|my task has ]no [due date|deadline];"
        "[取消|删除|去掉|清除][|任务的|任务]截止[日期|时间]",
    ),
    (
        AddWhat(),
        "[add|create|make] [a|a new|another|new|one more|] task;new task;add [|a] [todo|to do|to do item];"
        "[新建|添加|加|创建|新增|增加][|一个|一项|一条|个]任务",
    ),
)
"""[Brackets] hold alternatives; an empty one means that the word may be missing. Phrases end with a semicolon."""


def _spelled(pattern: str) -> Iterator[str]:
    before, bracket, rest = pattern.partition("[")
    if not bracket:
        yield pattern
        return
    inside, _, after = rest.partition("]")
    for choice in inside.split("|"):
        yield from _spelled(before + choice + after)


PHRASES: dict[str, Order] = {
    phrase: order
    for order, patterns in _WHOLE
    for pattern in patterns.split(";")
    for phrase in map(bare, _spelled(pattern))
    if phrase
}
"""Bare phrase -> what it asks for."""

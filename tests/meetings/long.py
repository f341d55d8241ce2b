"""Meetings of hours, in seconds: a sentence every second or so, and the minutes at their end."""

from __future__ import annotations

import gc
import time
import tracemalloc
from typing import Any

import trio
from attrs import frozen

from tests.meetings.models import ReadingLlm
from tests.meetings.stage import DEVICE, office

HOURS = 3.0

SUBJECTS = ("The budget", "The printer", "Our supplier", "The office", "Marketing", "The new badge", "The roadmap")
PLANS = ("needs a second look", "grows by a third", "is late again", "was praised by customers", "costs too much")


class LongestStep(trio.abc.Instrument):
    """How long everybody waited for one task at most, in s of the machine."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._begun = time.perf_counter()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._begun = time.perf_counter()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.longest = max(self.longest, time.perf_counter() - self._begun)


@frozen(kw_only=True)
class Figures:
    """What a long meeting came to. Sizes in bytes, times in s of the machine."""

    segments: int
    characters: int
    pushed: int
    snippets: int
    checkpoints: int
    parts: int
    joins: int
    longest_prompt: int
    memory: int
    """most that the writing of the minutes took above what was there before"""
    going_on: float
    writing: float
    stall: float
    """longest time for which nothing else ran while the minutes were written"""
    minutes: dict[str, object]


def sentence(number: int) -> str:
    """What is said: different each time, as speech is."""
    subject, plan = SUBJECTS[number % len(SUBJECTS)], PLANS[number // 3 % len(PLANS)]
    return f"{subject} {plan}, says report {number}, and Bob will check line {number * 7}."


async def long_meeting(segments: int, *, hours: float = HOURS, measure: bool = True, **settings: Any) -> Figures:
    """A whole meeting under a clock that jumps; `measure` its memory, which takes its time."""
    llm = ReadingLlm(delay=0.5, count=True)
    async with office(llm, **settings) as stage:
        badge = stage.badge()
        await stage.office.open(DEVICE, "s1")
        begun = time.perf_counter()
        for number in range(1, segments + 1):
            stage.say(sentence(number))
            await trio.sleep(hours * 3600 / segments)
        await stage.office.settle()
        going_on = time.perf_counter() - begun
        before = 0
        if measure:
            gc.collect()
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
        steps = LongestStep()
        trio.lowlevel.add_instrument(steps)
        begun = time.perf_counter()
        await stage.end()
        while '"phase":"summary"' not in badge.wire.sent[-1][1]:
            await badge.wire.news()
        writing = time.perf_counter() - begun
        memory = tracemalloc.get_traced_memory()[1] - before if measure else 0
        tracemalloc.stop()
        (summary,) = badge.of("summary")
        return Figures(
            segments=summary["segments"],
            characters=sum(len(sentence(number)) for number in range(1, segments + 1)),
            pushed=len(badge.texts),
            snippets=len(badge.of("snippet")),
            checkpoints=llm.counted["summary_so_far"],
            parts=llm.counted["minutes"],
            joins=llm.counted["summary"],
            longest_prompt=llm.longest,
            memory=memory,
            going_on=going_on,
            writing=writing,
            stall=steps.longest,
            minutes=summary["minutes"],
        )

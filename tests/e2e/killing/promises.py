"""What clients wished for, what they were promised, and what has become of it. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import define, field

from badge.storage.records import MeetingRecord, Segment

Letter = tuple[str, str, str]
"""From, to, id."""


@define
class Letters:
    """Messages between badges."""

    wished: set[Letter] = field(factory=set)
    promised: set[Letter] = field(factory=set)
    received: set[Letter] = field(factory=set)
    broken: list[str] = field(factory=list)

    def receive(self, to: str, message: Mapping[str, Any]) -> None:
        letter = message["from"], to, message["id"]
        if letter not in self.wished:
            self.broken.append(f"letter {letter} was never sent")
        if message["payload"] != {"text": message["id"]}:
            self.broken.append(f"letter {letter} has another text")
        self.received.add(letter)

    def missing(self) -> set[Letter]:
        """Promised, and nobody has got it."""
        return self.promised - self.received

    def compare(self, waiting: Iterable[Letter]) -> None:
        """With the letters that wait in the store."""
        there = set(waiting)
        self.broken += [f"letter {letter} is lost" for letter in sorted(self.missing() - there)]
        self.broken += [f"letter {letter} comes from nowhere" for letter in sorted(there - self.wished)]


STEPS = ("absent", "open", "assigned", "done")
"""How far a task can get, in order."""


@define
class Tasks:
    """Tasks by id, each with the furthest step that was wished for, and promised."""

    wished: dict[str, int] = field(factory=dict)
    promised: dict[str, int] = field(factory=dict)
    broken: list[str] = field(factory=list)

    def wish(self, task: str, step: str) -> None:
        self.wished[task] = max(self.wished.get(task, 0), STEPS.index(step))

    def answer(self, request: str, task: str, outcome: str) -> None:
        """What became of a wish."""
        if outcome not in ("created", "exists", "assigned", "completed", "unchanged"):
            self.broken.append(f"task {task} could not be had: {request} is answered {outcome}")
        else:
            step = {"create": 1, "assign": 2, "complete": 3}[request]
            self.promised[task] = max(self.promised.get(task, 0), step)

    def promises(self, task: str, step: str) -> bool:
        """Whether a task was promised to have got so far."""
        return self.promised.get(task, 0) >= STEPS.index(step)

    def compare(self, tasks: Iterable[Mapping[str, Any]], mine: str = "") -> None:
        """With a list of the server; only tasks whose id begins with `mine`."""
        there = {task["id"]: task for task in tasks}
        for number, promised in self.promised.items():
            if number.startswith(mine):
                self._compare_one(number, promised, there.get(number))
        self.broken += [f"task {number} comes from nowhere" for number in there if number not in self.wished]

    def _compare_one(self, number: str, promised: int, task: Mapping[str, Any] | None) -> None:
        step = 0 if task is None else 3 if task["status"] == "done" else 2 if task["owner"] else 1
        if not promised <= step <= self.wished[number]:
            self.broken.append(f"task {number} is {STEPS[step]}, and was promised to be {STEPS[promised]}")


@define
class Meetings:
    """The meetings of one device. What is said in them are numbers that grow."""

    said: int = 0
    going_on: bool = False
    """a meeting was promised to have begun, and nobody has asked for its end since"""
    current: str = ""
    """which it is, as far as that is known"""
    closing: set[str] = field(factory=set)
    pushed: defaultdict[str, dict[int, str]] = field(factory=lambda: defaultdict(dict))
    minutes: dict[str, int] = field(factory=dict)
    """meeting -> segments"""
    broken: list[str] = field(factory=list)

    def push(self, meeting: str, segments: Sequence[Mapping[str, Any]]) -> None:
        """A snippet came."""
        for segment in segments:
            before = self.pushed[meeting].setdefault(segment["number"], segment["text"])
            if before != segment["text"]:
                self.broken.append(f"meeting {meeting}: {segment['number']} was {before}, is {segment['text']}")

    def unfinished(self) -> set[str]:
        """Meetings that are known, and whose minutes have not come."""
        return (self.closing | self.pushed.keys()) - self.minutes.keys()

    def compare(self, records: Sequence[MeetingRecord], segments: Mapping[str, Sequence[Segment]]) -> None:
        """With the meetings in the store, the newest first."""
        there = {record.id: record for record in records}
        if self.going_on:
            newest = records[0].id if records and records[0].state in ("active", "interrupted") else "none"
            if newest != (self.current or newest) or newest == "none":
                self.broken.append(f"meeting {self.current} does not go on: {newest} does")
            self.current = newest
        for meeting in self.closing:
            if meeting not in there or there[meeting].state in ("active", "interrupted"):
                self.broken.append(f"meeting {meeting} was to end")
        for meeting, pushed in self.pushed.items():
            stored = {segment.number: segment.text for segment in segments.get(meeting, ())}
            lost = [number for number, text in pushed.items() if stored.get(number) != text]
            if lost:
                self.broken.append(f"meeting {meeting} has lost segments {lost}")
        for meeting, stored_segments in segments.items():
            numbers = [int(segment.text.rsplit(maxsplit=1)[1]) for segment in stored_segments]
            if numbers != sorted(set(numbers)) or (numbers and numbers[-1] > self.said):
                self.broken.append(f"meeting {meeting} is out of order: {numbers}")

    def compare_minutes(self, segments: Mapping[str, Sequence[Segment]]) -> None:
        """With what the minutes say that they rest on."""
        for meeting, count in self.minutes.items():
            if count != len(segments[meeting]):
                self.broken.append(f"the minutes of {meeting} are of {count} segments, not {len(segments[meeting])}")


@define
class Reminders:
    """What is to be reminded of, by its text."""

    promised: set[str] = field(factory=set)
    reminded: set[str] = field(factory=set)
    broken: list[str] = field(factory=list)

    def missing(self) -> set[str]:
        """Promised, and not reminded of."""
        return self.promised - self.reminded

    def compare(self, waiting: Iterable[str]) -> None:
        """With the reminders that wait in the store."""
        self.broken += [f"reminder {text!r} is lost" for text in sorted(self.missing() - set(waiting))]


@define
class Promises:
    """Everything."""

    letters: Letters = field(factory=Letters)
    tasks: Tasks = field(factory=Tasks)
    meetings: Meetings = field(factory=Meetings)
    reminders: Reminders = field(factory=Reminders)

    @property
    def broken(self) -> list[str]:
        """Sentences about the promises that were broken."""
        return [*self.letters.broken, *self.tasks.broken, *self.meetings.broken, *self.reminders.broken]

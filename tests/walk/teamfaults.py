"""Faults in what a team works with, each with the invariant that it breaks; see `faults.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from badge.meetings import rounds
from badge.meetings.book import Book
from badge.meetings.meeting import Meeting
from badge.modes.chat import CHAT
from badge.notices import Ending
from badge.offices.bulletin import Bulletin
from badge.offices.carrier import Carrier
from badge.offices.rounds import Rounds as PostRounds
from badge.session.announcer import Announcer
from badge.session.answering import Answers
from badge.session.modeslot import ModeSlot
from badge.session.session import Session
from badge.storage import tasks
from badge.storage.memory import MemoryMail, MemoryTasks
from badge.storage.records import Letter
from badge.storage.tasks import Decision

PutIn = Callable[[pytest.MonkeyPatch], None]

TEAM_FAULTS: list[tuple[PutIn, str, tuple[str, ...]]] = []
"""What breaks something, the invariants that no longer hold (a pattern), and the steps that may show it."""


def _fault(breaks: str, *steps: str) -> Callable[[PutIn], None]:
    return lambda put_in: TEAM_FAULTS.append((put_in, breaks, steps))


@_fault("I-6", "mode", "word", "time_passes")
def a_push_forgets_what_waits(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rounds, "first_of", lambda waiting: waiting[-1:])


@_fault("I-6", "mode", "word", "time_passes")
def a_push_is_not_noted(patch: pytest.MonkeyPatch) -> None:
    update = Book.update

    def forgetful(self: Book, **changes: Any) -> None:
        changes.pop("pushed", None)
        update(self, **changes)

    patch.setattr(Book, "update", forgetful)


@_fault("I-6", "mode", "word", "abort", "order")
def every_third_word_is_lost(patch: pytest.MonkeyPatch) -> None:
    write = Book.write

    def sometimes(self: Book, entry: Any) -> None:
        self.count = getattr(self, "count", 0) + 1  # type: ignore[attr-defined]
        if self.count % 3:  # type: ignore[attr-defined]
            write(self, entry)

    patch.setattr(Book, "write", sometimes)


@_fault("I-6", "mode", "word", "time_passes", "minutes_please")
def minutes_are_made_twice(patch: pytest.MonkeyPatch) -> None:
    make = Meeting.make_minutes

    def twice(self: Meeting) -> None:
        make(self)
        make(self)

    patch.setattr(Meeting, "make_minutes", twice)


@_fault("I-6", "mode", "connect", "go", "time_passes")
def timers_go_on_when_nobody_is_there(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Meeting, "stop_timers", lambda self: None)


@_fault("I-7", "mode", "order")
def a_mode_keeps_the_badge_listening_by_hand(patch: pytest.MonkeyPatch) -> None:
    leave = ModeSlot.leave

    def keep(self: ModeSlot, mode: str) -> None:
        imposed = self._traits.imposed
        leave(self, mode)
        self._traits.imposed = imposed

    patch.setattr(ModeSlot, "leave", keep)


@_fault("I-9", "tasks_change", "time_passes")
def snapshots_know_no_window(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Bulletin, "change", Bulletin.refresh)


@_fault("I-9", "tasks_change", "time_passes")
def a_change_within_the_window_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    change = Bulletin.change

    def forgetful(self: Bulletin) -> None:
        if self._machine.state == "quiet":
            change(self)

    patch.setattr(Bulletin, "change", forgetful)


@_fault("I-10", "tasks_change")
def owners_are_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(tasks, "_foreign", lambda task, device: False)


@_fault("I-10", "tasks_change", "connect")
def groups_are_ignored(patch: pytest.MonkeyPatch) -> None:
    carry_out = MemoryTasks.carry_out

    async def everywhere(self: MemoryTasks, group: str, command: Any) -> Decision:
        decision = await carry_out(self, group, command)
        for other in self._groups:
            if other != group:
                await carry_out(self, other, command)
        return decision

    patch.setattr(MemoryTasks, "carry_out", everywhere)


@_fault("I-11", "letter", "connect", "stop_reading", "go")
def a_letter_counts_as_delivered_when_it_is_posted(patch: pytest.MonkeyPatch) -> None:
    hand_over = Carrier._hand_over

    def hasty(self: Carrier, letter: Letter) -> bool:
        posted = hand_over(self, letter)
        self._arrival(letter, True)
        return posted

    patch.setattr(Carrier, "_hand_over", hasty)


@_fault("I-11", "letter", "connect", "time_passes")
def deliveries_are_not_told(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(PostRounds, "_tell", lambda self, device, key, fate: None)


@_fault("I-11", "letter", "connect", "time_passes")
def deliveries_are_told_twice(patch: pytest.MonkeyPatch) -> None:
    inform = PostRounds._inform

    def twice(self: PostRounds, sender: str, news: Any) -> None:
        inform(self, sender, news)
        inform(self, sender, news)

    patch.setattr(PostRounds, "_inform", twice)


@_fault("I-11", "letter", "connect")
def a_letter_for_somebody_who_is_away_is_thrown_away(patch: pytest.MonkeyPatch) -> None:
    post = MemoryMail.post

    async def careless(self: MemoryMail, letter: Letter, **details: Any) -> Any:
        posted = await post(self, letter, **details)
        if letter.to.startswith("ff"):
            self._letters.pop(letter.to)
        return posted

    patch.setattr(MemoryMail, "post", careless)


@_fault("modes", "mode", "order")
def ends_are_not_acknowledged(patch: pytest.MonkeyPatch) -> None:
    acknowledge = ModeSlot._acknowledge

    async def silent(self: ModeSlot, state: str, name: str) -> None:
        if state == "start":
            await acknowledge(self, state, name)

    patch.setattr(ModeSlot, "_acknowledge", silent)


@_fault("notices", "push", "abort", "ask", "time_passes", "go")
def a_notice_that_is_cut_off_is_not_told(patch: pytest.MonkeyPatch) -> None:
    ended = Announcer.ended

    def only_played(self: Announcer, ending: Ending) -> None:
        if ending == "cut":
            self._speaking = None
        ended(self, ending)

    patch.setattr(Announcer, "ended", only_played)


@_fault("notices", "push", "abort", "time_passes")
def a_notice_is_told_twice(patch: pytest.MonkeyPatch) -> None:
    ended = Announcer.ended

    def twice(self: Announcer, ending: Ending) -> None:
        told = self._speaking
        ended(self, ending)
        if told is not None:
            told(ending)

    patch.setattr(Announcer, "ended", twice)


@_fault("quiet", "push", "mode", "time_passes")
def meetings_are_disturbed(patch: pytest.MonkeyPatch) -> None:
    announce_next = Answers.announce_next

    def regardless(self: Answers) -> None:
        slot, mode = self._modes, self._modes.current
        slot._mode = CHAT
        announce_next(self)
        slot._mode = mode

    patch.setattr(Answers, "announce_next", regardless)


@_fault("I-3|quiet", "push", "mode", "ask")
def a_meeting_does_not_stop_the_answer(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Session, "be_silent", lambda self: None)

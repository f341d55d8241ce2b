"""What has to be true of a team after every step of a random walk: meetings, tasks, letters, modes and notices."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import trio
from hypothesis.stateful import RuleBasedStateMachine, invariant

from badge.meetings.meeting import Meeting
from badge.offices.bulletin import WINDOW
from badge.offices.groups import group_of
from badge.offices.wishes import task_fields
from tests.walk.street import Passer, Street

BY_HAND = ("meeting", "working")
"""The modes in which the server decides how it listens."""

JITTER = 1e-6
"""Seconds that sums of floating numbers may be wrong by."""


class TeamInvariants(RuleBasedStateMachine):
    """Looks into the office of the house, and at what badges were told."""

    street: Street
    now: float

    def __init__(self) -> None:
        super().__init__()
        self.minutes = Counter[str]()
        """meeting -> how often its minutes were written"""
        self.words: dict[str, list[str]] = {}
        """device -> what was typed in its meetings"""
        self.notices: list[list[str]] = []
        """of each notice that was taken, what its owner was told"""

    def note_event(self, event: dict[str, Any]) -> None:
        """Something was logged."""
        if event["event"] == "minutes written":
            self.minutes[event["meeting"]] += 1

    # --- the invariants ---

    @invariant()
    def i_6_meetings_lose_nothing_and_end_once(self) -> None:
        """I-6: timers run while a meeting goes on, and only then; it is summed up once; what was said is kept and pushed in
        order, nothing of it twice."""
        meetings: list[Meeting] = list(self.street.house.office.meetings._register)
        active = sum(meeting.state == "active" for meeting in meetings)
        running = self.street.office_tasks["Rounds._push_for_ever"], self.street.office_tasks["Rounds._sum_up_for_ever"]
        assert running == (active, active), f"I-6: timers of {running} meetings run, {active} are active"
        assert all(count == 1 for count in self.minutes.values()), f"I-6: minutes written {self.minutes}"
        for meeting in meetings:
            record = meeting.record
            assert 0 <= record.pushed <= record.segments, "I-6: more was pushed than said"
        self._hold_words()
        for device in {passer.device for passer in self.street.passers}:
            self._hold_pushes(device)

    def _hold_words(self) -> None:
        store = self.street.house.store.meetings
        for device, words in self.words.items():
            kept = [
                segment.text
                for record in store._meetings.values()
                if record.device == device
                for segment in store._segments[record.id]
                if segment.text.startswith("point ")
            ]
            assert kept == words, f"I-6: {words} was said, and {kept} written down"

    def _hold_pushes(self, device: str) -> None:
        pushes: dict[tuple[str, int], list[int]] = {}
        for passer in self.street.passers:
            if passer.device == device:
                for meeting, index, numbers in passer.witness.snippets:
                    assert (meeting, index) not in pushes, "I-6: pushed twice"
                    pushes[meeting, index] = numbers
        for (meeting, index), numbers in pushes.items():
            assert numbers == list(range(numbers[0], numbers[-1] + 1)), f"I-6: pushed {numbers}"
            before = pushes.get((meeting, index - 1))
            if index == 0 or before:
                assert numbers[0] == (before[-1] if before else 0) + 1, f"I-6: pushed {numbers} after {before}"

    @invariant()
    def i_6_minutes_do_not_change(self) -> None:
        """I-6: all summaries of a meeting that a badge sees are the same."""
        seen: dict[str, str] = {}
        for passer in self.street.passers:
            for meeting, minutes in passer.witness.minutes:
                assert seen.setdefault(meeting, minutes) == minutes, "I-6: other minutes of the same meeting"

    @invariant()
    def i_9_snapshots_are_rare_and_true(self) -> None:
        """I-9: two snapshots that nobody asked for have the window between them, and the last one shows what is stored."""
        tasks = self.street.store.tasks
        residents = self.street.residents()
        for passer in self.street.passers:
            if passer.ever_deaf:
                continue
            lists, asked = passer.witness.lists, [*passer.refreshes, *passer.witness.refreshes]
            for (before, _, _), (after, _, _) in pairwise(lists):
                wanted = any(before - JITTER <= at <= after + JITTER for at in asked)
                assert wanted or after - before >= WINDOW - JITTER, f"I-9: two snapshots within {after - before} s"
            if passer.here and passer.state in ("open", "warned") and residents.get(passer.device) is passer.session:
                group = group_of(passer.device, self.street.house.settings.workflow)
                if self.now - tasks.changed.get(group, 0.0) > WINDOW + JITTER:
                    shown = [task_fields(task) for task in tasks._groups.get(group, {}).values()]
                    assert lists, "I-9: no snapshot"
                    assert lists[-1][1:] == (tasks._revisions[group], shown), "I-9: the last snapshot is old"

    @invariant()
    def i_10_everybody_changes_his_own_tasks(self) -> None:
        """I-10: a task that somebody has is changed by nobody else, and nothing crosses the border of a group."""
        assert not self.street.store.tasks.trespasses, f"I-10: {self.street.store.tasks.trespasses}"

    @invariant()
    def i_11_every_letter_is_accounted_for(self) -> None:
        """I-11: a letter waits, was delivered or was dropped; delivered is what a badge has seen, and each is told once."""
        mail = self.street.store.mail
        became = Counter([*mail.queued, *mail.delivered.elements(), *mail.dropped.elements()])
        assert became == Counter(mail.accepted), f"I-11: {became} of {mail.accepted}"
        seen = {(p.device, *key) for p in self.street.passers for key in p.witness.letters}
        assert set(mail.delivered) <= seen, f"I-11: delivered without being seen: {set(mail.delivered) - seen}"
        told = Counter(
            (to, passer.device, number)
            for passer in self.street.passers
            for number, to, status in passer.witness.fates
            if status == "delivered"
        )
        assert all(count == 1 for count in told.values()), f"I-11: told twice: {told}"
        assert told.keys() <= mail.delivered.keys(), "I-11: told of deliveries that never were"
        for device in {passer.device for passer in self.street.passers}:
            self._hold_receipts(device, {key for key in told if key[1] == device})

    def _hold_receipts(self, device: str, told: set[tuple[str, str, str]]) -> None:
        """A device that was always here was told of everything."""
        passers = [passer for passer in self.street.passers if passer.device == device]
        if len(passers) == 1 and not passers[0].ever_deaf and passers[0].here and passers[0].state == "open":
            delivered = {key for key in self.street.store.mail.delivered if key[1] == device}
            assert told == delivered, f"I-11: told of {told}, delivered {delivered}"

    @invariant()
    def modes_are_acknowledged(self) -> None:
        """Every start and end of a mode has its answer within the step: by message, spoken, or on a new connection."""
        for passer in self.street.passers:
            if passer.open and passer.reading.is_set():
                wishes = passer.wishes + passer.witness.switches
                assert len(passer.witness.modes) == wishes, f"modes: {passer.witness.modes} for {wishes} wishes"

    @invariant()
    def notices_are_told_once(self) -> None:
        """Nobody hears twice what became of his notice."""
        assert all(len(told) <= 1 for told in self.notices), f"notices: {self.notices}"

    @invariant()
    def meetings_are_quiet(self) -> None:
        """In a meeting nothing is said that nobody in it has asked for."""
        for passer in self.street.passers:
            conversation = passer.session._conversation if passer.session else None
            if conversation is not None and passer.mode_now == "meeting":
                plan = conversation._answers.turns.current
                assert plan is None or not plan.notice, "quiet: a notice in a meeting"

    # --- the end ---

    def check_team_settled(self) -> None:
        """After a long time: who is here has got his mail, and nobody's meeting is still being summed up."""
        waiting = {to for to, _, _ in self.street.store.mail.queued}
        for passer in self.street.passers:
            if passer.open and passer.state != "superseded" and not passer.ever_deaf:
                assert passer.device not in waiting, "I-11: mail waits for somebody who is here"
        for meeting in self.street.house.office.meetings._register:
            assert meeting.state not in ("finalising",), "stuck: a meeting that does not end"

    def check_team_gone(self) -> None:
        """When everybody has left every notice has had its end."""
        assert all(len(told) == 1 for told in self.notices), f"notices: {self.notices}"


def in_mode(passer: Passer, mode: str) -> bool:
    """Whether the session of a badge that is served is in this mode."""
    return passer.here and passer.state in ("open", "warned") and passer.mode_now == mode


async def moment() -> float:
    """The time of the run."""
    return trio.current_time()

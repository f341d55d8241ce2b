"""What a session is for at the moment: conversation, a meeting, coding, or the work of a team."""

from __future__ import annotations

from typing import Protocol

from statemachine import State

from badge.machines.base import Machine, Watch, unwatched


class ModeActions(Protocol):
    """What the machine makes happen; each verb is synchronous and takes effect at once."""

    def enter(self, mode: str, *, again: bool) -> None:
        """The mode begins, with all that it brings; `again` on another connection of the badge."""

    def leave(self, mode: str) -> None:
        """The mode ends, and everything that it brought."""


class ModeMachine(Machine):
    """The mode of one session. Beginning another mode ends the present one first; a mode that is not on cannot be ended.

    States:
        chat: none of the others
        meeting: what is said becomes minutes
        coding: a coding session is followed
        working: the tasks of the group are at hand

    Events:
        start_meeting: somebody wants a meeting
        start_coding: somebody wants to code
        start_working: somebody wants to work on the tasks
        end_meeting: the meeting is over
        end_coding: the coding session is over
        end_working: the work is over
    """

    chat = State(initial=True)
    meeting = State()
    coding = State()
    working = State()

    start_meeting = chat.to(meeting) | meeting.to.itself(internal=True) | coding.to(meeting) | working.to(meeting)
    start_coding = chat.to(coding) | meeting.to(coding) | coding.to.itself(internal=True) | working.to(coding)
    start_working = chat.to(working) | meeting.to(working) | coding.to(working) | working.to.itself(internal=True)
    end_meeting = meeting.to(chat)
    end_coding = coding.to(chat)
    end_working = working.to(chat)

    def __init__(self, actions: ModeActions, watch: Watch = unwatched) -> None:
        self.actions = actions
        super().__init__(watch)

    def on_enter_meeting(self, again: bool = False) -> None:  # noqa: FBT001, FBT002 - the library passes it by name
        """A meeting begins."""
        self.actions.enter("meeting", again=again)

    def on_exit_meeting(self) -> None:
        """The meeting is over."""
        self.actions.leave("meeting")

    def on_enter_coding(self, again: bool = False) -> None:  # noqa: FBT001, FBT002 - the library passes it by name
        """A coding session begins."""
        self.actions.enter("coding", again=again)

    def on_exit_coding(self) -> None:
        """The coding session is over."""
        self.actions.leave("coding")

    def on_enter_working(self, again: bool = False) -> None:  # noqa: FBT001, FBT002 - the library passes it by name
        """The work begins."""
        self.actions.enter("working", again=again)

    def on_exit_working(self) -> None:
        """The work is over."""
        self.actions.leave("working")

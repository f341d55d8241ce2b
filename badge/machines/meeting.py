"""The life of one meeting, from its first word to its minutes."""

from __future__ import annotations

from typing import Any, Protocol

from statemachine import State

from badge.machines.base import Machine, Watch, unwatched


class MeetingActions(Protocol):
    """What the machine makes happen; each verb is synchronous and takes effect at once."""

    def persist(self, state: Any) -> None:
        """Have it stored that the meeting is in this state."""

    def start_timers(self) -> None:
        """Send snippets and make summaries so far, from time to time."""

    def stop_timers(self) -> None:
        """No more of either."""

    def keep(self, entry: Any) -> None:
        """Have it stored what was said or missed."""

    def await_words(self) -> None:
        """Wait a little for the words that are being recognised."""

    def make_minutes(self) -> None:
        """Have the minutes written."""

    def deliver(self) -> None:
        """Hand the minutes over."""


class MeetingMachine(Machine):
    """The life of one meeting of a device, on the server; connections come and go.

    States:
        active: it goes on, and its badge is here
        interrupted: its badge, or the server, went away in the middle
        finalising: it is over; words that are being recognised still belong to it
        summarising: the minutes are being written
        finalised: the minutes are there

    Events:
        told: somebody said something, or it is known that something was missed
        interrupt: the last connection of the device is gone
        resume: the device is back in the meeting
        finalise: the meeting shall end
        heard_out: all its words are in, or were waited for long enough
        summarised: the minutes are written
    """

    active = State(initial=True)
    interrupted = State()
    finalising = State()
    summarising = State()
    finalised = State()

    told = active.to.itself(internal=True) | interrupted.to.itself(internal=True) | finalising.to.itself(internal=True)
    interrupt = (
        active.to(interrupted)
        | interrupted.to.itself(internal=True)
        | finalising.to.itself(internal=True)
        | summarising.to.itself(internal=True)
        | finalised.to.itself(internal=True)
    )
    resume = interrupted.to(active) | active.to.itself(internal=True)
    finalise = (
        active.to(finalising)
        | interrupted.to(finalising)
        | finalising.to.itself(internal=True)
        | summarising.to.itself(internal=True)
        | finalised.to.itself(internal=True)
    )
    heard_out = (
        finalising.to(summarising)
        | active.to.itself(internal=True)
        | interrupted.to.itself(internal=True)
        | summarising.to.itself(internal=True)
        | finalised.to.itself(internal=True)
    )
    summarised = summarising.to(finalised)

    def __init__(self, actions: MeetingActions, watch: Watch = unwatched, start: str | None = None) -> None:
        self.actions = actions
        super().__init__(watch, start)

    def on_told(self, entry: Any) -> None:
        """Not a word is dropped before the end; after it none is added."""
        self.actions.keep(entry)

    def on_enter_active(self) -> None:
        """It begins, or goes on."""
        self.actions.persist("active")
        self.actions.start_timers()

    def on_exit_active(self) -> None:
        """Timers run while it goes on, and at no other time."""
        self.actions.stop_timers()

    def on_enter_interrupted(self) -> None:
        """Nobody is told anything until the device is back."""
        self.actions.persist("interrupted")

    def on_enter_finalising(self) -> None:
        """The end has begun."""
        self.actions.persist("finalising")
        self.actions.await_words()

    def on_enter_summarising(self) -> None:
        """The only way to minutes, and it is gone once."""
        self.actions.persist("summarising")
        self.actions.make_minutes()

    def on_enter_finalised(self) -> None:
        """The end."""
        self.actions.persist("finalised")
        self.actions.deliver()

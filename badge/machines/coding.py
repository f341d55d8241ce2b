"""Whether the log of a coding session runs."""

from __future__ import annotations

from typing import Protocol

from statemachine import State

from badge.machines.base import Machine, Watch, unwatched


class CodingActions(Protocol):
    """What the machine makes happen; each verb is synchronous and takes effect at once."""

    def begin_insights(self) -> None:
        """Look at the log every now and then."""

    def end_insights(self) -> None:
        """Stop looking."""


class CodingMachine(Machine):
    """The log stream of one session.

    States:
        idle: there is none
        streaming: lines come in and are passed on

    Events:
        start: the stream begins
        log: a line has come
        phase: the work has a new phase
        clear: forget the lines so far
        stop: the stream ends
    """

    idle = State(initial=True)
    streaming = State()

    start = idle.to(streaming) | streaming.to.itself(internal=True)
    log = streaming.to.itself(internal=True)
    phase = streaming.to.itself(internal=True)
    clear = idle.to.itself(internal=True) | streaming.to.itself(internal=True)
    stop = streaming.to(idle) | idle.to.itself(internal=True)

    def __init__(self, actions: CodingActions, watch: Watch = unwatched) -> None:
        self.actions = actions
        super().__init__(watch)

    def on_enter_streaming(self) -> None:
        """The stream begins."""
        self.actions.begin_insights()

    def on_exit_streaming(self) -> None:
        """The stream ends."""
        self.actions.end_insights()

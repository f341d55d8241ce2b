"""When a badge is sent the tasks of its group."""

from __future__ import annotations

from typing import Any, Protocol

from statemachine import State

from badge.machines.base import Machine, Watch, unwatched


class SnapshotActions(Protocol):
    """What the machine makes happen; the verb is synchronous and takes effect at once."""

    def send(self, event: str, cause: str) -> None:
        """Send all tasks as they are now: because of this event; `cause` says what was behind it."""


class SnapshotMachine(Machine):
    """The snapshots of one connection: one at once, then none for the length of a window, then one if there is news.

    States:
        quiet: no snapshot was sent lately
        clean: one was, and nothing has happened since
        dirty: something has happened since, and is sent when the window ends

    Events:
        request: the badge arrived, said hello or began to work
        change: the tasks of the group are different
        refresh: the user asks for the tasks
        window_over: the last snapshot is old enough for another one
    """

    quiet = State(initial=True)
    clean = State()
    dirty = State()

    request = quiet.to(clean) | clean.to(dirty) | dirty.to.itself(internal=True)
    change = quiet.to(clean) | clean.to(dirty) | dirty.to.itself(internal=True)
    refresh = quiet.to(clean) | clean.to.itself() | dirty.to(clean)
    window_over = clean.to(quiet) | dirty.to(clean)

    def __init__(self, actions: SnapshotActions, watch: Watch = unwatched) -> None:
        self.actions = actions
        super().__init__(watch)

    def on_enter_clean(self, event: Any, cause: str = "window") -> None:
        """A window begins with a snapshot."""
        self.actions.send(str(event), cause)

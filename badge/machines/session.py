"""The life of one connection, from registration to the closed socket."""

from __future__ import annotations

from typing import Any, Protocol

from statemachine import State

from badge.machines.base import Machine, Watch, unwatched


class LifeActions(Protocol):
    """What the machine makes happen; each verb is synchronous and takes effect at once."""

    def welcome(self) -> None:
        """Greet the badge: the first message that it sees."""

    def warn(self) -> None:
        """Tell the badge that silence will cost it the connection."""

    def give_way(self) -> None:
        """Tell the badge that a newer connection has taken its place."""

    def say_goodbye(self, goodbye: Any) -> None:
        """Stop everything, let the last messages out, close the socket."""


class SessionMachine(Machine):
    """The life cycle of one session.

    States:
        opening: the connection stands, the device is not in the registry yet
        open: the badge is served
        warned: it has been silent for so long that it was warned
        superseded: the device has connected again, and this connection only finishes what it is doing
        closing: the last messages go out
        closed: nothing moves any more

    Events:
        registered: the device is in the registry
        idle: nothing came for the idle limit
        active: something came after the warning
        supersede: the device has connected again
        close: the end, for whatever reason
        gone: everything is cleaned up
    """

    opening = State(initial=True)
    open = State()
    warned = State()
    superseded = State()
    closing = State()
    closed = State(final=True)

    registered = opening.to(open)
    idle = open.to(warned) | superseded.to.itself(internal=True) | closing.to.itself(internal=True)
    active = warned.to(open) | superseded.to.itself(internal=True) | closing.to.itself(internal=True)
    supersede = (
        open.to(superseded)
        | warned.to(superseded)
        | superseded.to.itself(internal=True)
        | closing.to.itself(internal=True)
    )
    close = (
        opening.to(closing)
        | open.to(closing)
        | warned.to(closing)
        | superseded.to(closing)
        | closing.to.itself(internal=True)
    )
    gone = opening.to(closed) | open.to(closed) | warned.to(closed) | superseded.to(closed) | closing.to(closed)

    def __init__(self, actions: LifeActions, watch: Watch = unwatched) -> None:
        self.actions = actions
        super().__init__(watch)

    def after_registered(self) -> None:
        """The door is open."""
        self.actions.welcome()

    def on_enter_warned(self) -> None:
        """Last call."""
        self.actions.warn()

    def on_enter_superseded(self) -> None:
        """A newer connection speaks for this device."""
        self.actions.give_way()

    def on_enter_closing(self, goodbye: Any) -> None:
        """The end begins."""
        self.actions.say_goodbye(goodbye)

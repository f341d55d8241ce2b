"""Who has the floor: the user, the assistant, or nobody."""

from __future__ import annotations

from typing import Any, Protocol

from statemachine import State

from badge.machines.base import Machine, Watch, unwatched


class TurnActions(Protocol):
    """What the machine makes happen; each verb is synchronous and takes effect at once."""

    def start_turn(self, words: Any) -> None:
        """Answer these words as soon as the turn before has let go."""

    def cancel_turn(self, reason: str) -> None:
        """Silence the running or waiting turn, if there is one."""


class TurnMachine(Machine):
    """The floor of one session. New words or new speech take it from the assistant.

    States:
        idle: nobody has it
        listening: the user speaks, or is expected to
        thinking: the user's words are being recognised, or their answer is on its way
        speaking: the answer can be heard

    Events:
        listen: an utterance begins
        stop: it has ended, its words are on the way
        heard: there are words to answer, spoken or typed
        nothing_heard: there were none
        first_audio: the answer is audible
        finished: the answer is over, well or badly
        abort: the user wants silence
    """

    idle = State(initial=True)
    listening = State()
    thinking = State()
    speaking = State()

    listen = idle.to(listening) | listening.to.itself(internal=True) | thinking.to(listening) | speaking.to(listening)
    stop = (
        listening.to(thinking)
        | idle.to.itself(internal=True)
        | thinking.to.itself(internal=True)
        | speaking.to.itself(internal=True)
    )
    heard = idle.to(thinking) | listening.to(thinking) | thinking.to.itself() | speaking.to(thinking)
    nothing_heard = listening.to(idle) | thinking.to(idle) | speaking.to.itself(internal=True)
    first_audio = thinking.to(speaking) | speaking.to.itself(internal=True)
    finished = thinking.to(idle) | speaking.to(idle)
    abort = idle.to.itself(internal=True) | listening.to(idle) | thinking.to(idle) | speaking.to(idle)

    def __init__(self, actions: TurnActions, watch: Watch = unwatched) -> None:
        self.actions = actions
        super().__init__(watch)

    def on_enter_listening(self) -> None:
        """The user speaks: the assistant stops."""
        self.actions.cancel_turn("barge-in by speech")

    def on_enter_thinking(self, words: Any = None) -> None:
        """New words replace the answer under way; without words the recogniser is still at work."""
        if words is not None:
            self.actions.cancel_turn("barge-in by new words")
            self.actions.start_turn(words)

    def on_enter_idle(self) -> None:
        """Nobody has the floor; a turn that ended by itself is no longer there to be cancelled."""
        self.actions.cancel_turn("abort")

"""The answering half of a conversation: what is answered, and when; joins turns, notices and the clerk through the machine
that knows who has the floor."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

import attrs
import trio

from badge import texts
from badge.dialogue import Dialogue
from badge.link import Goodbye, Outbox
from badge.machines.turn import TurnMachine
from badge.modes.base import Mode, Nothing, Taken
from badge.notices import Notice, Told
from badge.phrases import SwitchMode
from badge.services import Services
from badge.session.announcer import Announcer
from badge.session.clerk import Clerk
from badge.session.drafting import Drafts
from badge.session.modeslot import ModeSlot
from badge.session.notifying import Notifier
from badge.session.plan import Heard, Origin, Plan, announcement, leave_taking, likely_ask, plan_turn
from badge.session.remembering import Remembering
from badge.session.speaking import Mouth
from badge.session.thinking import Thinker
from badge.session.toolbox import Toolbox
from badge.session.trace import TurnTrace
from badge.session.traits import Traits
from badge.session.turns import Turn, Turns
from badge.session.voice import Voice
from protocol import ErrorCode

HELLO_WITHIN = 0.5
"""Seconds that a badge has to say hello before it is spoken to unasked: only then it is known what it can play."""


class Door(Protocol):
    """What the conversation knows and asks of the connection that it runs over."""

    @property
    def takes_turns(self) -> bool:
        """Whether new turns may begin."""

    @property
    def modes(self) -> ModeSlot:
        """The mode that the session is in."""

    @property
    def toolbox(self) -> Toolbox:
        """What the model can call."""

    def leave(self, goodbye: Goodbye) -> None:
        """End the connection."""

    def spawn(self, task: Callable[[], Awaitable[None]]) -> None:
        """Run a task as long as the connection lives."""


class Listening(Protocol):
    """What the answering half knows and asks of the listening half."""

    @property
    def capturing(self) -> bool:
        """Whether an utterance is under way."""

    @property
    def expects(self) -> bool:
        """Whether somebody speaks, is expected to, or has just spoken."""

    def stir(self) -> None:
        """An answer was given: as good as a voice."""


class Answers:
    """Every verb is synchronous: whoever observes something says so, the machine decides, turns follow."""

    def __init__(
        self, services: Services, traits: Traits, outbox: Outbox, dialogue: Dialogue, door: Door, listening: Listening
    ) -> None:
        self._services = services
        self._traits = traits
        self._door = door
        self._modes = door.modes
        self._listening = listening
        voice = Voice(services, lambda: self._modes.current.muted)
        self.drafts = Drafts(
            partial(services.llms.of, device=traits.device), services.metrics, services.watch, door.spawn
        )
        self._memory = Remembering(services, traits, dialogue)
        self._thinker = Thinker(services, traits, self._memory, self.drafts, lambda: door.toolbox)
        self._mouth = Mouth(services, traits, outbox, voice, self._thinker)
        self._turns = Turns(self._mouth, self, services.ids.sentence)
        self._announcer = Announcer()
        self._notifier = Notifier(
            services=services, traits=traits, outbox=outbox, voice=voice, announcer=self._announcer, host=self
        )
        self._clerk = Clerk(traits.device, services.desk, services.clock)
        self._interrupted: Plan | None = None  # by a voice, before anything of it was audible
        self._parting: Goodbye | None = None
        self._begun = trio.current_time()
        self.floor = TurnMachine(self, services.watch)

    @property
    def mouth(self) -> Mouth:
        """What shows the badge things, and speaks."""
        return self._mouth

    @property
    def turns(self) -> Turns:
        """The turn slot."""
        return self._turns

    @property
    def takes_turns(self) -> bool:
        """Whether new turns may begin."""
        return self._parting is None and self._door.takes_turns

    @property
    def greeting(self) -> bool:
        """Whether the wake word is being answered: badges open the microphone right after it, which is no barge-in."""
        current = self._turns.current
        return self._traits.mode != "manual" and current is not None and current.origin is Origin.WAKE

    def part(self, goodbye: Goodbye) -> None:
        """Leave when the answer under way has been given or interrupted."""
        self._parting = goodbye

    def end(self) -> None:
        """The connection ends: stop speaking."""
        self.drafts.forget("void")
        self._turns.cancel("the connection ends")
        self._memory.end()
        self._announcer.lose()

    def voice(self) -> None:
        """Somebody begins to speak. What was about to be answered comes back if nothing was said."""
        if self.floor.state == "thinking":
            self._interrupted = self._turns.current or self._interrupted
        self.floor.listen()

    def forget_interrupted(self) -> None:
        """What a voice has interrupted will not come back."""
        self._interrupted = None

    def stop(self) -> None:
        """The user wants silence."""
        self._turns.forget_queue()
        self.floor.abort()

    # --- what others say ---

    def announce(self, notice: Notice, told: Told) -> bool:
        """Say something when nobody has the floor; false when that will not be."""
        if not self.takes_turns or not self._announcer.take(notice, told):
            return False
        if self._strange:
            self._door.spawn(self._await_hello)
        self.announce_next()
        return True

    def be_silent(self) -> None:
        """Give the answer up that is under way, and what was to follow it; what is being said goes on."""
        self._turns.forget_queue()
        self._interrupted = None
        if self.turns.current is not None:
            self.floor.abort()

    # --- what the turn machine makes happen ---

    def start_turn(self, words: Plan) -> None:
        """Give this answer."""
        self._turns.start(words)

    def cancel_turn(self, reason: str) -> None:
        """Stop answering."""
        self._turns.cancel(reason)
        self._announcer.ended("cut")
        if self._parting is not None:
            self._door.leave(self._parting)

    # --- what turns observe ---

    def turn_audible(self) -> None:
        """The answer can be heard."""
        self.floor.first_audio()

    def turn_over(self, turn: Turn) -> None:
        """The answer is over; leave after a goodbye, go on with what was asked meanwhile otherwise."""
        self._listening.stir()
        if turn.plan.notice:
            self._announcer.ended("played" if self.floor.state == "speaking" else "cut")
        self.floor.finished()
        if parting := turn.plan.parting or self._parting:
            self._door.leave(parting)
        else:
            while self._turns.current is None and (queued := self._turns.next_queued()):
                self.begin(queued)
            self.announce_next()

    def turn_broke(self) -> None:
        """An error of ours ended the answer."""
        self._mouth.complain(ErrorCode.INTERNAL, "the answer failed on the server")

    # --- what is said ---

    def expect(self, words: str) -> None:
        """These are likely to be the next words: have the model begin, if it will be asked."""
        meaning = self._services.phrases.interpret(words)
        ask = likely_ask(words, meaning, mode=self._modes.current, order=self._clerk.understand)
        if ask is not None and self.takes_turns:
            self._thinker.draft(ask)
        else:
            self.drafts.forget("words")

    def answer(self, heard: Heard, mode: Mode) -> None:
        """Answer words that were said in a mode."""
        self.drafts.settle(heard.text)
        self._interrupted = None
        phrases, reporting = self._services.settings.phrases, self._services.tenancy.reporting
        if not mode.overhears:
            reporting.heard(heard.text, heard.span)
            if reporting.spent:
                said_enough = texts.SAID_ENOUGH[self._services.settings.asr.language]
                self.begin(leave_taking(said_enough, heard.trace))
                return
        meaning = self._services.phrases.interpret(heard.text)
        if isinstance(meaning, SwitchMode) and self.takes_turns:
            self._switch(meaning, heard, overheard=mode.overhears)
            return
        plan = plan_turn(
            heard,
            meaning,
            mode=mode,
            greeting=phrases.greeting if phrases.enable_greeting else "",
            order=self._clerk.understand,
        )
        if isinstance(plan.answer, Nothing):
            self._acknowledge(plan)
        elif isinstance(plan.answer, Taken):
            self.unheard()
        else:
            self.begin(plan)

    def _switch(self, switch: SwitchMode, heard: Heard, *, overheard: bool) -> None:
        """Enter or leave a mode, as the user says; leaving one that is not on is nothing."""
        leaves = self._modes.state == switch.mode
        if not switch.enter and not leaves and overheard:
            return
        if not switch.enter and not leaves:
            self._acknowledge(Plan(answer=Nothing(), origin=heard.origin, trace=heard.trace, show=heard.text))
            return
        self._turns.forget_queue()
        self.floor.abort()
        self._mouth.show_switch(heard.text, switch.mode if switch.enter else "none")
        if switch.enter:
            self._modes.start(switch.mode)
        else:
            self._modes.end(switch.mode)

    def announce_next(self) -> None:
        """Say what others want to have said, if nobody has the floor and nobody is to be left alone."""
        free = self.floor.state == "idle" and not (self._listening.expects or self._turns.current or self._strange)
        notice = self._announcer.next
        if free and notice is not None and self.takes_turns and not self._modes.current.overhears:
            self._notifier.say(notice)

    def announce_in_turn(self, notice: Notice) -> None:
        """Say this, which is next."""
        self.begin(announcement(notice, TurnTrace(trio.current_time())))
        self._announcer.begun()

    def spawn(self, task: Callable[[], Awaitable[None]]) -> None:
        """Run a task as long as the session lives."""
        self._door.spawn(task)

    @property
    def _strange(self) -> bool:
        """Whether the badge has just come, and not said hello yet."""
        return not self._traits.introduced and trio.current_time() < self._begun + HELLO_WITHIN

    async def _await_hello(self) -> None:
        await trio.sleep_until(self._begun + HELLO_WITHIN)
        self.announce_next()

    def begin(self, plan: Plan) -> None:
        """Answer like this, as soon as that can be."""
        self._interrupted = None
        if not self.takes_turns:
            if plan.show is not None:
                self._mouth.show(plan.show)
            self.unheard()
        elif self._services.settings.chat.new_words == "wait" and self._turns.current:
            self._turns.queue(plan)
        else:
            self.floor.heard(plan)

    def begin_after(self, plan: Plan) -> None:
        """Say this when the answer under way has been given."""
        if self._turns.current:
            self._turns.queue(plan)
        else:
            self.begin(plan)

    def _acknowledge(self, plan: Plan) -> None:
        """Words that get no answer: show them. After a wake word the badge is in its speaking state; have it out of that."""
        if plan.show is not None:
            self._mouth.show(plan.show)
        if self._services.settings.chat.new_words == "wait" and self._turns.current:
            return
        speaking = self._turns.running
        self._turns.forget_queue()
        self.floor.abort()
        if not speaking and plan.origin is Origin.WAKE:
            self._mouth.hush()

    def unheard(self) -> None:
        """Nothing was said, or nothing that wants an answer: go on with what a voice has interrupted."""
        waiting = self.floor.state == "thinking" and self._turns.current is None
        if not self._listening.capturing and (waiting or self.floor.state == "listening"):
            if self._interrupted is not None:  # by a cough: go on with what was asked
                self.begin(attrs.evolve(self._interrupted, show=None, trace=TurnTrace(trio.current_time())))
            else:
                self.floor.nothing_heard()

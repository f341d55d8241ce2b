"""The conversation with one badge: joins ear, scribe and turns through the machine that knows who has the floor."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import attrs
import trio

from badge.clock import milliseconds
from badge.dialogue import Dialogue
from badge.link import Goodbye, Outbox
from badge.log import get_log
from badge.machines.turn import TurnMachine
from badge.modes.base import Mode, Nothing, Taken
from badge.notices import Notice, Told
from badge.phrases import SwitchMode
from badge.services import Services
from badge.session.announcer import Announcer
from badge.session.capture import Capture
from badge.session.clerk import Clerk
from badge.session.hearing import Attention, Bound, Ear
from badge.session.modeslot import ModeSlot
from badge.session.notifying import Notifier
from badge.session.plan import Heard, Origin, Plan, announcement, farewell, plan_turn, say_again
from badge.session.scribe import Scribe
from badge.session.speaking import Mouth
from badge.session.trace import TurnTrace
from badge.session.traits import Traits
from badge.session.turns import Turn, Turns
from badge.session.utterances import Utterances
from badge.session.voice import Voice
from protocol import AudioPacket, ErrorCode, RemoteProtocolError
from providers.ports import ProviderError

log = get_log(__name__)


class Door(Protocol):
    """What the conversation knows and asks of the connection that it runs over."""

    @property
    def takes_turns(self) -> bool:
        """Whether new turns may begin."""

    @property
    def modes(self) -> ModeSlot:
        """The mode that the session is in."""

    def leave(self, goodbye: Goodbye) -> None:
        """End the connection."""

    def spawn(self, task: Callable[[], Awaitable[None]]) -> None:
        """Run a task as long as the session lives; its end is not the session's."""


class Conversation:
    """Every verb is synchronous: handlers and tasks say what they observed, the machine decides, turns follow."""

    def __init__(self, services: Services, traits: Traits, outbox: Outbox, dialogue: Dialogue, door: Door) -> None:
        self._services = services
        self._traits = traits
        self._door = door
        self._ear = Ear(services.settings, services.vad, traits, self)
        self._scribe = Scribe(services.settings.asr, services.asr, self)
        self._modes = door.modes
        voice = Voice(services, lambda: self._modes.current.muted)
        self._mouth = Mouth(services, traits, outbox, dialogue, voice)
        self._turns = Turns(self._mouth, self, services.ids.sentence)
        self._utterances = Utterances(services.clock, self._modes.settled)
        self._announcer = Announcer()
        self._notifier = Notifier(
            services=services, traits=traits, outbox=outbox, voice=voice, announcer=self._announcer, host=self
        )
        self._clerk = Clerk(traits.device, services.desk, services.clock)
        self._unanswered: list[Heard] = []
        self._interrupted: Plan | None = None  # by a voice, before anything of it was audible
        self._parting: Goodbye | None = None
        self._last_listen_event = trio.current_time()
        self._floor = TurnMachine(self, services.watch)

    @property
    def tasks(self) -> tuple[Callable[[], Awaitable[None]], ...]:
        """What has to run for the conversation to live."""
        return self._ear.run, self._scribe.run, self._turns.run

    @property
    def state(self) -> str:
        """Who has the floor: idle, listening, thinking or speaking."""
        return self._floor.state

    @property
    def busy(self) -> bool:
        """Whether an answer is being given."""
        return self._turns.current is not None

    @property
    def dropped(self) -> int:
        """Packets of audio that came while the voice detector loaded, and were too many."""
        return self._ear.dropped

    # --- what the badge says ---

    def hear(self, packet: AudioPacket) -> None:
        """One packet of the user's voice."""
        self._ear.hear(packet)

    def start_listening(self) -> None:
        """The badge has opened its microphone: an utterance in manual, the chance of one otherwise."""
        if self._services.asr.disabled:
            raise RemoteProtocolError(
                ErrorCode.UNAVAILABLE,
                "speech recognition is switched off on this server; send text with listen detect",
                ref={"type": "listen", "state": "start"},
            )
        if self._floor.state != "listening":
            self._last_listen_event = trio.current_time()
        self._interrupted = None
        self._ear.bound(Bound.START)
        if not self._greeting():  # last, because a session that waited for the end of the answer leaves now
            self._turns.forget_queue()
            self._floor.listen()

    def stop_listening(self) -> None:
        """The badge ends the utterance, after the audio it has already sent."""
        if self._floor.state == "listening":
            self._last_listen_event = trio.current_time()
        self._floor.stop()
        self._ear.bound(Bound.STOP)

    def take_text(self, text: str) -> None:
        """The badge reports a wake word or typed text; what was being said is void. Blank text only voids."""
        self._discard()
        self._ear.stir()
        if text.strip():
            began = milliseconds(self._services.clock)
            trace = TurnTrace(trio.current_time())
            heard = Heard(text=text.strip(), origin=Origin.TYPED, trace=trace, began=began)
            self._answer(heard, self._modes.current)
        else:
            self._unheard()
        self.announce_next()

    def abort(self) -> None:
        """The user wants silence."""
        self._discard()
        self._turns.forget_queue()
        self._floor.abort()
        self.announce_next()

    def part(self, goodbye: Goodbye) -> None:
        """Leave when the answer under way has been given or interrupted."""
        self._parting = goodbye

    def end(self) -> None:
        """The connection ends: stop listening and speaking."""
        self._discard("disconnected")
        self._turns.cancel("the connection ends")
        self._announcer.lose()

    # --- what others say ---

    def announce(self, notice: Notice, told: Told) -> bool:
        """Say something when nobody has the floor; false when that will not be."""
        if not self._takes_turns or not self._announcer.take(notice, told):
            return False
        self.announce_next()
        return True

    def announce_next(self) -> None:
        """Say what others want to have said, if nobody has the floor and nobody is to be left alone."""
        free = self._floor.state == "idle" and not self._turns.current and not self._utterances.any
        notice = self._announcer.next
        if free and notice is not None and self._takes_turns and not self._modes.current.overhears:
            self._notifier.say(notice)

    def announce_in_turn(self, notice: Notice) -> None:
        """Say this, which is next."""
        self._begin(announcement(notice, TurnTrace(trio.current_time())))
        self._announcer.begun()

    def spawn(self, task: Callable[[], Awaitable[None]]) -> None:
        """Run a task as long as the session lives."""
        self._door.spawn(task)

    def be_silent(self) -> None:
        """Give the answer up that is under way, and what was to follow it; what is being said goes on."""
        self._turns.forget_queue()
        if self.busy:
            self._floor.abort()

    def mode_over(self, mode: Mode) -> None:
        """A mode has been left. What is being said at this moment is its last word."""
        if mode.overhears and self._ear.capturing:
            self._ear.bound(Bound.STOP)
            self._floor.stop()
        if not self._utterances.concern(mode):
            self._modes.settled(mode)
        self.announce_next()

    # --- what the ear observes ---

    def attention(self) -> Attention:
        """What to do with audio outside an utterance, by who has the floor and how the badge listens."""
        if self._services.asr.disabled or not self._takes_turns:
            return Attention.IGNORE
        settings, state = self._services.settings, self._floor.state
        if self._traits.mode == "manual":
            lost = trio.current_time() - self._last_listen_event >= settings.listen.vad_fallback_s
            return Attention.WATCH if lost and state == "idle" else Attention.KEEP
        if state == "speaking":
            barge_in = settings.listen.barge_in
            heeded = barge_in == "always" or (barge_in == "realtime" and self._traits.mode == "realtime")
            return Attention.GUARD if heeded and settings.chat.new_words == "interrupt" else Attention.IGNORE
        if self._turns.current and (settings.listen.barge_in == "never" or settings.chat.new_words == "wait"):
            return Attention.IGNORE
        return Attention.WATCH

    def utterance_begins(self, capture: Capture, *, by_voice: bool) -> None:
        """Have it recognised while it is spoken; a voice takes the floor."""
        self._utterances.begin(capture, self._modes.current)
        self._scribe.take(capture)
        if by_voice:
            if self._floor.state == "thinking":
                self._interrupted = self._turns.current or self._interrupted
            self._floor.listen()

    def utterance_ends(self) -> None:
        """The words are on their way."""
        self._floor.stop()

    def nobody_spoke(self) -> None:
        """Listening was in vain."""
        self._unheard()
        self.announce_next()

    def detector_broke(self) -> None:
        """The badge has to bound its utterances itself from now on."""
        self._mouth.complain(
            ErrorCode.COMPONENT_FAILED,
            "voice detection does not work; bound utterances with listen start and stop",
            component="vad",
        )

    def long_silence(self) -> None:
        """Nobody has spoken for the no-voice limit: say goodbye and leave; but who listens to an answer is silent."""
        if not self.busy:
            self._begin(farewell(self._services.settings.asr.language, TurnTrace(trio.current_time())))

    # --- what the scribe observes ---

    def partly_understood(self, text: str) -> None:
        """Show the words so far to badges that asked for it."""
        if self._traits.features.partials:
            self._mouth.show(text, partial=True)

    def understood(self, text: str, capture: Capture) -> None:
        """Answer, unless the user has gone on speaking: then the words wait for the rest."""
        if capture.broken:
            limit = self._services.settings.listen.buffer_mb
            self._mouth.complain(
                ErrorCode.AUDIO_OVERRUN, f"the utterance had more than {limit:g} MB of audio; it was discarded"
            )
        heard = Heard(text=text, origin=Origin.VOICE, trace=_trace(capture), began=capture.began)
        if capture.mode.overhears:
            if text:
                self._answer(heard, capture.mode)
            if self._ear.capturing or not self._answer_all(capture):  # what was said before that mode began
                self._unheard()
        else:
            if text:
                self._unanswered.append(heard)
            if self._ear.capturing:
                if text:
                    self._mouth.show(text)
            elif not self._answer_all(capture):
                self._unheard()
        self._utterances.decide(capture, lost="overload" if capture.broken else "")
        self.announce_next()

    def overtaken(self, capture: Capture) -> None:
        """The recogniser is so far behind that this will never be recognised."""
        self._utterances.decide(capture, lost="overload")

    def not_recognised(self, capture: Capture, error: ProviderError) -> None:
        """Ask the user to say it again, unless he is speaking, or there are words to answer."""
        self._mouth.complain(
            ErrorCode.COMPONENT_FAILED, f"the utterance was not recognised: {error.detail}", component="asr"
        )
        if self._ear.capturing or self._answer_all(capture):
            pass
        elif capture.mode.overhears:
            self._unheard()
        else:
            self._begin(say_again(self._services.settings.asr.language, _trace(capture)))
        self._utterances.decide(capture, lost="not-recognised")
        self.announce_next()

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
        self._floor.first_audio()

    def turn_over(self, turn: Turn) -> None:
        """The answer is over; leave after a goodbye, go on with what was asked meanwhile otherwise."""
        self._ear.stir()
        if turn.plan.notice:
            self._announcer.ended("played" if self._floor.state == "speaking" else "cut")
        self._floor.finished()
        if parting := turn.plan.parting or self._parting:
            self._door.leave(parting)
        else:
            while not self.busy and (queued := self._turns.next_queued()):
                self._begin(queued)
            self.announce_next()

    def turn_broke(self) -> None:
        """An error of ours ended the answer."""
        self._mouth.complain(ErrorCode.INTERNAL, "the answer failed on the server")

    # --- inside ---

    @property
    def _takes_turns(self) -> bool:
        return self._parting is None and self._door.takes_turns

    def _answer_all(self, capture: Capture) -> bool:
        """Answer all words that wait for it; false when there are none."""
        heard, self._unanswered = self._unanswered, []
        if heard:
            words = " ".join(one.text for one in heard)
            self._answer(attrs.evolve(heard[0], text=words, trace=_trace(capture)), self._modes.current)
        return bool(heard)

    def _answer(self, heard: Heard, mode: Mode) -> None:
        """Answer words that were said in a mode."""
        phrases = self._services.settings.phrases
        meaning = self._services.phrases.interpret(heard.text)
        if isinstance(meaning, SwitchMode) and self._takes_turns:
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
            self._unheard()
        else:
            self._begin(plan)

    def _switch(self, switch: SwitchMode, heard: Heard, *, overheard: bool) -> None:
        """Enter or leave a mode, as the user says; leaving one that is not on is nothing."""
        leaves = self._modes.state == switch.mode
        if not switch.enter and not leaves and overheard:
            return
        if not switch.enter and not leaves:
            self._acknowledge(Plan(answer=Nothing(), origin=heard.origin, trace=heard.trace, show=heard.text))
            return
        self._turns.forget_queue()
        self._floor.abort()
        self._mouth.show_switch(heard.text, switch.mode if switch.enter else "none")
        if switch.enter:
            self._modes.start(switch.mode)
        else:
            self._modes.end(switch.mode)

    def _begin(self, plan: Plan) -> None:
        self._interrupted = None
        if not self._takes_turns:
            if plan.show is not None:
                self._mouth.show(plan.show)
            self._unheard()
        elif self._services.settings.chat.new_words == "wait" and self._turns.current:
            self._turns.queue(plan)
        else:
            self._floor.heard(plan)

    def _acknowledge(self, plan: Plan) -> None:
        """Words that get no answer: show them. After a wake word the badge is in its speaking state; have it out of that."""
        if plan.show is not None:
            self._mouth.show(plan.show)
        if self._services.settings.chat.new_words == "wait" and self._turns.current:
            return
        speaking = self._turns.running
        self._turns.forget_queue()
        self._floor.abort()
        if not speaking and plan.origin is Origin.WAKE:
            self._mouth.hush()

    def _greeting(self) -> bool:
        """Whether the wake word is being answered: badges open the microphone right after it, which is no barge-in."""
        current = self._turns.current
        return self._traits.mode != "manual" and current is not None and current.origin is Origin.WAKE

    def _discard(self, reason: str = "discarded") -> None:
        self._ear.forget()
        self._scribe.forget()
        self._utterances.lose_all(reason)
        self._unanswered.clear()
        self._interrupted = None

    def _unheard(self) -> None:
        waiting = self._floor.state == "thinking" and self._turns.current is None
        if not self._ear.capturing and (waiting or self._floor.state == "listening"):
            if self._interrupted is not None:  # by a cough: go on with what was asked
                self._begin(attrs.evolve(self._interrupted, show=None, trace=TurnTrace(trio.current_time())))
            else:
                self._floor.nothing_heard()


def _trace(capture: Capture) -> TurnTrace:
    """What an utterance has cost so far; recognition has just ended."""
    trace = TurnTrace(capture.last_audio)
    trace.mark("endpointing", capture.ended_at if capture.ended_at is not None else capture.last_audio)
    trace.mark("asr", trio.current_time())
    return trace

"""The conversation with one badge, and its listening half: joins ear and scribe, and hands on what was said."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import attrs
import trio

from badge.clock import milliseconds
from badge.dialogue import Dialogue
from badge.link import Goodbye, Outbox
from badge.llms import Purpose
from badge.log import get_log
from badge.modes.base import Mode
from badge.notices import Notice, Told
from badge.services import Services
from badge.session.answering import Answers, Door
from badge.session.capture import Capture
from badge.session.eagerness import Eagerness
from badge.session.hearing import Attention, Bound, Ear
from badge.session.plan import Heard, Origin, farewell, leave_taking, say_again
from badge.session.scribe import Scribe
from badge.session.tempo import Tempo
from badge.session.trace import TurnTrace
from badge.session.traits import Traits
from badge.session.utterances import Utterances
from protocol import AudioPacket, ErrorCode, RemoteProtocolError
from providers.ports import ProviderError

log = get_log(__name__)


class Conversation:
    """Every verb is synchronous: handlers and tasks say what they observed, the machine decides, turns follow."""

    def __init__(self, services: Services, traits: Traits, outbox: Outbox, dialogue: Dialogue, door: Door) -> None:
        self._services = services
        self._traits = traits
        listen = services.settings.listen
        self._tempo = Tempo(listen, traits.device, services.desk.memory)
        self._ear = Ear(services.settings, services.vad, traits, self, self._tempo.pauses)
        eager = partial(Eagerness, listen) if listen.eager else None
        self._scribe = Scribe(services.settings.asr, services.asr, self, eager)
        self._door = door
        self._modes = door.modes
        self._utterances = Utterances(services.clock, self._modes.settled)
        self._unanswered: list[Heard] = []
        self._last_listen_event = trio.current_time()
        self._answers = Answers(services, traits, outbox, dialogue, door, self)

    @property
    def tasks(self) -> tuple[Callable[[], Awaitable[None]], ...]:
        """What has to run for the conversation to live."""
        return self._ear.run, self._scribe.run, self._answers.turns.run

    @property
    def state(self) -> str:
        """Who has the floor: idle, listening, thinking or speaking."""
        return self._answers.floor.state

    @property
    def busy(self) -> bool:
        """Whether an answer is being given."""
        return self._answers.turns.current is not None

    @property
    def capturing(self) -> bool:
        """Whether an utterance is under way."""
        return self._ear.capturing

    @property
    def expects(self) -> bool:
        """Whether somebody speaks, is expected to, or has just spoken."""
        return self._ear.expects or self._utterances.any

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
        if self._answers.floor.state != "listening":
            self._last_listen_event = trio.current_time()
        self._answers.forget_interrupted()
        self._ear.bound(Bound.START)
        if not self._answers.greeting:  # last, because a session that waited for the end of the answer leaves now
            self._answers.turns.forget_queue()
            self._answers.floor.listen()

    def stop_listening(self) -> None:
        """The badge ends the utterance, after the audio it has already sent."""
        if self._answers.floor.state == "listening":
            self._last_listen_event = trio.current_time()
        self._answers.floor.stop()
        self._ear.bound(Bound.STOP)

    def take_text(self, text: str) -> None:
        """The badge reports a wake word or typed text; what was being said is void. Blank text only voids."""
        self._discard()
        self._ear.stir()
        if text.strip():
            began = milliseconds(self._services.clock)
            trace = TurnTrace(trio.current_time())
            heard = Heard(text=text.strip(), origin=Origin.TYPED, trace=trace, began=began)
            self._answers.answer(heard, self._modes.current)
        else:
            self._answers.unheard()
        self._answers.announce_next()

    def abort(self, *, played_ms: int | None = None) -> None:
        """The user wants silence, after so much of the answer."""
        self._discard()
        if played_ms is not None:
            self._answers.turns.played(played_ms)
        self._answers.stop()
        self._answers.announce_next()

    def part(self, goodbye: Goodbye) -> None:
        """Leave when the answer under way has been given or interrupted."""
        self._answers.part(goodbye)

    def take_leave(self, text: str) -> None:
        """Say this after the answer under way, and leave."""
        self._answers.begin_after(leave_taking(text, TurnTrace(trio.current_time())))

    def end(self) -> None:
        """The connection ends: stop listening and speaking."""
        self._ear.forget()
        self._scribe.forget()
        self._tempo.remember()
        self._utterances.lose("disconnected")
        self._answers.end()

    # --- others and modes ---

    def stir(self) -> None:
        """An answer was given: as good as a voice."""
        self._ear.stir()

    def announce(self, notice: Notice, told: Told) -> bool:
        """Say something when nobody has the floor; false when that will not be."""
        return self._answers.announce(notice, told)

    def be_silent(self) -> None:
        """Give the answer up that is under way, and what was to follow it; what is being said goes on."""
        self._answers.be_silent()

    def await_listening(self) -> None:
        """The badge is about to bound its utterances itself; a voice that comes before that is not one."""
        self._last_listen_event = trio.current_time()

    def mode_over(self, mode: Mode) -> None:
        """A mode has been left. What is being said at this moment is its last word."""
        if mode.overhears and self._ear.capturing:
            self._ear.bound(Bound.STOP)
            self._answers.floor.stop()
        if not self._utterances.concern(mode):
            self._modes.settled(mode)
        self._answers.announce_next()

    # --- what the ear observes ---

    def attention(self) -> Attention:
        """What to do with audio outside an utterance, by who has the floor and how the badge listens."""
        if self._services.asr.disabled or not self._answers.takes_turns:
            return Attention.IGNORE
        settings, state = self._services.settings, self._answers.floor.state
        if self._traits.mode == "manual":
            lost = trio.current_time() - self._last_listen_event >= settings.listen.vad_fallback_s
            return Attention.WATCH if lost and state == "idle" else Attention.KEEP
        if state == "speaking":
            barge_in = settings.listen.barge_in
            heeded = barge_in == "always" or (barge_in == "realtime" and self._traits.mode == "realtime")
            return Attention.GUARD if heeded and settings.chat.new_words == "interrupt" else Attention.IGNORE
        if self._answers.turns.current and (settings.listen.barge_in == "never" or settings.chat.new_words == "wait"):
            return Attention.IGNORE
        return Attention.WATCH

    def utterance_begins(self, capture: Capture, *, by_voice: bool) -> None:
        """Have it recognised while it is spoken; a voice takes the floor."""
        self._tempo.recall(self._door.spawn)
        mode = self._modes.current
        self._utterances.begin(capture, mode)
        self._scribe.take(capture)
        if not mode.overhears:  # words will be answered by then
            self._get_ready(mode.purpose)
        if by_voice:
            self._answers.voice()

    def _get_ready(self, purpose: Purpose) -> None:
        services, device = self._services, self._traits.device
        services.llms.warm(purpose, device=device)
        if services.intent == "intent_llm":  # it is asked first
            services.llms.warm(Purpose.INTENT, device=device)

    def utterance_ends(self) -> None:
        """The words are on their way."""
        self._answers.floor.stop()

    def nobody_spoke(self) -> None:
        """Listening was in vain."""
        self._answers.unheard()
        self._answers.announce_next()

    def detector_broke(self) -> None:
        """The badge has to bound its utterances itself from now on."""
        self._answers.mouth.complain(
            ErrorCode.COMPONENT_FAILED,
            "voice detection does not work; bound utterances with listen start and stop",
            component="vad",
        )

    def long_silence(self) -> None:
        """Nobody has spoken for the no-voice limit: say goodbye and leave; but who listens to an answer, or thinks in a
        meeting, is silent."""
        if not self.busy and not self._modes.current.overhears:
            self._answers.begin(farewell(self._services.settings.asr.language, TurnTrace(trio.current_time())))

    # --- what the scribe observes ---

    def partly_understood(self, text: str) -> None:
        """Show the words so far to badges that asked for it."""
        if self._traits.features.partials:
            self._answers.mouth.show(text, partial=True)

    def likely_said(self, text: str, capture: Capture) -> None:
        """Have the answer begun, unless it has been found that the user goes on."""
        if not text:
            self._answers.drafts.forget("resumed")
        elif not capture.mode.overhears and self._ear.capture in (capture, None):
            self._answers.expect(" ".join((*(one.text for one in self._unanswered), text)))

    def understood(self, text: str, capture: Capture) -> None:
        """Answer, unless the user has gone on speaking: then the words wait for the rest."""
        if capture.broken:
            limit = self._services.settings.listen.buffer_mb
            self._answers.mouth.complain(
                ErrorCode.AUDIO_OVERRUN, f"the utterance had more than {limit:g} MB of audio; it was discarded"
            )
        span = capture.started - self._services.settings.listen.pre_roll_ms / 1000, capture.last_audio
        heard = Heard(text=text, origin=Origin.VOICE, trace=_trace(capture), began=capture.began, span=span)
        if capture.mode.overhears:
            if text:
                self._answers.answer(heard, capture.mode)
            if self._ear.capturing or not self._answer_all(capture):  # what was said before that mode began
                self._answers.unheard()
        else:
            if text:
                self._unanswered.append(heard)
            if self._ear.capturing:
                if text:
                    self._answers.mouth.show(text)
            elif not self._answer_all(capture):
                self._answers.drafts.settle("")
                self._answers.unheard()
        self._utterances.decide(capture, lost="overload" if capture.broken else "")
        self._answers.announce_next()

    def overtaken(self, capture: Capture) -> None:
        """The recogniser is so far behind that this will never be recognised."""
        self._utterances.decide(capture, lost="overload")

    def not_recognised(self, capture: Capture, error: ProviderError) -> None:
        """Ask the user to say it again, unless he is speaking, or there are words to answer."""
        self._answers.mouth.complain(
            ErrorCode.COMPONENT_FAILED, f"the utterance was not recognised: {error.detail}", component="asr"
        )
        if self._ear.capturing or self._answer_all(capture):
            pass
        elif capture.mode.overhears:
            self._answers.unheard()
        else:
            self._answers.drafts.settle("")
            self._answers.begin(say_again(self._services.settings.asr.language, _trace(capture)))
        self._utterances.decide(capture, lost="not-recognised")
        self._answers.announce_next()

    # --- inside ---

    def _answer_all(self, capture: Capture) -> bool:
        """Answer all words that wait for it; false when there are none."""
        heard, self._unanswered = self._unanswered, []
        if heard:
            words = " ".join(one.text for one in heard)
            span = heard[0].span[0], heard[-1].span[1]
            whole = attrs.evolve(heard[0], text=words, trace=_trace(capture), span=span)
            self._answers.answer(whole, self._modes.current)
        return bool(heard)

    def _discard(self) -> None:
        """What is being said is void, but for what a mode overhears: that is said to others."""
        capture = self._ear.capture
        if not (capture.mode if capture else self._modes.current).overhears:
            self._ear.forget()
        self._scribe.forget(_is_for_us)
        self._answers.drafts.forget("void")
        self._utterances.lose("discarded", _is_for_us)
        self._unanswered.clear()
        self._answers.forget_interrupted()


def _is_for_us(capture: Capture) -> bool:
    return not capture.mode.overhears


def _trace(capture: Capture) -> TurnTrace:
    """What an utterance has cost so far; recognition has just ended."""
    trace = TurnTrace(capture.last_audio)
    trace.mark("endpointing", capture.ended_at if capture.ended_at is not None else capture.last_audio)
    trace.mark("asr", trio.current_time())
    return trace

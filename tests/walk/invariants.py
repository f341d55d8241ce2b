"""What has to be true after every step of a random walk, whatever the step was."""

from __future__ import annotations

import re
import sys
from collections.abc import Awaitable, Callable
from math import isclose
from typing import Any

import structlog
import trio
from hypothesis.stateful import invariant

from badge.config.settings import Settings
from badge.link import CLOSE_WITHIN
from badge.session.scribe import WAITING
from badge.session.session import LAST_WORDS
from badge.session.watchdog import IDLE_EXTRA
from protocol import Framing
from providers.ports import ChatMessage
from tests.walk.stage import Stage
from tests.walk.street import Passer, Street
from tests.walk.team import BY_HAND, TeamInvariants

SOON = LAST_WORDS + CLOSE_WITHIN + 0.1
"""Seconds that a session may take to end."""

PATIENCE = 200.0
"""Seconds after which every answer is over: the longest queue of the slowest providers has been worked off."""


class Invariants(TeamInvariants):
    """Looks at the street from outside, and through the windows."""

    settings: Settings
    stage: Stage
    street: Street

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.tasks: dict[int, list[str]] = {}
        self.failures: list[str] = []
        self.hushed: tuple[Passer, int] | None = None  # who wants silence, and how many segments he had heard
        self._prompts = 0
        self._attempts: dict[int, tuple[int, int, int]] = {}  # of each session: attempt, start and end of its audio

    def step(self, act: Callable[..., Awaitable[Any]], *args: Any) -> None:
        """Do it, wait until nothing moves, and look around."""
        self.stage.do(act, *args)
        self.now, self.tasks = self.stage.do(self._look)

    async def _look(self) -> tuple[float, dict[int, list[str]]]:
        return trio.current_time(), self.street.tasks()

    def note_log(self, _: object, level: str, event: dict[str, Any]) -> dict[str, Any]:
        """A processor for the log: keeps errors, drops everything."""
        if level == "error" and event["event"] == "failed":
            self.failures.append(f"{event['what']}: {event['error']}")
        self.note_event(event)
        raise structlog.DropEvent

    # --- the invariants ---

    @invariant()
    def i_1_the_registry_knows_who_is_here(self) -> None:
        """I-1: an id leads to a session that is open or warned, or says its last words; every such session has one id."""
        residents = self.street.residents()
        assert len(set(map(id, residents.values()))) == len(residents), "I-1: one session under two ids"
        for passer in self.street.passers:
            found = [device for device, session in residents.items() if session is passer.session]
            if passer.state in ("open", "warned"):
                assert found == [passer.device], f"I-1: {passer.state}, and registered as {found}"
            elif found:
                since = passer.closing_since
                assert passer.state == "closing", f"I-1: {passer.state}, and registered"
                assert since is not None, "I-1: closing since never"
                assert self.now <= since + LAST_WORDS, "I-1: registered long after its end"

    @invariant()
    def i_2_a_session_ends_once_and_leaves_nothing(self) -> None:
        """I-2: CLOSING is left once, to CLOSED; then there is no task, no registry entry, and soon no connection."""
        superseded = self.street.house.services.presence._superseded
        waiting = [r.mailbox._retire.__self__ for some in superseded.values() for r in some]  # type: ignore[attr-defined]
        for passer in self.street.passers:
            left = [target for source, target in passer.life if source in ("closing", "closed")]
            assert left in ([], ["closed"]), f"I-2: {passer.life}"
            if passer.state == "closed":
                assert passer.session not in waiting, "I-2: waits to be superseded after its end"
                tasks = passer.session._tasks if passer.session else None
                assert not (tasks and tasks.child_tasks), "I-2: a task goes on after the end"
            if not passer.served:
                assert passer.number not in self.tasks, f"I-2: tasks of a dead session: {self.tasks[passer.number]}"
                assert passer.state == "closed", f"I-2: gone, and {passer.state}"
            for ended in (passer.closing_since, passer.left, passer.closed and passer.closed[0]):
                if ended is not None and passer.served:
                    assert self.now <= ended + SOON, "I-2: does not end"

    @invariant()
    def i_3_speech_has_a_start_and_a_stop(self) -> None:
        """I-3: what a badge hears is `tts start`, sentences and audio, `tts stop`; never nested, never interleaved."""
        self._hold("I-3")

    @invariant()
    def i_4_nothing_of_an_ended_turn_is_heard(self) -> None:
        """I-4: abort and barge-in silence a turn within the step; its audio never comes back."""
        self._hold("I-4")
        if self.hushed is not None:
            (passer, segments), self.hushed = self.hushed, None
            if passer.open and passer.witness.speaking:
                assert len(passer.witness.segments) > segments, "I-4: speaks after it was told not to"

    @invariant()
    def i_5_user_and_assistant_alternate(self) -> None:
        """I-5: every prompt is one system message, then user and assistant in turn, at the end a user or what tools have
        answered; every call is followed by its result, and every result by what was made of it."""
        prompts = self.street.llm.prompts
        for prompt in prompts[self._prompts :]:
            shape = "".join(_letters(message) for message in prompt.messages)
            assert re.fullmatch(r"s((u(ct+)*a)*)u(ct+)*", shape), f"I-5: {shape}"
            assert all(message.content or message.calls for message in prompt.messages), "I-5: an empty message"
            waiting: list[str] = []
            for message in prompt.messages:
                if message.role == "tool":
                    assert waiting, "I-5: a result without a call"
                    assert message.call == waiting.pop(0), "I-5: the result of another call"
                else:
                    assert not waiting, "I-5: a call without a result"
                    waiting = [call.id for call in message.calls]
            assert not waiting, "I-5: a call without a result"
        self._prompts = len(prompts)

    @invariant()
    def i_7_the_listen_mode_is_what_the_badge_set(self) -> None:
        """I-7: the mode is the one that the badge named last, auto before that, but for what a mode of the session wants."""
        for passer in self.street.passers:
            if passer.open and passer.session and passer.mode_now not in BY_HAND:
                assert passer.session.traits.mode == passer.mode, f"I-7: {passer.session.traits.mode}"

    @invariant()
    def i_8_audio_is_recognised_in_order(self) -> None:
        """I-8: each attempt has consecutive audio of its session; the next begins where that did, or after its end."""
        asr, sessions = self.street.asr, {p.session.traits.session_id: p for p in self.street.passers if p.session}
        for number, (whose, heard) in enumerate(zip(asr.whose, asr.heard, strict=True)):
            passer = sessions[whose]
            attempt, start, end = self._attempts.get(passer.number, (-1, 0, 0))
            if passer.witness.audio_format != "pcm" or number < attempt or not heard:
                continue
            found = passer.sent.find(heard, start)
            assert found >= 0, "I-8: audio that was not sent like this"
            assert number == attempt or found in (-1, start) or found >= end, "I-8: audio of the utterance before"
            self._attempts[passer.number] = number, found, found + len(heard)
        for passer in self.street.passers:
            conversation = passer.session._conversation if passer.session else None
            if conversation and len(conversation._scribe._waiting) >= WAITING:
                passer.held.clear()  # the oldest are lost, on purpose

    @invariant()
    def i_12_who_does_not_read_delays_nobody(self) -> None:
        """I-12: who reads has the answer to each of his pings within the step, whatever the others do."""
        for passer in self.street.passers:
            if passer.open and passer.reading.is_set():
                assert passer.witness.pongs == passer.pings, f"I-12: {passer.witness.pongs} of {passer.pings} pongs"

    @invariant()
    def i_14_idle_sessions_are_warned_and_closed_in_time(self) -> None:
        """I-14: warned when nothing came and nothing was said for the limit, closed 10 s later; wall time is nothing."""
        for passer in self.street.passers:
            if not passer.ever_deaf and passer.session is not None:
                self._hold_time_limits(passer)

    @invariant()
    def the_floor_is_what_the_badge_hears(self) -> None:
        """Who reads is in a segment of speech only while the assistant has the floor, and always while it speaks."""
        for passer in self.street.passers:
            if passer.open and passer.reading.is_set():
                allowed = {"speaking", "thinking"} if passer.witness.speaking else {"idle", "listening", "thinking"}
                assert passer.floor in allowed, f"floor: {passer.floor}, speaks: {passer.witness.speaking}"

    @invariant()
    def nothing_fails_inside(self) -> None:
        """No error is caught where only errors of the server itself are caught, and no badge is told of one."""
        assert not self.failures, f"inside: {self.failures}"
        for passer in self.street.passers:
            wrong = {"internal", "not-now"} & set(passer.witness.told)
            assert not wrong, f"inside: the badge was told {wrong}"

    # --- inside ---

    def pick(self, who: int) -> Passer:
        """One of those who are here."""
        here = self.street.here
        return here[who % len(here)]

    def listen(self, passer: Passer, mode: str | None, state: str, **more: Any) -> None:
        """Send a listen message, and know what it must do."""
        heeded = passer.state in ("open", "warned") or (passer.state == "superseded" and state == "stop")
        if mode is not None and heeded:
            passer.mode = mode
        if state == "start" and passer.state != "superseded" and not passer.greeted:
            self.expect_silence(passer)
        message = {"type": "listen", "state": state, **more, **({"mode": mode} if mode else {})}
        self.step(lambda: passer.tell(**message))

    def expect_silence(self, passer: Passer) -> None:
        """From now on nothing of the turn under way may come."""
        if passer.open and passer.reading.is_set():
            passer.witness.expect_silence()
            self.hushed = passer, len(passer.witness.segments)

    def _hold(self, name: str) -> None:
        for passer in self.street.passers:
            assert name not in passer.witness.faults, f"{name}: {passer.witness.faults[name]}"

    def _hold_time_limits(self, passer: Passer) -> None:
        timeouts, witness = self.settings.timeouts, passer.witness
        limit = timeouts.no_voice_s + IDLE_EXTRA
        since = max(passer.last_frame, *(segment.stop or self.now for segment in witness.segments), 0.0)
        warned = next((at for at in witness.warnings if at >= passer.last_frame), None)
        if passer.state == "open":
            assert self.now <= since + limit, "I-14: not warned"
        elif passer.state == "warned" and warned is not None:
            assert self.now <= warned + timeouts.grace_s, "I-14: not closed after the warning"
        if warned is not None:
            busy = any(s.start <= passer.last_frame + limit <= (s.stop or self.now) for s in witness.segments)
            assert busy or isclose(warned, passer.last_frame + limit), (
                f"I-14: warned after {warned - passer.last_frame}"
            )
        if passer.closed is not None and passer.closed[1:] == (1000, "idle") and not witness.dismissed:
            assert warned is not None, "I-14: closed without a warning"
            assert isclose(passer.closed[0], warned + timeouts.grace_s), "I-14: closed at the wrong time"

    # --- the end of a walk ---

    def teardown(self) -> None:
        """No session is stuck: given time every floor is free, and a plain turn works; then nothing is left."""
        if not hasattr(self, "stage"):
            return
        try:
            if sys.exc_info()[0] is None:
                self._settle_down()
                self._one_more_turn()
                self._everybody_leaves()
        finally:
            self.stage.end()

    def _settle_down(self) -> None:
        for passer in self.street.here:
            passer.held = [] if passer.state == "closing" else passer.held
        self.step(self.stage.let_pass, PATIENCE)
        self._check_all()
        self.check_team_settled()
        heard = [h for h in self.street.asr.heard if h]
        for passer in self.street.passers:
            if passer.open:
                assert passer.floor == "idle", f"stuck: {passer.floor}"
                for begin, end in passer.held:
                    assert any(bytes(passer.sent[begin:end]) in h for h in heard), (
                        "I-8: an utterance was not recognised"
                    )

    def _one_more_turn(self) -> None:
        street = self.street
        street.llm.mood = street.tts.mood = "plain"

        async def turn() -> Passer:
            passer = await street.connect("aa:bb:cc:00:00:09", Framing.V1, "opus", {"emoji": False})
            await passer.tell(type="listen", state="detect", text="what time is it")
            await self.stage.let_pass(10)
            return passer

        witness = self.stage.do(turn).witness
        self._check_all()
        kinds = [kind for kind in witness.kinds if kind != "workflow"]
        assert kinds == ["hello", "hello", "stt", "tts", "tts", "tts"], f"stuck: {kinds}"
        assert [segment.audio for segment in witness.segments] == [10], "stuck: no voice"

    def _everybody_leaves(self) -> None:
        for passer in self.street.here:
            self.step(passer.vanish)
        self.step(self.stage.let_pass, SOON)
        self._check_all()
        assert not self.tasks, f"I-2: tasks of nobody: {self.tasks}"
        assert not self.street.residents(), "I-2: an entry of nobody"
        self.check_team_gone()

    def _check_all(self) -> None:
        self.nothing_fails_inside()
        for name in dir(self):
            if name.startswith("i_"):
                getattr(self, name)()


def _letters(message: ChatMessage) -> str:
    """s, u, a and t for the roles; c for an assistant who calls tools."""
    return "c" if message.calls else message.role[0]

"""Faults to be put into the server, each with the invariant that it breaks: what a random walk has to notice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio
from attrs import frozen

from badge.dialogue import Dialogue
from badge.link import Outbox, WebSocketWire
from badge.peers.presence import Presence, Resident
from badge.session import handlers
from badge.session.answering import Answers
from badge.session.conversation import Conversation
from badge.session.session import Session
from badge.session.thinking import Thinker
from badge.session.turns import Turns
from badge.session.voicetrack import VoiceTrack
from badge.session.watchdog import Watchdog
from tests.walk.teamfaults import TEAM_FAULTS


@frozen
class Fault:
    """What is broken, the invariants that no longer hold (a pattern), and the steps that may show it; none: all."""

    put_in: Callable[[pytest.MonkeyPatch], None]
    breaks: str
    steps: tuple[str, ...]


FAULTS: dict[str, Fault] = {put_in.__name__: Fault(put_in, breaks, steps) for put_in, breaks, steps in TEAM_FAULTS}
"""By name."""


def _fault(breaks: str, *steps: str) -> Callable[[Callable[[pytest.MonkeyPatch], None]], None]:
    def add(put_in: Callable[[pytest.MonkeyPatch], None]) -> None:
        FAULTS[put_in.__name__] = Fault(put_in, breaks, steps)

    return add


@_fault("I-1", "connect", "go", "time_passes")
def leaving_forgets_who_is_registered(patch: pytest.MonkeyPatch) -> None:
    def leave(self: Presence, device: str, resident: Resident) -> bool:
        self._forget_superseded(device, resident)
        return self._residents.pop(device, None) is not None

    patch.setattr(Presence, "leave", leave)


@_fault("I-2")
def a_session_leaves_a_task_behind(patch: pytest.MonkeyPatch) -> None:
    welcome = Session.greet

    def greet(self: Session) -> None:
        welcome(self)
        nursery = trio.lowlevel.current_task().parent_nursery
        while nursery is not None and nursery.parent_task.parent_nursery is not None:
            outer, nursery = nursery, nursery.parent_task.parent_nursery
        outer.start_soon(trio.sleep, 1e6)

    patch.setattr(Session, "greet", greet)


@_fault("I-2")
def nobody_ends_a_session_whose_badge_is_gone(patch: pytest.MonkeyPatch) -> None:
    async def run(self: Session, task: Callable[[], Any]) -> None:
        await task()

    patch.setattr(Session, "_run", run)


@_fault("I-3|I-4", "ask", "abort", "time_passes", "microphone")
def silence_keeps_the_speech(patch: pytest.MonkeyPatch) -> None:
    def silence(self: Outbox) -> None:
        self._speaker = None
        self._room.set()

    patch.setattr(Outbox, "silence", silence)


@_fault("I-3|I-4")
def a_cancelled_turn_is_not_closed(patch: pytest.MonkeyPatch) -> None:
    def cancel(self: Turns, reason: str) -> None:
        self._next = None
        if self._current is not None:
            turn, self._current = self._current, None
            turn.scope.cancel(reason)

    patch.setattr(Turns, "cancel", cancel)


@_fault("I-4", "ask", "abort", "time_passes")
def abort_does_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Conversation, "abort", lambda self, **_: None)


@_fault("I-5", "ask", "abort", "detect")
def interrupted_answers_leave_a_hole(patch: pytest.MonkeyPatch) -> None:
    whole = Dialogue.messages

    def messages(self: Dialogue, system: str, unanswered: str) -> Any:
        return tuple(m for m in whole(self, system, unanswered) if m.content != unanswered)

    patch.setattr(Dialogue, "messages", messages)


@_fault("I-5", "ask", "detect", "a_provider_changes", "time_passes")
def a_call_loses_its_result(patch: pytest.MonkeyPatch) -> None:
    whole = Dialogue.messages

    def messages(self: Dialogue, system: str, unanswered: str) -> Any:
        return tuple(m for m in whole(self, system, unanswered) if m.content != "ordered")

    patch.setattr(Dialogue, "messages", messages)


@_fault("I-7")
def the_mode_is_forgotten_with_each_stop(patch: pytest.MonkeyPatch) -> None:
    listen = handlers.listen

    def forgetful(session: Session, message: Any) -> None:
        listen(session, message)
        if message.state == "stop":
            session.traits.ask("auto")

    patch.setitem(handlers.HANDLERS, handlers.Listen, forgetful)


@_fault("I-8", "sound", "say_something", "push_to_talk")
def every_tenth_packet_is_lost(patch: pytest.MonkeyPatch) -> None:
    _tamper(patch, lambda pcm: b"")


@_fault("I-8", "sound", "say_something", "push_to_talk")
def every_tenth_packet_comes_twice(patch: pytest.MonkeyPatch) -> None:
    _tamper(patch, lambda pcm: pcm + pcm)


def _tamper(patch: pytest.MonkeyPatch, change: Callable[[bytes], bytes]) -> None:
    decode = VoiceTrack.decode

    def tampered(self: VoiceTrack, packet: bytes) -> bytes:
        pcm = decode(self, packet)
        self.count = getattr(self, "count", 0) + 1  # type: ignore[attr-defined]
        return pcm if self.count % 10 else change(pcm)  # type: ignore[attr-defined]

    patch.setattr(VoiceTrack, "decode", tampered)


@_fault("I-12", "stop_reading", "ping", "news_for_everybody")
def badges_wait_for_each_other(patch: pytest.MonkeyPatch) -> None:
    send, lock = WebSocketWire.send, trio.Lock()

    async def one_by_one(self: WebSocketWire, frame: str | bytes) -> None:
        async with lock:
            await send(self, frame)

    patch.setattr(WebSocketWire, "send", one_by_one)


@_fault("I-14", "time_passes", "ping", "the_wall_clock_steps")
def nobody_is_warned(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Watchdog, "deadline", property(lambda self: float("inf")))


@_fault("I-14", "time_passes", "ping", "the_wall_clock_steps")
def the_warning_is_enough(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Session, "warn", lambda self: None)


@_fault("stuck", "microphone", "sound", "say_something", "a_provider_changes")
def nobody_notices_that_nothing_was_said(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Answers, "unheard", lambda self: None)


@_fault("stuck")
def a_model_is_waited_for_without_end(patch: pytest.MonkeyPatch) -> None:
    async def stream(self: Thinker, *_: object) -> None:
        await trio.sleep_forever()

    patch.setattr(Thinker, "_stream", stream)


@_fault("inside|stuck")
def the_floor_is_told_something_impossible(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Answers, "turn_audible", lambda self: self.floor.nothing_heard())

"""One session with a server as a badge has it: what is said and sent, one after the other, and what comes back."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import trio
from attrs import define, field, frozen

from badge.client.device import Badge, Heard
from badge.client.shown import latency, shown
from badge.phrases import ModeName
from protocol import ListenMode
from providers.ports import EAR_RATE

Message = dict[str, Any]

TAIL = 1.5
"""Seconds of silence that follow the audio in auto and realtime, so that the server hears the end."""

FOLLOWERS = 0.2
"""Seconds for what follows an answer: the ledger, or a list."""


class UnansweredError(Exception):
    """What was said or sent was not answered, or refused; the message says how."""


@frozen(kw_only=True)
class Manner:
    """How the badge listens, and how long it waits for each answer, in s."""

    listening: ListenMode = "manual"
    patience: float = 60.0


@define
class _Turn:
    """What has come since the last words. `first`: event -> when it came first (Trio time)."""

    first: dict[str, float] = field(factory=dict)
    ledger: Message = field(factory=dict)
    interrupts: bool = False
    """whether something was being said when it began"""
    typed: bool = False
    """whether its words were written, so that they cannot be misheard"""


class Talk:
    """Says and sends one thing at a time and waits for its answer; whatever comes is shown."""

    def __init__(self, badge: Badge, manner: Manner, write: Callable[[str], None]) -> None:
        self._badge = badge
        self._manner = manner
        self._write = write
        self._turn = _Turn()
        self._playing: Literal["", "speech", "sound"] = ""
        self._mode = "chat"
        self.packets: list[bytes] = []
        """all that was spoken, as Opus"""
        for heard in badge.early:
            self._take(heard)

    async def enter(self, mode: ModeName) -> None:
        """Enter a mode. Raises `UnansweredError`, as all that follow."""
        await self.send({"type": "mode", "state": "start", "mode": mode})

    async def leave(self, mode: ModeName) -> None:
        """Leave a mode; a meeting is over when its minutes have come."""
        awaited = {"mode", "minutes"} if mode == "meeting" else {"mode"}

        def over(message: Message) -> bool:
            match message:
                case {"type": "mode"}:
                    awaited.discard("mode")
                    _refuse_if_refused(message)
                case {"type": "meeting", "phase": "summary"} | {"type": "meeting", "status": "none"}:
                    awaited.discard("minutes")
            return not awaited

        await self._badge.tell(type="mode", state="end", mode=mode)
        await self._until(over, lambda: f"no {' and no '.join(sorted(awaited))}")
        await self.stay(FOLLOWERS)  # to answer for what has come: otherwise it comes again

    async def speak(self, pcm: bytes) -> None:
        """Say this and wait for the answer; what is said in a meeting gets none."""
        if self._mode == "meeting":
            await self._while(self._utter, pcm)
            return
        self._begin_turn()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._utter, pcm)
            await self._until(self._answers, self._lacking, more=len(pcm) / (2 * EAR_RATE))
            nursery.cancel_scope.cancel()
        await self._end_turn()

    async def type(self, text: str) -> None:
        """Write this and wait for the answer; what is written in a meeting gets none."""
        self._begin_turn(typed=True)
        self._turn.first["end of speech"] = trio.current_time()
        await self._badge.tell(type="listen", state="detect", text=text)
        if self._mode != "meeting":
            await self._until(self._answers, lambda: "no complete answer")
            await self._end_turn()

    async def send(self, message: Message) -> None:
        """Send a message and wait for its answer, if it is of a kind that gets one."""
        await self._badge.tell(**message)
        kind = str(message["type"])
        if kind in _ANSWERED:

            def answers(got: Message) -> bool:
                _refuse_if_refused(got)
                return got.get("type") == _ANSWERED[kind] and _fits(message, got)

            await self._until(answers, lambda: f"no answer to {kind}")

    async def stay(self, seconds: float) -> None:
        """Wait for what comes."""
        await self._while(trio.sleep, seconds)

    # --- speaking ---

    def _begin_turn(self, *, typed: bool = False) -> None:
        self._turn = _Turn(interrupts=bool(self._playing), typed=typed)

    async def _utter(self, pcm: bytes) -> None:
        listening = self._manner.listening
        await self._badge.tell(type="listen", state="start", mode=listening)
        self._turn.first["end of speech"] = await self._badge.speak(pcm)
        if listening == "manual":
            await self._badge.tell(type="listen", state="stop")
        else:
            await self._badge.speak(b"\0" * (math.ceil(TAIL * EAR_RATE) * 2))

    async def _end_turn(self) -> None:
        with trio.move_on_after(FOLLOWERS):
            async for heard in self._badge.inbox:
                self._take(heard)
                if self._turn.ledger:
                    break
        if "answer" in self._turn.first:
            for line in latency(self._turn.first, self._turn.ledger):
                self._write(line)

    def _lacking(self) -> str:
        understood = "transcript" in self._turn.first
        return "no complete answer" if understood else "the server understood no words"

    # --- hearing ---

    async def _until(
        self, answered: Callable[[Message], bool], lacking: Callable[[], str], *, more: float = 0.0
    ) -> None:
        """Take what comes until it is the answer; `more` is added to the patience, in s."""
        with trio.move_on_after(self._manner.patience + more):
            async for heard in self._badge.inbox:
                ended = self._take(heard)
                if heard.message is not None and (ended or not _is_speech(heard.message)) and answered(heard.message):
                    return
            raise UnansweredError("the server closed the connection")
        raise UnansweredError(f"{lacking()} within {self._manner.patience:g} s")

    async def _while(self, do: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        """Take what comes while something is done."""
        async with trio.open_nursery() as nursery:

            async def until_done() -> None:
                await do(*arguments)
                nursery.cancel_scope.cancel()

            nursery.start_soon(until_done)
            async for heard in self._badge.inbox:
                self._take(heard)
            raise UnansweredError("the server closed the connection")

    def _take(self, heard: Heard) -> bool:
        """Note and show what came; true for the end of something spoken since the last words."""
        if heard.opus is not None:
            self._turn.first.setdefault("first audio", heard.at)
            self.packets.append(heard.opus)
            return False
        message = heard.message or {}
        for line in shown(message):
            self._write(line)
        match message:
            case {"type": "stt", "partial": True}:
                pass
            case {"type": "stt"}:
                self._turn.first.setdefault("transcript", heard.at)
            case {"type": "mode", "status": "ok", "state": "start" | "end" as state, "mode": str(mode)}:
                self._mode = mode if state == "start" else "chat"
            case {"type": "ledger"}:
                self._turn.ledger = message
            case {"type": "tts"}:
                return self._take_speech(message, heard.at)
        return False

    def _take_speech(self, message: Message, at: float) -> bool:
        first = self._turn.first
        match message:
            case {"state": "start", "url": str()}:
                self._playing = "sound"
            case {"state": "start"}:
                self._playing = "speech"
                first.setdefault("tts start", at)
            case {"state": "sentence_start", "text": str()}:
                first.setdefault("answer", at)
            case {"state": "stop"}:
                was, self._playing = self._playing, ""
                if was == "sound":
                    return False
                if self._turn.interrupts:
                    self._turn = _Turn(first={k: v for k, v in first.items() if k == "end of speech"})
                    return False
                first.setdefault("tts stop", at)
                return True
        return False

    def _answers(self, message: Message) -> bool:
        """Whether this answers words: something spoken, a change of mode, or what became of a command."""
        match message:
            case {"type": "tts"}:
                first = self._turn.first
                if self._turn.typed and not {"answer", "transcript", "tts start"} & first.keys():
                    first.pop("tts stop", None)  # words of a badge that is not bound are not shown; it is told its code
                    return False
                if "answer" not in first:
                    raise UnansweredError(self._lacking() if first else "no complete answer")
                return True
            case {"type": "workflow", "event": "command", "intent": intent}:
                return intent == "refresh" or message.get("status") == "empty"
            case {"type": "mode"} | {"type": "workflow", "event": "result"}:
                _refuse_if_refused(message)
                return True
        return False


_ANSWERED = {
    "mode": "mode",
    "workflow": "workflow",
    "meeting": "meeting",
    "coding": "coding",
    "peer": "peer",
    "ping": "pong",
    "keepalive": "pong",
    "config_update": "config_update",
}
"""Type of a message -> type of its answer."""


def _fits(sent: Message, got: Message) -> bool:
    """Whether a message of the right type is the answer, and not news of the same kind."""
    match sent:
        case {"type": "workflow", "event": event}:
            return got.get("event") == ("update" if event == "refresh" else "result")
        case {"type": "meeting", "phase": "finalize"}:
            return got.get("phase") == "summary" or got.get("status") == "none"
        case {"type": "meeting" | "coding", "phase": phase}:
            return phase in (got.get("phase"), got.get("event")) or got.get("event") in _STEPS.get(str(phase), ())
        case {"type": "peer"}:
            return "status" in got and "event" not in got
    return True


_STEPS = {"start": ("started",), "stop": ("stopped",), "clear": ("cleared",)}


def _is_speech(message: Message) -> bool:
    return message.get("type") == "tts"


def _refuse_if_refused(message: Message) -> None:
    """Raise `UnansweredError` for the news that something was not done; what it was is shown already."""
    if message.get("type") == "error" or message.get("status") == "error":
        raise UnansweredError("the server refused")

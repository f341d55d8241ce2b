"""What the user got for each question, as far as the badge could see it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import trio
from attrs import define, field

from badge import sayings, texts

ANSWERED, APOLOGISED, INTERRUPTED, UNHEARD = "answered", "apologised", "interrupted", "unheard"
"""The answer was heard or read to its end; the user was told that it went wrong; the user went on to something else
before that; nobody spoke, as far as the recogniser could tell."""

DENIED, NOTED = "denied", "noted"
"""What the badge wanted of the office was not done, and it was told so; words in a meeting, that nobody answers."""

APOLOGIES = " ".join(
    [
        *texts.LLM_FAILED.values(),
        *texts.NOT_UNDERSTOOD.values(),
        *(sayings.failed(language) for language in ("en", "zh")),
    ]
)

NEWS = ("update", "message", "receipt", "redelivered")
"""Events that nobody has asked for."""

TELLING = ("component-failed", "internal", "audio-overrun")
"""Codes of errors that a badge shows to its user: the server has failed, not the badge."""


@define
class Question:
    """What the user wanted to know. It is `asked` when it is the server's turn."""

    number: int
    wants: str = ""
    """the type of the answer, when it was no user who asked"""
    asked: bool = False
    outcome: str = ""
    shown: str = ""
    """what the server understood"""
    said: list[str] = field(factory=list)
    told: bool = False

    @property
    def waits(self) -> bool:
        """Whether the user expects something."""
        return self.asked and not self.outcome


@define
class Segment:
    """From `tts start` to `tts stop`."""

    question: Question | None
    said: list[str] = field(factory=list)
    audio: int = 0


class Witness:
    """Follows what the badge does and what it sees, in the order in which the session does."""

    def __init__(self) -> None:
        self.questions: list[Question] = []
        self.violations: list[str] = []
        self.kinds: list[str] = []
        self.texts: list[tuple[str, str]] = []
        """what was shown and said: kind and text, ids left out"""
        self.ending: str = ""
        """how the connection ended: code and reason, or `gone`"""
        self.cut = False
        """it ended in the middle of an answer"""
        self.deaf = False
        """the badge was told that its voice is not noticed any more"""
        self._segment: Segment | None = None
        self._current: Question | None = None
        self.meets = False
        """the badge is in a meeting"""
        self._news = trio.Event()

    # --- what the badge does ---

    def begin(self) -> None:
        """The user turns to something new."""
        if self._current is not None and self._current.waits:
            self._current.outcome = INTERRUPTED
        self._current = None

    def ask(self) -> None:
        """It is the server's turn."""
        self._opened().asked = True
        if self.meets and self._current is not None:
            self._current.outcome = NOTED

    def want(self, kind: str) -> None:
        """The badge asks the office for something."""
        self.questions.append(Question(len(self.questions), wants=kind, asked=True))

    @property
    def _wanted(self) -> list[Question]:
        """What the office has not answered yet."""
        return [question for question in self.questions if question.wants and question.waits]

    def expect(self) -> None:
        """The user has begun to speak; an answer to what he has said so far is an answer."""
        self._opened()

    def _opened(self) -> Question:
        if self._current is None:
            self._current = Question(len(self.questions))
            self.questions.append(self._current)
        return self._current

    @property
    def waits(self) -> bool:
        """Whether the user waits for something, or listens to something."""
        return self._segment is not None or bool(self._wanted) or (self._current is not None and self._current.waits)

    @property
    def affected(self) -> int:
        """Number of the question that something which happens now has to do with."""
        if self._wanted:
            return self._wanted[0].number
        open_now = self._current is not None and not self._current.outcome
        return self._current.number if open_now and self._current else len(self.questions)

    def lose_patience(self, *, unheard: bool = False) -> None:
        """Nothing has come for longer than anything may take."""
        if self._segment is not None:
            self.violations.append("tts start without stop")
        question = self._current
        if question is not None and question.waits:
            if question.told or self.deaf:
                question.outcome = APOLOGISED
            elif unheard:
                question.outcome = UNHEARD
            else:
                question.outcome = "silence"
                self.violations.append(f"question {question.number} was met with silence")
        self._segment = None
        for wanted in self._wanted:
            wanted.outcome = "silence"
            self.violations.append(f"question {wanted.number} ({wanted.wants}) was met with silence")

    # --- what the badge sees ---

    async def news(self) -> None:
        """Wait until something comes."""
        await self._news.wait()

    def see(self, frame: str | bytes) -> None:
        """A message has come."""
        if isinstance(frame, bytes):
            self._hear()
        else:
            frame.encode()  # as it is sent: text that is no UTF-8 cannot be
            with suppress(json.JSONDecodeError):  # an echo
                self._read(json.loads(frame))
        self.ring()

    def end(self, ending: str) -> None:
        """The connection is over."""
        if not self.ending:
            self.ending = ending
            self.cut = self._segment is not None
            self.ring()

    def ring(self) -> None:
        """Something has come."""
        self._news.set()
        self._news = trio.Event()

    def _hear(self) -> None:
        self._note("audio")
        if self._segment is None:
            self.violations.append("audio outside of an answer")
        else:
            self._segment.audio += 1

    def _read(self, message: dict[str, Any]) -> None:
        kind = " ".join(filter(None, (message["type"], message.get("state"))))
        self._note(kind)
        if kind not in ("hello", "pong") and not message.get("partial"):
            self.texts.append((kind, str(message.get("text") or message.get("code") or "")))
        if not self._settle(message):
            self._follow(kind, message)

    def _follow(self, kind: str, message: dict[str, Any]) -> None:
        match kind:
            case "stt" if self._current is not None and not message.get("partial"):
                self._current.shown = message["text"]
            case "tts start":
                if self._segment is not None:
                    self.violations.append("two answers at once")
                self._segment = Segment(self._current)
            case "tts sentence_start" if self._segment is not None:
                self._segment.said.append(message["text"])
            case "tts sentence_start":
                self.violations.append("a sentence outside of an answer")
            case "tts stop":
                self._stop()
            case "error" if message["code"] in TELLING:
                if self._current is not None:
                    self._current.told = True
                self.deaf |= (message.get("ref") or {}).get("component") == "vad"

    def _settle(self, message: dict[str, Any]) -> bool:
        """Whether this is the answer of the office to something."""
        kind = message["type"]
        failed = kind == "error" or message.get("status") == "error"
        kind = (message.get("ref") or {}).get("type", kind) if kind == "error" else kind
        if kind == "mode" and not failed:
            self.meets = message["state"] == "start" and message["mode"] == "meeting"
        if kind not in ("mode", "meeting", "workflow", "peer") or message.get("event") in NEWS:
            return False
        if message.get("phase") in ("snippet", "summary"):
            return False
        asked = next((question for question in self._wanted if question.wants == kind), None)
        if asked is None and kind == "workflow" and self._current is not None and self._current.waits:
            asked = self._current  # an order by word of mouth
        if asked is not None:
            asked.outcome = DENIED if failed else ANSWERED
        return True

    def _note(self, kind: str) -> None:
        if kind != "audio" or self.kinds[-1:] != ["audio"]:
            self.kinds.append(kind)

    def _stop(self) -> None:
        segment, self._segment = self._segment, None
        if segment is None:
            self.violations.append("tts stop without start")
            return
        question = segment.question
        if question is None or question.outcome:
            return
        question.said += segment.said
        if segment.said:
            question.outcome = APOLOGISED if is_apology(segment.said) else ANSWERED
        elif question.told:
            question.outcome = APOLOGISED


def is_apology(said: Iterable[str]) -> bool:
    """Whether this is, or ends with, one of the fixed apologies."""
    return any(sentence in APOLOGIES for sentence in said)

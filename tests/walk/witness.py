"""What one badge sees, checked as it comes: segments of speech, warnings, and how the connection ends."""

from __future__ import annotations

import json
from typing import Any

from attrs import define, field

from badge import texts
from protocol import Framing, decode_frame
from tests.walk.moods import serial

DISMISSAL = texts.SILENCE_GOODBYE["en"]
RECORDING = texts.NOT_UNDERSTOOD["en"]
"""The sentence that is not synthesised: its audio has no number."""


@define
class Segment:
    """From one `tts start` to its `tts stop`."""

    start: float
    stop: float | None = None
    audio: int = 0
    answers: set[int] = field(factory=set)
    recorded: bool = False


@define
class Witness:
    """Takes every frame that the badge receives; `faults` tells what was wrong, by the id of the invariant."""

    framing: Framing
    audio_format: str
    segments: list[Segment] = field(factory=list)
    faults: dict[str, list[str]] = field(factory=dict)
    kinds: list[str] = field(factory=list)
    pongs: int = 0
    warnings: list[float] = field(factory=list)
    told: list[str] = field(factory=list)
    """codes of error messages"""
    lists: list[tuple[float, int, list[Any]]] = field(factory=list)
    """snapshots of the tasks: when, revision and tasks"""
    refreshes: list[float] = field(factory=list)
    """when the user asked for one by voice"""
    modes: list[str] = field(factory=list)
    """answers to wishes for modes"""
    switches: int = 0
    """modes that were switched by words"""
    snippets: list[tuple[str, int, list[int]]] = field(factory=list)
    """what was pushed of meetings: which, index and numbers of the segments"""
    minutes: list[tuple[str, str]] = field(factory=list)
    letters: list[tuple[str, str]] = field(factory=list)
    """messages of others: from and id"""
    fates: list[tuple[str, str, str]] = field(factory=list)
    """what became of its own: id, to and status"""
    dismissed: bool = False
    """the server has said goodbye because nobody spoke"""
    _patience: int | None = None

    @property
    def speaking(self) -> bool:
        """Whether a segment is open."""
        return bool(self.segments) and self.segments[-1].stop is None

    def expect_silence(self) -> None:
        """The badge wants silence: one frame may be on its way, no more."""
        self._patience = 1 if self.speaking else None

    def see(self, frame: str | bytes, now: float) -> None:
        """Something came."""
        if isinstance(frame, bytes):
            self._hear(decode_frame(self.framing, frame).opus)
        elif frame[:2] == '{"':  # otherwise an echo
            self._read(json.loads(frame), now)

    def end(self, code: int, reason: str) -> None:
        """The server has closed the connection."""
        if self.speaking and code == 1000:
            self._blame("I-3", f"closed ({reason}) in the middle of an answer")

    def _blame(self, invariant: str, what: str) -> None:
        self.faults.setdefault(invariant, []).append(what)

    def _hear(self, audio: bytes) -> None:
        if not self.speaking:
            self._blame("I-3", "audio outside of tts start and stop")
            return
        segment = self.segments[-1]
        segment.audio += 1
        if self._patience is not None:
            self._patience -= 1
            if self._patience < 0:
                self._blame("I-4", "audio after the turn was ended")
        if self.audio_format == "pcm" and not segment.recorded:
            answer = int.from_bytes(audio[:2], "little")
            if answer not in segment.answers:
                self._blame("I-4", f"audio of answer {answer} among {segment.answers}")

    def _read(self, message: dict[str, Any], now: float) -> None:
        kind = message["type"]
        self.kinds.append(kind)
        if kind == "tts":
            self._follow(message["state"], message.get("text") or "", now)
        elif kind == "pong":
            self.pongs += 1
        elif kind == "error":
            if (message.get("ref") or {}).get("type") != "coding":  # a line of a log that nobody has begun
                self.told.append(message["code"])
        elif kind in ("workflow", "mode", "stt", "meeting", "peer"):
            getattr(self, f"_see_{kind}")(message, now)
        elif message.get("event") == "timeout_warning":
            self.warnings.append(now)

    def _see_workflow(self, message: dict[str, Any], now: float) -> None:
        if message["event"] == "update":
            self.lists.append((now, message["revision"], message["tasks"]))
        elif message.get("intent") == "refresh":
            self.refreshes.append(now)

    def _see_mode(self, message: dict[str, Any], _: float) -> None:
        self.modes.append(message.get("state") or message["status"])

    def _see_stt(self, message: dict[str, Any], _: float) -> None:
        self.switches += message.get("intent") == "mode_switch"

    def _see_meeting(self, message: dict[str, Any], _: float) -> None:
        if message["phase"] == "snippet":
            numbers = [segment["number"] for segment in message["segments"]]
            self.snippets.append((message["meetingId"], message["index"], numbers))
        elif message["phase"] == "summary":
            self.minutes.append((message["meetingId"], json.dumps(message["minutes"])))

    def _see_peer(self, message: dict[str, Any], _: float) -> None:
        if message.get("event") == "message":
            self.letters.append((message["from"], message["id"]))
        elif message.get("event") == "receipt":
            self.fates.append((message["id"], message["to"], message["status"]))
        elif message.get("status") == "ok":
            self.fates += [(message["id"], to, status) for to, status in message["to"].items()]

    def _follow(self, state: str, text: str, now: float) -> None:
        if (state == "start") is self.speaking:
            self._blame("I-3", f"tts {state} while {'' if self.speaking else 'not '}speaking")
        if state == "start":
            self.segments.append(Segment(now))
            self._patience = None
        elif state == "stop" and self.speaking:
            self.segments[-1].stop = now
            self._patience = None
        elif state == "sentence_start" and self.speaking:
            self._begin_sentence(text)

    def _begin_sentence(self, text: str) -> None:
        self.dismissed |= bool(text) and DISMISSAL.startswith(text)
        answer, segment = serial(text), self.segments[-1]
        if answer and any(answer in earlier.answers for earlier in self.segments[:-1]):
            self._blame("I-4", f"answer {answer} comes back")
        segment.answers.add(answer)
        segment.recorded = text == RECORDING

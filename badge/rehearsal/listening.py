"""What a session listened to: which part of the badge's audio each utterance is, and what came of it.

A recording does not say where an utterance begins and ends; it follows from how much audio the recogniser was fed, and
when. Positions count samples at the ear's rate of all audio that the badge has sent so far, whatever became of it.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from math import inf
from typing import Any

from attrs import define, field, frozen

from badge.recording.records import Kind
from protocol import Framing, RemoteProtocolError, decode_frame
from providers.opus import Decoder, OpusError
from providers.ports import EAR_RATE
from providers.raw import RawDecoder


@frozen(kw_only=True)
class Span:
    """A part of the badge's audio, in samples."""

    start: int
    end: int

    def overlap(self, other: Span) -> int:
        """Samples that both have."""
        return max(0, min(self.end, other.end) - max(self.start, other.start))

    def common(self, other: Span) -> Span:
        """What both have."""
        start = max(self.start, other.start)
        return Span(start=start, end=max(start, min(self.end, other.end)))

    @property
    def length(self) -> int:
        """Samples."""
        return self.end - self.start


@define(kw_only=True, eq=False)
class Attempt:
    """One try at recognising one utterance. Times are s since the session began."""

    number: int
    opened: int
    """position when it began"""
    previous: Attempt | None
    start: int = field(init=False)
    """position where its audio begins, as far as it is known"""
    fed: int = 0
    partials: list[tuple[int, str, float]] = field(factory=list)
    """samples of the utterance so far, text so far, and when that was known"""
    digest: int | None = None
    """of its audio, when there was no more"""
    span: Span = field(init=False)
    asked: float | None = None
    """when there was no more audio"""
    answered: float | None = None
    """when it was known what was said, or that it could not be recognised"""
    words: str | None = None
    error: dict[str, Any] | None = None
    broke_at: int | None = None
    """samples fed when it failed; None: after the last"""
    last_sign: float = 0.0
    left: float | None = None

    def __attrs_post_init__(self) -> None:
        self.start = self.opened
        self.span = Span(start=self.opened, end=self.opened)

    @property
    def latency(self) -> float:
        """Seconds from the end of the audio to the words."""
        return self.answered - self.asked if self.answered is not None and self.asked is not None else 0.0

    def hung(self, patience: float) -> bool:
        """Whether it was given up after `patience` s without an answer."""
        silent = self.words is None and self.error is None
        return silent and self.left is not None and self.left - self.last_sign >= patience - 0.001


@frozen(kw_only=True)
class Utterance:
    """What was recognised as one, with as many attempts as it took."""

    attempts: tuple[Attempt, ...]

    @property
    def span(self) -> Span:
        """Its audio."""
        return self.attempts[-1].span

    @property
    def words(self) -> str | None:
        """What was said; empty when nothing was understood, None when that is not known."""
        return self.attempts[-1].words


class Listening:
    """Follows the notes of one session, as they come or out of a recording."""

    def __init__(self, framing: Framing) -> None:
        self.heard = 0
        """position now"""
        self.attempts: dict[int, Attempt] = {}
        self._framing = framing
        self._decoder: Decoder | RawDecoder = Decoder(EAR_RATE)
        self._frames: list[tuple[int, float]] = [(0, 0.0)]
        self._stops: list[int] = []
        self._voiced: list[Span] = []

    def note(self, at: float, kind: Kind, data: tuple[Any, ...]) -> None:
        """This happened `at` s after the session began."""
        match kind, data:
            case Kind.IN, (bytes() as frame, *_):
                self.heard += self._samples(frame)
                self._frames.append((self.heard, at))
            case Kind.IN, (str() as frame, *_):
                self._look_for_format(frame)
            case Kind.STATE, ("TurnMachine", "stop", _, _):
                self._stops.append(self.heard)
            case Kind.VAD, (_, fed, str() as verdicts) if "1" in verdicts:
                self._voiced.append(Span(start=self.heard - fed // 2, end=self.heard))
            case Kind.ASR_OPEN, (number,):
                previous = self.attempts.get(number - 1)
                self.attempts[number] = Attempt(number=number, opened=self.heard, previous=previous, last_sign=at)
            case (
                (Kind.ASR_PARTIAL | Kind.ASR_FINISH | Kind.ASR_FINAL | Kind.ASR_ERROR | Kind.ASR_LEAVE),
                (number, *_),
            ):
                self._follow(self.attempts[number], at, kind, data[1:])

    def utterances(self) -> list[Utterance]:
        """All of them, in the order of their recognition."""
        found: list[list[Attempt]] = []
        for attempt in self.attempts.values():
            if found and found[-1][-1].words is None and found[-1][-1].span.overlap(attempt.span):
                found[-1].append(attempt)
            else:
                found.append([attempt])
        return [Utterance(attempts=tuple(attempts)) for attempts in found]

    def voice(self, span: Span) -> int:
        """How many samples of some audio are in packets that had a voice in them."""
        return sum(span.overlap(voiced) for voiced in self._voiced)

    def when(self, span: Span) -> tuple[float, float]:
        """When the badge sent the beginning and the end of some audio, in s since the session began."""
        first, last = bisect_right(self._frames, (span.start, inf)), bisect_left(self._frames, (span.end, 0.0))
        return self._time(first, span.start), self._time(last, span.end)

    def _time(self, index: int, position: int) -> float:
        end, at = self._frames[min(index, len(self._frames) - 1)]
        return max(0.0, at - (end - position) / EAR_RATE)

    def reached(self, number: int, fed: int) -> Span:
        """The audio of an attempt that has been fed so many samples by now."""
        attempt = self.attempts[number]
        start = min(attempt.start, self.heard - fed)
        return Span(start=start, end=start + fed)

    def _follow(self, attempt: Attempt, at: float, kind: Kind, data: tuple[Any, ...]) -> None:
        match kind, data:
            case Kind.ASR_PARTIAL, (fed, text):
                attempt.partials.append((fed // 2, text, at))
                self._feed(attempt, fed // 2)
            case Kind.ASR_FINISH, (fed, digest):
                self._feed(attempt, fed // 2)
                attempt.digest, attempt.asked = digest, at
                attempt.span = self._whole(attempt)
            case Kind.ASR_FINAL, (text,):
                attempt.words, attempt.answered = text, at
            case Kind.ASR_ERROR, (error, fed):
                attempt.error, attempt.answered = error, at
                if fed is not None:
                    attempt.broke_at = fed // 2
                    self._feed(attempt, fed // 2)
            case Kind.ASR_LEAVE, _:
                attempt.left = at
        if kind is not Kind.ASR_LEAVE:
            attempt.last_sign = at

    def _feed(self, attempt: Attempt, fed: int) -> None:
        attempt.fed = fed
        attempt.span = self.reached(attempt.number, fed)
        attempt.start = attempt.span.start

    def _whole(self, attempt: Attempt) -> Span:
        """The audio of an utterance that is over. It ended where the floor was given up last; when its recognition
        began later than that, others were recognised first, and it ended as early as it can have."""
        previous = attempt.previous
        if previous is not None and previous.words is None and previous.digest == attempt.digest:
            return previous.span
        ends = [stop for stop in self._stops if stop <= attempt.span.end]
        if ends and attempt.opened >= ends[-1]:
            after = previous.span.end if previous is not None else 0
            ends = [stop for stop in ends if stop - attempt.fed >= after][:1] or ends
        end = ends[-1] if ends else attempt.span.end
        return Span(start=end - attempt.fed, end=end)

    def _samples(self, frame: bytes) -> int:
        try:
            return len(self._decoder.decode(decode_frame(self._framing, frame).opus)) // 2
        except (RemoteProtocolError, OpusError):
            return 0

    def _look_for_format(self, frame: str) -> None:
        try:
            said = json.loads(frame)
            form = said["audio_params"]["format"] if said["type"] == "hello" else ""
        except (ValueError, KeyError, TypeError, RecursionError):
            return
        if form in ("opus", "pcm"):
            self._decoder = RawDecoder() if form == "pcm" else Decoder(EAR_RATE)

"""What the providers of a recording said, ready to be said again to whoever asks the same, with the pauses of then."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median
from typing import Any

from attrs import field, frozen

from badge.recording.records import Kind, Record
from badge.recording.shape import shape
from badge.replay.playback import token_of
from badge.replay.script import Script
from providers.opus import Encoder
from providers.pcm import byte_count
from providers.ports import MOUTH_RATE

DRAFT = "Draft"
"""What notes about answers are called that are begun before the utterance is over."""

PIECE = 0.2
"""Seconds of silence in one piece, where a sentence is spoken that was never recorded."""

CHARACTER = 0.065
"""Seconds that a character takes to speak, where the recording does not tell."""

AFTERWARDS = 0.25
"""Seconds after which an answer that was interrupted ends by itself, so that it is interrupted again where it was."""

UNKNOWN = 0.25
"""Seconds until something begins, where the recording does not tell."""

SLACK = 0.001
"""Seconds by which a wait may have been shorter than the patience that it cost."""


@frozen(kw_only=True)
class Take:
    """What one stream said, each at its time in s after it was opened. `end`: when it ended; None when it hung.
    `failed`: when it failed; None when it did not, or after its end."""

    asked: str = field(repr=False)
    items: tuple[tuple[float, Any], ...] = field(repr=False)
    end: float | None
    whole: bool = True
    """false when it was left before its end: nobody knows what else it would have said"""
    error: dict[str, Any] | None = None
    failed: float | None = None


class Repertoire:
    """Takes by what was asked. Who asks the same for the second time gets the second take; there may be no second."""

    def __init__(self, takes: Sequence[Take], *, masked: bool) -> None:
        self.takes = tuple(takes)
        self._masked = masked
        self._by_question: dict[str, list[Take]] = defaultdict(list)
        for take in takes:
            self._by_question[self._plain(take.asked)].append(take)
        self._unused = list(takes)
        self.delay = median([take.items[0][0] for take in takes if take.items] or [UNKNOWN])
        """seconds until an answer begins, usually"""

    def find(self, question: str) -> Take | None:
        """What was answered to this question, the next of several answers; None when it was never asked."""
        known = self._by_question.get(self._plain(question), [])
        fresh = next((take for take in known if take in self._unused), None)
        if fresh is not None:
            self._unused.remove(fresh)
        return fresh or (known[-1] if known else None)

    def next(self) -> Take | None:
        """The first answer that was not given yet, whatever it was an answer to."""
        return self._unused.pop(0) if self._unused else None

    def _plain(self, question: str) -> str:
        """What a session writes of its own is not masked, unlike what was recorded."""
        return shape(question) if self._masked else question


def replies(script: Script) -> Repertoire:
    """The answers of the language models, by the last words of the user."""
    prompt: list[list[Any]] = []
    asked: dict[int, str] = {}
    for record in script.records:
        if record.kind is Kind.LLM_OPEN:
            number, _, common, news = record.data
            prompt = prompt[:common] + list(news)
            asked[number] = next((message[1] for message in reversed(prompt) if message[0] == "user"), "")
    patience = script.settings.chat.first_token_s
    vain = _in_vain(script.records)
    heard = [r for r in script.records if r.kind.partition(".")[0] != "llm" or r.data[0] not in vain]
    takes = _takes(heard, "llm", lambda data: asked[data[0]], lambda data: token_of(data[0]), patience)
    return Repertoire(takes, masked=script.masking is not None)


def _in_vain(records: Sequence[Record]) -> set[int]:
    """The streams of drafts that nobody heard: what they would have said is not known, and nobody was to hear it."""
    vain: set[int] = set()
    opened: int | None = None
    for before, record in pairwise(records):
        if record.kind is Kind.LLM_OPEN and before.kind is Kind.STATE and before.data[:2] == (DRAFT, "open"):
            opened = record.data[0]
        elif record.kind is Kind.STATE and record.data[0] == DRAFT and record.data[1] != "open":
            if record.data[3] == "none" and opened is not None:
                vain.add(opened)
            opened = None
    return vain


def memories(script: Script) -> Repertoire:
    """What was remembered, by what was asked; a take without an item hung or failed."""
    patience = script.settings.chat.first_token_s
    takes = _takes(script.records, "recall", lambda data: data[1], lambda data: data[0], patience)
    return Repertoire(takes, masked=script.masking is not None)


class Speech:
    """How sentences sound, those that were recorded and others."""

    def __init__(self, script: Script) -> None:
        patience = script.settings.tts.timeout_s
        takes = _takes(script.records, "tts", lambda data: data[1], lambda data: data[0], patience)
        self._repertoire = Repertoire(takes, masked=script.masking is not None)
        packets = script.components().get("tts", {}).get("encoding") == "opus"
        self._piece = _silent_packet(script.settings.tts.frame_ms) if packets else bytes(byte_count(PIECE, MOUTH_RATE))
        self._lasts = script.settings.tts.frame_ms / 1000 if packets else PIECE
        sound = [take for take in takes if take.whole and take.items and take.asked]
        characters = sum(len(take.asked) for take in sound)
        self._character = sum(map(self._length, sound)) / characters if characters else CHARACTER

    def of(self, sentence: str) -> Take:
        """The recorded sound; silence of a likely length for a sentence that was never spoken, and for the rest of one
        that was interrupted."""
        take = self._repertoire.find(sentence)
        if take is not None and (take.whole or take.error is not None or take.end is None):
            return take
        begun = take.items if take is not None else ()
        missing = len(sentence) * self._character - (self._length(take) if take is not None else 0.0)
        at = self._repertoire.delay if take is None or take.end is None else max(self._repertoire.delay, take.end)
        rest = tuple((at, self._piece) for _ in range(round(missing / self._lasts)))
        return Take(asked=sentence, items=(*begun, *rest), end=at)

    def _length(self, take: Take) -> float:
        """Seconds."""
        if self._lasts != PIECE:
            return len(take.items) * self._lasts
        return sum(len(sound) for _, sound in take.items) / byte_count(1, MOUTH_RATE)


def _silent_packet(frame_ms: int) -> bytes:
    encoder = Encoder(MOUTH_RATE, frame_ms)
    return encoder.encode(bytes(encoder.frame_bytes))


_Read = Callable[[tuple[Any, ...]], Any]


def _takes(records: Sequence[Record], channel: str, question: _Read, item: _Read, patience: float) -> list[Take]:
    """Every stream of one kind of provider."""
    streams: dict[int, list[Record]] = defaultdict(list)
    for record in records:
        if record.kind.partition(".")[0] == channel:
            streams[record.data[0]].append(record)
    return [_take(notes, question, item, patience) for notes in streams.values()]


def _take(notes: Sequence[Record], question: _Read, item: _Read, patience: float) -> Take:
    begun, last_sign = notes[0].at, 0.0
    items: list[tuple[float, Any]] = []
    end = failed = None
    error = None
    whole = False
    for record in notes[1:]:
        at = (record.at - begun) / 1_000_000
        match record.kind:
            case Kind.LLM_TOKEN | Kind.TTS_CHUNK | Kind.RECALL_ANSWER:
                items.append((at, item(record.data[1:])))
                last_sign = at
                whole = whole or record.kind is Kind.RECALL_ANSWER
            case Kind.LLM_END | Kind.TTS_END:
                end, whole = at, True
            case Kind.LLM_ERROR | Kind.TTS_ERROR | Kind.RECALL_ERROR:
                error, failed = record.data[1], at if end is None else None
            case Kind.LLM_LEAVE | Kind.TTS_LEAVE if end is None and at - last_sign < patience - SLACK:
                end = at + AFTERWARDS  # it was interrupted: it goes no further than it had come
    return Take(asked=question(notes[0].data), items=tuple(items), end=end, whole=whole, error=error, failed=failed)

"""What a session comes to, in figures that can be held against those of another run of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from attrs import field, frozen

from badge.recording.records import Kind, Record
from badge.rehearsal.listening import Listening
from badge.rehearsal.repertoire import DRAFT
from badge.rehearsal.stage import TurnOver
from badge.replay.comparison import step
from protocol import Framing

NEAR = 0.12
"""Seconds by which an utterance may be elsewhere and still be the same: two frames."""


@frozen(kw_only=True)
class Piece:
    """One utterance: from when to when the badge sent it, in s of the session, and its words; None when nobody knows
    them."""

    start: float
    end: float
    words: str | None = field(repr=False)


@frozen(kw_only=True)
class BargeIn:
    """A voice that interrupted an answer, `at` s of the session; `words` are those of its utterance."""

    at: float
    words: str | None = field(repr=False)

    @property
    def false(self) -> bool:
        """Whether it came to nothing."""
        return self.words == ""


@frozen(kw_only=True)
class Findings:
    """Of one session, or of several together. `sent`: text messages by type and state; `frames`: of audio."""

    pieces: tuple[Piece, ...] = ()
    barge_ins: tuple[BargeIn, ...] = ()
    turns: tuple[TurnOver, ...] = ()
    answers: int = 0
    drafts: Mapping[str, int] = field(factory=dict)
    """answers that were begun before the utterance was over: what became of how many"""
    sent: Mapping[str, int] = field(factory=dict)
    frames: int = 0
    ends: tuple[str, ...] = ()
    """how the session ended: by whom and with which code"""


def findings_of(records: Sequence[Record], framing: Framing, turns: Iterable[TurnOver] = ()) -> Findings:
    """Look through what one session did; `turns` is known of rehearsals only."""
    listening = Listening(framing)
    sent: Counter[str] = Counter()
    drafts: Counter[str] = Counter()
    ends = ["it goes on"]
    for record in records:
        listening.note(record.at / 1_000_000, record.kind, record.data)
        if record.kind is Kind.OUT:
            sent[step(record.kind, record.data)] += 1
        elif record.kind is Kind.STATE and record.data[0] == DRAFT:
            drafts[record.data[1]] += 1
        elif record.kind is Kind.CLOSE:
            ends.append(f"server, {record.data[0]} {record.data[1]}")
        elif record.kind is Kind.LOST:
            ends.append(f"badge, {record.data[0]}")
    utterances = {u.attempts[0].number: u for u in listening.utterances()}
    pieces = []
    for utterance in utterances.values():
        start, end = listening.when(utterance.span)
        pieces.append(Piece(start=start, end=end, words=utterance.words))
    return Findings(
        pieces=tuple(pieces),
        barge_ins=tuple(
            BargeIn(at=at, words=utterances[number].words if number in utterances else None)
            for at, number in _barge_ins(records)
        ),
        turns=tuple(turns),
        answers=sent["tts start"],
        drafts=dict(drafts),
        frames=sent.pop("audio", 0),
        sent=dict(sent),
        ends=(ends[-1],),
    )


def _barge_ins(records: Iterable[Record]) -> Iterator[tuple[float, int]]:
    """When a voice interrupted an answer, in s, and the number of the recognition that began next."""
    answering = by_voice = False
    attempts = 0
    for record in records:
        match record.kind, record.data:
            case Kind.IN, (frame, *_):
                by_voice = isinstance(frame, bytes)
            case Kind.ASR_OPEN, (number,):
                attempts = number
            case Kind.STATE, ("TurnMachine", "listen", "thinking" | "speaking", "listening"):
                if answering and by_voice:
                    yield record.at / 1_000_000, attempts + 1
                answering = False
            case Kind.STATE, ("TurnMachine", "heard", _, _):
                answering = True
            case Kind.STATE, ("TurnMachine", "finished" | "abort", _, "idle"):
                answering = False


def together(several: Iterable[Findings]) -> Findings:
    """The findings of several sessions as one."""
    found = list(several)
    sent: Counter[str] = Counter()
    drafts: Counter[str] = Counter()
    for one in found:
        sent.update(one.sent)
        drafts.update(one.drafts)
    return Findings(
        pieces=tuple(piece for one in found for piece in one.pieces),
        barge_ins=tuple(barge_in for one in found for barge_in in one.barge_ins),
        turns=tuple(turn for one in found for turn in one.turns),
        answers=sum(one.answers for one in found),
        drafts=dict(drafts),
        sent=dict(sent),
        frames=sum(one.frames for one in found),
        ends=tuple(end for one in found for end in one.ends),
    )


def strayed(recorded: Findings, rehearsed: Findings) -> list[str]:
    """In what a rehearsal with the recorded settings is not what was recorded: a line for each kind of thing."""
    lines = []
    pairs = zip(recorded.pieces, rehearsed.pieces, strict=False)
    if len(recorded.pieces) != len(rehearsed.pieces):
        lines.append(f"{len(recorded.pieces)} utterances were recorded, {len(rehearsed.pieces)} are rehearsed")
    elif moved := sum(not _same(then, now) for then, now in pairs):
        lines.append(f"{moved} of {len(recorded.pieces)} utterances are not what they were")
    kinds = sorted(recorded.sent.keys() | rehearsed.sent.keys())
    counts = [(kind, recorded.sent.get(kind, 0), rehearsed.sent.get(kind, 0)) for kind in kinds]
    other = [f"{kind} {then} times, now {now}" for kind, then, now in counts if then != now]
    if other:
        lines.append(f"messages: {', '.join(other)}")
    return lines


def _same(then: Piece, now: Piece) -> bool:
    near = abs(then.start - now.start) <= NEAR and abs(then.end - now.end) <= NEAR
    return near and then.words == now.words

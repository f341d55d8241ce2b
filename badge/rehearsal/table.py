"""The table of what changes between two runs: rows only where something does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from statistics import quantiles

from attrs import frozen

from badge.rehearsal.findings import Findings, Piece
from badge.rehearsal.stage import TurnOver

DRAFTS = {
    "answers begun early": ("begin",),
    "of them taken": ("take",),
    "in vain, the user went on": ("resumed",),
    "in vain, other words": ("words",),
    "in vain, otherwise": ("prompt", "void"),
}
"""What becomes of answers that are begun before the utterance is over."""

WIDEST = 60
"""Characters of words that a cell shows."""

STAGES = ("endpointing", "asr", "queue", "llm", "tts", "encode", "gap", "send")
"""Stages of a turn up to its first audio, in their order."""


@frozen
class Row:
    """One thing that is otherwise."""

    what: str
    recorded: str
    what_if: str


HEADINGS = Row("what", "as it was set", "what if")


def rows(then: Findings, now: Findings, *, each: bool) -> list[Row]:
    """What changes; `each`: single utterances and turns, too, which only one session has."""
    found = [*_utterances(then, now, each=each), *_interruptions(then, now), *_latencies(then, now, each=each)]
    found += [*_messages(then, now)]
    return [row for row in found if row.recorded != row.what_if]


def aligned(table: Sequence[Row]) -> list[str]:
    """The lines of a table, with its headings."""
    lines = [HEADINGS, *table]
    first, second = (max(len(cell(row)) for row in lines) for cell in (_what, _recorded))
    return [f"  {row.what:<{first}}  {row.recorded:<{second}}  {row.what_if}" for row in lines]


def _what(row: Row) -> str:
    return row.what


def _recorded(row: Row) -> str:
    return row.recorded


def _utterances(then: Findings, now: Findings, *, each: bool) -> Iterator[Row]:
    yield Row("utterances", str(len(then.pieces)), str(len(now.pieces)))
    if each:
        for number, (before, after) in enumerate(matched(then.pieces, now.pieces), 1):
            yield Row(f"utterance {number}: from, to, length in s", _places(before), _places(after))
            yield Row(f"utterance {number}: words", _words(before), _words(after))


def matched(then: Sequence[Piece], now: Sequence[Piece]) -> list[tuple[list[Piece], list[Piece]]]:
    """Utterances of both runs that have audio in common, in the order of time."""
    groups: list[tuple[list[Piece], list[Piece]]] = []
    end = 0.0
    both = [(piece, 0) for piece in then] + [(piece, 1) for piece in now]
    for piece, side in sorted(both, key=lambda pair: (pair[0].start, pair[0].end)):
        if not groups or piece.start >= end:
            groups.append(([], []))
            end = piece.end
        groups[-1][side].append(piece)
        end = max(end, piece.end)
    return groups


def _places(pieces: Sequence[Piece]) -> str:
    shown = [f"{piece.start:.2f} to {piece.end:.2f} ({piece.end - piece.start:.2f})" for piece in pieces]
    return ", ".join(shown) or "none"


def _words(pieces: Sequence[Piece]) -> str:
    return " | ".join(_quoted(piece.words) for piece in pieces) or "none"


def _quoted(words: str | None) -> str:
    if words is None:
        return "not known"
    short = words if len(words) <= WIDEST else words[: WIDEST - 3] + "..."
    return f'"{short}"'


def _interruptions(then: Findings, now: Findings) -> Iterator[Row]:
    def row(what: str, count: Callable[[Findings], int]) -> Row:
        return Row(what, str(count(then)), str(count(now)))

    yield row("barge-ins by voice", lambda found: len(found.barge_ins))
    yield row("false barge-ins, without words", lambda found: sum(b.false for b in found.barge_ins))
    yield row("answers begun", lambda found: found.answers)
    yield row("acknowledged by a sound", lambda found: sum(turn.acknowledged is not None for turn in found.turns))
    for what, events in DRAFTS.items():
        before, after = (sum(found.drafts.get(event, 0) for event in events) for found in (then, now))
        yield Row(what, str(before), str(after))
    yield row("answers cut short", lambda found: sum(turn.cut for turn in found.turns))


def _latencies(then: Findings, now: Findings, *, each: bool) -> Iterator[Row]:
    for stage in STAGES:
        before, after = ([t.stages[stage] for t in found.turns if stage in t.stages] for found in (then, now))
        yield Row(f"{stage}, ms", _spread(before), _spread(after))
    totals = [_totals(found.turns) for found in (then, now)]
    yield Row("first audio, ms after speech", *(_spread(list(found.values())) for found in totals))
    sounds = ([t.acknowledged for t in found.turns if t.acknowledged is not None] for found in (then, now))
    yield Row("acknowledged, ms after speech", *map(_spread, sounds))
    if each and len(totals[0]) == len(totals[1]) > 1:
        for number, total in totals[0].items():
            other = totals[1].get(number)
            yield Row(
                f"first audio of answer {number}, ms", _spread([total]), _spread([] if other is None else [other])
            )


def _totals(turns: Sequence[TurnOver]) -> dict[int, float]:
    """By number, of those that came to be heard."""
    return {turn.number: turn.total for turn in turns if "send" in turn.stages}


def _spread(values: Sequence[float]) -> str:
    """One figure, or what half of them and 95 % of them do not exceed."""
    if len(values) < 2:
        return f"{values[0]:.1f}" if values else "none"
    points = quantiles(values, n=20, method="inclusive")
    return f"p50 {points[9]:.1f}, p95 {points[18]:.1f}"


def _messages(then: Findings, now: Findings) -> Iterator[Row]:
    for kind in sorted(then.sent.keys() | now.sent.keys()):
        yield Row(f"messages {kind}", str(then.sent.get(kind, 0)), str(now.sent.get(kind, 0)))
    yield Row("audio frames", str(then.frames), str(now.frames))
    yield Row("ended by", _ends(then), _ends(now))


def _ends(found: Findings) -> str:
    if len(found.ends) == 1:
        return found.ends[0]
    return "; ".join(f"{end}: {count}" for end, count in sorted(Counter(found.ends).items()))

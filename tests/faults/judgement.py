"""Whether what a user got in spite of a fault is what he may get."""

from __future__ import annotations

from collections.abc import Iterator

from badge.link import Goodbye
from badge.texts import ONE_MOMENT
from tests.faults.outcomes import ANSWERED, APOLOGISED, DENIED, UNHEARD, Question
from tests.faults.points import CANCEL, LOST, TIMEOUT, UNFORESEEN, Fault, Point
from tests.faults.run import Sight

GONE = "gone"
"""The connection has broken, and nobody is left to be told."""


def ending_of(goodbye: Goodbye) -> str:
    """How a connection ends that the server closes for this reason."""
    return f"{goodbye.code} {goodbye.reason}"


_DEAD = {
    "wire.receive": Goodbye.IDLE,
    "wire.send": Goodbye.TOO_SLOW,
    "wire.ping": Goodbye.SILENT,
}


def allowed_ending(point: Point, fault: Fault) -> str:
    """How else than usual the connection may end; empty when it may not."""
    wire = point.kind.startswith("wire.")
    if fault is CANCEL:
        return ending_of(Goodbye.SHUTDOWN)
    if fault is LOST:
        return GONE
    if fault is TIMEOUT and wire:
        return ending_of(_DEAD[point.kind])
    if fault is UNFORESEEN and (wire or point.kind == "vad.ready"):
        return ending_of(Goodbye.FAILED)
    return ""


def judge(point: Point, fault: Fault, sight: Sight, clean: Sight) -> tuple[str, tuple[str, ...]]:
    """The outcome in a few words, and what was wrong."""
    wrong = [*sight.violations, *_unforeseen(fault, sight), *_ended_badly(point, fault, sight, clean)]
    wrong += _questions(point, sight, clean)
    if not fault.name.startswith("garbage"):
        wrong += _said(sight, clean)
    if not sight.hit:
        wrong.append("the point was not reached")
    return _outcome(sight, clean), tuple(wrong)


def _unforeseen(fault: Fault, sight: Sight) -> Iterator[str]:
    if sight.failures and fault is not UNFORESEEN:
        yield f"nobody foresaw it: {', '.join(sight.failures)}"


def _ended_badly(point: Point, fault: Fault, sight: Sight, clean: Sight) -> Iterator[str]:
    if sight.ending not in (clean.ending, allowed_ending(point, fault)):
        yield f"the connection ended with: {sight.ending}"
    if sight.cut and sight.ending.startswith("1000 ") and not _last_words(point):
        yield "closed in the middle of an answer"


def _last_words(point: Point) -> bool:
    """Whether the fault may have hit the very message that tells the end of the last answer: it has its time to get out,
    and no more."""
    return point.kind == "wire.send"


def _questions(point: Point, sight: Sight, clean: Sight) -> Iterator[str]:
    """The question that the fault had to do with has an outcome that may be; others are as ever, as far as the
    connection lasted."""
    for question, before in zip(sight.questions, clean.questions, strict=False):
        cut = not question.outcome and (sight.ending != clean.ending or (sight.cut and _last_words(point)))
        if question.number == sight.affected:
            if not cut and question.outcome not in (ANSWERED, APOLOGISED, DENIED, UNHEARD, before.outcome):
                yield f"question {question.number}: {question.outcome or 'no outcome'}"
        elif not (cut or sight.deaf or _same(question, before)):
            yield f"question {question.number} was {before.outcome}, and now {question.outcome}: {question.said}"
    if len(sight.questions) < len(clean.questions) and sight.ending == clean.ending:
        yield f"only {len(sight.questions)} of {len(clean.questions)} questions"


def _said(sight: Sight, clean: Sight) -> Iterator[str]:
    """What was said to the same words is the same; in the question that the fault had to do with, or its beginning."""
    for question, before in zip(sight.questions, clean.questions, strict=False):
        both = question.outcome == before.outcome == ANSWERED and question.shown == before.shown
        now = " ".join(
            said for said in question.said if said not in ONE_MOMENT.values()
        )  # which is said while one waits
        then = " ".join(before.said)
        if both and now != then and not (question.number == sight.affected and then.startswith(now)):
            yield f"question {question.number} was answered with {question.said}, not {before.said}"


def _same(question: Question, before: Question) -> bool:
    """As before; or answered, though it was interrupted then; or the user is asked to repeat what had no words then; or a
    mode cannot be left, because it could not be entered."""
    excused = before.outcome == UNHEARD and question.outcome == APOLOGISED
    excused |= question.wants == "mode" and question.outcome == DENIED
    return question.asked == before.asked and (excused or question.outcome in (ANSWERED, before.outcome))


def _outcome(sight: Sight, clean: Sight) -> str:
    if sight.ending != clean.ending:
        return f"closed: {sight.ending}" if sight.ending != GONE else "the badge is gone"
    outcomes = {q.number: q.outcome for q in sight.questions}
    for question in clean.questions:
        now = outcomes.get(question.number, "not asked")
        if now != question.outcome:
            return now or "its end was cut short"
    return ANSWERED

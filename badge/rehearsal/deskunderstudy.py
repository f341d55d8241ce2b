"""The desk of a rehearsal: answers each kind of question as it was answered then, in the same order and as fast."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Any

import trio

from badge.desk import Desk, RefusedError
from badge.recording.desk import Asking, answer_of, desk_of
from badge.recording.records import Kind
from badge.replay.playeddesk import refusal_of
from badge.replay.script import Script


def understudy_desk(script: Script) -> Desk:
    """A desk that knows what was asked for and answered."""
    answers: dict[str, deque[tuple[float, Any]]] = defaultdict(deque)
    asked: dict[int, tuple[str, int]] = {}
    for record in script.records:
        match record.kind, record.data:
            case Kind.DESK_ASK, (number, what, _):
                asked[number] = what, record.at
            case ((Kind.DESK_ANSWER | Kind.DESK_ERROR), (number, value)) if number in asked:
                what, at = asked.pop(number)
                outcome = refusal_of(value) if record.kind is Kind.DESK_ERROR else value
                answers[what].append(((record.at - at) / 1_000_000, outcome))
    return desk_of(lambda subject, method: _answering(subject, method, answers[f"{subject}.{method}"]))


def _answering(subject: str, method: str, answers: deque[tuple[float, Any]]) -> Asking:
    async def answering(*_: Any) -> Any:
        if not answers:
            await trio.lowlevel.checkpoint()
            raise RefusedError("not-recorded", "the recording has no further answer to this")
        delay, answer = answers.popleft()
        await trio.sleep(delay)
        if isinstance(answer, Exception):
            raise answer
        return answer_of(subject, method, answer)

    return answering

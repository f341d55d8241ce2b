"""A desk that answers from a recording, at the moment that the driver says."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from badge.desk import Desk, RefusedError
from badge.recording.desk import Asking, answer_of, desk_of
from badge.replay.playback import Reels, error_of


@frozen
class Answered:
    """An answer as a plain value."""

    value: Any


def refusal_of(error: dict[str, Any]) -> Exception:
    """The exception that a recorded error at the desk stands for."""
    return RefusedError(error["code"], error["message"]) if "code" in error else error_of(error)


def played_desk(reels: Reels) -> Desk:
    """A desk whose questions are numbered together."""
    return desk_of(lambda subject, method: _answering(subject, method, reels))


def _answering(subject: str, method: str, reels: Reels) -> Asking:
    async def answering(*_: Any) -> Any:
        answer = await reels.open().receive()
        if isinstance(answer, Exception):
            raise answer
        return answer_of(subject, method, answer.value)

    return answering

"""The seam between a session and its desk: what is asked for and told, and what comes back, as plain values."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, get_type_hints

import attrs
import cattrs

from badge import desk as protocols
from badge.desk import Desk, RefusedError
from badge.recording.journal import Note
from badge.recording.records import Kind
from badge.recording.streams import Count, describe_error

SUBJECTS: dict[str, type] = get_type_hints(Desk)
"""What one can ask for at the desk: name -> protocol."""

Asking = Callable[..., Awaitable[Any]]
Telling = Callable[..., None]

_CONVERTER = cattrs.Converter()


def plain_value(value: Any) -> Any:
    """A value as it stands in a recording."""
    if isinstance(value, list | tuple):
        return [plain_value(item) for item in value]
    if isinstance(value, dict):
        return {key: plain_value(item) for key, item in value.items()}
    return (
        {k: plain_value(v) for k, v in attrs.asdict(value, recurse=False).items()} if attrs.has(type(value)) else value
    )


def answer_of(subject: str, method: str, value: Any) -> Any:
    """The answer that a recorded value stands for."""
    hints = get_type_hints(getattr(SUBJECTS[subject], method), vars(protocols))
    return _CONVERTER.structure(value, hints["return"])


def refusal(exc: BaseException) -> dict[str, Any]:
    """An error at the desk as it stands in a recording."""
    return {"code": exc.code, "message": exc.message} if isinstance(exc, RefusedError) else describe_error(exc)


def nobody_told(_subject: str, _method: str) -> Telling:
    """What a desk is told is lost."""
    return lambda *_: None


def desk_of(asking: Callable[[str, str], Asking], telling: Callable[[str, str], Telling] = nobody_told) -> Desk:
    """A desk made of functions: `asking` gives the one for each question, `telling` for what is not waited for; both
    by subject and method."""

    def part(subject: str, protocol: type) -> Any:
        methods = {
            name: (asking if inspect.iscoroutinefunction(method) else telling)(subject, name)
            for name, method in vars(protocol).items()
            if inspect.isfunction(method) and not name.startswith("_")
        }
        return SimpleNamespace(**methods)

    return Desk(**{subject: part(subject, protocol) for subject, protocol in SUBJECTS.items()})


def recorded_desk(desk: Desk, journal: Note) -> Desk:
    """The same desk, with a seam around each part; questions are numbered together."""
    numbers = Count()
    return desk_of(
        lambda subject, method: _asking(method_of(desk, subject, method), f"{subject}.{method}", journal, numbers),
        lambda subject, method: _telling(method_of(desk, subject, method), f"{subject}.{method}", journal),
    )


def method_of(desk: Desk, subject: str, method: str) -> Callable[..., Any]:
    """What a desk does when it is asked, or told, so."""
    function: Callable[..., Any] = getattr(getattr(desk, subject), method)
    return function


def _asking(ask: Asking, what: str, journal: Note, numbers: Count) -> Asking:
    async def asked(*arguments: Any) -> Any:
        number = numbers.next()
        journal.note(Kind.DESK_ASK, number, what, plain_value(arguments))
        try:
            answer = await ask(*arguments)
        except Exception as exc:
            journal.note(Kind.DESK_ERROR, number, refusal(exc))
            raise
        journal.note(Kind.DESK_ANSWER, number, plain_value(answer))
        return answer

    return asked


def _telling(tell: Telling, what: str, journal: Note) -> Telling:
    def told(*arguments: Any) -> None:
        journal.note(Kind.DESK_TELL, what, plain_value(arguments))
        tell(*arguments)

    return told

"""The seam between a session and its desk: what is asked for and told, and what comes back, as plain values."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, cast, get_type_hints

import attrs
import cattrs

from badge import desk as protocols
from badge.desk import Desk, RefusedError
from badge.recording.journal import Note
from badge.recording.records import Kind
from badge.recording.streams import Count, describe_error

SUBJECTS: dict[str, type] = {
    field.name: cast(type, getattr(protocols, str(field.type)) if isinstance(field.type, str) else field.type)
    for field in attrs.fields(Desk)
}
"""What one can ask for at the desk: name -> protocol."""

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


def desk_of(subject: Callable[[str, type], Any]) -> Desk:
    """A desk whose parts are made one by one."""
    return Desk(**{name: subject(name, protocol) for name, protocol in SUBJECTS.items()})


def recorded_desk(desk: Desk, journal: Note) -> Desk:
    """The same desk, with a seam around each part; questions are numbered together."""
    numbers = Count()
    return desk_of(lambda name, protocol: _Recorded(getattr(desk, name), name, protocol, journal, numbers))


class _Recorded:
    """One part of the desk: its methods are those of the protocol, each with a seam around it."""

    def __init__(self, part: Any, name: str, protocol: type, journal: Note, numbers: Count) -> None:
        for method, function in vars(protocol).items():
            if inspect.iscoroutinefunction(function):
                setattr(self, method, _asking(getattr(part, method), f"{name}.{method}", journal, numbers))
            elif inspect.isfunction(function) and not method.startswith("_"):
                setattr(self, method, _telling(getattr(part, method), f"{name}.{method}", journal))


def _asking(ask: Any, what: str, journal: Note, numbers: Count) -> Any:
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


def _telling(tell: Any, what: str, journal: Note) -> Any:
    def told(*arguments: Any) -> None:
        journal.note(Kind.DESK_TELL, what, plain_value(arguments))
        tell(*arguments)

    return told

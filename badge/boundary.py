"""The one place where any error is caught: whatever fails inside ends here, is logged, and harms nobody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType

from structlog.typing import FilteringBoundLogger


class boundary:
    """Contain the errors of one connection, turn, tool call or background job; cancellation passes through.

    `on_error` is told after the error was logged, so that somebody can be answered. A class and not a generator: one is
    entered for every audio frame.
    """

    __slots__ = ("_log", "_on_error", "_what")

    def __init__(self, what: str, log: FilteringBoundLogger, *, on_error: Callable[[], None] | None = None) -> None:
        self._what, self._log, self._on_error = what, log, on_error

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: type[BaseException] | None, exc: BaseException | None, __: TracebackType | None) -> bool:
        if exc is None:
            return False
        try:
            raise exc
        except* Exception as group:  # noqa: BLE001 - the only broad except of the project
            self._log.error("failed", what=self._what, error=_names(group), exc_info=group)
            if self._on_error is not None:
                self._on_error()
        return True


def _names(group: BaseExceptionGroup[BaseException]) -> str:
    """The kinds of error inside, without their messages: those may quote a user."""
    return ", ".join(sorted({type(exc).__name__ for exc in leaves(group)}))


def leaves(exc: BaseException) -> Iterator[BaseException]:
    """The single errors in a group, however deep; an error that is no group is its own leaf."""
    if isinstance(exc, BaseExceptionGroup):
        for inner in exc.exceptions:
            yield from leaves(inner)
    else:
        yield exc

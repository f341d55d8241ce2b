"""The one place where any error is caught: whatever fails inside ends here, is logged, and harms nobody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from structlog.typing import FilteringBoundLogger


@contextmanager
def boundary(what: str, log: FilteringBoundLogger, *, on_error: Callable[[], None] | None = None) -> Iterator[None]:
    """Contain the errors of one connection, turn, tool call or background job; cancellation passes through.

    `on_error` is told after the error was logged, so that somebody can be answered.
    """
    try:
        yield
    except* Exception as group:  # the only broad except of the project
        log.error("failed", what=what, error=_names(group), exc_info=group)
        if on_error is not None:
            on_error()


def _names(group: BaseExceptionGroup[BaseException]) -> str:
    """The kinds of error inside, without their messages: those may quote a user."""
    leaves: list[str] = []
    pending: list[BaseException] = [group]
    while pending:
        exc = pending.pop()
        if isinstance(exc, BaseExceptionGroup):
            pending.extend(exc.exceptions)
        else:
            leaves.append(type(exc).__name__)
    return ", ".join(sorted(set(leaves)))

"""What the openai package's exceptions mean to us: one table; nothing of a key, a request or an answer comes through."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from math import inf
from typing import Any

from attrs import define

from providers.ports import ProviderError

PAUSE = 0.25
"""Seconds before the second attempt, unless the server names a time."""


@define
class Failure:
    """Why an answer ended, whether a piece of it came before, and after how many s a second attempt makes sense. `status`
    is that of HTTP, 0 where it was not the reason."""

    error: ProviderError
    pause: float = PAUSE
    started: bool = False
    status: int = 0

    def may_repeat(self, remaining: float) -> bool:
        """Whether to ask again when `remaining` s are left for the first piece."""
        return self.error.retryable and not self.started and self.pause < remaining


_CHECK_KEY = "Check the key in {source}."
_CHECK_NAMES = "Check model and base_url in config.toml; the base_url usually ends in /v1."
_CHECK_NETWORK = "Check the network and base_url in config.toml."
_WAIT = "Try again later or use another model."

_BY_STATUS: Mapping[int, tuple[str, str]] = {
    400: ("the server does not accept the request", "Check model and the other settings in config.toml."),
    401: ("the server refuses the API key", _CHECK_KEY),
    402: ("the account has no credit", "Add credit to the account."),
    403: ("the key may not use this model", _CHECK_KEY),
    404: ("the server does not know the model or the address", _CHECK_NAMES),
    405: ("the address is not that of an API", _CHECK_NAMES),
    408: ("the server timed out", ""),
    409: ("the server reports a conflict", ""),
    413: ("the request is too long for the server", ""),
    422: ("the server does not accept the request", "Check model and the other settings in config.toml."),
    429: ("the server limits the rate or the quota is used up", _WAIT),
    503: ("the server is overloaded", _WAIT),
}
_RETRYABLE = {408, 409, 429}
_PARTICULAR = {400, 413, 422}


def failure_of(name: str, exc: Exception, source: str, remedies: Mapping[int, str] | None = None) -> Failure:
    """The failure that an exception stands for; `source` says where the key is from, `remedies` what helps against some
    HTTP statuses, where whoever asks knows better than the table."""
    import httpx2
    import openai

    if isinstance(exc, openai.APIStatusError):
        return by_status(name, exc.status_code, exc.response.headers, source, remedies)
    if isinstance(exc, openai.APITimeoutError):
        detail = "the server does not take the connection in time."
        return Failure(
            ProviderError(name, detail, remedy=_CHECK_NETWORK, retryable=True, pause=PAUSE, unreachable=True)
        )
    if isinstance(exc, openai.APIConnectionError | httpx2.RequestError | OSError):
        cause = exc.__cause__ if isinstance(exc, openai.APIConnectionError) else exc
        unreachable = isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout)
        detail = f"the connection failed ({type(cause).__name__})."
        return Failure(
            ProviderError(name, detail, remedy=_CHECK_NETWORK, retryable=True, pause=PAUSE, unreachable=unreachable)
        )
    if isinstance(exc, ValueError | TypeError | AttributeError | LookupError | RecursionError):
        return Failure(ProviderError(name, "the server sent something that is no answer.", retryable=True))
    return Failure(ProviderError(name, f"the request failed ({type(exc).__name__})."))


def by_status(name: str, status: int, headers: Any, source: str, remedies: Mapping[int, str] | None = None) -> Failure:
    """The failure that an HTTP status stands for."""
    default = ("the server failed" if status >= 500 else "the server refuses the request", "")
    detail, remedy = _BY_STATUS.get(status, default)
    remedy = (remedies or {}).get(status, remedy)
    pause = _pause(headers)
    error = ProviderError(
        name,
        f"{detail} (HTTP {status}).",
        remedy=remedy.format(source=source),
        retryable=status >= 500 or status in _RETRYABLE,
        pause=pause,
        particular=status in _PARTICULAR,
    )
    return Failure(error, pause, status=status)


def _pause(headers: Any) -> float:
    """Seconds that a `Retry-After` header asks for. One with a date means the clock of the server, which `Date` shows."""
    wanted = headers.get("retry-after", "")
    try:
        pause = float(wanted)
    except ValueError:
        try:
            now = parsedate_to_datetime(headers.get("date", ""))
            pause = (parsedate_to_datetime(wanted) - now).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return PAUSE
    return max(PAUSE, pause) if pause < inf else PAUSE

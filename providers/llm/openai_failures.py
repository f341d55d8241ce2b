"""What the openai package's exceptions mean to us: one table; nothing of a key, a prompt or an answer comes through."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import inf
from typing import Any

from attrs import define

from providers.llm.openai_reply import Reply, ReplyError
from providers.ports import ProviderError

PAUSE = 0.25
"""Seconds before the second attempt, unless the server names a time."""

LONGEST_PAUSE = 1.0
"""Seconds; whoever is told to wait longer does not: another model may be there, and somebody waits for the answer."""

_PLAIN = re.compile(r"[a-z0-9_.-]{1,40}")
"""Error codes look like this; anything else in their place might be a piece of the prompt."""


@define
class Failure:
    """Why an answer ended, whether a token came before, and after how many s a second attempt makes sense. `status` is
    that of HTTP, 0 where it was not the reason."""

    error: ProviderError
    pause: float = PAUSE
    started: bool = False
    status: int = 0

    def may_repeat(self, remaining: float) -> bool:
        """Whether to ask again when `remaining` s are left for the first token."""
        return self.error.retryable and not self.started and self.pause < min(remaining, LONGEST_PAUSE)


_CHECK_KEY = "Check the key in {source}."
_CHECK_NAMES = "Check model and base_url in config.toml; the base_url usually ends in /v1."
_WAIT = "Try again later or use another model."

_BY_STATUS: Mapping[int, tuple[str, str]] = {
    400: ("the server does not accept the request", "Check model and extra in config.toml."),
    401: ("the server refuses the API key", _CHECK_KEY),
    402: ("the account has no credit", "Add credit to the account."),
    403: ("the key may not use this model", _CHECK_KEY),
    404: ("the server does not know the model or the address", _CHECK_NAMES),
    405: ("the address is not that of an API", _CHECK_NAMES),
    408: ("the server timed out", ""),
    409: ("the server reports a conflict", ""),
    413: ("the request is too long for the server", "Lower chat.history in config.toml."),
    422: ("the server does not accept the request", "Check model and extra in config.toml."),
    429: ("the server limits the rate or the quota is used up", _WAIT),
    503: ("the server is overloaded", _WAIT),
}
_RETRYABLE = {408, 409, 429}
_PARTICULAR = {400, 413, 422}
_LASTING_CODES = re.compile(r"invalid|auth|permission|not_found|length|policy|filter|quota|unsupported")
"""Names of in-stream errors that the same request would meet again."""


def failure_of(name: str, exc: Exception, source: str) -> Failure:
    """The failure that an exception stands for; `source` says where the key is from."""
    import httpx2
    import openai

    if isinstance(exc, openai.APIStatusError):
        return _by_status(name, exc.status_code, exc.response.headers, source)
    if isinstance(exc, ReplyError):
        return _in_stream(name, exc.code, source)
    if isinstance(exc, openai.APITimeoutError):
        detail = "the server does not take the connection in time."
        return Failure(ProviderError(name, detail, retryable=True, unreachable=True))
    if isinstance(exc, openai.APIConnectionError | httpx2.RequestError | OSError):
        cause = exc.__cause__ if isinstance(exc, openai.APIConnectionError) else exc
        remedy = "Check the network and base_url in config.toml."
        detail, none = f"the connection failed ({type(cause).__name__}).", isinstance(cause, httpx2.ConnectError)
        return Failure(ProviderError(name, detail, remedy=remedy, retryable=True, unreachable=none))
    if isinstance(exc, ValueError | TypeError | AttributeError | LookupError | RecursionError):
        return Failure(ProviderError(name, "the server sent something that is no answer.", retryable=True))
    return Failure(ProviderError(name, f"the request failed ({type(exc).__name__})."))


def silent(name: str, started: bool) -> Failure:  # noqa: FBT001 - the one thing it depends on
    """No token came in time."""
    what = "stopped in the middle of the answer" if started else "did not begin to answer in time"
    return Failure(ProviderError(name, f"the server {what}.", retryable=True))


def unfinished(name: str, reply: Reply) -> Failure | None:
    """What is wrong with an answer whose stream ended, if anything is."""
    if not reply.started and reply.finish == "content_filter":
        return Failure(ProviderError(name, "the server's content filter refuses to answer.", particular=True))
    if not reply.started:
        return Failure(ProviderError(name, "the answer is empty.", retryable=True))
    if not (reply.finish or reply.complete):
        return Failure(ProviderError(name, "the answer broke off.", retryable=True))
    return None


def _by_status(name: str, status: int, headers: Any, source: str) -> Failure:
    default = ("the server failed" if status >= 500 else "the server refuses the request", "")
    detail, remedy = _BY_STATUS.get(status, default)
    wanted = _pause(headers)
    error = ProviderError(
        name,
        f"{detail} (HTTP {status}).",
        remedy=remedy.format(source=source),
        retryable=status >= 500 or status in _RETRYABLE,
        pause=wanted,
        particular=status in _PARTICULAR,
    )
    return Failure(error, max(PAUSE, wanted), status=status)


def _pause(headers: Any) -> float:
    """Seconds that a `Retry-After` header asks for, 0 without one; dates are not understood."""
    try:
        pause = float(headers.get("retry-after", 0))
    except ValueError:
        return 0.0
    return pause if 0 < pause < inf else 0.0


def _in_stream(name: str, code: str, source: str) -> Failure:
    if code.isdigit() and 400 <= int(code) < 600:
        return _by_status(name, int(code), {}, source)
    known = f" ({code})" if _PLAIN.fullmatch(code) else ""
    detail = f"the server reports an error{known}."
    return Failure(ProviderError(name, detail, retryable=not _LASTING_CODES.search(code)))

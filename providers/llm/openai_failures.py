"""What may be wrong with an answer of a language model, beside what may be wrong with any request."""

from __future__ import annotations

import re

from providers import openai_failures
from providers.llm.openai_reply import Reply, ReplyError
from providers.openai_failures import PAUSE, Failure
from providers.ports import ProviderError

_PLAIN = re.compile(r"[a-z0-9_.-]{1,40}")
"""Error codes look like this; anything else in their place might be a piece of the prompt."""

LONGEST_PAUSE = 1.0
"""Seconds; whoever is told to wait longer does not: another model may be there, and somebody waits for the answer."""

_REMEDIES = {
    400: "Check model and extra in config.toml.",
    413: "Lower chat.history in config.toml.",
    422: "Check model and extra in config.toml.",
}
_LASTING_CODES = re.compile(r"invalid|auth|permission|not_found|length|policy|filter|quota|unsupported")
"""Names of in-stream errors that the same request would meet again."""


def failure_of(name: str, exc: Exception, source: str) -> Failure:
    """The failure that an exception stands for; `source` says where the key is from."""
    if isinstance(exc, ReplyError):
        return _in_stream(name, exc.code, source)
    return _ours(openai_failures.failure_of(name, exc, source, _REMEDIES))


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


def _in_stream(name: str, code: str, source: str) -> Failure:
    if code.isdigit() and 400 <= int(code) < 600:
        return _ours(openai_failures.by_status(name, int(code), {}, source, _REMEDIES))
    known = f" ({code})" if _PLAIN.fullmatch(code) else ""
    detail = f"the server reports an error{known}."
    return Failure(ProviderError(name, detail, retryable=not _LASTING_CODES.search(code)))


def _ours(failure: Failure) -> Failure:
    """A pause that the server has not asked for is no reason to leave it alone: the next question may come at once."""
    if failure.error.pause <= PAUSE:
        failure.error.pause = 0.0
    return failure

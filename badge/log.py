"""Logging: what a line looks like, what it never shows, and that writing it never waits."""

from __future__ import annotations

import json
import logging
import queue
import re
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from logging.handlers import QueueHandler, QueueListener
from typing import Any, Literal, TextIO

import attrs
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from protocol.errors import HandshakeError, LocalProtocolError
from protocol.registry import is_private, is_secret
from providers.ports import ProviderError

QUEUE_LINES = 10_000
"""Lines that wait for a slow terminal or disk; beyond it lines are dropped and counted."""

LAST_LINES = 2.0
"""Seconds that the last lines have to get out when the program ends."""

_SECRET_KEY = re.compile(r"secret|token|password|passwd|authorization|api[-_]?key|credential", re.IGNORECASE)
_SECRET_QUERY = re.compile(r"((?:authorization|token|secret|password|api[-_]?key)=)[^&\s]*", re.IGNORECASE)
_USERINFO = re.compile(r"(?<=://)[^/?#@\s]*@")
_QUERY_VALUE = re.compile(r"(?<==)[^&#{}\s]+(?=[&#\s]|$)")
MASK = "***"
_DEPTH = 6

_TALKATIVE = ("mcp", "client", "httpx2")
"""Libraries that log what users said, or addresses that may hold a key: the MCP library (which also logs as `client`), and the
one for HTTP."""


def get_log(name: str) -> FilteringBoundLogger:
    """The logger of one module."""
    log: FilteringBoundLogger = structlog.get_logger(name)
    return log


def shorten(text: str, limit: int) -> str:
    """At most about `limit` characters: the first and the last half with `...` between."""
    return text if len(text) <= limit else f"{text[: limit // 2]}...{text[len(text) - limit // 2 :]}"


def mask_target(target: str) -> str:
    """A request target without the credentials that browsers put into the query."""
    return _SECRET_QUERY.sub(r"\1" + MASK, target)


def mask_addresses(text: str) -> str:
    """Configured text without the credentials that addresses in it may carry: user and password, and all values of a query,
    whatever they are called. Placeholders in braces stay."""
    if "://" not in text:
        return text
    before, question, query = _USERINFO.sub(f"{MASK}@", text).partition("?")
    return before + question + _QUERY_VALUE.sub(MASK, query)


def mask(value: Any, depth: int = _DEPTH) -> Any:
    """A JSON value of a type we do not know, with everything under a secret-sounding key hidden."""
    if depth == 0:
        return "..."
    if isinstance(value, Mapping):
        return {k: MASK if _SECRET_KEY.search(str(k)) else mask(v, depth - 1) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [mask(v, depth - 1) for v in value]
    return value


def outline(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON object of a type we do not know: its type, and of everything else the size, because texts may be a
    user's."""
    shape: dict[str, Any] = {}
    for name, value in mask(fields).items():
        if name != "type" and value != MASK and isinstance(value, str | list | dict):
            shape[f"{name}_size"] = len(value)
        else:
            shape[name] = value
    return shape


def describe(message: Any) -> str:
    """One received message for the log: secret fields hidden, private ones as their size, the rest in full."""
    fields: dict[str, Any] = {}
    for attribute in attrs.fields(type(message)):
        value = getattr(message, attribute.name)
        if value is None or value == _default(attribute):
            continue
        if is_secret(attribute):
            fields[attribute.name] = MASK
        elif is_private(attribute):
            fields[f"{attribute.name}_size"] = len(value)
        else:
            fields[attribute.name] = mask(attrs.asdict(value) if attrs.has(type(value)) else value)
    return json.dumps(fields, ensure_ascii=False, default=str)


def _default(attribute: Any) -> Any:
    default = attribute.default
    return default.factory() if isinstance(default, attrs.Factory) else default  # type: ignore[arg-type]


@contextmanager
def logging_to(
    stream: TextIO, *, form: Literal["console", "json"], level: str, max_message_length: int
) -> Iterator[None]:
    """Route all logging to `stream` through a bounded queue and one writer thread, until the block ends."""
    lines: queue.Queue[Any] = queue.Queue(QUEUE_LINES)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(message)s"))
    listener = _Writer(lines, handler)
    sink = _DroppingHandler(lines)
    root = logging.getLogger()
    before = root.handlers[:], root.level
    root.handlers[:] = [sink]
    root.setLevel(level.upper())
    logging.getLogger("trio-websocket").disabled = True  # four debug calls per frame otherwise
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    structlog.configure(
        processors=_processors(form, max_message_length),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    listener.start()
    try:
        yield
    finally:
        listener.stop()
        root.handlers[:] = before[0]
        root.setLevel(before[1])
        structlog.reset_defaults()
        if sink.dropped:
            print(f"{sink.dropped} log lines were dropped: the log stream was too slow", file=sys.stderr)  # noqa: T201


class _Writer(QueueListener):
    """Writes lines on a thread of its own; at the end a stream that takes nothing is not waited for."""

    queue: queue.Queue[Any]

    def enqueue_sentinel(self) -> None:
        """Tell the thread to end after what is queued; when the queue is full, instead of its oldest line."""
        while True:
            try:
                self.queue.put_nowait(None)
            except queue.Full:
                self.queue.get_nowait()
            else:
                return

    def stop(self) -> None:
        """Give the thread a bounded time to write what is queued."""
        self.enqueue_sentinel()
        if self._thread is not None:
            self._thread.join(LAST_LINES)
            self._thread = None


class _DroppingHandler(QueueHandler):
    """Never waits and never raises: a line that finds the queue full is counted."""

    def __init__(self, lines: queue.Queue[Any]) -> None:
        super().__init__(lines)
        self.dropped = 0

    def enqueue(self, record: logging.LogRecord) -> None:
        """Put the line on the queue, or count it."""
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1


def _processors(form: str, limit: int) -> list[Any]:
    def fit(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        for key, value in event.items():
            if isinstance(value, str) and key != "exception":
                event[key] = shorten(value, limit)
        return event

    last: Any
    if form == "json":
        last = structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    else:
        last = structlog.dev.ConsoleRenderer(colors=False)
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        tell_exception,
        fit,
        fill_template,
        fit,
        last,
    ]


def tell_exception(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Turn `exc_info` into text: where it happened and what kinds of error, with the words of trusted errors only."""
    exc = event.pop("exc_info", None)
    if isinstance(exc, BaseException):
        event["exception"] = "\n".join(_story(exc, ""))
    return event


_TRUSTED = (OSError, ProviderError, LocalProtocolError, HandshakeError)
"""Errors whose message never quotes a user."""


def _story(exc: BaseException, indent: str) -> Iterator[str]:
    if exc.__cause__ is not None:
        yield from _story(exc.__cause__, indent)
        yield f"{indent}which caused:"
    for block in traceback.format_tb(exc.__traceback__):
        yield from (indent + line for line in block.rstrip().splitlines())
    yield indent + type(exc).__name__ + (f": {exc}" if isinstance(exc, _TRUSTED) else "")
    if isinstance(exc, BaseExceptionGroup):
        for number, inner in enumerate(exc.exceptions, 1):
            yield f"{indent}  {number}:"
            yield from _story(inner, indent + "    ")


def fill_template(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Write the bound fields into an event that is a template, so that known log lines keep their wording."""
    template = str(event["event"])
    if "{" in template:
        event["event"] = template.format_map(_Gaps(event))
    return event


class _Gaps(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "{" + key + "}"

"""The requests that a worker process has not finished, and where their replies go."""

from __future__ import annotations

import itertools
import math
from typing import Any

import trio
from attrs import define, field, frozen

from providers.framing import FramingError, Message, pack
from providers.ports import ProviderError

MAX_REQUESTS = 128
"""Requests that one process may have open; one more fails at once, retryable."""

MAX_REPLIES = 1000
"""Replies that wait for whoever made the request. The process never waits for a slow reader, so that others get their
answers: a request that lets more pile up gets those and then fails."""


class Requests:
    """The requests that a process has not finished."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._numbers = itertools.count(1)
        self._open: dict[int, Request] = {}
        self._heard = -math.inf  # Trio time of the last sign of life

    def open(self, payload: Any) -> tuple[Request, bytes]:
        """A new request and the frame that makes it. Raises `ProviderError`."""
        if len(self._open) >= MAX_REQUESTS:
            raise ProviderError(self._name, f"{MAX_REQUESTS} requests are waiting already.", retryable=True)
        number = next(self._numbers)
        try:
            frame = pack("request", number, payload)
        except FramingError as exc:
            raise ProviderError(self._name, f"cannot take {exc}.") from exc
        request = self._open[number] = Request(number)
        return request, frame

    def leave(self, request: Request) -> bool:
        """Nobody waits for the request any more; whether the process should hear of it."""
        if request.number not in self._open or request.left_at is not None:
            return False
        request.left_at = trio.current_time()
        return True

    def take(self, message: Message) -> None:
        """What the process says about a request. Raises `FramingError` when it says what it cannot mean."""
        kind, number, body = message
        self._heard = trio.current_time()
        request = self._open.get(number)
        if request is None:
            return
        if kind == "reply":
            request.deliver(body)
        else:
            del self._open[number]
            request.end(Failure.told(body) if kind == "failed" else None)

    def fail(self, failure: Failure) -> None:
        """The process is gone, and with it all requests."""
        while self._open:
            self._open.popitem()[1].end(failure)

    def stuck(self, since: float) -> bool:
        """Whether a request was left before `since` (Trio time) and nothing has been heard since either."""
        return self._heard < since and any(r.left_at is not None and r.left_at < since for r in self._open.values())


@define
class Request:
    """One request on the server's side."""

    number: int
    failure: Failure | None = None
    left_at: float | None = None
    """Trio time at which the process was told to stop"""
    _send: trio.MemorySendChannel[Any] = field(init=False)
    replies: trio.MemoryReceiveChannel[Any] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._send, self.replies = trio.open_memory_channel(MAX_REPLIES)

    def deliver(self, body: Any) -> None:
        """Hand over one reply; one too many ends the request."""
        try:
            self._send.send_nowait(body)
        except trio.WouldBlock:
            self.end(Failure(f"more than {MAX_REPLIES} replies are waiting for their reader."))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the reader has left, or the request has overrun: the process will hear of it, or has

    def end(self, failure: Failure | None) -> None:
        """No more replies."""
        self.failure = self.failure or failure
        self._send.close()


@frozen
class Failure:
    """Why something failed, in the fields of `ProviderError`."""

    detail: str
    remedy: str = ""
    retryable: bool = False

    @classmethod
    def told(cls, body: Any) -> Failure:
        """The failure that a process tells of. Raises `FramingError` when it is none: foreign code may have said it."""
        match body:
            case {"detail": str(detail), "remedy": str(remedy), "retryable": bool(retryable)}:
                return cls(detail, remedy, retryable)
        raise FramingError("a failure without a reason")

    def error(self, provider: str) -> ProviderError:
        """A fresh exception: each task that raises one adds its own traceback."""
        return ProviderError(provider, self.detail, remedy=self.remedy, retryable=self.retryable)

"""The points of a session at which the world can let it down, and the faults that each of them is hit with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import trio
from attrs import frozen

from badge.desk import RefusedError
from badge.link import LinkClosedError
from providers.ports import ProviderError, Text, ToolCallDelta, Transcript

SLOW = 4.0
"""Seconds by which a slow answer is late: beyond the patience with a recogniser, within that with others."""

MEGABYTE = 1_048_576


class UnforeseenError(RuntimeError):
    """What no contract mentions."""


@frozen(order=True)
class Point:
    """One await on a provider, on the desk or on the socket: the `number`th of its kind in a session, from 1 on."""

    kind: str
    number: int

    def __str__(self) -> str:
        return f"{self.kind}[{self.number}]"


@frozen
class Fault:
    """What happens at a point instead of what should. `make` gives the error or the wrong answer."""

    name: str
    make: Callable[[], Any] = lambda: None

    def __str__(self) -> str:
        return self.name


TIMEOUT, SLOWNESS, CANCEL = Fault("timeout"), Fault("slow"), Fault("cancel")
"""It never returns; it returns late; the session is cancelled from outside while it waits."""

UNFORESEEN = Fault("unforeseen", lambda: UnforeseenError("a bug of the provider"))
LOST = Fault("error", lambda: LinkClosedError(1006))


def _refused(*, retryable: bool) -> Callable[[], ProviderError]:
    return lambda: ProviderError("fault", "hit", retryable=retryable)


_FAILURES = (
    Fault("error", _refused(retryable=True)),
    Fault("refusal", _refused(retryable=False)),
    UNFORESEEN,
)
REFUSED = Fault("refusal", lambda: RefusedError("not-stored", "It could not be stored; try again later."))
_PROVIDER = (*_FAILURES, TIMEOUT, SLOWNESS, CANCEL)
_SOCKET = (LOST, UNFORESEEN, TIMEOUT, SLOWNESS, CANCEL)


def _garbage(name: str, value: Any) -> Fault:
    return Fault(f"garbage: {name}", lambda: value)


_WORDS = {
    "unicode": "\u202e\ufffd\U0001f300\u0301\x00\x1b[2J\u200b\ud83d mixed \u05d0",
    "very long": "so they said " * 2000,
    "blank": " \n\t ",
}

FAULTS: Mapping[str, tuple[Fault, ...]] = {
    "vad.ready": _PROVIDER,
    "vad.feed": (
        UNFORESEEN,
        CANCEL,
        _garbage("none", []),
        _garbage("all speech", [True] * 51),
        _garbage("flicker", [True, False] * 7),
    ),
    "asr.ready": _PROVIDER,
    "asr.enter": _PROVIDER,
    "asr.feed": (*_PROVIDER, *(_garbage(name, text) for name, text in _WORDS.items())),
    "asr.finish": (*_PROVIDER, *(_garbage(name, Transcript(text)) for name, text in _WORDS.items())),
    "asr.leave": _PROVIDER,
    "recall.ready": _PROVIDER,
    "recall.recall": (*_PROVIDER, *(_garbage(name, text) for name, text in _WORDS.items())),
    "llm.ready": _PROVIDER,
    "llm.enter": _PROVIDER,
    "llm.receive": (
        *_PROVIDER,
        _garbage("huge", Text("word" * 2500)),
        _garbage("control characters", Text("well\x00\x07\x1b[31m \ud83d then\r\u2028\ufeff. ")),
        _garbage("empty", Text("")),
        _garbage("tool call", ToolCallDelta(index=3, id="x", name="rm", arguments="{")),
    ),
    "llm.leave": _PROVIDER,
    "tts.ready": _PROVIDER,
    "tts.enter": _PROVIDER,
    "tts.receive": (
        *_PROVIDER,
        _garbage("odd", b"\x01\x02\x03"),
        _garbage("empty", b""),
        _garbage("huge", bytes(MEGABYTE)),
    ),
    "tts.leave": _PROVIDER,
    "desk.ask": (REFUSED, UNFORESEEN, TIMEOUT, SLOWNESS, CANCEL),
    "wire.receive": (
        *_SOCKET,
        _garbage("bytes", b"\xff\x00\x17\x2a" * 16),
        _garbage("broken JSON", '{"type": "listen", "state": '),
        _garbage("other framing", b"\x00\x02" + bytes(14)),
        _garbage("other fields", '{"type": "listen", "state": 7, "text": [null]}'),
    ),
    "wire.send": _SOCKET,
    "wire.ping": _SOCKET,
    "wire.close": (SLOWNESS, CANCEL),
}
"""By kind of point. The detector is asked without an await, and cannot be late. Closing never fails and is bounded, by the
contract of `Wire`."""


class Seam:
    """Numbers the points that a session passes, and lets one fault happen at one of them."""

    def __init__(self, target: Point | None = None, fault: Fault | None = None) -> None:
        self.scope = trio.CancelScope()
        """of the session"""
        self.hit = False
        self.on_hit: Callable[[], None] = lambda: None
        self.passed: Counter[str] = Counter()
        self._target = target
        self._fault = fault

    @property
    def silences(self) -> bool:
        """Whether the fault is that nobody spoke."""
        return self._fault is not None and self._fault.name == "garbage: blank"

    @property
    def points(self) -> list[Point]:
        """All points so far."""
        return [Point(kind, number + 1) for kind, count in self.passed.items() for number in range(count)]

    def meets(self, kind: str) -> Fault | None:
        """A point is reached; the fault that happens here, if one does."""
        self.passed[kind] += 1
        if self._target != Point(kind, self.passed[kind]):
            return None
        self.hit = True
        self.on_hit()
        return self._fault

    async def at(self, kind: str) -> Any:
        """Pass a point: gives the garbage that comes instead, or None when all is well."""
        fault = self.meets(kind)
        if fault is None:
            return None
        if fault is TIMEOUT:
            await trio.sleep_forever()
        elif fault is SLOWNESS:
            await trio.sleep(SLOW)
        elif fault is CANCEL:
            self.scope.cancel("the fault")
            await trio.lowlevel.checkpoint()
        return self._come_of(fault)

    def now(self, kind: str) -> Any:
        """The same where nothing is awaited."""
        fault = self.meets(kind)
        if fault is CANCEL:
            self.scope.cancel("the fault")
        return self._come_of(fault) if fault is not None else None

    def _come_of(self, fault: Fault) -> Any:
        made = fault.make()
        if isinstance(made, Exception):
            raise made
        return made

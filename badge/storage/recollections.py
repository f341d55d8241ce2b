"""What is remembered of devices, as values. Times are ms since the epoch."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen

Part = Literal["all", "exchanges", "facts"]
"""What of a device's memory is meant."""


END_OF_TIME = 2**63 - 1
"""The last moment that a store can tell from another."""


@frozen(kw_only=True)
class Exchanged:
    """One exchange. The store numbers them; `read`: what is worth remembering of it has been worked out."""

    device: str
    session: str
    at: int
    user: str = field(repr=False)
    answer: str = field(repr=False)
    number: int = 0
    read: bool = False


@frozen(kw_only=True)
class Fact:
    """Something that is known about the user of a device, or the summary of a conversation; `session` is where it is from,
    `used` when it last served. `vector`: 32-bit numbers that stand for its meaning, by the model `embedder`."""

    id: str
    device: str
    text: str = field(repr=False)
    kind: Literal["fact", "summary"] = "fact"
    session: str = ""
    created: int
    used: int
    vector: bytes = field(default=b"", repr=False)
    embedder: str = ""


@frozen(kw_only=True)
class Lesson:
    """What was learned from a device's exchanges up to a number: new facts, ids of those that hold no more, and known facts
    that got another vector."""

    device: str
    upto: int
    facts: tuple[Fact, ...] = ()
    gone: tuple[str, ...] = ()
    revalued: tuple[Fact, ...] = ()


@frozen(kw_only=True)
class Known:
    """How much is remembered of one device, and since when nothing was added."""

    device: str
    exchanges: int
    facts: int
    latest: int

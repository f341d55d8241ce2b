"""The tenancy of a badge: on which terms it is served, and who is told what is said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from badge.desk import Terms

T = TypeVar("T")

TERMS = Terms()


class Reporting(Protocol):
    """Who is told what is said. Every verb is synchronous and never fails."""

    @property
    def spent(self) -> bool:
        """Whether the badge may not speak any more today."""

    def heard(self, text: str, span: tuple[float, float]) -> None:
        """The user said this in this span (Trio time); typed words have none."""

    def used(self, tool: str, arguments: dict[str, Any]) -> None:
        """A tool is called."""

    def speaking(self, text: str) -> None:
        """A sentence begins to be spoken; an empty one ends the last."""

    def played(self, packet: bytes) -> None:
        """Audio of the sentence."""


class Tenancy(Protocol):
    """What a session asks about its own badge. Every verb is synchronous."""

    @property
    def terms(self) -> Terms:
        """On which terms the badge is served at this moment."""

    @property
    def reporting(self) -> Reporting:
        """Who is told what is said."""

    def begin(self, open_up: Callable[[], None]) -> None:
        """The session has begun; `open_up` is called when the badge is served, now or later."""

    def admit(self, item: T, take: Callable[[T], None], *, size: int) -> None:
        """Something came from the badge, a packet of audio or a message of so many bytes: have it taken, now, when the terms
        are known, or never."""

    def renew(self) -> None:
        """The terms may have changed."""

    def aloud(self, sentence: str) -> str:
        """A sentence as it is spoken, where that is not as it is written."""


class Discreet:
    """A `Reporting` that tells nobody."""

    spent = False

    def heard(self, text: str, span: tuple[float, float]) -> None:
        """Nobody is told."""

    def used(self, tool: str, arguments: dict[str, Any]) -> None:
        """Nobody is told."""

    def speaking(self, text: str) -> None:
        """Nobody is told."""

    def played(self, packet: bytes) -> None:
        """Nobody is told."""


class Free:
    """A `Tenancy` of everybody: served as the settings of the server say, at once."""

    terms = TERMS
    reporting = Discreet()

    def begin(self, open_up: Callable[[], None]) -> None:
        """It is served now."""
        open_up()

    def admit(self, item: T, take: Callable[[T], None], *, size: int) -> None:  # noqa: ARG002 - nothing waits
        """Now."""
        take(item)

    def renew(self) -> None:
        """Nothing to do."""

    def aloud(self, sentence: str) -> str:
        """As it is written."""
        return sentence


FREE = Free()

"""Badges as offices see them: a mailbox, and somebody who reads what is put into it."""

from __future__ import annotations

import datetime
import json
from typing import Any

import trio

from badge.link import Mailbox, Outbox
from badge.notices import Ending, Notice, Told

ZONE = datetime.timezone(datetime.timedelta(hours=8))
MORNING = datetime.datetime(2026, 11, 21, 9, 30, tzinfo=ZONE)


class MovingClock:
    """A wall clock that goes as fast as Trio's, and jumps when somebody sets it."""

    def __init__(self, moment: datetime.datetime = MORNING) -> None:
        self._moment = moment
        self._since = trio.current_time()

    def now(self) -> datetime.datetime:
        return self._moment + datetime.timedelta(seconds=trio.current_time() - self._since)

    def jump(self, seconds: float) -> None:
        self._moment += datetime.timedelta(seconds=seconds)


class Seat:
    """One connection of a badge."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.outbox = Outbox(lambda: None)
        self.mailbox = Mailbox(self.outbox, lambda _: None, self._announce)
        self.frames: list[tuple[float, dict[str, Any]]] = []
        self.notices: list[Notice] = []
        self.listens = True
        self._told: list[Told] = []

    def _announce(self, notice: Notice, told: Told) -> bool:
        if self.listens:
            self.notices.append(notice)
            self._told.append(told)
        return self.listens

    def end_notices(self, ending: Ending) -> None:
        """This has become of all notices that were taken."""
        told, self._told = self._told, []
        for tell in told:
            tell(ending)

    def vanish(self) -> None:
        """The link is gone."""
        self.outbox.finish()
        self.outbox.lose()
        self.end_notices("lost")
        self.listens = False

    @property
    def said(self) -> list[str]:
        """Texts of all notices."""
        return [notice.text for notice in self.notices]

    async def read(self) -> None:
        """Take what comes, until cancelled."""
        while (frame := await self.outbox.take()) is not None:
            self.frames.append((trio.current_time(), json.loads(frame)))

    def acknowledge(self) -> None:
        """All that was read has certainly arrived."""
        self.outbox.prove(self.outbox.unproven)

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [message for _, message in self.frames]

    @property
    def times(self) -> list[float]:
        return [round(at, 3) for at, _ in self.frames]

    @property
    def titles(self) -> list[list[str]]:
        """Of each snapshot."""
        return [[task["title"] for task in message["tasks"]] for message in self.messages]

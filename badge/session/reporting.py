"""Reporting: what is said in one session is told to the desk, as far as its terms want that, and counted."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Literal, Protocol

import trio

from badge import texts
from badge.boundary import boundary
from badge.clock import milliseconds
from badge.desk import Terms
from badge.log import get_log
from badge.services import Services
from badge.session.tape import Tape, written
from badge.session.traits import Traits

log = get_log(__name__)


class ReporterHost(Protocol):
    """What the session does for it."""

    def spawn(self, task: Callable[[], Awaitable[None]]) -> None:
        """Run a task as long as the session lives."""

    def part(self, text: str) -> None:
        """Say this after the running answer, and leave."""


class Reporter:
    """A `Reporting` by the terms of the moment."""

    def __init__(self, services: Services, traits: Traits, host: ReporterHost, terms: Callable[[], Terms]) -> None:
        self.spent = False
        """whether the badge may not speak any more today"""
        self._services = services
        self._traits = traits
        self._host = host
        self._terms = terms
        self._tape = Tape()
        self._sentence: tuple[str, int] | None = None  # that is being spoken, and since when
        self._sound: list[bytes] = []  # of it

    async def begin(self) -> None:
        """There are new terms: find out whether the badge has said all that it may today."""
        self.spent = False
        if self._terms().longest_output:
            await self._spend(0)

    @property
    def _tapes(self) -> bool:
        return self._terms().reported == "audio" and self._traits.audio_format == "opus"

    # --- the user ---

    def sent(self, packet: bytes) -> None:
        """A packet came from the badge."""
        if self._tapes:
            self._tape.add(packet, trio.current_time())

    def heard(self, text: str, span: tuple[float, float]) -> None:
        """The user said this."""
        self._report("user", text, self._tape.cut(*span) if self._tapes else ())

    def used(self, tool: str, arguments: dict[str, Any]) -> None:
        """A tool is called."""
        self._report("tool", json.dumps({"tool": tool, "arguments": arguments}, ensure_ascii=False, default=str))

    # --- the badge ---

    def speaking(self, text: str) -> None:
        """A sentence begins to be spoken; an empty one ends the last."""
        if self._sentence is not None:
            said, at = self._sentence
            self._report("agent", said, self._sound, at=at)
        self._sound = []
        self._sentence = None
        if text and self._terms().bound:
            if self._terms().reported != "none":
                self._sentence = text, milliseconds(self._services.clock)
            if self._terms().longest_output and not self.spent:
                self._count(len(text))

    def played(self, packet: bytes) -> None:
        """Audio of the sentence."""
        if self._sentence is not None and self._tapes:
            self._sound.append(packet)

    def _report(
        self,
        kind: Literal["user", "agent", "tool"],
        text: str,
        packets: list[bytes] | tuple[bytes, ...] = (),
        *,
        at: int | None = None,
    ) -> None:
        if self._terms().reported == "none" or not self._terms().bound or not text:
            return
        with boundary("report", log):  # whatever goes wrong, the turn goes on
            when = milliseconds(self._services.clock) if at is None else at
            device, session = self._traits.device, self._traits.session_id
            self._services.desk.reports.report(device, session, kind, text, written(packets), when)

    # --- how much a badge may speak ---

    def _count(self, characters: int) -> None:
        self._host.spawn(partial(self._spend, characters))

    async def _spend(self, characters: int) -> None:
        with boundary("characters spoken", log):
            if not await self._services.desk.devices.spoke(self._traits.device, characters) and not self.spent:
                self.spent = True
                if characters:
                    self._host.part(texts.SAID_ENOUGH[self._services.settings.asr.language])

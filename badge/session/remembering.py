"""What a session recalls of earlier ones, and has remembered: the dialogue goes on where it was left."""

from __future__ import annotations

import trio

from badge.desk import RefusedError, Said
from badge.dialogue import Dialogue, Exchange
from badge.log import get_log
from badge.services import Services
from badge.session.traits import Traits

log = get_log(__name__)

RESUME_WITHIN = 1.0
"""Seconds that an answer waits for what was said before; then it does without."""


class Remembering:
    """Stands between a dialogue and the desk. Nothing is asked or told before the first exchange: a badge that only waits
    costs nothing. Where nothing is remembered (`memory.use`), nothing is asked or told at all."""

    def __init__(self, services: Services, traits: Traits, dialogue: Dialogue) -> None:
        self._desk = services.desk.memory
        self._traits = traits
        self.dialogue = dialogue
        self._asked = services.settings.memory.use == "none"
        self._off = self._asked
        self._exchange: Exchange | None = None  # the latest, unless it was told

    async def resume(self) -> None:
        """Before an exchange: begin the dialogue with what was said before, unless it goes on from another connection."""
        if self._asked or len(self.dialogue):
            return
        with trio.move_on_after(RESUME_WITHIN) as patience:
            try:
                past = await self._desk.past(self._traits.device)
            except RefusedError as exc:
                log.warning("beginning without what was said before", code=exc.code)
            else:
                before = Dialogue(max(1, len(past.exchanges)))
                for said in past.exchanges:
                    before.begin(said.user).add(said.answer)
                if not len(self.dialogue):  # a draft and a turn may ask at the same time
                    self.dialogue.resume(before)
        if patience.cancelled_caught:
            log.warning("beginning without what was said before", code="busy")
        self._asked = True

    def begin(self, exchange: Exchange) -> None:
        """An exchange begins; one before it that was never answered is over."""
        if exchange is not self._exchange:
            self._tell()
        self._exchange = exchange

    def answered(self) -> None:
        """The answer is over, or was interrupted. One that never began may still come: the same words are the same exchange."""
        if self._exchange is not None and self._exchange.answer:
            self._tell()

    def end(self) -> None:
        """The connection ends: nothing more will be answered on it."""
        self._tell()

    def _tell(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None and not self._off:
            said = Said(user=exchange.user, answer=exchange.answer)
            self._desk.said(self._traits.device, self._traits.session_id, said)


def tell_over(services: Services, traits: Traits) -> None:
    """The conversation of a device is over for good: nobody has taken it over."""
    if services.settings.memory.use != "none":
        services.desk.memory.over(traits.device, traits.session_id)

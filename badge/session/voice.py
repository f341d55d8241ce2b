"""The voice: sentences become sound, with bounded patience."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio
from attrs import field, frozen

from badge.log import get_log
from badge.patience import patience
from badge.services import Services
from providers.ports import ProviderError, single_error
from providers.ports import Tts as Synthesis
from providers.sentences import SentenceSplitter
from providers.streams import next_at_once

log = get_log(__name__)


@frozen
class Sound:
    """A piece of audio: PCM at the mouth's rate, or one ready packet."""

    data: bytes = field(repr=False)
    packet: bool = False


class Voice:
    """What makes texts audible for one session."""

    def __init__(self, services: Services, muted: Callable[[], bool]) -> None:
        """`muted`: whether answers go out as text only."""
        self._services = services
        self._settings = services.settings.tts
        self._muted = muted

    @property
    def silent(self) -> bool:
        """Whether nothing is spoken at present, however well the voice works."""
        return self._muted() or self._services.tts.disabled

    def splitter(self) -> SentenceSplitter:
        """Cuts one text into what is spoken at once."""
        return SentenceSplitter(
            first_min=self._settings.first_clause,
            first_min_cjk=self._settings.first_clause and self._settings.first_clause_cjk,
            max_chars=self._settings.longest_sentence,
        )

    async def ready(self) -> Synthesis | None:
        """Who speaks; None when nobody can, or may, or not soon enough."""
        if self._muted():
            return None
        try:
            with trio.fail_after(self._services.settings.chat.first_token_s):
                return await self._services.tts.ready()
        except (ProviderError, trio.TooSlowError) as exc:
            log.warning("there is no voice: text only", error=str(exc) or "the voice is still loading")
            return None

    async def speak(self, tts: Synthesis, sentence: str, take: Callable[[Sound], Awaitable[None]]) -> None:
        """Have `take` called with each piece of a sentence as it is made. Raises `ProviderError`, `trio.TooSlowError`."""
        with single_error(), patience(self._settings.timeout_s) as patient:
            async with tts.speak(self._services.tenancy.aloud(sentence)) as audio:
                while (data := await next_at_once(audio)) is not None:
                    patient.pause()
                    await take(Sound(data, packet=tts.encoding == "opus"))
                    patient.begin()
                patient.begin()

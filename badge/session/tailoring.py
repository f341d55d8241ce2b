"""The services of one session as its terms want them: private providers where they name some, and a memory, if it has one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import attrs

from badge.components import Around, Component
from badge.desk import MemoryDesk, Past, Said, Terms
from badge.log import get_log
from badge.offices.closed import NoMemory
from badge.services import Services
from providers.ports import Provider, ProviderError

log = get_log(__name__)

TermsNow = Callable[[], Terms]


class Chosen(Around[Any]):
    """The private component that the terms name; the server's where they name none, or that one does not work."""

    def __init__(self, component: Component[Any], private: Callable[[], Component[Any] | None]) -> None:
        super().__init__(component)
        self._private = private

    @property
    def disabled(self) -> bool:
        """Switched off by configuration, and not private."""
        return super().disabled and self._private() is None

    @property
    def provider(self) -> Provider | None:
        """The provider that serves."""
        private = self._private()
        return (private.provider if private is not None else None) or super().provider

    async def ready(self) -> Any:
        """The provider, after it has loaded."""
        private = self._private()
        if private is None:
            return await super().ready()
        try:
            return await private.ready()
        except ProviderError as exc:
            if super().disabled:
                raise
            log.warning("a private provider does not work: the server's serves", kind=self.kind, error=str(exc))
            return await super().ready()

    async def settled(self) -> None:
        """Wait until it is decided whether there is a provider."""
        private = self._private()
        if private is not None:
            await private.settled()
        else:
            await super().settled()


class MemoryOnTerms:
    """A `MemoryDesk` that forgets as long as the terms say so."""

    def __init__(self, memory: MemoryDesk, terms: TermsNow) -> None:
        self._memory = memory
        self._terms = terms

    @property
    def _now(self) -> MemoryDesk:
        return NoMemory() if self._terms().forgets else self._memory

    async def past(self, device: str) -> Past:
        """What was said before."""
        return await self._now.past(device)

    def said(self, device: str, session: str, said: Said) -> None:
        """An exchange is over."""
        self._now.said(device, session, said)

    def paused(self, device: str, pauses: Sequence[float]) -> None:
        """The latest pauses of the user."""
        self._now.paused(device, pauses)

    def over(self, device: str, session: str) -> None:
        """The conversation is over."""
        self._now.over(device, session)


def tailored(services: Services, terms: TermsNow) -> Services:
    """The services of one session: private providers, and a memory, as its terms want at each moment."""

    def chosen(kind: Literal["vad", "asr", "tts"], component: Component[Any]) -> Component[Any]:
        def private() -> Component[Any] | None:
            key = str(getattr(terms(), kind))
            return services.private.component(kind, key) if key else None

        return Chosen(component, private)

    return attrs.evolve(
        services,
        vad=chosen("vad", services.vad),
        asr=chosen("asr", services.asr),
        tts=chosen("tts", services.tts),
        desk=attrs.evolve(services.desk, memory=MemoryOnTerms(services.desk.memory, terms)),
    )

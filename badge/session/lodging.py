"""Lodging: the providers of one session, private ones where its terms name them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import attrs

from badge.components import Around, Component
from badge.desk import Terms
from badge.llms import Llms, Purpose
from badge.log import get_log
from badge.services import Services
from providers.ports import Llm, Provider, ProviderError

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


class ChosenLlms(Llms):
    """The server's models, but private ones for the purposes that the terms name. A private model that does not work is
    not replaced: what is said to one is not for another."""

    def __init__(self, llms: Llms, private: Callable[[Purpose], Component[Llm] | None]) -> None:
        self._llms = llms
        self._private = private

    def of(self, purpose: Purpose, *, device: str = "", private: Mapping[str, str] | None = None) -> Component[Llm]:
        """The model of a purpose."""
        return self._private(purpose) or self._llms.of(purpose, device=device, private=private)

    def warm(self, purpose: Purpose, *, device: str = "", private: Mapping[str, str] | None = None) -> None:
        """Have the model of a purpose get ready, if it is the server's."""
        if self._private(purpose) is None:
            self._llms.warm(purpose, device=device, private=private)

    def around(self, wrap: Callable[[Component[Llm]], Component[Llm]]) -> Llms:
        """The server's models with something around them; the private ones as they are."""
        return ChosenLlms(self._llms.around(wrap), self._private)

    def components(self) -> list[Component[Llm]]:
        """The server's models."""
        return self._llms.components()


def lodged(services: Services, terms: TermsNow) -> Services:
    """The services of one session: private providers as its terms want at each moment."""

    def chosen(kind: Literal["vad", "asr", "tts"], component: Component[Any]) -> Component[Any]:
        def private() -> Component[Any] | None:
            key = str(getattr(terms(), kind))
            return services.private.component(kind, key) if key else None

        return Chosen(component, private)

    def model(purpose: Purpose) -> Component[Llm] | None:
        key = terms().llms.get(purpose, "")
        return services.private.component("llm", key) if key else None

    return attrs.evolve(
        services,
        vad=chosen("vad", services.vad),
        asr=chosen("asr", services.asr),
        tts=chosen("tts", services.tts),
        llms=ChosenLlms(services.llms, model),
    )

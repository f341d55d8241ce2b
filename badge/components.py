"""A provider and how far it is: disabled, loading, ready or failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

import trio

from badge import texts
from badge.boundary import leaves
from badge.log import get_log
from providers.ports import Provider, ProviderError

log = get_log(__name__)

P = TypeVar("P", bound=Provider)


class Component(Generic[P]):
    """One kind of provider, loaded once for all connections; the first candidate that starts serves.

    Whoever needs it while it loads waits; nobody waits for one that failed.
    """

    def __init__(self, kind: str, candidates: Sequence[P]) -> None:
        self.kind = kind
        self._candidates = tuple(candidates)
        self._provider: P | None = None
        self._error: ProviderError | None = None
        self._decided = trio.Event()
        if not candidates:
            self._error = ProviderError(kind, "is switched off in the configuration")
            self._decided.set()

    @property
    def disabled(self) -> bool:
        """Switched off by configuration."""
        return not self._candidates

    @property
    def failure(self) -> ProviderError | None:
        """Why no candidate could start; None while loading, when ready and when disabled."""
        return None if self.disabled else self._error

    @property
    def provider(self) -> P | None:
        """The provider that serves; None unless ready."""
        return self._provider

    async def ready(self) -> P:
        """The provider, after it has loaded. Raises `ProviderError` when there is none."""
        await self.settled()
        if self._provider is None:
            assert self._error is not None
            raise self._error
        return self._provider

    async def settled(self) -> None:
        """Wait until it is decided whether there is a provider."""
        await self._decided.wait()

    async def run(self) -> None:
        """Load and keep the provider until cancelled; a candidate that cannot start gives way to the next."""
        if self.disabled:
            return
        error = ProviderError(self.kind, "ended without a word")
        for candidate in self._candidates:
            try:
                await self._keep(candidate)
            except* ProviderError as group:
                error = _leaf(group)
                log.error(texts.LOG_COMPONENT_FAILED, kind=self.kind, error=str(error))
            self._provider = None
        self._error = error
        self._decided.set()

    async def _keep(self, candidate: P) -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(candidate.run)
            self._provider = candidate
            self._decided.set()
            log.info("component ready", kind=self.kind, provider=candidate.name)


class Around(Component[P]):
    """A component with something around it: passes everything on, unless a subclass knows better."""

    def __init__(self, component: Component[P]) -> None:
        self._component = component
        self.kind = component.kind

    @property
    def disabled(self) -> bool:
        """Switched off by configuration."""
        return self._component.disabled

    @property
    def failure(self) -> ProviderError | None:
        """Why no candidate could start."""
        return self._component.failure

    @property
    def provider(self) -> P | None:
        """The provider that serves, with nothing around it."""
        return self._component.provider

    async def ready(self) -> P:
        """The provider, after it has loaded."""
        return await self._component.ready()

    async def settled(self) -> None:
        """Wait until it is decided whether there is a provider."""
        await self._component.settled()


def _leaf(group: BaseExceptionGroup[ProviderError]) -> ProviderError:
    exc = next(leaves(group))
    assert isinstance(exc, ProviderError)
    return exc

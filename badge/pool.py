"""A pool of providers: one for each settings, made when it is first needed, closed when nobody needs it any more."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from enum import Enum
from math import inf, isfinite
from pathlib import PurePath
from typing import Any, Generic, TypeVar

import attrs
import trio

from badge import texts
from badge.boundary import boundary
from badge.log import get_log
from providers.ports import Provider, ProviderError, alone

log = get_log(__name__)

S = TypeVar("S", bound=attrs.AttrsInstance)
P = TypeVar("P", bound=Provider)


class UnfitError(ValueError):
    """Settings hold something that cannot be compared by its value; the message names the place."""


class Fingerprint(Generic[S]):
    """Settings as a key: equal for settings that say the same, and only for those.

    Lists and tables inside are compared by their content; 1, 1.0 and true are different. What it shows of itself tells
    nothing, because settings hold secrets. Raises `UnfitError`.
    """

    __slots__ = ("_form", "_hash", "settings")

    def __init__(self, settings: S) -> None:
        self.settings = settings
        self._form = _form(settings, "")
        self._hash = hash(self._form)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fingerprint) and self._hash == other._hash and self._form == other._form

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"<fingerprint of {type(self.settings).__name__}>"


def _form(value: Any, place: str) -> tuple[Any, ...]:
    """A value that can be hashed, in which nothing that makes a difference is lost."""
    if attrs.has(type(value)):
        names = [attribute.name for attribute in attrs.fields(type(value))]
        return (type(value), *(_form(getattr(value, name), f"{place}.{name}") for name in names))
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise UnfitError(f"{place.lstrip('.')}: the keys of a table must be strings, not {type(key).__name__}")
        return (dict, *((key, _form(value[key], f"{place}.{key}")) for key in sorted(value)))
    if isinstance(value, list | tuple):
        return (list, *(_form(one, f"{place}[{index}]") for index, one in enumerate(value)))
    if isinstance(value, float) and not isfinite(value):
        raise UnfitError(f"{place.lstrip('.')}: must be a number, not {value}")
    if value is None or isinstance(value, str | int | float | Enum | PurePath):
        return (type(value), value)
    raise UnfitError(
        f"{place.lstrip('.')}: must be text, a number, true, false, a list or a table, not {type(value).__name__}"
    )


class Pool(Generic[S, P]):
    """Providers by settings. Whoever needs one leases it; it runs as long as it is leased, or kept because the configuration
    names it, and then some seconds more if the last lease said so."""

    def __init__(self, kind: str, make: Callable[[S], P]) -> None:
        self._kind = kind
        self._make = make
        self._rooms: dict[Fingerprint[S], _Room[P]] = {}
        self._kept: frozenset[Fingerprint[S]] = frozenset()
        self._nursery: trio.Nursery | None = None
        self._open = trio.Event()

    def __len__(self) -> int:
        """Providers that there are now."""
        return len(self._rooms)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Let the providers live, until cancelled; a lease waits for it."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self._open.set()
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:  # whoever still comes, waits for his own end
                self._nursery, self._open = None, trio.Event()

    def keep(self, keys: Iterable[Fingerprint[S]]) -> None:
        """The configuration names these and no others: of the others those that nobody leases are closed now, and those
        that are leased at the end of their last lease."""
        before, self._kept = self._kept, frozenset(keys)
        for key in before ^ self._kept:  # the others are as they were: leased, or lingering
            if (room := self._rooms.get(key)) is not None:
                room.look(kept=key in self._kept)

    @asynccontextmanager
    async def lease(self, key: Fingerprint[S], linger: float = 0.0) -> AsyncIterator[P]:
        """The provider with these settings, made and started if there is none; it is not closed within this context. `linger`:
        seconds that it stays after its last lease, if the configuration does not name it. Raises `ProviderError` when it
        cannot start; the next lease tries that anew."""
        while self._nursery is None:
            await self._open.wait()
        room = self._room(key)
        room.leases += 1
        room.look(kept=True)
        try:
            yield await room.ready()
        finally:
            room.leases -= 1
            room.look(kept=key in self._kept, linger=linger)

    def _room(self, key: Fingerprint[S]) -> _Room[P]:
        room = self._rooms.get(key)
        if room is None or room.closing:
            assert self._nursery is not None
            room = self._rooms[key] = _Room(self._kind, lambda: self._make(key.settings))
            self._nursery.start_soon(self._live, key, room)
        return room

    async def _live(self, key: Fingerprint[S], room: _Room[P]) -> None:
        try:
            await room.run()
        finally:
            if self._rooms.get(key) is room:
                del self._rooms[key]


class _Room(Generic[P]):
    """One provider of a pool."""

    def __init__(self, kind: str, make: Callable[[], P]) -> None:
        self.leases = 0
        self._kind = kind
        self._make = make
        self._scope = trio.CancelScope()
        self._decided = trio.Event()
        self._provider: P | None = None
        self._error = ProviderError(kind, "was closed before it had started.", retryable=True)

    @property
    def closing(self) -> bool:
        """Whether it is too late to lease it."""
        return self._scope.cancel_called or (self._decided.is_set() and self._provider is None)

    def look(self, *, kept: bool, linger: float = 0.0) -> None:
        """Close when nobody needs it."""
        self._scope.deadline = inf if kept or self.leases else trio.current_time() + linger

    async def ready(self) -> P:
        """The provider, when it has started. Raises `ProviderError`."""
        if not self._decided.is_set():  # most times it is, and a turn should not wait for the scheduler
            await self._decided.wait()
        if self._provider is None:
            raise self._error
        return self._provider

    async def run(self) -> None:
        """Live until nobody needs it, or it fails."""
        try:
            with self._scope, boundary(self._kind, log, on_error=self._break):
                await self._serve()
        finally:
            self._provider = None
            self._decided.set()

    async def _serve(self) -> None:
        try:
            async with trio.open_nursery() as nursery:
                provider = self._make()
                await nursery.start(provider.run)
                self._provider = provider
                self._decided.set()
                log.info("component ready", kind=self._kind, provider=provider.name)
        except* ProviderError as group:
            error = alone(group)
            self._error = (
                error if isinstance(error, ProviderError) else ProviderError(self._kind, "failed for several reasons.")
            )
            log.error(texts.LOG_COMPONENT_FAILED, kind=self._kind, error=str(self._error))

    def _break(self) -> None:
        self._error = ProviderError(self._kind, "failed unexpectedly; the log says more.")

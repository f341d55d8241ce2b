"""The models of a running server: as configured now, and each device's own."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from contextlib import AsyncExitStack
from functools import partial

import trio

from badge import texts
from badge.components import Component
from badge.config.llm import LlmSettings, Purpose
from badge.llms.attempt import LINGER, Asker, Means
from badge.llms.base import Llms, Wrap
from badge.llms.breaker import STATES, State
from badge.llms.fallback import FallbackChain
from badge.llms.plan import PRIVATE, Chain, Endpoint, Plan, able
from badge.llms.private import PrivateModels
from badge.log import get_log
from providers.ports import Llm, ProviderError, Warmable

log = get_log(__name__)

WARMING = 5.0
"""Seconds that getting ready may take."""

STARTING = 30.0
"""Seconds that the models of a new configuration have to start."""

MOST_WARMING = 64
"""Models that get ready at one time; when there are more, they do without."""


class LiveLlms:
    """An `Llms` from a pool: what a purpose is answered by is looked up when a turn begins, so that a new configuration holds from
    the next turn on, and nothing is taken away from a turn under way."""

    def __init__(self, plan: Plan, means: Means, private: PrivateModels) -> None:
        self._plan = plan
        self._means = means
        self._private = private
        self._names = dict(plan.names)
        self._nursery: trio.Nursery | None = None
        self._warming: set[Endpoint] = set()
        self._use(plan)

    # --- for sessions and offices ---

    def of(self, purpose: Purpose, *, device: str = "") -> Component[Llm]:
        """The model of a purpose, for a turn that begins now."""
        # The name is that of the configuration at the start: a recording has to know all names at its beginning.
        asker = Asker(purpose=purpose, device=device)
        line = FallbackChain(self._chain(purpose, device), self._means, asker)
        return _Ready(f"llm.{self._names[purpose]}", line)

    def warm(self, purpose: Purpose, *, device: str = "") -> None:
        """Have the model of a purpose get a connection, beside everything else: the first one that is not left alone."""
        now, breakers = trio.current_time(), self._means.breakers
        chain = self._chain(purpose, device)
        first = next((one for one in chain if breakers.of(one.server).state(now) != "open"), None)
        if first is None or first in self._warming or self._nursery is None or len(self._warming) == MOST_WARMING:
            return
        self._warming.add(first)
        self._nursery.start_soon(self._warm, first)

    def around(self, wrap: Wrap) -> Llms:
        """The same models, each with something around it."""
        return _Wrapped(self, wrap)

    def components(self) -> list[Component[Llm]]:
        """One for each name that a purpose had at the start."""
        first: dict[str, Component[Llm]] = {}
        for component in map(self.of, Purpose):
            first.setdefault(component.kind, component)
        return list(first.values())

    # --- for those who configure ---

    def renew(self, plan: Plan) -> None:
        """From now on this holds, for turns that begin."""
        self._use(plan)
        self._means.breakers.retain({one.server for one in (*plan.endpoints, *self._private.endpoints)})
        self._say_and_start()

    async def adopt(self, plan: Plan) -> None:
        """The same, when all models that are new in it have started. Raises `ProviderError` when one does not start; then
        nothing has changed."""
        known = {endpoint.key for endpoint in self._plan.endpoints}
        async with AsyncExitStack() as leases:
            with trio.move_on_after(STARTING) as patience:
                for endpoint in plan.endpoints:
                    if endpoint.key not in known:
                        await self._begin(endpoint, leases)
            if patience.cancelled_caught:
                raise ProviderError("llm", f"a new model has not started within {STARTING:g} s.")
            self.renew(plan)  # while they are leased: none of them has to start again

    def admit(self, settings: LlmSettings) -> str:
        """Make a device's own model known; gives a key, in which no secret is. Raises `UnfitError`."""
        return self._private.admit(settings)

    def assign(self, device: str, keys: Mapping[str, str]) -> None:
        """These are the models of a device: purpose -> key. They hold for whatever is asked in its name."""
        self._private.assign(device, keys)

    async def run(self) -> None:
        """Let the models live, until cancelled. Those that are configured are started now, not when the first user waits."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self._means.pool.run)
            self._nursery = nursery
            self._say_and_start()
            await trio.sleep_forever()

    # --- inside ---

    def _chain(self, purpose: Purpose, device: str) -> Chain:
        key = self._private.key_for(purpose, device)
        if not key:
            return self._plan.chains[purpose]
        endpoint = self._private.find(key)
        if endpoint is None:
            log.warning(
                "a device's own language model is not known; no other is taken for it", key=key, purpose=purpose
            )
            return ()
        return able(purpose, (endpoint,))

    def _use(self, plan: Plan) -> None:
        self._plan = plan
        self._means.pool.keep(endpoint.key for endpoint in plan.endpoints)
        servers: dict[str, set[Hashable]] = {}
        for endpoint in plan.endpoints:
            servers.setdefault(endpoint.model, set()).add(endpoint.server)
        self._means.ledger.watch({model: partial(self._worst, ones) for model, ones in servers.items()})

    def _worst(self, servers: Collection[Hashable]) -> State:
        """Of the servers that go by one name, as one purpose may have its own, how the one stands that fails most."""
        now = trio.current_time()
        return max((self._means.breakers.of(one).state(now) for one in servers), key=STATES.index)

    async def _begin(self, endpoint: Endpoint, leases: AsyncExitStack) -> None:
        try:
            await leases.enter_async_context(self._means.pool.lease(endpoint.key))
        except ProviderError as exc:
            raise ProviderError(f"llm.{endpoint.model}", str(exc)) from None

    def _say_and_start(self) -> None:
        for template, fields in self._plan.warnings:
            log.warning(template, **fields)
        if self._nursery is not None:
            for endpoint in self._plan.endpoints:
                self._nursery.start_soon(self._start, endpoint)

    async def _start(self, endpoint: Endpoint) -> None:
        try:
            async with self._means.pool.lease(endpoint.key):
                pass
        except ProviderError:  # the pool has said so
            log.warning(texts.LOG_LLM_DOES_NOT_START, model=endpoint.model)

    async def _warm(self, endpoint: Endpoint) -> None:
        linger = LINGER if endpoint.model == PRIVATE else 0.0
        worked = False
        try:
            with trio.move_on_after(WARMING):
                async with self._means.pool.lease(endpoint.key, linger) as llm:
                    worked = not isinstance(llm, Warmable) or await llm.warm()
        except ProviderError:
            pass
        finally:
            self._warming.discard(endpoint)
        self._means.ledger.warmed(worked=worked)


class _Ready(Component[Llm]):
    """A component that needs no loading: what has to load does so behind it."""

    def __init__(self, kind: str, line: FallbackChain) -> None:
        super().__init__(kind, (line,))
        self._provider = line
        self._decided.set()

    async def run(self) -> None:
        """Nothing has to run."""


class _Wrapped:
    """Live models with something around each."""

    def __init__(self, llms: LiveLlms, wrap: Wrap) -> None:
        self._llms = llms
        self._wrap = wrap

    def of(self, purpose: Purpose, *, device: str = "") -> Component[Llm]:
        return self._wrap(self._llms.of(purpose, device=device))

    def warm(self, purpose: Purpose, *, device: str = "") -> None:
        self._llms.warm(purpose, device=device)

    def around(self, wrap: Wrap) -> Llms:
        inner = self._wrap
        return _Wrapped(self._llms, lambda component: wrap(inner(component)))

    def admit(self, settings: LlmSettings) -> str:
        return self._llms.admit(settings)

    def assign(self, device: str, keys: Mapping[str, str]) -> None:
        self._llms.assign(device, keys)

    def components(self) -> list[Component[Llm]]:
        return [self._wrap(component) for component in self._llms.components()]

    async def run(self) -> None:
        """The models live on their own."""

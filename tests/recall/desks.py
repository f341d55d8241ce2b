"""An office of memory for tests: a real one, over a real store, with a scripted model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import trio

from badge.clock import Ids
from badge.components import Component
from badge.config_memory import MemorySettings
from badge.desk import Said
from badge.llms import Llms, Purpose
from badge.recall.office import Memory
from badge.storage.memory import MemoryStore
from badge.storage.ports import Store
from providers.ports import Embedder, Llm
from providers.scripted import ScriptedLlm
from tests.house import HouseClock


class Desk:
    """An office, and what it stands on."""

    def __init__(
        self,
        llm: Llm | None = None,
        *,
        store: Store | None = None,
        embedders: Sequence[Embedder] = (),
        history: int = 20,
        own: Mapping[str, Llm] | None = None,
        **settings: Any,
    ) -> None:
        """`own`: the models that devices have of their own."""
        self.store = store or MemoryStore()
        self.llm: Any = llm or ScriptedLlm(['{"facts": [], "summary": ""}'])
        self.clock = HouseClock()
        self.model = Component[Llm]("llm.memory", (self.llm,))
        other = Component[Llm]("llm.chat", ())
        names = {purpose: "memory" if purpose is Purpose.MEMORY else "chat" for purpose in Purpose}
        self._own = {device: Component[Llm](f"llm.{device}", (model,)) for device, model in (own or {}).items()}
        llms = Llms({"memory": self.model, "chat": other, **self._own}, names)
        for device in self._own:
            llms.assign(device, dict.fromkeys(Purpose, device))
        self.office = Memory(
            store=self.store.recall,
            llms=llms,
            embedder=Component[Embedder]("embeddings", embedders),
            settings=attrs.evolve(MemorySettings(), **settings),
            history=history,
            clock=self.clock,
            ids=Ids(seed=1),
        )

    async def open(self, nursery: trio.Nursery, *, model: bool = True) -> Desk:
        if model:
            for component in (self.model, *self._own.values()):
                nursery.start_soon(component.run)
        await nursery.start(self.office.run)
        return self

    def say(self, user: str, *, device: str = "a", answer: str = "I see.", session: str = "s") -> None:
        self.office.said(device, session, Said(user=user, answer=answer))

    async def said(self, device: str = "a") -> list[str]:
        return [one.user for one in (await self.office.past(device)).exchanges]

    async def learned(self, device: str = "a") -> list[str]:
        return [fact.text for fact in await self.store.recall.facts(device)]

    async def learned_something(self, device: str = "a", *, number: int = 1, within: float = 300) -> list[str]:
        """What was learned, as soon as it is so much."""
        with trio.fail_after(within):
            while len(found := await self.learned(device)) < number or await self.store.recall.unread(device):
                await trio.sleep(0.01)
        return found

    async def recall(self, text: str, device: str = "a") -> str:
        return await self.office.recaller.recall(device, text)

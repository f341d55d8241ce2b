"""An office of memory for tests: a real one, over a real store, with a scripted model."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import trio

from badge.clock import Ids
from badge.components import Component
from badge.config.memory import MemorySettings
from badge.desk import Said
from badge.llms import Purpose
from badge.llms.fixed import FixedLlms
from badge.recall.office import Memory
from badge.storage.memory import MemoryStore
from badge.storage.ports import Store
from badge.storage.recollections import Fact, Lesson
from providers.ports import Embedder, Llm, ProviderError
from providers.scripted import ScriptedLlm
from tests.house import HouseClock
from tests.storage.stores import exchange


def meaning_of(text: str) -> bytes:
    """A vector that stands for a text."""
    return array("f", [1.0, len(text)]).tobytes()


class Numbers:
    """An `Embedder` that takes its time, or fails."""

    name = "numbers"
    model = "m"

    def __init__(self, *, seconds: float = 0.0, error: ProviderError | None = None) -> None:
        self._seconds = seconds
        self._error = error
        self.asked: list[list[str]] = []

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        task_status.started()
        await trio.sleep_forever()

    async def embed(self, texts: Sequence[str]) -> tuple[bytes, ...]:
        self.asked.append(list(texts))
        await trio.sleep(self._seconds)
        if self._error is not None:
            raise self._error
        return tuple(map(meaning_of, texts))


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
        llms = FixedLlms({"memory": self.model, "chat": other, **self._own}, names)
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

    async def knows(self, *facts: Fact, device: str = "a") -> None:
        """Have these known."""
        number = await self.store.recall.add(exchange("earlier", device=device), keep=99)
        await self.store.recall.learn(Lesson(device=device, upto=number, facts=facts), keep=999, summaries=99)

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

    async def recall(self, text: str, device: str = "a", *, ahead: bool = False) -> str:
        return await self.office.recaller.recall(device, text, ahead=ahead)

"""Models for tests: made by a workshop that remembers what it has made, run by the real pool."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import trio

from badge.choice import settled
from badge.config.llm import BreakerSettings, LlmSettings, Purpose, PurposeSettings
from badge.llms.attempt import Means, next_of
from badge.llms.breaker import Breakers
from badge.llms.ledger import Ledger
from badge.llms.live import LiveLlms
from badge.llms.plan import Plan, plan_of
from badge.llms.private import PrivateModels
from badge.metrics import Metrics
from badge.pool import Pool
from providers.llm.offline import OfflineLlm
from providers.llm.openai_settings import OpenAiSettings
from providers.ports import ChatMessage, Llm, Prompt, ProviderError, Text, Token, single_error
from providers.scripted import Reply, ScriptedLlm
from tests.house import HouseClock

QUESTION = "tell me about the sea"


def model(name: str, **changes: Any) -> LlmSettings:
    """Settings of a model that is a server's."""
    own = {key: changes.pop(key) for key in ("use", "fallback") if key in changes}
    return LlmSettings(**{"use": "openai", **own}, openai=OpenAiSettings(model=name, **changes))


def settle(settings: LlmSettings) -> LlmSettings:
    """As a server does without anything in its environment."""
    return settled(settings, {})


def plan(models: Mapping[str, LlmSettings] | None = None, **purposes: Any) -> Plan:
    """What a configuration says."""
    return plan_of(models or {"default": model("d")}, PurposeSettings(**purposes), settle)


class Made(ScriptedLlm):
    """A model that notes when it is closed. It says its name, unless a script says otherwise."""

    def __init__(self, settings: LlmSettings, **script: Any) -> None:
        script.setdefault("script", [settings.openai.model])
        super().__init__(**script)
        self.settings = settings
        self.closed = False
        self.warmings = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        try:
            await super().run(task_status=task_status)
        finally:
            self.closed = True

    async def warm(self) -> bool:
        self.warmings += 1
        await trio.sleep(0.1)
        return True


class Works:
    """Makes models: by the script for their name, or ones that say their name."""

    def __init__(self, scripts: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self.made: list[Made] = []
        self.scripts = dict(scripts or {})

    def make(self, settings: LlmSettings) -> Llm:
        """One model."""
        name = "offline" if settings.use == "offline" else settings.openai.model
        one = Made(settings, **self.scripts.get(name, {}))
        self.made.append(one)
        return one

    def of(self, name: str) -> list[Made]:
        """All that were made with this name."""
        return [one for one in self.made if one.settings.openai.model == name]


class Set:
    """Live models and what there is to see of them."""

    def __init__(self, first: Plan, works: Works, breaker: BreakerSettings | None = None) -> None:
        self.works = works
        self.metrics = Metrics()
        self.ledger = Ledger(self.metrics)
        self.pool: Pool[LlmSettings, Llm] = Pool("llm", works.make)
        means = Means(
            pool=self.pool,
            breakers=Breakers(breaker or BreakerSettings()),
            ledger=self.ledger,
            stand_in=OfflineLlm(HouseClock().now, last=None),
        )
        self.llms = LiveLlms(first, means, PrivateModels(settle))

    def count(self, name: str, **labels: str) -> float:
        """One of the numbers that monitoring sees."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        lines = self.metrics.render().decode().splitlines()
        return sum(
            float(line.rpartition(" ")[2])
            for line in lines
            if line.startswith(f"{name}{{") and all(pair in line for pair in wanted)
        )


@asynccontextmanager
async def live(
    first: Plan, scripts: Mapping[str, Mapping[str, Any]] | None = None, breaker: BreakerSettings | None = None
) -> AsyncIterator[Set]:
    """Running models; those that are configured have started, or failed."""
    one = Set(first, Works(scripts), breaker)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.llms.run)
        await trio.testing.wait_all_tasks_blocked()
        yield one
        nursery.cancel_scope.cancel()


def prompt(text: str = QUESTION) -> Prompt:
    """A question."""
    return Prompt(messages=(ChatMessage(role="user", content=text),), session="s")


async def take(llm: Llm, tokens: list[Token], text: str = QUESTION) -> None:
    """Everything that comes; raises what a session would see."""
    with single_error():
        async with llm.stream(prompt(text)) as stream:
            while (token := await next_of(stream)) is not None:
                tokens.append(token)


async def said(llm: Llm, text: str = QUESTION, patience: float = 10.0) -> str:
    """The whole answer; raises what a session would see."""
    tokens: list[Token] = []
    with trio.fail_after(patience):
        await take(llm, tokens, text)
    return "".join(token.text for token in tokens if isinstance(token, Text))


async def answer(
    one: Set,
    purpose: Purpose = Purpose.CHAT,
    text: str = QUESTION,
    *,
    device: str = "",
    own: Mapping[str, str] | None = None,
) -> str:
    """One turn: whatever answers the purpose now. `own`: keys of models that the device has of its own."""
    if own is not None:
        device = device or "owner"
        one.llms.assign(device, own)
    return await said(await one.llms.of(purpose, device=device).ready(), text)


def failing(error: ProviderError | None = None, *, first: float = 0.0, pieces: tuple[Any, ...] = ()) -> dict[str, Any]:
    """The script of a model that fails, after some pieces."""
    error = error or ProviderError("model", "the server failed (HTTP 500).", retryable=True)
    return {"script": [Reply(pieces=list(pieces), first=first, error=error)]}

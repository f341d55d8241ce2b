"""What language models have cost, and how they did: counted by purpose and model, and by device and purpose."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial

from attrs import evolve, frozen

from badge.config.llm import Purpose
from badge.llms.breaker import STATES, State
from badge.metrics import Metrics
from providers.ports import Usage

MOST_DEVICES = 10_000
"""Devices whose sums are known; those that have not asked for the longest time are counted together."""


@frozen(kw_only=True)
class Spent:
    """Answers, tokens as the servers counted them, and what they cost by the configured prices. Servers that do not count,
    and most when an answer is cut short, leave tokens and cost at 0."""

    answers: int = 0
    prompt: int = 0
    answer: int = 0
    cost: float = 0.0


class Ledger:
    """Counts; nothing is kept on disk."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._devices: OrderedDict[str, dict[Purpose, Spent]] = OrderedDict()
        self._others: dict[Purpose, Spent] = {}

    def asked(self, purpose: Purpose, model: str) -> None:
        """A model is asked."""
        self._metrics.llm_requests.labels(purpose, model).inc()

    def failed(self, purpose: Purpose, model: str) -> None:
        """It did not answer, or not to the end."""
        self._metrics.llm_failures.labels(purpose, model).inc()

    def skipped(self, purpose: Purpose, model: str) -> None:
        """It was not asked, because it has failed before."""
        self._metrics.llm_skipped.labels(purpose, model).inc()

    def stood_in(self, purpose: Purpose, model: str) -> None:
        """A model answers in place of one that failed."""
        self._metrics.llm_fallbacks.labels(purpose, model).inc()

    def answered(self, purpose: Purpose, device: str) -> None:
        """An answer has begun."""
        self._add(device, purpose, Spent(answers=1))

    def used(self, purpose: Purpose, model: str, device: str, usage: Usage, cost: float = 0.0) -> None:
        """What an answer has cost."""
        self._metrics.llm_tokens.labels(purpose, model, "prompt").inc(usage.prompt)
        self._metrics.llm_tokens.labels(purpose, model, "answer").inc(usage.answer)
        self._metrics.llm_cost.labels(purpose, model).inc(cost)
        self._add(device, purpose, Spent(prompt=usage.prompt, answer=usage.answer, cost=cost))

    def warmed(self, *, worked: bool) -> None:
        """A connection was opened beforehand, or could not be."""
        self._metrics.llm_warmed.labels("ready" if worked else "failed").inc()

    def watch(self, states: Mapping[str, Callable[[], State]]) -> None:
        """These are the models that there are now, and what tells of each whether it is left alone."""
        self._metrics.llm_breaker.clear()
        for model, state in states.items():
            self._metrics.llm_breaker.labels(model).set_function(partial(_number, state))

    def by_device(self, most: int = MOST_DEVICES) -> dict[str, dict[Purpose, Spent]]:
        """The sums of so many devices, the one that asked last first; under the empty name those that belong to no device,
        or to others."""
        known: dict[str, dict[Purpose, Spent]] = {}
        others: Mapping[Purpose, Spent] = self._others
        for device, spent in reversed(self._devices.items()):
            if device and len(known) < most:
                known[device] = dict(spent)
            else:
                others = _sum(others, spent)
        return {**known, "": dict(others)}

    def _add(self, device: str, purpose: Purpose, spent: Spent) -> None:
        self._devices[device] = _sum(self._devices.get(device, {}), {purpose: spent})
        self._devices.move_to_end(device)
        if len(self._devices) > MOST_DEVICES:
            self._others = _sum(self._others, self._devices.popitem(last=False)[1])


def _number(state: Callable[[], State]) -> float:
    return STATES.index(state())


def _sum(one: Mapping[Purpose, Spent], other: Mapping[Purpose, Spent]) -> dict[Purpose, Spent]:
    total = dict(one)
    for purpose, more in other.items():
        had = total.get(purpose, Spent())
        total[purpose] = evolve(
            had,
            answers=had.answers + more.answers,
            prompt=had.prompt + more.prompt,
            answer=had.answer + more.answer,
            cost=had.cost + more.cost,
        )
    return total

"""What language models have cost, and how they did: counted by purpose and model, and by device."""

from __future__ import annotations

from collections import OrderedDict

import trio
from attrs import evolve, frozen

from badge.config.llm import Purpose
from badge.llms.breaker import Breaker
from badge.metrics import Metrics
from providers.ports import Usage

MOST_DEVICES = 10_000
"""Devices whose sums are known; those that have not asked for the longest time are counted together."""

_STATES = {"closed": 0, "half-open": 1, "open": 2}


@frozen(kw_only=True)
class Spent:
    """Answers, and tokens as the servers counted them; servers that do not count leave the tokens at 0."""

    answers: int = 0
    prompt: int = 0
    answer: int = 0


class Ledger:
    """Counts; nothing is kept on disk."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._devices: OrderedDict[str, Spent] = OrderedDict()
        self._others = Spent()

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

    def answered(self, device: str) -> None:
        """An answer has begun."""
        self._add(device, Spent(answers=1))

    def used(self, purpose: Purpose, model: str, device: str, usage: Usage) -> None:
        """What an answer has cost."""
        self._metrics.llm_tokens.labels(purpose, model, "prompt").inc(max(0, usage.prompt))
        self._metrics.llm_tokens.labels(purpose, model, "answer").inc(max(0, usage.answer))
        self._add(device, Spent(prompt=max(0, usage.prompt), answer=max(0, usage.answer)))

    def warmed(self, *, worked: bool) -> None:
        """A connection was opened beforehand, or could not be."""
        self._metrics.llm_warmed.labels("ready" if worked else "failed").inc()

    def observed(self, model: str, breaker: Breaker) -> None:
        """What the breaker of a model says now."""
        self._metrics.llm_breaker.labels(model).set(_STATES[breaker.state(trio.current_time())])

    def by_device(self) -> dict[str, Spent]:
        """The sums, the device that asked last first; under the empty name those that belong to no device, or to devices
        that have not asked for long."""
        known = {device: spent for device, spent in reversed(self._devices.items()) if device}
        return {**known, "": _sum(self._others, self._devices.get("", Spent()))}

    def _add(self, device: str, spent: Spent) -> None:
        self._devices[device] = _sum(self._devices.get(device, Spent()), spent)
        self._devices.move_to_end(device)
        if len(self._devices) > MOST_DEVICES:
            self._others = _sum(self._others, self._devices.popitem(last=False)[1])


def _sum(one: Spent, other: Spent) -> Spent:
    return evolve(
        one, answers=one.answers + other.answers, prompt=one.prompt + other.prompt, answer=one.answer + other.answer
    )

"""Which models answer which purpose, in which order: worked out from settings, without I/O."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Literal

import attrs
from attrs import frozen

from badge import texts
from badge.config.llm import Entry, LlmSettings, OverrideError, Purpose, PurposeSettings, choice, merged
from badge.pool import Fingerprint
from providers.ports import Usage

Settle = Callable[[LlmSettings], LlmSettings]
"""Decides what settings leave open: what `auto` is, and which key is used."""

PRIVATE = "private"
"""Stands for the model of one device where models are counted by name."""

OFFLINE = "offline"
"""The same for the assistant that needs no model."""

TALKS = frozenset({Purpose.CHAT, Purpose.CODING, Purpose.WORKING})
"""Purposes in which somebody waits for a spoken answer. For the others one of the offline assistant is none."""

_BY_NAME: Mapping[str, Literal["openai", "offline"]] = {"openai": "openai", "offline": "offline"}


@frozen(kw_only=True)
class Price:
    """What a million tokens cost, of prompts and of answers."""

    prompt: float = 0.0
    answer: float = 0.0

    def of(self, usage: Usage) -> float:
        """What an answer has cost."""
        return (usage.prompt * self.prompt + usage.answer * self.answer) / 1e6


@frozen
class Endpoint:
    """One model that can be asked; `model` is its name in the configuration."""

    model: str
    key: Fingerprint[LlmSettings]
    price: Price = Price()

    @property
    def server(self) -> Hashable:
        """What fails together: endpoints that differ in how they ask are one server."""
        settings = self.key.settings
        openai = settings.openai
        return settings.use, openai.base_url, openai.model, openai.api_key, openai.api_key_env


Chain = tuple[Endpoint, ...]

Warned = tuple[str, dict[str, str]]
"""A line for the log: its template, and what is put in."""


@frozen(kw_only=True)
class Plan:
    """The models of each purpose in the order in which they are asked, and what is to be said in the log about it."""

    chains: Mapping[Purpose, Chain]
    names: Mapping[Purpose, str]
    """purpose -> name of the model that is asked first"""
    warnings: tuple[Warned, ...] = ()

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """All models that are asked for something."""
        return tuple({endpoint.key: endpoint for chain in self.chains.values() for endpoint in chain}.values())


def plan_of(models: Mapping[str, LlmSettings], purposes: PurposeSettings, settle: Settle) -> Plan:
    """What the settings say. Whatever is wrong with the choice of a model makes the default model answer, with a warning. Raises
    `LookupError` when there is none, and ValueError when its own settings cannot be used."""
    if "default" not in models:
        raise LookupError("there is no [llm.default]")
    chains: dict[Purpose, Chain] = {}
    names: dict[Purpose, str] = {}
    warnings: list[Warned] = []
    for purpose in Purpose:
        try:
            alias, settings = _model(models, purposes, purpose, warnings)
            chain = _chain(models, alias, settings, settle)
        except (OverrideError, ValueError) as exc:
            warnings.append((texts.LOG_LLM_FAILED, {"key": str(purpose), "e": str(exc)}))
            alias = "default"
            chain = _chain(models, alias, models[alias], settle)
        chains[purpose], names[purpose] = able(purpose, chain), alias
    return Plan(chains=chains, names=names, warnings=tuple(warnings))


def able(purpose: Purpose, chain: Chain) -> Chain:
    """The models that are of use for a purpose."""
    return tuple(one for one in chain if purpose in TALKS or one.key.settings.use != "offline")


def endpoint_of(model: str, settings: LlmSettings, settle: Settle) -> Endpoint:
    """A model by its settings; one without a `use` whose name is that of an implementation is that. Raises `UnfitError`."""
    if settings.use == "auto" and (named := _BY_NAME.get(model)):
        settings = attrs.evolve(settings, use=named)
    price = Price(prompt=settings.prompt_price, answer=settings.answer_price)
    return Endpoint(model, Fingerprint(_essential(settle(settings))), price)


def _model(
    models: Mapping[str, LlmSettings], purposes: PurposeSettings, purpose: Purpose, warnings: list[Warned]
) -> tuple[str, LlmSettings]:
    entry, own = choice(purposes, purpose, models)
    if not own and purposes != PurposeSettings():  # where nothing is said at all, nothing is missing
        warnings.append((texts.LOG_LLM_UNMAPPED, {"key": str(purpose)}))
    if entry.alias and entry.alias not in models:
        warnings.append((texts.LOG_LLM_UNKNOWN, {"key": str(purpose), "alias": entry.alias}))
        entry = Entry("default", {})
    alias = entry.alias or "default"
    return alias, merged(models[alias], entry.overrides)


def _chain(models: Mapping[str, LlmSettings], alias: str, settings: LlmSettings, settle: Settle) -> Chain:
    """The model and those that step in for it, each once."""
    others: Iterable[str] = (name for name in settings.fallback if name in models)
    chain = [endpoint_of(alias, settings, settle), *(endpoint_of(name, models[name], settle) for name in others)]
    first: dict[Fingerprint[LlmSettings], Endpoint] = {}
    for endpoint in chain:
        first.setdefault(endpoint.key, endpoint)
    return tuple(first.values())


def _essential(settings: LlmSettings) -> LlmSettings:
    """Only what makes a difference to the provider: the rest would make two of one."""
    if settings.use == "offline":
        return LlmSettings(use="offline")
    return attrs.evolve(settings, fallback=[], prompt_price=0.0, answer_price=0.0)

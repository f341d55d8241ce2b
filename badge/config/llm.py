"""The part of the schema of config.toml that is about language models: which there are, and which answers what."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any, Literal

import attrs
from attrs import field, frozen

from protocol.strict import Mistake, make_converter, structure
from providers.llm.openai_settings import OpenAiSettings
from providers.settings import between, setting

_CONVERTER = make_converter(forbid_unknown=True)


class Purpose(StrEnum):
    """What a language model is asked for; each purpose may have a model of its own. Names in any case are understood, and
    an empty one means the conversation."""

    CHAT = "chat"
    MEETING = "meeting"
    CODING = "coding"
    WORKING = "working"
    INTENT = "intent"
    MEMORY = "memory"

    @classmethod
    def _missing_(cls, value: object) -> Purpose | None:
        name = value.strip().lower() or "chat" if isinstance(value, str) else ""
        return next((purpose for purpose in cls if purpose.value == name), None)


@frozen(kw_only=True)
class LlmSettings:
    """One language model. Any number of [llm.NAME] tables; `default` must be one of them."""

    use: Literal["auto", "openai", "offline"] = setting(
        "auto",
        "auto takes openai when a key or a base_url is there, else the offline assistant, which needs no network and "
        "knows a few skills",
    )
    fallback: list[str] = setting(
        [],
        "names of other [llm.NAME], asked one after the other when this one fails before its first word. When all "
        "fail, the offline assistant says what its skills know, such as the time",
    )
    prompt_price: float = setting(
        0.0, "price of a million tokens of a prompt, in any currency, for /metrics and `badge usage`", **between(0, 1e9)
    )
    answer_price: float = setting(0.0, "the same for those of an answer", **between(0, 1e9))
    openai: OpenAiSettings = OpenAiSettings()


@frozen(kw_only=True)
class PurposeSettings:
    """Which [llm.NAME] answers what: a name, or { llm = "NAME", … } with settings of [llm.NAME] and [llm.NAME.openai] that
    are different for this purpose, such as temperature. Empty: as `default` says. Old name: llm_by_mode."""

    default: str | dict[str, Any] = setting("default", "what answers purposes that say nothing here", hidden=True)
    chat: str | dict[str, Any] = setting("", "conversation", hidden=True)
    meeting: str | dict[str, Any] = setting("", "minutes", hidden=True)
    coding: str | dict[str, Any] = setting(
        "", "insights into a coding session, and the conversation in it", hidden=True
    )
    working: str | dict[str, Any] = setting("", "conversation about the tasks of the group", hidden=True)
    intent: str | dict[str, Any] = setting("", "what the user wants, where a model is asked for that", hidden=True)
    memory: str | dict[str, Any] = setting("", "what is worth remembering of a conversation", hidden=True)
    intent_llm: str = setting(
        "", "a name for `intent` when that is empty; one that is not there counts as empty. Old name: Intent.<x>.llm"
    )
    memory_llm: str = setting("", "the same for `memory`. Old name: Memory.<x>.llm")


@frozen(kw_only=True)
class BreakerSettings:
    """When a language model that fails is left alone for a while, so that nobody waits for it."""

    failures: int = setting(3, "failures in a row after which it is not asked", **between(1, 1000))
    pause_s: float = setting(20.0, "time until one question tries whether it works again", **between(0.1, 3600))


ALIASES = ("alias", "name", "module", "llm")
"""The keys under which a table may have the name of its model; the first that is not empty counts."""


@frozen
class Entry:
    """Which model is meant, and what is different about it. No alias: the default model."""

    alias: str
    overrides: Mapping[str, Any] = field(repr=False)


class OverrideError(Exception):
    """An entry cannot be used: `key` within it, `value` and `why`."""

    def __init__(self, key: str, value: object, why: str) -> None:
        super().__init__(f"{key}: {why}")
        self.key, self.value, self.why = key, value, why


def entry_of(value: str | Mapping[str, Any]) -> Entry | None:
    """What an entry of [llm_by_purpose] says; None for nothing. Raises `OverrideError`."""
    if isinstance(value, str):
        return Entry(value.strip(), {}) if value.strip() else None
    for key in ALIASES:
        if not isinstance(value.get(key, ""), str):
            raise OverrideError(key, value[key], "must be the name of a model, a string")
    alias = next((value[key] for key in ALIASES if value.get(key)), "")
    rest = {key: one for key, one in value.items() if key not in ALIASES}
    overrides = rest.pop("overrides", None)
    if overrides is None:
        return Entry(alias, rest) if value else None
    if rest:
        key = min(rest)
        raise OverrideError(key, rest[key], "must stand in overrides, as that is there")
    if not isinstance(overrides, Mapping):
        raise OverrideError("overrides", overrides, "must be a table")
    return Entry(alias, overrides)


def merged(base: LlmSettings, overrides: Mapping[str, Any]) -> LlmSettings:
    """The settings of a model with some of them changed. Raises `OverrideError` for what is no setting of a model."""
    own, nested = _names(LlmSettings), _names(OpenAiSettings)
    for key in sorted(overrides.keys() - own - nested):
        raise OverrideError(key, overrides[key], f"is not known here; known: {', '.join(sorted(own | nested))}")
    inner = overrides.get("openai", {})
    if not isinstance(inner, Mapping):
        raise OverrideError("openai", inner, "must be a table")
    flat = {key: value for key, value in overrides.items() if key in nested}
    wanted = {key: value for key, value in overrides.items() if key in own} | {"openai": {**inner, **flat}}
    read = structure(_CONVERTER, wanted, LlmSettings)
    if isinstance(read, list):
        raise _mistaken(read[0], wanted, flat)
    openai = attrs.evolve(base.openai, **{key: getattr(read.openai, key) for key in wanted["openai"]})
    return attrs.evolve(base, **{key: getattr(read, key) for key in wanted} | {"openai": openai})


def choice(settings: PurposeSettings, purpose: Purpose, known: Collection[str]) -> tuple[Entry, bool]:
    """The model of a purpose, and whether something says so for just this purpose. Raises `OverrideError`."""
    entry = entry_of(getattr(settings, purpose))
    second = getattr(settings, f"{purpose}_llm", "")
    if entry is None and second in known:
        entry = Entry(second, {})
    if entry is not None:
        return entry, True
    return entry_of(settings.default) or Entry("", {}), False


def wrong_models(models: Mapping[str, LlmSettings], purposes: PurposeSettings) -> list[tuple[str, object, str]]:
    """What is wrong with the choice of models: (key, value, what would be right)."""
    found: list[tuple[str, object, str]] = []
    if "default" not in models:
        found.append(("llm", sorted(models), "must have a table [llm.default]"))
    names = {*models, "default"}  # that there is no default is said already
    expected = f"must be one of {', '.join(sorted(models))}"
    for name, model in models.items():
        found.extend((f"llm.{name}.fallback", one, expected) for one in model.fallback if one not in names)
    for purpose in ("default", *Purpose):
        key = f"llm_by_purpose.{purpose}"
        try:
            entry = entry_of(getattr(purposes, purpose)) or Entry("", {})
            changed = merged(models.get(entry.alias) or LlmSettings(), entry.overrides)
        except OverrideError as exc:
            found.append((f"{key}.{exc.key}", exc.value, exc.why))
            continue
        if entry.alias and entry.alias not in names:
            found.append((key, entry.alias, expected))
        strange = [one for one in changed.fallback if one not in names and "fallback" in entry.overrides]
        found.extend((f"{key}.fallback", one, expected) for one in strange)
    return found


def purposes(settings: PurposeSettings, known: Collection[str]) -> dict[Purpose, str]:
    """The name of the model of each purpose, as configured."""
    return {purpose: _name(settings, purpose, known) for purpose in Purpose}


def _name(settings: PurposeSettings, purpose: Purpose, known: Collection[str]) -> str:
    try:
        alias = choice(settings, purpose, known)[0].alias
    except OverrideError:
        return "default"
    return alias if alias in known else "default"


def _names(cls: type) -> set[str]:
    return {attribute.name for attribute in attrs.fields(cls)}


def _mistaken(mistake: Mistake, wanted: Mapping[str, Any], flat: Collection[str]) -> OverrideError:
    """The mistake where the operator has written it."""
    path = mistake.path
    bare = path.removeprefix("openai.")
    if path != bare and bare.partition(".")[0] in flat:
        path = bare
    value: Any = wanted
    for step in mistake.path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return OverrideError(path, value, mistake.expected)

"""What a console says of one device: pure, from its answer to values. Everything in it may be wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Literal

from attrs import field, frozen

from badge.log import MASK, mask_addresses
from providers.ports import well_formed

DONE, UNKNOWN_DEVICE, NEEDS_BINDING = 0, 10041, 10042
"""Codes of answers."""

MODULES = ("VAD", "ASR", "LLM", "TTS", "Memory", "Intent")

_CODE = re.compile(r"[0-9]{6}", re.ASCII)
_SECRET = re.compile(r"key|secret|token|passw|pwd|credential|auth|cookie|signature|app_?id|^[as]k$", re.IGNORECASE)
_COUNT = re.compile(r"tokens$", re.IGNORECASE)
"""Names that sound secret and are not, when their value is a number."""

_PRIVATE = frozenset({"prompt", "summaryMemory", "speakers"})

MOST_PLUGINS = 100
LONGEST_TEXT = 20_000
"""Characters of a prompt and of a memory."""


DEEPEST = 50
"""Levels of an answer: nobody means more, and whoever reads them must not run out of stack."""


class MalformedAnswerError(Exception):
    """An answer that makes no sense; the message says why."""


@frozen(kw_only=True)
class Module:
    """One module as the console configures it, such as a language model."""

    name: str
    type: str
    settings: Mapping[str, Any] = field(repr=False)


@frozen(kw_only=True)
class PrivateConfig:
    """How one device is to be served, where that differs from the settings of the server."""

    modules: Mapping[str, Module] = field(factory=dict)
    """by kind, such as LLM"""
    plugins: Mapping[str, Mapping[str, Any]] | None = field(default=None, repr=False)
    """settings of each plugin that is to be used; None: nothing is said about plugins"""
    malformed: tuple[str, ...] = ()
    """plugins that cannot be used, because their settings cannot be read"""
    prompt: str | None = field(default=None, repr=False)
    memory: str = field(default="", repr=False)
    longest_output: int = 0
    reported: Literal["none", "text", "audio"] = "none"


@frozen(kw_only=True)
class Unbound:
    """Nobody is served who does not belong to somebody: with a code he can be bound; without one he is not known."""

    code: str = ""


def read_answer(answer: Mapping[str, Any]) -> PrivateConfig | Unbound:
    """What an answer to `/config/agent-models` says. Raises `MalformedAnswerError`."""
    match answer.get("code"):
        case 0:
            data = answer.get("data")
            if not isinstance(data, dict):
                raise MalformedAnswerError("its answer has no data")
            return _config(data)
        case 10041:
            return Unbound()
        case 10042:
            code = str(answer.get("msg", "")).strip()
            return Unbound(code=code if _CODE.fullmatch(code) else "")
        case code:
            raise MalformedAnswerError(f"its answer has the code {code}")


def _config(data: Mapping[str, Any]) -> PrivateConfig:
    plugins, malformed = _plugins(data.get("plugins"))
    modules = {kind: module for kind in MODULES if (module := _module(data, kind)) is not None}
    return PrivateConfig(
        modules=modules,
        plugins=plugins,
        malformed=malformed,
        prompt=_text(data.get("prompt")) or None,
        memory=_text(data.get("summaryMemory")),
        longest_output=_count(data.get("device_max_output_size")),
        reported=_REPORTED.get(_count(data.get("chat_history_conf")), "none"),
    )


_REPORTED: dict[int, Literal["none", "text", "audio"]] = {1: "text", 2: "audio"}


def _module(data: Mapping[str, Any], kind: str) -> Module | None:
    """The selected module of a kind; the only one there is where none is selected."""
    known, selected = data.get(kind), data.get("selected_module")
    name = selected.get(kind) if isinstance(selected, dict) else None
    if not isinstance(known, dict):
        known = {}
    if not isinstance(name, str) or not name:
        name = next(iter(known)) if len(known) == 1 else ""
    if not name:
        return None
    settings = known.get(name)
    settings = settings if isinstance(settings, dict) else {}
    kind_of = settings.get("type")
    return Module(name=name, type=kind_of if isinstance(kind_of, str) else name.partition("_")[2], settings=settings)


def _plugins(value: Any) -> tuple[Mapping[str, Mapping[str, Any]] | None, tuple[str, ...]]:
    """The settings of plugins, which come as JSON in strings; a malformed one disables that plugin only."""
    if not isinstance(value, dict):
        return None, ()
    read: dict[str, Mapping[str, Any]] = {}
    malformed = []
    for name, text in list(value.items())[:MOST_PLUGINS]:
        settings = _object(text)
        if settings is None:
            malformed.append(str(name))
        else:
            read[str(name)] = settings
    return read, tuple(malformed)


def _object(text: Any) -> Mapping[str, Any] | None:
    if isinstance(text, str):
        try:
            text = json.loads(text) if text.strip() else {}
        except (ValueError, RecursionError):
            return None
    if text is None:
        return {}
    return text if isinstance(text, dict) and not too_deep(text) else None


def too_deep(value: Any) -> bool:
    """Whether a value has more levels than anybody means."""
    level, depth = [value], 0
    while level and depth <= DEEPEST:
        depth += 1
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return depth > DEEPEST


def whole(value: Any) -> Any:
    """The same value with halves of characters, as escapes can bring them, replaced: they cannot be sent on. The value must
    not be deep."""
    match value:
        case str():
            return well_formed(value)
        case list():
            return [whole(one) for one in value]
        case dict():
            return {well_formed(name): whole(one) for name, one in value.items()}
        case _:
            return value


def _text(value: Any) -> str:
    return value.strip()[:LONGEST_TEXT] if isinstance(value, str) else ""


def _count(value: Any) -> int:
    """A number from 0 that may come as a string; 0 for everything else."""
    if isinstance(value, bool):
        return 0
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return 0
    return number if 0 <= number < 2**53 else 0


def shown(data: Any) -> str:
    """A configuration for the log: everything under a name that sounds secret is hidden, and of texts about the user only the
    size is told."""
    return well_formed(json.dumps(_shown("", data), ensure_ascii=False, default=str))


def _shown(name: str, value: Any) -> Any:
    if _SECRET.search(name) and not _is_told(name, value):
        return MASK
    if name in _PRIVATE:
        return f"{len(value)} characters" if isinstance(value, str) else MASK
    match value:
        case dict():
            if name == "plugins":
                value = {key: _plugin(one) for key, one in value.items()}
            return {str(key): _shown(str(key), one) for key, one in value.items()}
        case list():
            return [_shown(name, one) for one in value]
        case str():
            return mask_addresses(value)
        case _:
            return value


def _is_told(name: str, value: Any) -> bool:
    """Whether a value tells no secret, whatever its name sounds like."""
    return value is None or isinstance(value, bool) or (isinstance(value, int | float) and bool(_COUNT.search(name)))


def _plugin(value: Any) -> Any:
    settings = _object(value)
    return "malformed" if settings is None else settings

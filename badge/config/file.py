"""config.toml: read strictly into settings, or say everything that is wrong with it; and written with all defaults."""

from __future__ import annotations

import json
import re
import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from badge.config.settings import Settings, TokenSettings, inconsistencies
from badge.log import mask_addresses
from protocol.strict import Mistake, make_converter, structure
from providers.settings import DOC, ENV

_SECRET = re.compile(r"(^|[._])(token|key|secret|(headers|env)(\.[^.]*)?)$")

_CONVERTER = make_converter(forbid_unknown=True)

TOKENS_VARIABLE = "BADGE_AUTH_TOKENS"


class ConfigError(Exception):
    """The configuration cannot be used; each line names file, key, value and what would be right."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def load(path: Path, environment: Mapping[str, str]) -> Settings:
    """The settings of one file, secrets from the environment on top; a file that does not exist means all defaults."""
    values = _read(path)
    settings = structure(_CONVERTER, values, Settings)
    if isinstance(settings, list):
        raise ConfigError([_line(path, mistake, values) for mistake in settings])
    settings = with_environment(settings, environment)
    wrong = inconsistencies(settings)
    if wrong:
        raise ConfigError(
            [f"{_source(path, key, environment)}: {key} = {_show(key, value)}: {why}" for key, value, why in wrong]
        )
    return settings


def _source(path: Path, key: str, environment: Mapping[str, str]) -> str:
    return TOKENS_VARIABLE if key.startswith("auth.tokens") and environment.get(TOKENS_VARIABLE) else str(path)


def with_environment(settings: Settings, environment: Mapping[str, str]) -> Settings:
    """The settings with every variable that overrides one of them put in."""
    settings = _overridden(settings, environment)
    if tokens := environment.get(TOKENS_VARIABLE):
        entries = [
            TokenSettings(name=name, token=token) for name, _, token in (t.partition("=") for t in tokens.split(","))
        ]
        settings = attrs.evolve(settings, auth=attrs.evolve(settings.auth, tokens=entries))
    return settings


def _overridden(settings: Any, environment: Mapping[str, str]) -> Any:
    changes: dict[str, Any] = {}
    for attribute in attrs.fields(type(settings)):
        value = getattr(settings, attribute.name)
        variable = attribute.metadata.get(ENV)
        if attrs.has(type(value)):
            changes[attribute.name] = _overridden(value, environment)
        elif variable and environment.get(variable):
            changes[attribute.name] = environment[variable]
    return attrs.evolve(settings, **changes)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError as exc:
        raise ConfigError([f"{path}: is not UTF-8 text ({exc.reason} at byte {exc.start})"]) from None
    except OSError as exc:
        raise ConfigError([f"{path}: cannot be read: {exc.strerror}"]) from None
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError([f"{path}: is not TOML: {exc}"]) from None


def _line(path: Path, mistake: Mistake, values: dict[str, Any]) -> str:
    if mistake.missing:
        return f"{path}: {mistake.path}: {mistake.expected}"
    return f"{path}: {mistake.path} = {_show(mistake.path, _at(values, mistake.path))}: {mistake.expected}"


def _show(key: str, value: object) -> str:
    if _SECRET.search(key):
        return "***"
    text = json.dumps(_masked(value), ensure_ascii=False, default=str)
    return text if len(text) <= 80 else text[:77] + "..."


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: "***" if _SECRET.search(str(key)) else _masked(one) for key, one in value.items()}
    if isinstance(value, str):
        return mask_addresses(value)
    return [_masked(one) for one in value] if isinstance(value, list) else value


def _at(values: Any, path: str) -> object:
    for step in path.replace("]", "").replace("[", ".").split("."):
        try:
            values = values[int(step)] if isinstance(values, list) else values[step]
        except (KeyError, IndexError, ValueError, TypeError):
            return None
    found: object = values
    return found


# --- writing ----------------------------------------------------------------------------------------------------------

_HEADER = """\
# Settings of Badge. Every key is here with its default; delete what you do not change.
# A missing file means all defaults. Wrong keys and values stop the server with a list of them.
# Secrets are better kept in the environment: see the variables named below, and OPENAI_API_KEY.
"""


def render(settings: Settings) -> str:
    """A config.toml that says what `settings` say, every key with its comment."""
    return _HEADER + "\n".join(_table(settings, "")) + "\n"


def _table(settings: Any, name: str) -> Iterator[str]:
    tables: list[tuple[str, Any]] = []
    if name:
        yield ""
        yield from _comment(_sentence(type(settings)))
        yield f"[{name}]"
    for attribute in attrs.fields(type(settings)):
        value, key = getattr(settings, attribute.name), f"{name}.{attribute.name}".lstrip(".")
        if attrs.has(type(value)):
            tables.append((key, value))
        elif isinstance(value, dict) and value and all(attrs.has(type(v)) for v in value.values()):
            tables.extend((f"{key}.{entry}", inner) for entry, inner in value.items())
        elif isinstance(value, dict) and not name:
            yield from (
                "",
                *_comment(attribute.metadata[DOC]),
                f"[{key}]",
                *(f"{k} = {_value(v)}" for k, v in value.items()),
            )
        else:
            yield from _comment(_explained(attribute))
            yield f"{attribute.name} = {_value(value)}"
    for key, inner in tables:
        yield from _table(inner, key)


def _explained(attribute: attrs.Attribute[Any]) -> str:
    doc, variable = attribute.metadata[DOC], attribute.metadata[ENV]
    return f"{doc}. Environment: {variable}" if variable else str(doc)


def _sentence(cls: type) -> str:
    return " ".join((cls.__doc__ or "").split("\n\n")[0].split())


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, 118, initial_indent="# ", subsequent_indent="# ")


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(k)} = {_value(v)}" for k, v in value.items()) + " }" if value else "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    return json.dumps(value, ensure_ascii=False)

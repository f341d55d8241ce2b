"""The parameters of a function as a JSON schema, and arguments held against them."""

from __future__ import annotations

import inspect
import json
import types
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import attrs

from badge.plugin import Context, Within
from protocol.strict import Mistake, make_converter, structure
from providers.ports import well_formed

LONGEST_SHOWN = 40
"""Characters of a wrong value that is said again."""

_CONVERTER = make_converter(forbid_unknown=True)
_TYPES: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}
_NUMBERS = {int: "an integer", float: "a number"}


class SignatureError(Exception):
    """A function cannot be a tool; the message says which part of it, and what would be right."""


class Signature:
    """What a function takes: `parameters` as a JSON schema, and `context`, the name of the parameter for the `Context`;
    empty when there is none."""

    def __init__(self, function: Callable[..., Any]) -> None:
        """Raises `SignatureError`."""
        try:
            rich = get_type_hints(function, include_extras=True)
            plain = get_type_hints(function)
        except (NameError, TypeError, AttributeError) as exc:
            raise SignatureError(f"its type hints cannot be read: {exc}") from exc
        self.context = ""
        self._bounds: dict[str, str] = {}
        properties, required, fields = {}, [], {}
        for parameter in inspect.signature(function).parameters.values():
            name = parameter.name
            hint = _hint_of(parameter, rich)
            if plain[name] is Context:
                self.context = name
                continue
            properties[name] = _described(hint, name, parameter.default)
            if parameter.default is parameter.empty:
                required.append(name)
            if within := _within(hint):
                self._bounds[name] = f"must be {_NUMBERS[_core(hint)]} {_range(within)}"
            fields[name] = _field(plain[name], parameter.default, within)
        self.parameters: dict[str, Any] = {"type": "object", "properties": properties, "required": required}
        self._form: type[attrs.AttrsInstance] = attrs.make_class("Arguments", fields, frozen=True, kw_only=True)

    def read(self, arguments: Mapping[str, Any]) -> dict[str, Any] | str:
        """The arguments for the function; or, when they are wrong, what is wrong with them, for the model."""
        read: Any = structure(_CONVERTER, dict(arguments), self._form)
        if isinstance(read, list):
            return " ".join(self._complaint(mistake, arguments) for mistake in read)
        return {field.name: getattr(read, field.name) for field in attrs.fields(type(read))}

    def _complaint(self, mistake: Mistake, arguments: Mapping[str, Any]) -> str:
        if mistake.missing:
            return f"{mistake.path}: is missing."
        if mistake.unknown:
            known = ", ".join(self.parameters["properties"]) or "none"
            return f"{well_formed(mistake.path)[:LONGEST_SHOWN]}: there is no such parameter; there are: {known}."
        expected = self._bounds.get(mistake.path, mistake.expected)
        given = f", not {_shown(arguments[mistake.path])}" if mistake.path in arguments else ""
        return f"{mistake.path}: {expected}{given}."


def _shown(value: object) -> str:
    text = f"'{well_formed(value)}'" if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 3] + "..."


def _hint_of(parameter: inspect.Parameter, hints: Mapping[str, Any]) -> Any:
    name = parameter.name
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
        raise SignatureError(f"parameter {name}: must be one that can be given by its name")
    if name.startswith("_"):
        raise SignatureError(f"parameter {name}: must not begin with an underscore")
    if name not in hints:
        raise SignatureError(f"parameter {name}: has no type hint")
    return hints[name]


def _field(hint: Any, default: Any, within: Within | None) -> Any:
    def check(_: Any, __: Any, value: Any) -> None:
        if within is not None and value is not None and not within.low <= value <= within.high:
            raise ValueError(f"must be {_range(within)}")

    return attrs.field(
        type=hint, default=attrs.NOTHING if default is inspect.Parameter.empty else default, validator=check
    )


# --- hints to schemas ---------------------------------------------------------------------------------------------------


def _described(hint: Any, name: str, default: Any) -> dict[str, Any]:
    """The schema of one parameter, with its text, bounds and default."""
    schema = _schema(hint, name)
    if within := _within(hint):
        if _core(hint) not in _NUMBERS:
            raise SignatureError(f"parameter {name}: only int and float have bounds")
        if not within.low <= within.high:
            raise SignatureError(f"parameter {name}: {within} has no numbers in it")
        bounds = {"minimum": within.low, "maximum": within.high}
        schema |= {key: bound for key, bound in bounds.items() if isfinite(bound)}
    if default is not inspect.Parameter.empty and default is not None:
        try:
            schema["default"] = json.loads(json.dumps(default, allow_nan=False))
        except (TypeError, ValueError) as exc:
            raise SignatureError(f"parameter {name}: its default is no JSON value") from exc
    return schema


def _schema(hint: Any, name: str) -> dict[str, Any]:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        texts = [part for part in inner[1:] if isinstance(part, str)]
        return _schema(inner[0], name) | ({"description": texts[0]} if texts else {})
    if hint in _TYPES:
        return {"type": _TYPES[hint]}
    if origin is Literal:
        kinds = {_TYPES.get(type(value)) for value in inner}
        if None in kinds:
            raise SignatureError(f"parameter {name}: a Literal may have str, int and bool values")
        return {"enum": list(inner)} | ({"type": kinds.pop()} if len(kinds) == 1 else {})
    if hint is list or origin is list:
        return {"type": "array"} | ({"items": _schema(inner[0], name)} if inner else {})
    if hint is dict or (origin is dict and inner[0] is str):
        return {"type": "object"} | ({"additionalProperties": _schema(inner[1], name)} if _says(inner) else {})
    if origin in (Union, types.UnionType):
        return _union([part for part in inner if part is not types.NoneType], name)
    raise SignatureError(
        f"parameter {name}: {hint!r} cannot be described; there are str, int, float, bool, Literal, list[…], "
        "dict[str, …], unions of these with None, and Annotated[…, 'text']"
    )


def _says(inner: tuple[Any, ...]) -> bool:
    return bool(inner) and inner[1] is not Any


def _union(members: list[Any], name: str) -> dict[str, Any]:
    """None is what a parameter has that was left out, so that it need not be described."""
    if len(members) == 1:
        return _schema(members[0], name)
    return {"anyOf": [_schema(member, name) for member in members]}


def _within(hint: Any) -> Within | None:
    """The bounds of a number, also of one that may be None."""
    if get_origin(hint) is Annotated:
        return next((part for part in get_args(hint)[1:] if isinstance(part, Within)), None)
    if get_origin(hint) in (Union, types.UnionType):
        return next(filter(None, map(_within, get_args(hint))), None)
    return None


def _range(within: Within) -> str:
    """Bounds in words; there may be only one, the other is infinite."""
    if not isfinite(within.high):
        return f"of at least {within.low:.12g}"
    if not isfinite(within.low):
        return f"of at most {within.high:.12g}"
    return f"from {within.low:.12g} to {within.high:.12g}"


def _core(hint: Any) -> Any:
    """The type without texts, bounds and None."""
    if get_origin(hint) is Annotated:
        return _core(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        return next((_core(part) for part in get_args(hint) if part is not types.NoneType), None)
    return hint

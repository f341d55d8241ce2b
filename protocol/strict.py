"""Strict structuring of JSON and TOML values into frozen classes: nothing is coerced, every mistake is named."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin

import attrs
import cattrs
from cattrs import ClassValidationError, IterableValidationError
from cattrs.errors import ForbiddenExtraKeysError

_T = TypeVar("_T")

MOST_ENTRIES = 10_000
"""Entries of a list whose type is declared. Each is looked at, which takes a moment; nobody has so many of anything."""

MOST_MISTAKES = 20
"""Wrong entries of one list that are named."""

_NAMES = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}


@attrs.frozen
class Mistake:
    """One thing wrong in a structured value: where (`audio_params.format`, `tokens[0].name`) and what would be right."""

    path: str
    expected: str
    missing: bool = False
    unknown: bool = False

    def __str__(self) -> str:
        return f"{self.path or 'message'}: {self.expected}"


def make_converter(*, forbid_unknown: bool) -> cattrs.Converter:
    """A converter that refuses wrong types; `forbid_unknown` also refuses fields that the class does not have."""
    converter = cattrs.Converter(forbid_extra_keys=forbid_unknown)
    converter.register_structure_hook(str, _strict(str, _is_text))
    converter.register_structure_hook(int, _strict(int, lambda v: isinstance(v, int) and not isinstance(v, bool)))
    converter.register_structure_hook(bool, _strict(bool, lambda v: isinstance(v, bool)))
    converter.register_structure_hook(float, _float)
    converter.register_structure_hook_factory(attrs.has, lambda t: _object(t, converter, forbid_unknown=forbid_unknown))
    converter.register_structure_hook_factory(_is_literal, _literal)
    converter.register_structure_hook_factory(_is_sequence, lambda t: _sequence(t, converter))
    converter.register_structure_hook_factory(_is_mapping, lambda t: _mapping(t, converter))
    converter.register_structure_hook_factory(_is_union, lambda t: _union(t, converter))
    return converter


def structure(converter: cattrs.Converter, value: object, cls: type[_T]) -> _T | list[Mistake]:
    """An instance of `cls`, or every mistake that keeps `value` from being one."""
    try:
        return converter.structure(value, cls)
    except (ClassValidationError, IterableValidationError, TypeError) as wrong:
        return list(_mistakes(wrong, ""))


def _strict(cls: type, accepts: Callable[[object], bool]) -> Callable[[object, type], Any]:
    def hook(value: object, _: type) -> object:
        if not accepts(value):
            raise TypeError(f"must be {_NAMES[cls]}")
        return value

    return hook


def _is_text(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        value.encode()  # a lone surrogate from a JSON escape could never be sent on
    except UnicodeEncodeError:
        return False
    return True


def _float(value: object, _: type) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise TypeError("must be a number")
    return float(value)


def _object(cls: Any, converter: cattrs.Converter, *, forbid_unknown: bool) -> Callable[[object, type], Any]:
    """Structures attrs classes; unlike the function that cattrs would generate it runs each field's validator where the
    field's place is known, so that every mistake is found at once and named."""
    attributes = attrs.fields(attrs.resolve_types(cls))
    known = frozenset(attribute.name for attribute in attributes)

    def hook(value: object, _: type) -> Any:
        if not isinstance(value, dict):
            raise TypeError("must be an object")
        errors: list[Exception] = []
        fields: dict[str, Any] = {}
        for attribute in attributes:
            try:
                if attribute.name in value:
                    fields[attribute.alias] = _field(value[attribute.name], attribute, converter)
                elif attribute.default is attrs.NOTHING:
                    raise KeyError(attribute.name)
            except Exception as exc:  # noqa: BLE001 - collected with its place, never swallowed
                exc.add_note(cattrs.AttributeValidationNote(attribute.name, attribute.name, attribute.type))
                errors.append(exc)
        if forbid_unknown and (unknown := value.keys() - known):
            errors.append(ForbiddenExtraKeysError("", cls, set(unknown)))
        if errors:
            raise ClassValidationError("object", errors, cls)
        return cls(**fields)

    return hook


def _field(value: object, attribute: attrs.Attribute[Any], converter: cattrs.Converter) -> Any:
    structured = converter.structure(value, cast(Any, attribute.type))
    if attribute.validator is not None:
        attribute.validator(None, attribute, structured)
    return structured


def _is_literal(cls: Any) -> bool:
    origin: Any = get_origin(cls)
    return origin is Literal


def _literal(cls: Any) -> Callable[[object, type], object]:
    allowed = get_args(cls)

    def hook(value: object, _: type) -> object:
        for candidate in allowed:
            if type(value) is type(candidate) and value == candidate:
                return candidate
        raise ValueError("must be one of " + ", ".join(f'"{a}"' if isinstance(a, str) else str(a) for a in allowed))

    return hook


def _is_sequence(cls: Any) -> bool:
    return get_origin(cls) in (list, tuple)


def _sequence(cls: Any, converter: cattrs.Converter) -> Callable[[object, type], Any]:
    container, item = get_origin(cls), get_args(cls)[0]

    def hook(value: object, _: type) -> Any:
        if not isinstance(value, list | tuple):
            raise TypeError("must be a list")
        if len(value) > MOST_ENTRIES:
            raise TypeError(f"must have at most {MOST_ENTRIES} entries, not {len(value)}")
        errors: list[Exception] = []
        items = []
        for index, element in enumerate(value):
            try:
                items.append(converter.structure(element, item))
            except Exception as exc:  # noqa: BLE001 - collected with its place, never swallowed
                exc.add_note(cattrs.IterableValidationNote(f"element {index}", index, item))
                errors.append(exc)
                if len(errors) == MOST_MISTAKES:
                    break
        if errors:
            raise IterableValidationError("list", errors, cls)
        return container(items)

    return hook


def _is_mapping(cls: Any) -> bool:
    return get_origin(cls) in (dict, Mapping, types.MappingProxyType)


def _mapping(cls: Any, converter: cattrs.Converter) -> Callable[[object, type], Any]:
    item = get_args(cls)[1]

    def hook(value: object, _: type) -> Any:
        if not isinstance(value, dict):
            raise TypeError("must be an object")
        if item is Any:
            return value
        errors: list[Exception] = []
        items = {}
        for key, element in value.items():
            try:
                items[key] = converter.structure(element, item)
            except Exception as exc:  # noqa: BLE001 - collected with its place, never swallowed
                exc.add_note(cattrs.IterableValidationNote(f"key {key}", key, item))
                errors.append(exc)
        if errors:
            raise IterableValidationError("object", errors, cls)
        return items

    return hook


def _is_union(cls: Any) -> bool:
    return get_origin(cls) in (Union, types.UnionType)


def _union(cls: Any, converter: cattrs.Converter) -> Callable[[object, type], object]:
    members = [m for m in get_args(cls) if m is not type(None)]
    optional = len(members) < len(get_args(cls))

    def hook(value: object, _: type) -> object:
        if value is None and optional:
            return None
        if len(members) == 1:
            return converter.structure(value, members[0])
        for member in members:
            try:
                return converter.structure(value, member)
            except (TypeError, ValueError):
                continue
        raise TypeError(
            "must be " + " or ".join(_NAMES.get(m, "an object" if _is_mapping(m) else str(m)) for m in members)
        )

    return hook


def _mistakes(exc: BaseException, path: str) -> Any:
    if isinstance(exc, ClassValidationError):
        noted, bare = exc.group_exceptions()
        for inner, note in noted:
            yield from _mistakes(inner, f"{path}.{note.name}" if path else note.name)
        for inner in bare:
            yield from _mistakes(inner, path)
    elif isinstance(exc, IterableValidationError):
        noted_items, bare = exc.group_exceptions()
        for inner, item in noted_items:
            step = f"[{item.index}]" if isinstance(item.index, int) else f".{item.index}"
            yield from _mistakes(inner, f"{path}{step}".lstrip("."))
        for inner in bare:
            yield from _mistakes(inner, path)
    elif isinstance(exc, ForbiddenExtraKeysError):
        known = ", ".join(a.name for a in attrs.fields(exc.cl)) if attrs.has(exc.cl) else ""
        for key in sorted(exc.extra_fields):
            yield Mistake(f"{path}.{key}" if path else key, f"is not known here; known: {known}", unknown=True)
    elif isinstance(exc, KeyError):
        yield Mistake(path, "is missing", missing=True)
    else:
        yield Mistake(path, str(exc))

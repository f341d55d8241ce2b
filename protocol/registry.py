"""How a message class is declared: its wire name, what logs may show of it, and what bad fields are answered with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import attrs
from attrs import field

FROM_BADGE: dict[str, type] = {}
"""Wire name -> class of what a badge may send."""

TO_BADGE: dict[str, list[type]] = {}
"""Wire name -> classes of what the server may send (one name can have several shapes)."""

_C = TypeVar("_C", bound=type)
_SECRET, _PRIVATE, _TYPE, _REFUSAL = "secret", "private", "__message_type__", "__message_refusal__"


def secret(**kwargs: Any) -> Any:
    """A field that logs never show in any form."""
    return field(**kwargs, repr=False, metadata={_SECRET: True})


def private(**kwargs: Any) -> Any:
    """A field with a user's words: logs show its size only."""
    return field(**kwargs, repr=False, metadata={_PRIVATE: True})


def is_secret(attribute: attrs.Attribute[Any]) -> bool:
    """Whether a field was declared with `secret()`."""
    return _SECRET in attribute.metadata


def is_private(attribute: attrs.Attribute[Any]) -> bool:
    """Whether a field was declared with `private()`."""
    return _PRIVATE in attribute.metadata


def from_badge(name: str, *, refusal: Mapping[str, Any] | None = None) -> Callable[[_C], _C]:
    """Register what a badge may send; `refusal` is the answer that this type prescribes for bad fields."""

    def register(cls: _C) -> _C:
        FROM_BADGE[name] = cls
        setattr(cls, _TYPE, name)
        setattr(cls, _REFUSAL, dict(refusal) if refusal else None)
        return cls

    return register


def to_badge(name: str) -> Callable[[_C], _C]:
    """Register what the server may send."""

    def register(cls: _C) -> _C:
        TO_BADGE.setdefault(name, []).append(cls)
        setattr(cls, _TYPE, name)
        return cls

    return register


def wire_name(message: object) -> str:
    """The `type` of a message object or class."""
    return str(getattr(message, _TYPE))


def refusal_of(cls: type) -> dict[str, Any] | None:
    """What a badge hears when fields of this type are wrong, where the type prescribes it."""
    refusal: dict[str, Any] | None = getattr(cls, _REFUSAL)
    return refusal

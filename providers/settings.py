"""How a settings field is declared: its default, its explanation for config.toml, and what values are right."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any

import attrs

DOC = "doc"
ENV = "env"


def setting(
    default: Any,
    doc: str,
    *,
    check: Callable[[Any], bool] | None = None,
    expected: str = "",
    env: str = "",
    hidden: bool = False,
) -> Any:
    """A field of a frozen settings class.

    `doc` becomes the comment in config.toml. `check` says whether a value of the right type is acceptable and
    `expected` completes the sentence "must be …" when it is not. `env` names an environment variable that overrides
    the value. `hidden` keeps a secret out of `repr` and logs. A list or dict default is copied for each instance.
    """

    def validate(_: Any, __: attrs.Attribute[Any], value: Any) -> None:
        if check is not None and not check(value):
            raise ValueError(f"must be {expected}")

    shared: dict[str, Any] = {
        "metadata": {DOC: doc, ENV: env},
        "repr": not hidden,
        "validator": validate if check is not None else None,
    }
    if isinstance(default, list | dict):
        return attrs.field(factory=lambda: type(default)(default), **shared)
    return attrs.field(default=default, **shared)


def plain_json(value: object) -> bool:
    """Whether a value can be sent as JSON, and comes back the same."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and plain_json(one) for key, one in value.items())
    if isinstance(value, list | tuple):
        return all(map(plain_json, value))
    return value is None or isinstance(value, str | int) or (isinstance(value, float) and isfinite(value))


def between(low: float, high: float) -> dict[str, Any]:
    """`check` and `expected` for a number in a closed range."""
    return {"check": lambda value: low <= value <= high, "expected": f"between {low:.12g} and {high:.12g}"}

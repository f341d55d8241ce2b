"""Functions as tools: what the model is told of them, and what it may say."""

from __future__ import annotations

import json
import types
from math import inf, nan
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from badge.plugin import Context, Within, tool
from badge.tools.functions import functions_of
from badge.tools.signature import Signature, SignatureError


class SimpleModule(types.ModuleType):
    """A plugin with one function."""

    def __init__(self, function: Any) -> None:
        super().__init__("plugin")
        self.function = function


class Player:
    @tool(effects=True, seconds=5)
    def volume(
        self,
        context: Context,
        volume: Annotated[int, Within(0, 100), "per cent"],
        room: Literal["kitchen", "bath"] = "kitchen",
        tags: list[str] | None = None,
        more: dict[str, float] = {},  # noqa: B006
        fade: Annotated[float | None, Within(0, 9)] = None,
        *,
        loud: bool = False,
    ) -> str:
        """Set how loud
        it is.

        For programmers only.
        """
        return ""


def player() -> Signature:
    return functions_of(Player())[0].signature


@pytest.mark.req("PL-1", "PL-2")
def test_a_function_is_described_by_its_name_its_docstring_and_its_hints() -> None:
    (function,) = functions_of(Player())
    assert (function.tool.effects, function.seconds, function.signature.context) == (True, 5, "context")
    assert (function.tool.spec.name, function.tool.spec.description) == ("volume", "Set how loud it is.")
    assert function.tool.spec.parameters == {
        "type": "object",
        "properties": {
            "volume": {"type": "integer", "description": "per cent", "minimum": 0, "maximum": 100},
            "room": {"type": "string", "enum": ["kitchen", "bath"], "default": "kitchen"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "more": {"type": "object", "additionalProperties": {"type": "number"}, "default": {}},
            "fade": {"type": "number", "minimum": 0, "maximum": 9},
            "loud": {"type": "boolean", "default": False},
        },
        "required": ["volume"],
    }


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"volume": "loud"}, "volume: must be an integer from 0 to 100, not 'loud'."),
        ({"volume": 101}, "volume: must be an integer from 0 to 100, not 101."),
        ({"volume": True}, "volume: must be an integer from 0 to 100, not true."),
        ({"volume": None}, "volume: must be an integer from 0 to 100, not null."),
        ({}, "volume: is missing."),
        ({"volume": 1, "room": "attic"}, 'room: must be one of "kitchen", "bath", not \'attic\'.'),
        ({"volume": 1, "tags": ["a", 2]}, "tags[1]: must be a string."),
        ({"volume": 1, "more": {"a": "b"}}, "more.a: must be a number."),
        ({"volume": 1, "loud": "yes"}, "loud: must be true or false, not 'yes'."),
        ({"volume": 1, "fade": 9.5}, "fade: must be a number from 0 to 9, not 9.5."),
        (
            {"volume": 1, "colour": "red", "fade": float("nan")},
            "fade: must be a number from 0 to 9, not NaN. "
            "colour: there is no such parameter; there are: volume, room, tags, more, fade, loud.",
        ),
        ({"volume": "x" * 1000}, "volume: must be an integer from 0 to 100, not '" + "x" * 36 + "...."),
    ],
)
@pytest.mark.req("PL-2", "MC-5")
def test_wrong_arguments_are_named_for_the_model(arguments: dict[str, Any], complaint: str) -> None:
    assert player().read(arguments) == complaint


@pytest.mark.req("PL-2")
def test_right_arguments_are_completed_by_defaults() -> None:
    assert player().read({"volume": 5, "tags": ["a"], "fade": 1}) == {
        "volume": 5, "room": "kitchen", "tags": ["a"], "more": {}, "fade": 1.0, "loud": False,
    }  # fmt: skip


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(
    st.dictionaries(st.sampled_from(["volume", "room", "tags", "more", "fade", "loud", ""]) | st.text(), json_values)
)
def test_no_arguments_are_an_error(arguments: dict[str, Any]) -> None:
    read = player().read(arguments)
    if isinstance(read, str):
        assert read.endswith(".")
    else:
        assert isinstance(read["volume"], int)
        assert 0 <= read["volume"] <= 100


def starred(*args: int) -> None: ...
def bare(x) -> None: ...  # type: ignore[no-untyped-def]
def odd(x: bytes) -> None: ...
def bounded(x: Annotated[str, Within(0, 1)]) -> None: ...
def hidden(_x: int) -> None: ...
def unknown(x: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821
def default(x: str = object()) -> None: ...  # type: ignore[assignment]


@pytest.mark.parametrize("function", [starred, bare, odd, bounded, hidden, unknown, default])
def test_what_cannot_be_described_is_refused_by_name(function: Any) -> None:
    with pytest.raises(SignatureError, match=r"parameter _?(args|x):|type hints cannot be read: name 'Nowhere'"):
        Signature(function)


@tool
def open_ended(
    up: Annotated[int, Within(0, inf)] = 0, down: Annotated[float, Within(-inf, 5)] = 0.0, text: str = "\ud800"
) -> None:
    """Bounds \ud800 on one side."""


@pytest.mark.req("PL-2")
def test_whatever_the_model_is_told_can_be_sent() -> None:
    (function,) = functions_of(SimpleModule(open_ended))
    properties = function.tool.spec.parameters["properties"]
    assert properties["up"] == {"type": "integer", "minimum": 0, "default": 0}
    assert properties["down"] == {"type": "number", "maximum": 5, "default": 0.0}
    assert json.dumps([function.tool.spec.parameters, function.tool.spec.description], ensure_ascii=False).encode()
    assert function.signature.read({"up": -1}) == "up: must be an integer of at least 0, not -1."
    assert function.signature.read({"down": 6}) == "down: must be a number of at most 5, not 6."
    assert function.signature.read({"up": 10**9}) == {"up": 10**9, "down": 0.0, "text": "\ud800"}


@tool
def nowhere(x: Annotated[float, Within(nan, 1)]) -> None: ...


@tool
def backwards(x: Annotated[int, Within(9, 1)]) -> None: ...


@tool
def endless(x: str = "x" * 20_000) -> None: ...


@tool(seconds=-1)
def hasty() -> None: ...


@tool(seconds=nan)
def dateless() -> None: ...


@pytest.mark.req("PL-2")
@pytest.mark.parametrize("function", [nowhere, backwards, endless, hasty, dateless])
def test_what_no_model_could_use_is_refused_by_name(function: Any) -> None:
    with pytest.raises(SignatureError, match=f"^{function.__name__}: "):
        functions_of(SimpleModule(function))

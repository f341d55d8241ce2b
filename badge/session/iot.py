"""Things of a badge in the legacy way: described, watched, and commanded, as tools for the model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import attrs
from attrs import frozen

from badge.desk import Tool, ToolResult
from badge.tools.offering import brief, free_name, model_name
from protocol import ErrorCode, RemoteProtocolError
from protocol.inbound import Iot
from protocol.outbound import IotCommands
from providers.ports import ToolSpec, well_formed

MOST_THINGS, MOST_MEMBERS = 32, 32
"""Things of one badge, and properties, methods, and parameters of a method, that are heeded."""

LONGEST_VALUE = 1000
"""Characters of a text that a thing has for a value."""

LARGEST_NUMBER = 2.0**53
"""Of what is larger, badges and models do not know each whole number."""

TYPES = ("number", "boolean", "string")

SUCCESS = {
    "type": "string",
    "description": "What to say to the user when it is done: short and friendly; {value} stands for what was found",
}
FAILURE = {"type": "string", "description": "What to say to the user when it cannot be done"}


@frozen(kw_only=True)
class Value:
    """What a property or a parameter may be."""

    type: str
    description: str

    def fits(self, value: object) -> bool:
        """Whether this is such a value."""
        match value:
            case bool():
                return self.type == "boolean"
            case int() | float():
                return self.type == "number" and -LARGEST_NUMBER <= value <= LARGEST_NUMBER
            case str():
                return self.type == "string"
        return False

    def schema(self) -> dict[str, str]:
        """The same for a model."""
        return {"type": self.type, "description": self.description}


@frozen(kw_only=True)
class Method:
    """What a thing can be told to do."""

    description: str
    parameters: dict[str, Value]


@frozen(kw_only=True)
class Thing:
    """One thing as the badge describes it."""

    name: str
    description: str
    properties: dict[str, Value]
    methods: dict[str, Method]


class _Malformed(Exception):
    """Something that a badge describes is not as it should be: where, and what would be right."""


# --- reading --------------------------------------------------------------------------------------------------------------


def read_thing(described: Mapping[str, Any]) -> Thing:
    """One descriptor. Raises `_Malformed`."""
    name = described.get("name")
    if not isinstance(name, str) or not name or len(name) > 64:
        raise _Malformed("name: must be a text of 1 to 64 characters")
    return Thing(
        name=well_formed(name),
        description=brief(described.get("description")),
        properties={key: _value(f"properties.{key}", one) for key, one in _members(described, "properties").items()},
        methods={key: _method(f"methods.{key}", one) for key, one in _members(described, "methods").items()},
    )


def _members(described: Mapping[str, Any], key: str, where: str = "") -> dict[str, Any]:
    found = described.get(key)
    if found is None:
        return {}
    if not isinstance(found, dict) or len(found) > MOST_MEMBERS or any(not k or len(k) > 64 for k in found):
        raise _Malformed(
            f"{where}{key}: must be an object with at most {MOST_MEMBERS} members with names of 1 to 64 characters"
        )
    return {well_formed(k): value for k, value in found.items()}


def _value(where: str, described: Any) -> Value:
    if not isinstance(described, dict) or described.get("type") not in TYPES:
        raise _Malformed(f"{where}.type: must be one of {', '.join(TYPES)}")
    return Value(type=described["type"], description=brief(described.get("description")))


def _method(where: str, described: Any) -> Method:
    if not isinstance(described, dict):
        raise _Malformed(f"{where}: must be an object")
    parameters = _members(described, "parameters", where=f"{where}.")
    return Method(
        description=brief(described.get("description")),
        parameters={key: _value(f"{where}.parameters.{key}", one) for key, one in parameters.items()},
    )


# --- the things of a badge ------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class _Use:
    """What a tool stands for: a property that is looked up, or a method that is called."""

    thing: str
    property: str = ""
    method: str = ""


class IotThings:
    """The things of one badge. Everything is applied at once and in the order in which it comes."""

    def __init__(self, tell: Callable[[attrs.AttrsInstance], None]) -> None:
        self._tell = tell
        self._things: dict[str, Thing] = {}
        self._states: dict[tuple[str, str], Any] = {}
        self._tools: dict[str, tuple[_Use, Tool]] = {}

    def receive(self, message: Iot) -> None:
        """Take descriptors, then states. What is not well-formed changes nothing, and is reported when all the rest is
        applied. Raises `RemoteProtocolError`."""
        wrong: list[str] = []
        for index, described in enumerate(message.descriptors):
            wrong += _attempt(f"descriptors[{index}].", partial(self._describe, described))
        if message.descriptors:
            self._tools = self._offer()
        for index, state in enumerate(message.states):
            wrong += _attempt(f"states[{index}].", partial(self._update, state))
        if wrong:
            ref = {"type": "iot", "field": wrong[0].partition(":")[0]}
            raise RemoteProtocolError(ErrorCode.BAD_MESSAGE, "iot: " + "; ".join(wrong[:5]), ref=ref)

    def thing(self, name: str) -> Thing | None:
        """The thing of this name."""
        return self._things.get(name)

    def state(self, thing: str, name: str) -> Any:
        """The value of a property, as far as it is known."""
        return self._states.get((thing, name))

    def command(self, thing: str, method: str, parameters: dict[str, Any]) -> None:
        """Have a thing do something; nobody answers."""
        self._tell(IotCommands(commands=[{"name": thing, "method": method, "parameters": parameters}]))

    async def offered(self) -> Sequence[Tool]:  # noqa: ASYNC124 - a question of the toolbox
        """What can be asked and done."""
        return tuple(tool for _, tool in self._tools.values())

    async def call(self, _key: str, tool: str, arguments: dict[str, Any]) -> ToolResult:  # noqa: ASYNC124 - as above
        """Look a property up, or have a method called. The model has said beforehand what the user is told."""
        if tool not in self._tools:
            return ToolResult(kind="unknown", text=f"There is no tool {tool}.")
        use, _ = self._tools[tool]
        if use.property:
            value = self.state(use.thing, use.property)
            if value is None:
                return _said(
                    arguments, "response_failure", f"{use.thing} has not told its {use.property} yet.", value=""
                )
            return _said(
                arguments, "response_success", json.dumps({use.property: value}, ensure_ascii=False), value=value
            )
        method = self._things[use.thing].methods[use.method]
        given = {key: _whole(arguments.get(key)) for key in method.parameters}
        bad = [f"{key}: must be a {one.type}" for key, one in method.parameters.items() if not one.fits(given[key])]
        if bad:
            return ToolResult(kind="answer", text="; ".join(bad))
        self.command(use.thing, use.method, given)
        return _said(arguments, "response_success", "done", value=next(iter(given.values()), ""))

    # --- inside ---

    def _describe(self, described: Mapping[str, Any]) -> None:
        thing = read_thing(described)
        if thing.name not in self._things and len(self._things) >= MOST_THINGS:
            raise _Malformed(f"name: there are {MOST_THINGS} things already")
        self._things[thing.name] = thing
        self._states = {
            (name, key): value
            for (name, key), value in self._states.items()
            if name != thing.name or (key in thing.properties and thing.properties[key].fits(value))
        }

    def _update(self, update: Mapping[str, Any]) -> None:
        name, state = update.get("name"), update.get("state")
        thing = self._things.get(name) if isinstance(name, str) else None
        if thing is None:
            raise _Malformed("name: must be that of a thing that was described")
        if not isinstance(state, dict):
            raise _Malformed("state: must be an object")
        bad = []
        for key, one in thing.properties.items():
            if key in state and not one.fits(state[key]):
                bad.append(f"state.{key}: must be a {one.type}")
            elif key in state:
                value = state[key]
                self._states[thing.name, key] = well_formed(value[:LONGEST_VALUE]) if isinstance(value, str) else value
        if bad:
            raise _Malformed("; ".join(bad))

    def _offer(self) -> dict[str, tuple[_Use, Tool]]:
        offered: dict[str, tuple[_Use, Tool]] = {}

        def offer(name: str, use: _Use, description: str, parameters: dict[str, Value]) -> None:
            free = free_name(offered, model_name(name.lower()))
            properties = {key: one.schema() for key, one in parameters.items()}
            schema = {
                "type": "object",
                "properties": {**properties, "response_success": SUCCESS, "response_failure": FAILURE},
                "required": [*properties, "response_success", "response_failure"],
            }
            offered[free] = (
                use,
                Tool(spec=ToolSpec(free, description, schema), effects=bool(use.method), origin="badge"),
            )

        for thing in self._things.values():
            for key, one in thing.properties.items():
                offer(f"get_{thing.name}_{key}", _Use(thing=thing.name, property=key), _joined(thing, one), {})
            for key, method in thing.methods.items():
                offer(
                    f"{thing.name}_{key}", _Use(thing=thing.name, method=key), _joined(thing, method), method.parameters
                )
        return offered


def _joined(thing: Thing, member: Value | Method) -> str:
    return ": ".join(filter(None, (thing.description, member.description)))


def _whole(value: Any) -> Any:
    """A whole number as such: models write 66.0, and badges read integers."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _attempt(where: str, do: Callable[[], None]) -> list[str]:
    try:
        do()
    except _Malformed as exc:
        return [f"{where}{exc}"]
    return []


def _said(arguments: Mapping[str, Any], which: str, otherwise: str, *, value: Any) -> ToolResult:
    """What the model wanted to be said; without that it is told what there is to say."""
    words = arguments.get(which)
    if not isinstance(words, str) or not words.strip():
        return ToolResult(kind="answer", text=otherwise)
    shown = json.dumps(value) if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
    return ToolResult(kind="spoken", text=well_formed(words.replace("{value}", shown)))

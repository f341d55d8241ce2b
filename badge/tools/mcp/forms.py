"""What MCP servers say, in the words of the tool office. Values in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import mcp_types
from attrs import field, frozen

from badge import texts
from badge.config.mcp import McpSettings
from badge.desk import Tool, ToolResult
from badge.tools.offering import brief, object_schema
from providers.ports import ToolSpec, well_formed

MOST_TOOLS = 128
"""Tools of one server: as many as OpenAI's interface takes in all."""


@frozen(kw_only=True)
class Listed:
    """One tool as its server lists it."""

    name: str
    description: str
    schema: dict[str, Any] = field(repr=False)
    effects: bool

    def offered(self, name: str) -> Tool:
        """The tool under the name that a model knows it by."""
        return Tool(spec=ToolSpec(name, self.description, self.schema), effects=self.effects, origin="mcp")


def listed(tools: Iterable[mcp_types.Tool], settings: McpSettings) -> tuple[Listed, ...]:
    """The tools that shall be offered, each name once. A tool whose arguments cannot be described to a model is left out."""
    found: dict[str, Listed] = {}
    for tool in tools:
        schema = object_schema(tool.input_schema)
        wanted = not settings.tools or tool.name in settings.tools
        if schema is None or not wanted or tool.name in settings.exclude or len(found) >= MOST_TOOLS:
            continue
        acts = tool.annotations is not None and tool.annotations.read_only_hint is False
        found.setdefault(
            tool.name,
            Listed(
                name=tool.name,
                description=brief(tool.description or tool.title),
                schema=schema,
                effects=acts or tool.name in settings.effects,
            ),
        )
    return tuple(found.values())


def result_of(result: mcp_types.CallToolResult, *, longest: int) -> ToolResult:
    """What a call has brought: its texts, one per line; pictures and sounds are not for a voice. Where the server says that it
    did not work, or there is no text, the model is told so."""
    parts = [part.text for part in result.content if isinstance(part, mcp_types.TextContent) and part.text]
    text = well_formed("\n".join(parts))
    if len(text) > longest:
        text = text[:longest] + " …"
    if result.is_error and text:
        text = f"{texts.TOOL_ERROR}: {text}"
    return ToolResult(kind="answer", text=text or texts.TOOL_ERROR)


class UnsetError(ValueError):
    """A setting names an environment variable that is not there."""


def filled(value: str, environment: Mapping[str, str]) -> str:
    """A setting with ${NAME} replaced by what the environment says. Raises `UnsetError`."""
    pieces = value.split("${")
    text = pieces[0]
    for piece in pieces[1:]:
        name, closed, rest = piece.partition("}")
        if not closed:
            text += "${" + piece
        elif name not in environment:
            raise UnsetError(f"the environment variable {name} is not set")
        else:
            text += environment[name] + rest
    return text

"""The list of a badge's tools, as it comes page by page, and as models get it. Values in, values out."""

from __future__ import annotations

import json
import re
from typing import Any

from attrs import field, frozen

from badge.desk import Tool
from badge.tools.offering import brief, free_name, model_name, object_schema
from providers.ports import ToolSpec, well_formed

MOST_PAGES, MOST_TOOLS, LARGEST_LIST = 64, 128, 262_144
"""Bounds of the list of tools: pages, tools, and characters of all of them as JSON. What is beyond is left out."""

LONGEST_OWN_NAME = 256
"""Characters of a badge's own name for a tool."""


@frozen(kw_only=True)
class _Own:
    """One tool under the badge's own name for it."""

    name: str
    description: str
    schema: dict[str, Any] = field(repr=False)


class Listing:
    """A list of tools that is on its way, page by page."""

    def __init__(self) -> None:
        self._tools: dict[str, _Own] = {}
        self._seen: set[str] = set()
        self._size = 0

    def take(self, page: dict[str, Any]) -> str:
        """Add a page; gives the cursor of the next one, empty when there is none, or none that is wanted."""
        tools = page.get("tools")
        for tool in tools if isinstance(tools, list) else []:
            self._add(tool)
        cursor = page.get("nextCursor")
        if not isinstance(cursor, str) or not cursor or cursor in self._seen:
            return ""
        self._seen.add(cursor)
        full = len(self._seen) >= MOST_PAGES or len(self._tools) >= MOST_TOOLS or self._size >= LARGEST_LIST
        return "" if full else cursor

    def _add(self, tool: Any) -> None:
        if not isinstance(tool, dict) or _for_users_only(tool):
            return
        name, schema = tool.get("name"), object_schema(tool.get("inputSchema"))
        if (
            not isinstance(name, str)
            or not name
            or len(name) > LONGEST_OWN_NAME
            or schema is None
            or len(self._tools) >= MOST_TOOLS
        ):
            return
        own = _Own(name=well_formed(name), description=brief(tool.get("description")), schema=schema)
        size = len(own.name) + len(own.description) + len(json.dumps(schema))
        if self._size + size <= LARGEST_LIST:
            self._size += size
            self._tools[own.name] = own

    def named(self) -> dict[str, tuple[str, Tool]]:
        """All tools by the names that models take: the badge's own name, and the tool. Descriptions speak of other tools by
        the same names."""
        names: dict[str, str] = {}
        for own in self._tools:
            names[free_name(names, model_name(own))] = own
        ours = {own: name for name, own in names.items()}
        dotted = sorted((own for own, name in ours.items() if own != name), key=len, reverse=True)
        pattern = re.compile(r"(?<![\w.])(?:" + "|".join(map(re.escape, dotted)) + r")(?!\w)") if dotted else None

        def tool(own: _Own) -> Tool:
            text = pattern.sub(lambda found: ours[found[0]], own.description) if pattern else own.description
            return Tool(spec=ToolSpec(ours[own.name], text, own.schema), effects=True, origin="badge")

        return {name: (own, tool(self._tools[own])) for name, own in names.items()}


def _for_users_only(tool: dict[str, Any]) -> bool:
    annotations = tool.get("annotations")
    return isinstance(annotations, dict) and annotations.get("audience") == ["user"]

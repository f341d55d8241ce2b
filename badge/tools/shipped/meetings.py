"""What was said in meetings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

from badge.plugin import Context, tool
from badge.storage.records import Found, search_words

MOST_PLACES = 12
"""Places that the model is told."""

LONGEST_PLACE = 400
"""Characters of one of them."""


class Meetings:
    """A tool that looks into meetings of the device."""

    @tool
    async def search_meetings(
        self, context: Context, words: Annotated[str, "words that stand together in what was said; few are best"]
    ) -> str:
        """Search the user's meetings and their minutes for words."""
        if not words.strip():
            return "words: must not be empty."
        found = await context.meetings.search(context.device, words, limit=MOST_PLACES)
        lines = [line for one in found for line in _lines(one, words, context.now)]
        return "\n".join(lines[:MOST_PLACES]) or "Nothing was found."


def _lines(found: Found, words: str, now: datetime) -> Iterator[str]:
    """What is told of one place; of minutes each point that has one of the words."""
    begun = f"{datetime.fromtimestamp(found.started / 1000, now.tzinfo):%Y-%m-%d %H:%M}"
    if found.number:
        said = f"{datetime.fromtimestamp(found.ts / 1000, now.tzinfo):%H:%M:%S}"
        yield f"Meeting of {begun}, said at {said}: {found.text[:LONGEST_PLACE]}"
        return
    wanted = search_words(words)
    for text in _texts(_parsed(found.text)):
        if any(word in text.lower() for word in wanted):
            yield f"Minutes of {begun}: {text[:LONGEST_PLACE]}"


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _texts(value: Any) -> Iterator[str]:
    """All texts in a JSON value, without the names of its fields."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)

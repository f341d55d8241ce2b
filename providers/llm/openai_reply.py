"""One streamed chat completion, read without I/O: bytes of server-sent events in, tokens out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from providers.ports import Text, Token, ToolCallDelta, Usage
from providers.sse import Events

MOST_TOKENS = 1 << 31
"""More than any answer costs: a server that says more is wrong."""


class ReplyError(Exception):
    """The server reports an error within the stream; `code` is its name for it, or empty."""

    def __init__(self, code: object) -> None:
        super().__init__("an error within the stream")
        self.code = "" if code is None else str(code)


class Reply:
    """What the bytes of one answer say so far."""

    def __init__(self) -> None:
        self.started = False
        """A token came."""
        self.complete = False
        """The server said that nothing follows."""
        self.finish = ""
        """The server's reason for the end of the answer."""
        self._events = Events()
        self._calls: dict[str, int] = {}
        self._counted = False

    def feed(self, data: bytes) -> Iterator[Token]:
        """The tokens in the next bytes.

        Raises `ReplyError`, and ValueError, TypeError, LookupError, AttributeError or RecursionError for what is no
        chat completion.
        """
        yield from self._tokens(self._events.feed(data))

    def end(self) -> Iterator[Token]:
        """The body is over: tokens of a last event without its blank line. Raises as `feed` does."""
        yield from self._tokens(self._events.end())

    def _tokens(self, events: Iterator[str]) -> Iterator[Token]:
        for event in events:
            if event.startswith("[DONE]"):
                self.complete = True
            elif not self.complete:
                yield from self._event(json.loads(event))

    def _event(self, event: Any) -> Iterator[Token]:
        error = event.get("error") or (event if event.get("object") == "error" else None)
        if error:
            raise ReplyError((error.get("code") or error.get("type")) if isinstance(error, dict) else "")
        for choice in event.get("choices") or ():
            self.finish = choice.get("finish_reason") or self.finish
            delta = choice.get("delta") or {}
            for text in (delta.get("content"), delta.get("refusal")):
                if text:
                    self.started = True
                    yield Text(_string(text))
            for position, call in enumerate(delta.get("tool_calls") or ()):
                self.started = True
                yield self._tool_call(call, position)
        usage = event.get("usage")
        if usage and self.finish and not self._counted:  # some count in every event; the last word is meant
            self._counted = True
            yield Usage(prompt=_count(usage, "prompt_tokens"), answer=_count(usage, "completion_tokens"))

    def _tool_call(self, call: dict[str, Any], position: int) -> ToolCallDelta:
        identity, index, function = call.get("id") or "", call.get("index"), call.get("function") or {}
        if not isinstance(index, int):  # some servers send each call whole and without an index
            index = self._calls.setdefault(identity or str(position), len(self._calls))
        return ToolCallDelta(
            index=index,
            id=_string(identity),
            name=_string(function.get("name") or ""),
            arguments=_string(function.get("arguments") or ""),
        )


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a string")
    return value


def _count(usage: Any, name: str) -> int:
    count = usage.get(name)
    return min(max(count, 0), MOST_TOKENS) if isinstance(count, int) else 0

"""What a transcription server answers, read without I/O: JSON, plain text, or server-sent events."""

from __future__ import annotations

import json
from typing import Any

from providers.sse import Events

LONGEST_ANSWER = 1 << 20
"""Bytes; nobody says that much in one utterance."""


def text_of(answer: bytes, kind: str) -> str:
    """The words in an answer of this media type. Raises ValueError, TypeError, LookupError, AttributeError or
    RecursionError for what is none."""
    if kind.startswith("text/event-stream"):
        return _of_events(answer)
    if kind.startswith("text/plain"):
        return answer.decode()
    return _string(json.loads(answer)["text"])


def _of_events(answer: bytes) -> str:
    """The whole text when it comes at the end, else its pieces together. An answer that breaks off is none."""
    events, pieces = Events(), list[str]()
    for data in (*events.feed(answer), *events.end()):
        if data.startswith("[DONE]"):
            return "".join(pieces)
        event: dict[str, Any] = json.loads(data)
        match event.get("type"):
            case "transcript.text.delta":
                pieces.append(_string(event["delta"]))
            case "transcript.text.done":
                return _string(event.get("text", "".join(pieces)))
            case "error":
                raise ValueError("the server reports an error")
    raise ValueError("the answer broke off")


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a string")
    return value

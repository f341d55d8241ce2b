"""Documents that language models write: the JSON object in an answer, and why there is no use of one."""

from __future__ import annotations

import json

MOST_MISTAKES = 10
"""Mistakes of which a model is told."""


class UnusableError(Exception):
    """An answer is not what was asked for; `mistakes` says why, in words for the model."""

    def __init__(self, *mistakes: str) -> None:
        super().__init__("unusable")
        self.mistakes = mistakes[:MOST_MISTAKES]


def json_in(answer: str) -> object:
    """The JSON object in an answer, whatever stands around it. Raises `UnusableError`."""
    text = answer.rpartition("</think>")[2]  # some models think aloud first
    first, last = text.find("{"), text.rfind("}")
    if not 0 <= first < last:
        raise UnusableError("There is no complete JSON object in the answer.")
    try:
        return json.loads(text[first : last + 1])
    except json.JSONDecodeError as exc:
        raise UnusableError(f"It is not valid JSON: {exc.msg}, at character {exc.pos} of the object.") from None
    except (RecursionError, ValueError):
        raise UnusableError("It is not valid JSON: nested too deeply, or a number is too long.") from None

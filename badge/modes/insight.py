"""What can be said about the log of a coding session: the form of an insight, how a model is asked for it, and what can
be said without one. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from attrs import field, frozen

from protocol.strict import make_converter, structure
from providers.ports import ChatMessage, Prompt, Schema

LONGEST_LINE = 2000
"""Characters of one line, or of the name of a phase; the middle of a longer one is left out."""

LONGEST_LOG = 12_000
"""Characters of new lines that a model is shown: the last ones."""

MOST, LONGEST = 8, 300
"""Points under one heading, and characters of one."""

_CONVERTER = make_converter(forbid_unknown=True)


@frozen(kw_only=True)
class Insight:
    """What is going on, what may go wrong, and what to do next."""

    insights: list[str] = field(factory=list)
    risks: list[str] = field(factory=list)
    next_steps: list[str] = field(factory=list)


_LIST = {"type": "array", "items": {"type": "string"}}
SCHEMA = Schema(
    name="coding_insight",
    json={
        "type": "object",
        "properties": {"insights": _LIST, "risks": _LIST, "next_steps": _LIST},
        "required": ["insights", "risks", "next_steps"],
        "additionalProperties": False,
    },
)

_TASK = (
    "You follow a coding session by its log. Say in short sentences, in the language of the log, what is going on "
    "(insights), what may go wrong (risks), and what to do next (next_steps). Answer with one JSON object of these three "
    "lists of strings, and nothing else."
)


def insight_prompt(lines: Sequence[str], max_tokens: int) -> Prompt:
    """Ask about new lines."""
    log = "\n".join(lines)[-LONGEST_LOG:]
    messages = (ChatMessage(role="system", content=_TASK), ChatMessage(role="user", content=log))
    return Prompt(messages=messages, max_tokens=max_tokens, schema=SCHEMA)


def insight_of(answer: str) -> Insight | None:
    """The insight that a model gave; None when its answer has another form."""
    try:
        value = json.loads(answer)
    except ValueError:
        return None
    insight = structure(_CONVERTER, value, Insight)
    if isinstance(insight, list):
        return None
    return Insight(
        insights=_bounded(insight.insights), risks=_bounded(insight.risks), next_steps=_bounded(insight.next_steps)
    )


def _bounded(points: list[str]) -> list[str]:
    return [point[:LONGEST] for point in points[:MOST]]


_TROUBLE = re.compile(
    r"\b(error|errors|exception|traceback|failed|failure|fatal|panic|segfault|timeout|denied)\b|错误|失败|异常|超时",
    re.IGNORECASE,
)
_NO_TROUBLE = re.compile(r"\b(0|no) (errors|failures|failed)\b", re.IGNORECASE)

TELLING = re.compile(rf"\b(?:\d+|no) (?:errors|failures|failed)\b|{_TROUBLE.pattern}", re.IGNORECASE)
"""All in a line that `extracted` goes by."""


def extracted(lines: Sequence[str]) -> Insight:
    """What the lines say themselves: how many there are, and which of them speak of trouble."""
    troubles = [line.strip() for line in lines if _TROUBLE.search(line) and not _NO_TROUBLE.search(line)]
    return Insight(
        insights=[f"{len(lines)} new lines, {len(troubles)} of them speak of trouble."],
        risks=_bounded(list(dict.fromkeys(troubles))),
        next_steps=["Look at the first of these lines."] if troubles else [],
    )

"""Calls of tools as a model writes them: structured in pieces, or as text between tags. Pure."""

from __future__ import annotations

import json

import attrs
from attrs import frozen

from badge.tools.arguments import parse_arguments
from badge.tools.offering import model_name
from providers.ports import ToolCall, ToolCallDelta

OPENING, CLOSING = "<tool_call>", "</tool_call>"

MOST_CALLS = 8
"""Calls that one round may have; a model that makes more gets the first ones."""

MOST_PIECES = 64
"""Structured calls that are kept while the answer comes: their order is known only at its end."""

LONGEST_CALL = 65_536
"""Characters of one call; what is longer is no call."""

LONGEST_NAME = 256
"""Characters of a name; no tool has a longer one."""


class MalformedCallError(Exception):
    """What the model wrote is no call; `size` characters of it."""

    def __init__(self, size: int) -> None:
        super().__init__(f"{size} characters are no call of a tool")
        self.size = size


@frozen(kw_only=True)
class _Piece:
    """What is known of one structured call so far."""

    id: str = ""
    name: str = ""
    arguments: str = ""

    def ends_before(self, piece: ToolCallDelta) -> bool:
        """Whether a piece with the same index is the beginning of another call."""
        if self.id and piece.id:
            return self.id != piece.id
        if not (self.arguments and piece.name):
            return False
        return piece.name != self.name or (bool(piece.arguments) and _is_whole(self.arguments))

    def with_more(self, piece: ToolCallDelta) -> _Piece:
        """The call with its next piece. The name is complete when the arguments begin; some servers say it with each piece."""
        repeated = self.arguments or piece.name == self.name
        return _Piece(
            id=self.id or piece.id,
            name=self.name if repeated else (self.name + piece.name)[: LONGEST_NAME + 1],
            arguments=(self.arguments + piece.arguments)[: LONGEST_CALL + 1],
        )


class CallReader:
    """Reads one answer of a model: gives its text as it can be spoken, and keeps its calls.

    Text that may still become a call is held back until that is decided, however it comes in pieces.
    """

    def __init__(self) -> None:
        self._pieces: dict[tuple[int, int], _Piece] = {}
        self._generation: dict[int, int] = {}
        self._held = ""
        self._tagged: list[str] = []
        self._inside = False

    def text(self, text: str) -> str:
        """Take text; gives what of it, and of what was held back, is no call."""
        self._held += text
        spoken: list[str] = []
        while True:
            tag = CLOSING if self._inside else OPENING
            before, found, after = self._held.partition(tag)
            if not found:
                break
            if self._inside:
                self._tag(before)
            else:
                spoken.append(before)
            self._held, self._inside = after, not self._inside
        if not self._inside:
            keep = _tail(self._held, OPENING)
            spoken.append(self._held[: len(self._held) - keep])
            self._held = self._held[len(self._held) - keep :]
        else:  # of what is longer than any call, only where it ends still matters
            keep = len(self._held) - _tail(self._held, CLOSING)
            self._held = self._held[: min(keep, LONGEST_CALL + 1)] + self._held[keep:]
        return "".join(spoken)

    def call(self, piece: ToolCallDelta) -> None:
        """Take a piece of a structured call. Pieces with one index belong together, unless another id, or a name after the
        arguments, says that a new call begins: some servers give every call the same index."""
        generation = self._generation.get(piece.index, 0)
        known = self._pieces.get((piece.index, generation), _Piece())
        if known.ends_before(piece):
            generation = self._generation[piece.index] = generation + 1
            known = _Piece()
        if (piece.index, generation) in self._pieces or len(self._pieces) < MOST_PIECES:
            self._pieces[piece.index, generation] = known.with_more(piece)

    def rest(self) -> str:
        """The answer is over: text that was held back and is no call after all."""
        held, self._held = self._held, ""
        if self._inside:
            self._tag(held)  # models forget to close the last one
            return ""
        return held

    def calls(self, name_of: str) -> tuple[ToolCall, ...]:
        """All calls of the answer, in order; one without an id of its own gets `name_of` and its place. Raises
        `MalformedCallError` when the text form cannot be read; structured calls without a name are none."""
        found = [
            (piece.id, piece.name, piece.arguments)
            for _, piece in sorted(self._pieces.items())
            if piece.name and len(piece.arguments) <= LONGEST_CALL
        ]
        found += [("", *_written(text)) for text in self._tagged]
        calls: dict[str, ToolCall] = {}
        for place, (identity, name, arguments) in enumerate(found[:MOST_CALLS]):
            own = identity if identity and identity not in calls else f"{name_of}-{place}"
            calls[own] = ToolCall(id=own, name=model_name(name), arguments=arguments)
        return tuple(calls.values())

    @property
    def any(self) -> bool:
        """Whether there is anything that wants to be a call."""
        return bool(self._pieces or self._tagged or self._inside)

    def _tag(self, text: str) -> None:
        """What stood between tags; of more than can be called, nothing is kept."""
        if text.strip() and len(self._tagged) < MOST_CALLS:
            self._tagged.append(text)


def presentable(call: ToolCall) -> ToolCall:
    """The call as it can stand in a dialogue: with arguments that are a JSON object, because servers that look at them
    would refuse everything that is asked later."""
    return attrs.evolve(call, arguments=json.dumps(parse_arguments(call.arguments) or {}, ensure_ascii=False))


def _is_whole(arguments: str) -> bool:
    try:
        json.loads(arguments)
    except (ValueError, RecursionError):
        return False
    return True


def _tail(text: str, tag: str) -> int:
    """How many characters at the end of a text may be the beginning of a tag."""
    return next((size for size in range(min(len(text), len(tag) - 1), 0, -1) if tag.startswith(text[-size:])), 0)


def _written(text: str) -> tuple[str, str]:
    """Name and arguments of a call in text form: a JSON object with both. Raises `MalformedCallError`."""
    start, end = text.find("{"), text.rfind("}")
    try:
        if len(text) > LONGEST_CALL:
            raise ValueError
        value = json.loads(text[start : end + 1])
        name, arguments = value["name"], value.get("arguments", value.get("parameters", {}))
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        raise MalformedCallError(len(text)) from None
    if not isinstance(name, str) or not name:
        raise MalformedCallError(len(text))
    return name, arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)

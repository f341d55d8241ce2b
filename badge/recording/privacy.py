"""What is taken out of a recording so that it can be shared: words keep their shape and audio its length, nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, get_args

import attrs
from attrs import frozen

from badge.desk import Closing, Fate, Opened, Past, Said, Terms, Tool, ToolResult
from badge.phrases import ANNOUNCEMENT, bare, forms
from badge.recording.badgeshape import MESSAGES, badge_shape
from badge.recording.records import Kind
from badge.recording.shape import blank, ends_in_a_word, shape, token_shape
from badge.recording.soundless import hashing_of
from badge.recording.utterance import decides, line_shape, order_shape
from badge.storage.records import Reminder
from badge.storage.tasks import Result, Task
from badge.texts import EXIT_COMMANDS, WAKE_WORDS

Raw = tuple[Any, ...]

_WORD = re.compile(r"[\w:.@-]+", re.ASCII)

HELD = 1000
"""Records that wait for the end of a word; more do not wait."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,39}")

_PROTOCOL = frozenset(
    {
        *("type", "state", "mode", "event", "transport", "format", "code", "emotion", "component", "framing", "reason"),
        *("phase", "status", "intent", "target_mode", "outcome", "request", "kind", "reported"),
    }
)
"""Fields of messages whose values are words of the protocol."""

_ADDRESSES = frozenset({"audio_url"})
"""Fields of messages whose values tell where the server is."""

_NUMBERS = frozenset({"version", "sample_rate", "channels", "frame_duration", "turn", "number", "index", "due"})
"""Fields of messages whose numbers are facts about the badge, not about its user, or decide on what is said."""

_DATE = re.compile(r"\d{4}-\d\d-\d\d(?![^T])")

_ANSWERS = frozenset(
    field.name
    for one in (Closing, Opened, Past, Reminder, Result, Said, Task, Terms, Tool, ToolResult)
    for field in attrs.fields(one)
)
"""Fields of what the desk answers."""

_FATES = frozenset(get_args(Fate))

SOMEBODY = "somebody"
"""The owner of a task that is not the badge."""


@frozen
class Masking:
    """Turns words into their shape: letters become x, digits 0, ideographs 某; punctuation, spaces and emoji stay.

    Each character is replaced by itself, so that a piece of a masked text is the masked piece of the text. What stays:
    the letters and abbreviations that decide where a sentence ends, and what decides on the course of the session, which
    tells it anyway: texts that are one of `phrases`, the configured wake and exit words, or switch modes, or command
    something; of orders what kind they are, and when; of logs what tells of trouble; when tasks and reminders are due.

    `device` is the id of the badge: what is its own is told from what is another's, and no more.
    """

    phrases: frozenset[str]
    device: str = ""

    def words(self, text: str) -> str:
        """The shape of what the user said."""
        if text.startswith(ANNOUNCEMENT):
            return ANNOUNCEMENT + shape(text[len(ANNOUNCEMENT) :])
        if any(form in self.phrases for form in forms(bare(text))) or decides(text):
            return text
        return order_shape(text) or shape(text)

    def frame(self, kind: Kind, frame: str) -> str:
        """The shape of a text message: the words of the protocol stay."""
        try:
            value = json.loads(frame)
            if isinstance(value, dict) and value.get("type") in MESSAGES:
                return json.dumps(badge_shape(value), ensure_ascii=False, separators=(",", ":"))
            said = kind is Kind.IN or (isinstance(value, dict) and value.get("type") == "stt")
            masked = self._json("", value, self.words if said else shape)
            return json.dumps(masked, ensure_ascii=False, separators=(",", ":"))
        except (ValueError, RecursionError):  # no JSON, or nested deeper than anybody means it
            return shape(frame)

    def error(self, error: dict[str, Any]) -> dict[str, Any]:
        """The shape of an error: its messages may quote anything."""
        return {key: shape(value) if isinstance(value, str) else value for key, value in error.items()}

    def data(self, kind: Kind, data: Raw) -> Raw:
        """The shape of a record's data."""
        mask = _MASKS.get(kind)
        return data if mask is None else mask(self, kind, *data)

    def _message(self, kind: Kind, frame: str | bytes, *rest: Any) -> Raw:
        return (self.frame(kind, frame) if isinstance(frame, str) else frame, *rest)

    def _arrival(self, _: Kind, said: list[list[str]] | None, full: str) -> Raw:
        return None if said is None else [[shape(user), shape(answer)] for user, answer in said], full

    def _announcement(self, _: Kind, kind: str, text: str, packets: list[bytes]) -> Raw:
        return kind, shape(text), packets

    def _desk(self, kind: Kind, *data: Any) -> Raw:
        value = data[-1]
        if isinstance(value, int):  # how many there were: it is said
            return data
        fates = kind is Kind.DESK_ANSWER and isinstance(value, dict) and not value.keys() <= _ANSWERS  # by device
        return *data[:-1], self._json("to" if fates else "", value, shape)

    def _standing(self, _: Kind, name: str, known: dict[str, Any]) -> Raw:
        return name, self.known(known)

    def known(self, known: dict[str, Any]) -> dict[str, Any]:
        """What is known about a component, without its name: that may tell whose it is, and where."""
        return {k: self.error(v) if k == "error" else "" if k == "name" else v for k, v in known.items()}

    def _heard(self, _: Kind, *data: Any) -> Raw:
        return *data[:-1], self.words(data[-1])

    def _said(self, _: Kind, number: int, text: str) -> Raw:
        return number, shape(text)

    def _prompt(self, _: Kind, number: int, component: str, common: int, messages: list[list[Any]]) -> Raw:
        return number, component, common, [self._prompted(*message) for message in messages]

    def _prompted(self, role: str, text: str, calls: Sequence[dict[str, str]] = (), answers: str = "") -> list[Any]:
        masked = [{**call, "id": shape(call["id"]), "arguments": token_shape(call["arguments"])} for call in calls]
        return [role, shape(text), *([masked, shape(answers)] if calls or answers else ())]

    def _token(self, _: Kind, number: int, token: str | dict[str, Any]) -> Raw:
        if isinstance(token, str):
            return number, shape(token)
        if "prompt" in token:  # what it has cost
            return number, token
        return number, {**token, "arguments": shape(token["arguments"]), "id": shape(token["id"])}

    def _failed(self, _: Kind, number: int, error: dict[str, Any], *rest: Any) -> Raw:
        return number, self.error(error), *rest

    def header(self, header: dict[str, Any]) -> dict[str, Any]:
        """The shape of a header: ids and texts of the configuration go, too."""
        settings = {name: dict(table) for name, table in header["settings"].items()}
        for table, key in (("chat", "prompt"), ("phrases", "greeting")):
            if key in settings.get(table, ()):
                settings[table][key] = shape(settings[table][key])
        settings["welcome"] = self._json("", settings.get("welcome", {}), shape)
        if "groups" in settings.get("workflow", ()):
            settings["workflow"]["groups"] = {}
        identity = {k: blank(v) if k in ("device", "client", "http_url") else v for k, v in header["identity"].items()}
        components = {name: self.known(known) for name, known in header["components"].items()}
        masked = {"settings": settings, "identity": identity, "components": components, "digest": ""}
        return {**header, **masked, "text": "redact"}

    def _json(self, key: str, value: Any, mask: Callable[[str], str]) -> Any:
        """The shape of a JSON value that stands under `key`."""
        match value:
            case {"name": str(), "description": str(), "parameters": dict()}:  # a tool: what it is called by decides
                return {**value, "description": mask(value["description"]), "parameters": {}}
            case str():
                return self._string(key, value, mask)
            case bool() | None:
                return value
            case int() | float():
                return value if key in _NUMBERS else 0
            case list() | tuple():
                return [self._json(key, item, mask) for item in value]
            case _:
                if key == "to":
                    return {blank(device): self._json("fate", fate, mask) for device, fate in value.items()}
                return {n if _NAME.fullmatch(n) else shape(n): self._json(n, v, mask) for n, v in value.items()}

    def _string(self, key: str, value: str, mask: Callable[[str], str]) -> str:
        if (key in _PROTOCOL and _NAME.fullmatch(value)) or (key == "fate" and value in _FATES):
            return value
        if key == "opus" or value == self.device:
            return blank(value)
        if key == "owner" and value:
            return SOMEBODY
        if key == "due" and _DATE.match(value):
            return value
        if key == "line" and mask != shape:
            return line_shape(value)
        return blank(value) if key in _ADDRESSES or (key != "text" and _is_id(value)) else mask(value)


_MASKS: dict[Kind, Callable[..., Raw]] = {
    **dict.fromkeys((Kind.IN, Kind.OUT, Kind.POST), Masking._message),
    Kind.ANNOUNCE: Masking._announcement,
    **dict.fromkeys((Kind.DESK_ASK, Kind.DESK_ANSWER, Kind.DESK_TELL, Kind.DESK_ERROR), Masking._desk),
    Kind.ENTER: Masking._arrival,
    Kind.COMPONENT: Masking._standing,
    **dict.fromkeys((Kind.ASR_PARTIAL, Kind.ASR_FINAL), Masking._heard),
    **dict.fromkeys((Kind.TTS_OPEN, Kind.RECALL_ASK, Kind.RECALL_ANSWER), Masking._said),
    Kind.LLM_OPEN: Masking._prompt,
    Kind.LLM_TOKEN: Masking._token,
    **dict.fromkeys((Kind.ASR_ERROR, Kind.LLM_ERROR, Kind.TTS_ERROR, Kind.RECALL_ERROR), Masking._failed),
}
"""What else a record holds are numbers, verdicts and the names of states."""


def _is_id(value: str) -> bool:
    """Whether a value, in a field that is no text, is one word with a digit in it: it may name somebody, or his badge."""
    return _WORD.fullmatch(value) is not None and any(c.isdigit() for c in value)


class Refinement:
    """What happens to the records of one recording on their way to the file."""

    def __init__(self, header: dict[str, Any], *, audio: str, text: str) -> None:
        self._masking = masking_of(header) if text == "redact" else None
        self._hashing = hashing_of(header, masked=text == "redact") if audio == "hash" else None
        self._held: list[Raw] = []

    def __call__(self, records: Iterable[Raw]) -> list[Raw]:
        """The records as they are to be written; some wait for the end of a word that is not whole yet."""
        if self._masking is None and self._hashing is None:
            return list(records)
        refined: list[Raw] = []
        for record in records:
            refined.extend(self._released(record))
        return [self._refined(at, after, kind, data) for at, after, kind, *data in refined]

    def _released(self, record: Raw) -> Iterator[Raw]:
        if self._masking is None:
            yield record
            return
        self._held.append(record)
        if record[2] is Kind.LLM_TOKEN and isinstance(record[4], str) and ends_in_a_word(record[4]):
            return
        if self._held[0][2] is Kind.LLM_TOKEN and not _settles(record) and len(self._held) < HELD:
            return
        held, self._held = self._held, []
        yield from _masked_as_one(held)

    def _refined(self, at: int, after: int, kind: Kind, data: list[Any]) -> Raw:
        refined = tuple(data)
        if kind is Kind.BEGIN:
            header = dict(refined[0])
            if self._hashing is not None:
                header["audio"] = "hash"
            return at, after, kind, self._masking.header(header) if self._masking is not None else header
        if self._masking is not None and not (kind is Kind.LLM_TOKEN and isinstance(refined[1], str)):
            refined = self._masking.data(kind, refined)
        if self._hashing is not None:
            refined = self._hashing.data(kind, refined)
        return at, after, kind, *refined


def _settles(record: Raw) -> bool:
    """Whether a word that was begun by a token is known to be whole."""
    return record[2] in (Kind.LLM_TOKEN, Kind.LLM_END, Kind.LLM_ERROR, Kind.LLM_LEAVE, Kind.END)


def _masked_as_one(held: list[Raw]) -> Iterator[Raw]:
    """The records with the texts of their tokens masked as the one text that they are."""
    words = "".join(r[4] for r in held if r[2] is Kind.LLM_TOKEN and isinstance(r[4], str))
    masked = token_shape(words)
    at = 0
    for record in held:
        if record[2] is Kind.LLM_TOKEN and isinstance(record[4], str):
            size = len(record[4])
            record = (*record[:4], masked[at : at + size])
            at += size
        yield record


def masking_of(header: dict[str, Any]) -> Masking:
    """How the texts of a recording are masked."""
    phrases = {"wake": WAKE_WORDS, "exit": EXIT_COMMANDS, **header["settings"].get("phrases", {})}
    known = frozenset(filter(None, map(bare, (*phrases["wake"], *phrases["exit"]))))
    return Masking(known, str(header.get("identity", {}).get("device", "")))

"""What is taken out of a recording so that it can be shared: words keep their shape and audio its length, nothing else."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from attrs import frozen

from badge.phrases import ANNOUNCEMENT, bare
from badge.recording.records import Kind
from badge.recording.silence import silenced
from badge.texts import EXIT_COMMANDS, WAKE_WORDS
from protocol import Framing, RemoteProtocolError, decode_frame
from providers.language import IDEOGRAPH
from providers.sentences import ABBREVIATIONS

Raw = tuple[Any, ...]

_WORDS = re.compile(r"[A-Za-z]+|[^\W_]|[^\x00-\x7f]", re.ASCII)
_LETTERS_THAT_DECIDE = frozenset("IaApPmM")
"""I is a word where other capitals are initials; a.m. and p.m. may end a sentence."""

_WORD = re.compile(r"[\w:.@-]+", re.ASCII)

HELD = 1000
"""Records that wait for the end of a word; more do not wait."""

_OF_EMOJI = frozenset("\ufe0e\ufe0f\u20e3")
"""Marks that are parts of emoji."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,39}")

_PROTOCOL = frozenset(
    {
        *("type", "state", "mode", "event", "transport", "format", "code", "emotion", "component", "framing", "reason"),
        *("phase", "status", "intent", "target_mode", "outcome", "request"),
    }
)
"""Fields of messages whose values are words of the protocol."""

_ADDRESSES = frozenset({"audio_url"})
"""Fields of messages whose values tell where the server is."""

_NUMBERS = frozenset({"version", "sample_rate", "channels", "frame_duration", "turn", "number", "index"})
"""Fields of messages whose numbers are facts about the badge, not about its user."""


@frozen
class Masking:
    """Turns words into their shape: letters become x, digits 0, ideographs 某; punctuation, spaces and emoji stay.

    Each character is replaced by itself, so that a piece of a masked text is the masked piece of the text. What stays:
    the letters and abbreviations that decide where a sentence ends, and texts that are one of `phrases`, the configured
    wake and exit words, because what the session does tells them anyway.
    """

    phrases: frozenset[str]

    def words(self, text: str) -> str:
        """The shape of what the user said."""
        if text.startswith(ANNOUNCEMENT):
            return ANNOUNCEMENT + shape(text[len(ANNOUNCEMENT) :])
        return text if bare(text) in self.phrases else shape(text)

    def frame(self, kind: Kind, frame: str) -> str:
        """The shape of a text message: the words of the protocol stay."""
        try:
            value = json.loads(frame)
            said = kind is Kind.IN or (isinstance(value, dict) and value.get("type") == "stt")
            masked = _json("", value, self.words if said else shape)
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

    def _desk(self, _: Kind, *data: Any) -> Raw:
        return *data[:-1], _json("", data[-1], self.words)

    def _standing(self, _: Kind, name: str, known: dict[str, Any]) -> Raw:
        return name, self.known(known)

    def known(self, known: dict[str, Any]) -> dict[str, Any]:
        """What is known about a component, without its name: that may tell whose it is, and where."""
        return {k: self.error(v) if k == "error" else "" if k == "name" else v for k, v in known.items()}

    def _heard(self, _: Kind, *data: Any) -> Raw:
        return *data[:-1], self.words(data[-1])

    def _said(self, _: Kind, number: int, text: str) -> Raw:
        return number, shape(text)

    def _prompt(self, _: Kind, number: int, component: str, common: int, messages: list[list[str]]) -> Raw:
        return number, component, common, [[role, shape(text)] for role, text in messages]

    def _token(self, _: Kind, number: int, token: str | dict[str, Any]) -> Raw:
        if isinstance(token, str):
            return number, shape(token)
        return number, {**token, "arguments": shape(token["arguments"]), "id": shape(token["id"])}

    def _failed(self, _: Kind, number: int, error: dict[str, Any], *rest: Any) -> Raw:
        return number, self.error(error), *rest

    def header(self, header: dict[str, Any]) -> dict[str, Any]:
        """The shape of a header: ids and texts of the configuration go, too."""
        settings = {name: dict(table) for name, table in header["settings"].items()}
        for table, key in (("chat", "prompt"), ("phrases", "greeting")):
            if key in settings.get(table, ()):
                settings[table][key] = shape(settings[table][key])
        settings["welcome"] = _json("", settings.get("welcome", {}), shape)
        identity = {k: _blank(v) if k in ("device", "client", "http_url") else v for k, v in header["identity"].items()}
        components = {name: self.known(known) for name, known in header["components"].items()}
        masked = {"settings": settings, "identity": identity, "components": components, "tools": [], "digest": ""}
        return {**header, **masked, "text": "redact"}


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


def shape(text: str) -> str:
    """A text with its letters and digits masked, character by character."""
    return _WORDS.sub(_shape, text)


def _json(key: str, value: Any, mask: Callable[[str], str]) -> Any:
    """The shape of a JSON value that stands under `key`."""
    match value:
        case str():
            if key in _PROTOCOL and _NAME.fullmatch(value):
                return value
            return _blank(value) if key in _ADDRESSES or (key != "text" and _is_id(value)) else mask(value)
        case bool() | None:
            return value
        case int() | float():
            return value if key in _NUMBERS else 0
        case list():
            return [_json(key, item, mask) for item in value]
        case _:
            return {n if _NAME.fullmatch(n) else shape(n): _json(n, v, mask) for n, v in value.items()}


def _is_id(value: str) -> bool:
    """Whether a value, in a field that is no text, is one word with a digit in it: it may name somebody, or his badge."""
    return _WORD.fullmatch(value) is not None and any(c.isdigit() for c in value)


def _shape(match: re.Match[str]) -> str:
    found = match[0]
    if len(found) > 1 or found.isascii():
        return found if found in _LETTERS_THAT_DECIDE or found.lower() in ABBREVIATIONS else _blank(found)
    if IDEOGRAPH.match(found):
        return "某"
    kind = unicodedata.category(found)[0]
    if kind == "N":
        return "٠"
    if kind == "L":
        return "Ж" if found.isupper() else "ж"
    if kind == "M" and found not in _OF_EMOJI:
        return "\u0301"
    return found


def _blank(text: str) -> str:
    """A text with none of its letters and digits left."""
    return "".join("0" if c.isdigit() else c if not c.isalpha() else "X" if c.isupper() else "x" for c in text)


@frozen
class Hashing:
    """Takes the sound out of a recording; a hash stays, so that two recordings of the same sound can be recognised."""

    framing: Framing
    opus_speech: bool = False

    def data(self, kind: Kind, data: Raw) -> Raw:
        """A record's data without sound, with the hash of the sound at its end."""
        if kind in (Kind.IN, Kind.OUT) and isinstance(data[0], bytes) and len(data) == 1:
            return self._frame(data[0]), _digest(data[0])
        if kind is Kind.ANNOUNCE:
            return *data[:-1], [silenced(packet) for packet in data[-1]]
        if kind is Kind.TTS_CHUNK and len(data) == 2:
            number, sound = data
            return number, silenced(sound) if self.opus_speech else bytes(len(sound)), _digest(sound)
        return data

    def _frame(self, frame: bytes) -> bytes:
        try:
            opus = decode_frame(self.framing, frame).opus
        except RemoteProtocolError:
            return frame[:4] + bytes(max(0, len(frame) - 4))
        return frame[: len(frame) - len(opus)] + silenced(opus)


def _digest(sound: bytes) -> bytes:
    return hashlib.blake2b(sound, digest_size=8).digest()


class Refinement:
    """What happens to the records of one recording on their way to the file."""

    def __init__(self, header: dict[str, Any], *, audio: str, text: str) -> None:
        self._masking = masking_of(header) if text == "redact" else None
        self._hashing = hashing_of(header) if audio == "hash" else None
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
        if record[2] is Kind.LLM_TOKEN and isinstance(record[4], str) and record[4][-1:].isalpha():
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
    masked = shape(words)
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
    return Masking(frozenset(filter(None, map(bare, (*phrases["wake"], *phrases["exit"])))))


def hashing_of(header: dict[str, Any]) -> Hashing:
    """How the audio of a recording is hashed."""
    opus = header["components"].get("tts", {}).get("encoding") == "opus"
    return Hashing(Framing[header["identity"]["framing"]], opus)

"""What leaves the house in a redacted recording: the course of a session, and nothing that was said in it."""

from __future__ import annotations

import json
import re
import zlib
from argparse import Namespace
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from badge.commands.replay import redact_file
from badge.desk import Fate
from badge.recording.capsule import redacted
from badge.recording.fileformat import Recording, parse, read
from badge.recording.records import Kind
from badge.replay.script import script_of
from badge.replay.search import replay
from protocol import Framing, ListenMode, decode_frame

FILES = {path.stem: path for path in sorted((Path(__file__).parents[1] / "recordings").rglob("*.badgerec"))}

WINDOW = 32
"""Bytes in a row; sound that is found again is longer."""


def unpacked(data: bytes) -> bytes:
    """The bytes of a recording as they are before they are compressed."""
    return zlib.decompressobj().decompress(data[10:])


def said(recording: Recording) -> Iterator[str]:
    """Everything that was spoken, typed or answered, and who did."""
    yield from (recording.header["identity"][key] for key in ("device", "client"))
    yield recording.header["settings"]["chat"]["prompt"]
    tokens = ""
    for record in recording.records:
        match record.kind, record.data:
            case Kind.IN | Kind.OUT | Kind.POST, (str(frame), *_):
                yield from texts_in(frame)
            case Kind.LLM_TOKEN, (_, str(token)):
                tokens += token
            case Kind.ASR_PARTIAL | Kind.ASR_FINAL | Kind.TTS_OPEN, (*_, str(text)):
                yield text
            case Kind.ANNOUNCE, (_, str(text), _):
                yield text
            case Kind.DESK_ASK | Kind.DESK_ANSWER | Kind.DESK_TELL, (*_, value):
                yield from told_in(value)
            case Kind.LLM_OPEN, (*_, messages):
                yield from (text for _, text in messages)
            case Kind.ENTER, (list(dialogue), _):
                yield from (text for exchange in dialogue for text in exchange)
    yield tokens


def texts_in(frame: str) -> list[str]:
    """The text of a message; a frame that is no message is one itself."""
    try:
        message = json.loads(frame)
    except (ValueError, RecursionError):
        return [frame]
    return list(told_in(message, TOLD))


TOLD = ("text", "title", "line", "summary", "insights", "risks", "next_steps", "owner")
"""Fields of messages that hold what was said, or who says it."""


def told_in(value: Any, fields: tuple[str, ...] = (), field: str = "") -> Iterator[str]:
    """The texts in a value, or in some fields of it."""
    if isinstance(value, str):
        if field in fields or (not fields and field not in PROTOCOL):
            yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from told_in(inner, fields, name)
    elif isinstance(value, list):
        for inner in value:
            yield from told_in(inner, fields, field)


DECISIVE = {
    *(
        "remind",
        "minutes",
        "cancel",
        "reminder",
        "reminders",
        "timer",
        "seconds",
        "task",
        "tasks",
        "what",
        "call",
        "tomorrow",
    ),
    *("claim", "mark", "done", "refresh", "failed", "timeout", "errors"),
}
"""What else stays of what was said: commands, the kind and time of orders, and trouble in logs; nothing of it is anybody's
own. `call` stays in the recordings only as a part of `device_call` and the like."""


def names_in(value: Any) -> Iterator[str]:
    """The names of fields."""
    if isinstance(value, dict):
        yield from value
        for inner in value.values():
            yield from names_in(inner)


def names_of(frame: str) -> Iterator[str]:
    """The words that a message has of the protocol."""
    try:
        message = json.loads(frame)
    except (ValueError, RecursionError):
        return
    if isinstance(message, dict):
        yield from (value for name, value in message.items() if name in PROTOCOL and isinstance(value, str))
        yield from names_in(message)


PROTOCOL = ("type", "state", "mode", "event", "phase", "status", "intent", "request", "target_mode", "outcome")


def words_of(text: str) -> set[str]:
    """Words of four letters or more, and pairs of Chinese characters."""
    ideographs = re.findall(r"[\u4e00-\u9fff]+", text)
    pairs = {run[at : at + 2] for run in ideographs for at in range(len(run) - 1)}
    return {word.lower() for word in re.findall("[A-Za-z]{4,}", text)} | pairs


def secrets(recording: Recording) -> set[str]:
    """All words that were said, but for those that end or begin a conversation."""
    phrases = recording.header["settings"]["phrases"]
    known = set().union(*map(words_of, (*phrases["wake"], *phrases["exit"])))
    return set().union(*map(words_of, said(recording))) - known - DECISIVE


def betrayed(recording: Recording, data: bytes) -> set[str]:
    """The words that were said and that these bytes have in them, elsewhere than in the names that the format has for
    settings, events, messages and those who talk."""
    words = secrets(recording)
    phrases = recording.header["settings"]["phrases"]
    names = {*names_in(recording.header), *phrases["wake"], *phrases["exit"], *get_args(ListenMode)}
    names.update(get_args(Fate))
    names.update(("hello", "user", "assistant", "offline assistant"))
    names.update(map(str, Kind))
    for record in recording.records:
        match record.kind, record.data:
            case Kind.STATE | Kind.INHERIT, events:
                names.update(events)
            case (Kind.DESK_ASK, (_, str(name), _)) | ((Kind.DESK_TELL | Kind.ANNOUNCE), (str(name), *_)):
                names.add(name)
            case ((Kind.IN | Kind.OUT | Kind.POST), (str(frame), *_)):
                names.update(names_of(frame))
            case ((Kind.DESK_ANSWER | Kind.DESK_ASK), (*_, value)):
                names.update(names_in(value))
    data = data.lower()
    for name in sorted(names, key=len, reverse=True):
        if any(word in name.lower() for word in words):
            data = data.replace(name.lower().encode(), b" ")
    return {word for word in words if word.encode() in data}


def sounds(recording: Recording) -> Iterator[bytes]:
    """What was heard and what was spoken."""
    framing = Framing[recording.header["identity"]["framing"]]
    for record in recording.records:
        if record.kind is Kind.TTS_CHUNK:
            yield record.data[1]
        elif record.kind in (Kind.IN, Kind.OUT) and isinstance(record.data[0], bytes) and len(record.data[0]) > WINDOW:
            yield decode_frame(framing, record.data[0]).opus


def windows(data: bytes) -> Iterator[bytes]:
    """All that is there in a row, without silence."""
    silence = bytes(WINDOW)
    for at in range(len(data) - WINDOW + 1):
        window = data[at : at + WINDOW]
        if window != silence:
            yield window


@pytest.mark.parametrize("path", FILES.values(), ids=FILES.keys())
def test_a_capsule_takes_the_same_course_and_tells_nothing(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "capsule.badgerec"
    told: list[str] = []
    assert redact_file(Namespace(file=path, out=target, audio="hash", text="redact", partly=False), told.append) == 0, (
        told
    )
    original, capsule = read(path), read(target)
    assert replay(script_of(capsule)).trace == replay(script_of(original)).trace
    assert [(r.at, r.after, r.kind) for r in capsule.records] == [(r.at, r.after, r.kind) for r in original.records]
    left = unpacked(target.read_bytes())
    assert not betrayed(original, left)
    assert original.header["identity"]["device"].encode() not in left
    seen = set(windows(left))
    assert not any(window in seen for sound in sounds(original) for window in windows(sound))


def test_the_search_finds_what_is_there() -> None:
    """Unless it can fail it proves nothing."""
    path = FILES["voice-turn"]
    original = read(path)
    left = unpacked(path.read_bytes())
    assert {"forward", "meters", "friendly", "recorded"} <= {
        word for word in secrets(original) if word.encode() in left
    }
    seen = set(windows(left))
    assert any(window in seen for sound in sounds(original) for window in windows(sound))


def test_words_may_stay_where_only_the_sound_has_to_go(tmp_path: Path) -> None:
    path, target = FILES["voice-turn"], tmp_path / "capsule.badgerec"
    told: list[str] = []
    assert redact_file(Namespace(file=path, out=target, audio="hash", text="keep", partly=False), told.append) == 0, (
        told
    )
    left = unpacked(target.read_bytes())
    assert b"go forward ten meters" in left
    seen = set(windows(left))
    assert not any(window in seen for sound in sounds(read(path)) for window in windows(sound))


def clips(recording: Recording) -> Iterator[bytes]:
    """The voices in messages between badges, wherever they are."""
    for record in recording.records:
        for datum in record.data:
            text = datum if isinstance(datum, str) else json.dumps(datum, default=repr)
            yield from map(b64decode, packets_in(text))


def packets_in(text: str) -> list[str]:
    """The packets of all clips in a JSON text."""
    return [p for found in re.findall(r'"opus": ?\[([^]]*)\]', text) for p in re.findall(r'"([^"]+)"', found)]


def test_a_letter_loses_its_voice_where_only_the_sound_has_to_go(tmp_path: Path) -> None:
    """In the message of the sender, in the question at the desk, and in the message to the receiver."""
    for name, places in (("letter-sent", 2), ("letter-received", 2)):
        path, target = FILES[name], tmp_path / f"{name}.badgerec"
        before = list(clips(read(path)))
        told: list[str] = []
        assert (
            redact_file(Namespace(file=path, out=target, audio="hash", text="keep", partly=False), told.append) == 0
        ), told
        after = list(clips(read(target)))
        assert len(after) == len(before) >= 10 * places
        seen = set(windows(unpacked(target.read_bytes()) + b"".join(after)))
        assert not any(window in seen for packet in before for window in windows(packet))


def test_a_capsule_of_a_capsule_is_the_same() -> None:
    original = read(FILES["voice-turn"])
    once = redacted(original, audio="hash", text="redact")
    assert redacted(parse("once", once), audio="hash", text="redact") == once

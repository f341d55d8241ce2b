"""A recording as a replay needs it: settings, who connects, what each stream says, and what has to be done again."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from badge.config.settings import Settings
from badge.recording.fileformat import Recording, RecordingError
from badge.recording.privacy import Masking, masking_of
from badge.recording.records import OUTPUTS, Kind, Record
from protocol import Framing
from protocol.strict import make_converter, structure

_CONVERTER = make_converter(forbid_unknown=False)

CHANNELS: Mapping[Kind, str] = {
    Kind.OUT: "wire",
    Kind.CLOSE: "wire",
    Kind.PING: "ping",
    Kind.ASR_OPEN: "asr",
    Kind.ASR_FINISH: "asr",
    Kind.ASR_LEAVE: "asr",
    Kind.LLM_OPEN: "llm",
    Kind.LLM_LEAVE: "llm",
    Kind.TTS_OPEN: "tts",
    Kind.TTS_LEAVE: "tts",
    Kind.RECALL_ASK: "recall",
    Kind.DESK_ASK: "desk",
    Kind.DESK_TELL: "desk",
}
"""Where an output goes. Within a channel the order counts; between channels it is the scheduler's."""


ACTORS: Mapping[str, str] = {
    Kind.IN: "reader",
    Kind.LOST: "reader",
    Kind.OUT: "writer",
    Kind.SENT: "writer",
    Kind.UNSENT: "writer",
    Kind.CUT: "writer",
    Kind.PING: "ping",
    Kind.PONG: "ping",
    Kind.UNPONGED: "ping",
    **{kind: kind.partition(".")[0] for kind in Kind if "." in kind},
}
"""Which task of the session something happens in, as far as the kind tells."""


def channel_of(kind: Kind, data: tuple[Any, ...]) -> str:
    """The channel of an output; every machine has its own."""
    return str(data[0]) if kind is Kind.STATE else CHANNELS[kind]


EARLIER: Mapping[str, Mapping[str, Any]] = {
    "listen": {"eager": False, "adaptive": False},
    "chat": {"acknowledge_after_ms": 0},
    "memory": {"use": "none"},
    "tools": {"use": "none"},
}
"""What was done before there were these settings: recordings of then do not have them."""


@frozen(kw_only=True)
class Script:
    """One recorded session."""

    name: str
    records: tuple[Record, ...] = field(repr=False)
    settings: Settings = field(repr=False)
    identity: Mapping[str, str]
    framing: Framing
    header: Mapping[str, Any] = field(repr=False)
    masking: Masking | None
    """how produced texts have to be masked before they are compared; None: not at all"""
    silent: bool
    """the audio was taken out"""
    whole: bool

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.records[-1].at / 1_000_000 if self.records else 0.0

    def components(self) -> dict[str, dict[str, Any]]:
        """What is known about each component at the beginning, with the facts about it that are known later."""
        known: dict[str, dict[str, Any]] = {name: dict(facts) for name, facts in self.header["components"].items()}
        for record in self.records:
            if record.kind is Kind.COMPONENT:
                name, later = record.data
                known[name] = {**later, **known.get(name, {})}
        return known

    def verdicts(self) -> dict[int, list[str | None]]:
        """The verdicts of each stream of voice detection."""
        found: dict[int, list[str | None]] = defaultdict(list)
        for record in self.records:
            if record.kind is Kind.VAD:
                found[record.data[0]].append(record.data[2])
        return found

    def verdicts_by_message(self) -> dict[int, str | None]:
        """The verdicts on each message with audio that was listened to as it came, by its number among all messages of
        the badge, from 1."""
        found: dict[int, str | None] = {}
        count = passes = 0
        for record in self.records:
            passes += record.after
            if record.kind is Kind.IN:
                count, passes = count + 1, 0
            elif record.kind is Kind.VAD and not passes:
                found[count] = record.data[2]
        return found

    def errors(self, kind: Kind) -> dict[int, dict[str, Any]]:
        """The streams that fail."""
        return {record.data[0]: record.data[1] for record in self.records if record.kind is kind}

    def lost(self) -> int:
        """The code with which the connection was found to be gone; 1006 where it was not."""
        return next((int(record.data[0]) for record in self.records if record.kind is Kind.LOST), 1006)

    def left(self, kind: Kind) -> frozenset[int]:
        """The streams that are left, by the kind of record that says so."""
        return frozenset(record.data[0] for record in self.records if record.kind is kind)

    def outputs(self) -> dict[str, list[int]]:
        """Indices of what has to be done again, by channel."""
        found: dict[str, list[int]] = defaultdict(list)
        for index, record in enumerate(self.records):
            if record.kind in OUTPUTS:
                found[channel_of(record.kind, record.data)].append(index)
        return found

    def times_of_day(self) -> list[str]:
        """What the clock said, in order."""
        return [record.data[0] for record in self.records if record.kind is Kind.NOW]

    def inherited(self) -> str:
        """The mode that the connection before was in."""
        return next((str(record.data[0]) for record in self.records if record.kind is Kind.INHERIT), "chat")

    def arrival(self) -> tuple[list[list[str]] | None, str]:
        """The dialogue that the device had when it came, and why there was no room."""
        for record in self.records:
            if record.kind is Kind.ENTER:
                said, full = record.data
                return said, full
        return None, ""


def script_of(recording: Recording, *, partly: bool = False) -> Script:
    """Understand a recording. Raises `RecordingError` when it is not whole, unless `partly` says that this is known."""
    if recording.flaw and not partly:
        raise RecordingError(
            f"{recording.name}: {recording.flaw}; --partly takes the {len(recording.records)} records before that"
        )
    header = recording.header
    try:
        settings = structure(_CONVERTER, _as_it_was(header["settings"]), Settings)
        framing = Framing[header["identity"]["framing"]]
        masking = masking_of(header) if header["text"] == "redact" else None
        records = tuple(record for record in recording.records if record.kind is not Kind.END)
        script = Script(
            name=recording.name,
            records=records,
            settings=settings if isinstance(settings, Settings) else Settings(),
            identity=header["identity"],
            framing=framing,
            header=header,
            masking=masking,
            silent=header["audio"] == "hash",
            whole=not recording.flaw,
        )
        int(header["seed"]), int(header["scheduler_seed"]), header["codec"], script.components()
        datetime.datetime.fromisoformat(header["started"])
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as exc:
        raise RecordingError(f"{recording.name}: record 0, byte 10: the header is not understood ({exc!r})") from None
    if isinstance(settings, list):
        wrong = "; ".join(map(str, settings[:3]))
        raise RecordingError(f"{recording.name}: record 0, byte 10: the recorded settings do not fit: {wrong}")
    return script


def _as_it_was(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Recorded settings, with what was done then where a setting did not exist."""
    return {**settings, **{table: {**then, **settings.get(table, {})} for table, then in EARLIER.items()}}

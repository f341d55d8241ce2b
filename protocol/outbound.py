"""Every JSON message that the server may send: one frozen class each, its wire name written once."""

from __future__ import annotations

from typing import Any, Literal

from attrs import field, frozen

from protocol.registry import private, secret, to_badge
from protocol.vocabulary import AudioParams, ListenMode


@to_badge("hello")
@frozen(kw_only=True)
class Welcome:
    """The server's hello. `audio_params` tells what the server will send, which badges size their buffers by."""

    session_id: str
    audio_params: AudioParams
    version: int = 1
    transport: str = "websocket"  # firmware crashes without it


@to_badge("stt")
@frozen(kw_only=True)
class Stt:
    """What the recogniser understood."""

    text: str = private()
    session_id: str
    partial: bool | None = None
    """True while the user still speaks; sent only to badges that ask for it"""
    intent: str | None = None
    target_mode: str | None = None


@to_badge("llm")
@frozen(kw_only=True)
class Mood:
    """The face to show: an emoji and its name."""

    text: str
    emotion: str
    session_id: str


@to_badge("tts")
@frozen(kw_only=True)
class Tts:
    """Frames a spoken reply: one start, a sentence_start before each sentence's audio, one stop after play-out."""

    state: Literal["start", "sentence_start", "stop"]
    session_id: str
    text: str | None = private(default=None)


@to_badge("tts")
@frozen(kw_only=True)
class LocalSound:
    """Has the badge play a sound that it carries itself."""

    state: Literal["start", "stop"]
    url: str | None = None
    text: str | None = None


@to_badge("listen")
@frozen(kw_only=True)
class ListenRequest:
    """Asks the badge to listen."""

    state: Literal["start"] = "start"
    mode: ListenMode


@to_badge("mode")
@frozen(kw_only=True)
class ModeAck:
    """A mode was entered or left, with all that it brings; or, with `status` error, it was not."""

    status: Literal["ok", "error"] = "ok"
    state: Literal["start", "end"] | None = None
    mode: str | None = None
    message: str | None = None


@to_badge("workflow")
@frozen(kw_only=True)
class TaskList:
    """All tasks of the group."""

    event: Literal["update"] = "update"
    tasks: list[dict[str, Any]] = private()
    revision: int


@to_badge("workflow")
@frozen(kw_only=True)
class TaskCommand:
    """A spoken command was understood, and carried out unless `status` says that there was nothing to choose from."""

    event: Literal["command"] = "command"
    intent: str
    status: Literal["empty"] | None = None


@to_badge("workflow")
@frozen(kw_only=True)
class TaskResults:
    """What became of each task of one request: `id`, `outcome`, and `owner` where it matters."""

    event: Literal["result"] = "result"
    request: str
    status: Literal["ok", "error"]
    results: list[dict[str, Any]]
    message: str | None = None


@to_badge("meeting")
@frozen(kw_only=True)
class MeetingClosing:
    """The wish to finalise was heard; the minutes follow unless `status` is none."""

    phase: Literal["finalize"] = "finalize"
    sessionId: str
    startedAt: int
    """ms since the epoch"""
    pendingCount: int
    status: Literal["none"] | None = None
    meetingId: str | None = None


@to_badge("meeting")
@frozen(kw_only=True)
class MeetingSnippet:
    """What was said since the last snippet: `number`, `ts` (ms since the epoch) and `text` of each segment."""

    phase: Literal["snippet"] = "snippet"
    sessionId: str
    meetingId: str
    index: int
    segments: list[dict[str, Any]] = private()


@to_badge("meeting")
@frozen(kw_only=True)
class MeetingSummary:
    """The minutes. `summary` is text, `minutes` the whole document; `degraded` when no language model made them, or not all
    of them."""

    phase: Literal["summary"] = "summary"
    sessionId: str
    meetingId: str
    startedAt: int
    endedAt: int
    segments: int
    summary: str = private()
    minutes: dict[str, Any] = private()
    degraded: bool | None = None
    idempotent: bool | None = None


@to_badge("meeting")
@frozen(kw_only=True)
class MeetingTasks:
    """Action items have become tasks."""

    phase: Literal["tasks"] = "tasks"
    status: Literal["ok", "error"]
    meetingId: str | None = None
    tasks: list[dict[str, Any]] = field(factory=list)
    message: str | None = None


@to_badge("coding")
@frozen(kw_only=True)
class CodingNews:
    """What goes on in the coding session: started, log, phase, cleared, stopped or insight."""

    event: str
    name: str | None = None
    line: str | None = private(default=None)
    number: int | None = None
    insight: dict[str, Any] | None = private(default=None)
    degraded: bool | None = None


@to_badge("peer")
@frozen(kw_only=True)
class PeerMessage:
    """A message of another badge. `from` and `id` name it: the same pair again is the same message."""

    event: Literal["message"] = "message"
    id: str
    from_: str
    category: str
    payload: dict[str, Any] = private()
    ts: int
    """ms since the epoch at which it was sent"""


@to_badge("peer")
@frozen(kw_only=True)
class PeerSent:
    """A message was taken: what has become of it by now, for each device; or, with `status` error, why it was not."""

    status: Literal["ok", "error"]
    id: str | None = None
    to: dict[str, str] | None = None
    code: str | None = None
    message: str | None = None


@to_badge("peer")
@frozen(kw_only=True)
class PeerReceipt:
    """What became of a message later: delivered, heard, queued again, or dropped."""

    event: Literal["receipt"] = "receipt"
    id: str
    to: str
    status: str


@to_badge("peer")
@frozen(kw_only=True)
class PeerRedelivered:
    """So many messages that had waited have been delivered to a device."""

    event: Literal["redelivered"] = "redelivered"
    to: str
    count: int


@to_badge("reminder")
@frozen(kw_only=True)
class ReminderNews:
    """A reminder is due, `late_ms` after its time. It is spoken, too."""

    event: Literal["due"] = "due"
    id: str
    text: str = private()
    due: int
    """ms since the epoch"""
    late_ms: int


@to_badge("notify")
@frozen(kw_only=True)
class Notify:
    """Has an idle badge fetch and play a sound (mono Opus in Ogg) and show each of the `subtitles`, a `text`, from its
    `start_ms` on. A badge that is not idle ignores it; none says what it did."""

    audio_url: str = secret()
    subtitles: list[dict[str, Any]] = private()


@to_badge("mcp")
@frozen(kw_only=True)
class Mcp:
    """A JSON-RPC envelope for the badge's MCP server."""

    payload: dict[str, Any] = private()


@to_badge("iot")
@frozen(kw_only=True)
class IotCommands:
    """Has things of the badge do something: `name`, `method` and `parameters` of each. None of them answers."""

    commands: list[dict[str, Any]] = private()


@to_badge("pong")
@frozen(kw_only=True)
class Pong:
    """Answers a ping."""


@to_badge("system")
@frozen(kw_only=True)
class System:
    """News about the connection itself."""

    message: str
    event: str | None = None


@to_badge("error")
@frozen(kw_only=True)
class Error:
    """A message was refused, or a part of the server is missing; the connection goes on."""

    code: str
    message: str
    ref: dict[str, Any] | None = None


@to_badge("config_update")
@frozen(kw_only=True)
class ConfigUpdateAck:
    """The legacy update was taken and changed nothing."""

    status: str = "ok"
    noop: bool = True


@to_badge("server")
@frozen(kw_only=True)
class Stats:
    """Who is online, and how the machine is; figures that cannot be measured are left out."""

    event: Literal["stats"] = "stats"
    ts: int
    """ms since the epoch"""
    deviceCount: int
    online: list[str]
    cpuPercent: float | None = None
    memPercent: float | None = None
    memUsedMB: int | None = None
    memTotalMB: int | None = None


@to_badge("ledger")
@frozen(kw_only=True)
class Ledger:
    """Where the time of one turn went: stage -> ms, in order; they add up to `total_ms`."""

    turn: int
    stages: dict[str, float]
    total_ms: float
    session_id: str

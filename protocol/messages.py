"""Every JSON message between a badge and the server: one frozen class each, its wire name written once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar

import attrs
from attrs import field, frozen

FROM_BADGE: dict[str, type] = {}
"""Wire name -> class of what a badge may send."""

TO_BADGE: dict[str, list[type]] = {}
"""Wire name -> classes of what the server may send (one name can have several shapes)."""

_C = TypeVar("_C", bound=type)
_SECRET, _PRIVATE, _TYPE, _REFUSAL = "secret", "private", "__message_type__", "__message_refusal__"

ListenMode = Literal["auto", "manual", "realtime"]
"""auto: the server's VAD ends an utterance; manual: the badge does; realtime: auto, and the badge cancels echo."""


def secret(**kwargs: Any) -> Any:
    """A field that logs never show in any form."""
    return field(**kwargs, repr=False, metadata={_SECRET: True})


def private(**kwargs: Any) -> Any:
    """A field with a user's words: logs show its size only."""
    return field(**kwargs, repr=False, metadata={_PRIVATE: True})


def is_secret(attribute: attrs.Attribute[Any]) -> bool:
    """Whether a field was declared with `secret()`."""
    return _SECRET in attribute.metadata


def is_private(attribute: attrs.Attribute[Any]) -> bool:
    """Whether a field was declared with `private()`."""
    return _PRIVATE in attribute.metadata


def from_badge(name: str, *, refusal: Mapping[str, Any] | None = None) -> Callable[[_C], _C]:
    """Register what a badge may send; `refusal` is the answer that this type prescribes for bad fields."""

    def register(cls: _C) -> _C:
        FROM_BADGE[name] = cls
        setattr(cls, _TYPE, name)
        setattr(cls, _REFUSAL, dict(refusal) if refusal else None)
        return cls

    return register


def to_badge(name: str) -> Callable[[_C], _C]:
    """Register what the server may send."""

    def register(cls: _C) -> _C:
        TO_BADGE.setdefault(name, []).append(cls)
        setattr(cls, _TYPE, name)
        return cls

    return register


def wire_name(message: object) -> str:
    """The `type` of a message object or class."""
    return str(getattr(message, _TYPE))


def refusal_of(cls: type) -> dict[str, Any] | None:
    """What a badge hears when fields of this type are wrong, where the type prescribes it."""
    refusal: dict[str, Any] | None = getattr(cls, _REFUSAL)
    return refusal


# --- what a badge sends ---------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class AudioParams:
    """How audio is coded. A badge's own values are information only: uplink packets tell their length themselves."""

    format: str | None = None
    sample_rate: int | None = None
    """Hz"""
    channels: int | None = None
    frame_duration: int | None = None
    """ms"""


@frozen(kw_only=True)
class Features:
    """What the badge can do and wants; unknown features of newer firmware are ignored."""

    mcp: bool = False
    aec: bool = False
    emoji: bool = True
    """False: send no `llm` mood messages"""
    partials: bool = False
    """True: send `stt` messages with `partial: true` while the user speaks"""
    ledger: bool = False
    """True: send a `ledger` message with the stages of each turn"""


@from_badge("hello")
@frozen(kw_only=True)
class Hello:
    """Introduces the badge; may be absent, may come again."""

    audio_params: AudioParams | None = None
    features: Features | None = None


@from_badge("listen")
@frozen(kw_only=True)
class Listen:
    """start and stop bound an utterance; detect reports a wake word, or text typed instead of spoken."""

    state: Literal["start", "stop", "detect"]
    mode: ListenMode | None = None
    text: str | None = private(default=None)


@from_badge("abort")
@frozen(kw_only=True)
class Abort:
    """Stop speaking now. Any `reason` is taken, whatever its form."""

    reason: Any = None


@from_badge("ping")
@from_badge("keepalive")
@frozen(kw_only=True)
class Ping:
    """Asks for a `pong`; counts as a sign of life."""


@from_badge("iot")
@frozen(kw_only=True)
class Iot:
    """Legacy capabilities of a badge and their states."""

    descriptors: list[dict[str, Any]] = field(factory=list)
    states: list[dict[str, Any]] = private(factory=list)


@from_badge("mcp")
@frozen(kw_only=True)
class Mcp:
    """A JSON-RPC envelope of the badge's MCP server."""

    payload: dict[str, Any] = private()


@from_badge("meeting")
@frozen(kw_only=True)
class Meeting:
    """Steers a meeting's minutes."""

    phase: str


@from_badge("coding")
@frozen(kw_only=True)
class Coding:
    """Steers the log stream of a coding session."""

    phase: str | None = None
    name: str | None = None
    line: str | None = private(default=None)


@from_badge("workflow")
@frozen(kw_only=True)
class Workflow:
    """Changes the tasks of the badge's group."""

    event: str
    id: str | int | None = None
    ids: list[str | int] = field(factory=list)
    tasks: list[dict[str, Any]] = private(factory=list)


@from_badge("config_update")
@frozen(kw_only=True)
class ConfigUpdate:
    """Legacy; changes nothing. Logs show the key names only."""

    config: dict[str, Any] = private(factory=dict)


@from_badge("mode", refusal={"type": "mode", "status": "error", "message": "invalid state or mode"})
@frozen(kw_only=True)
class Mode:
    """Enters or leaves a mode."""

    state: Literal["start", "end"]
    mode: Literal["meeting", "coding", "working"]


@from_badge("peer", refusal={"type": "peer", "status": "error", "message": "invalid to/payload"})
@frozen(kw_only=True)
class Peer:
    """A message for other badges."""

    to: list[str] = field(factory=list)
    payload: dict[str, Any] = private(factory=dict)
    category: str | None = None


@from_badge("server")
@frozen(kw_only=True)
class ServerCommand:
    """Administration of the server."""

    action: str | None = None
    content: dict[str, Any] = secret(factory=dict)


# --- what the server sends ------------------------------------------------------------------------------------------


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

"""Every JSON message that a badge may send: one frozen class each, its wire name written once."""

from __future__ import annotations

from typing import Any, Literal

from attrs import field, frozen

from protocol.registry import from_badge, private, secret
from protocol.vocabulary import AudioParams, ListenMode


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
    peer_audio: bool = False
    """True: the badge plays the messages of others itself, and reports it"""
    notify: bool = False
    """True: while it is idle, the badge fetches and plays the sounds of `notify` messages"""


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
    """Stop speaking now. Any `reason` is taken, whatever its form. `played_ms`: how much of the answer's audio was played, from
    badges that know."""

    reason: Any = None
    played_ms: int | None = None


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
    """Steers a meeting's minutes. finalize: make them; tasks: make tasks of their action items, of all or of those at the places
    in `items`, from 0."""

    phase: str
    meetingId: str | None = None
    items: list[int] | None = None


@from_badge("coding")
@frozen(kw_only=True)
class Coding:
    """Steers the log stream of a coding session: start, log (a `line`), phase (its `name`), clear, stop."""

    phase: str | None = None
    name: str | None = private(default=None)
    line: str | None = private(default=None)


@from_badge("workflow")
@frozen(kw_only=True)
class Workflow:
    """Changes the tasks of the badge's group: assign (`id`), complete (`ids`), create and update (`tasks`), refresh."""

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
    """A message for other badges; or, with `event` heard, the news that messages of others were played: `ids` as `from`
    and `id`."""

    to: list[str] = field(factory=list)
    payload: dict[str, Any] = private(factory=dict)
    category: str | None = None
    id: str | None = None
    event: str | None = None
    ids: list[dict[str, str]] = field(factory=list)


@from_badge("server")
@frozen(kw_only=True)
class ServerCommand:
    """Administration of the server."""

    action: str | None = None
    content: dict[str, Any] = secret(factory=dict)

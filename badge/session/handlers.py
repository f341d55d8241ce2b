"""What each message of a badge does: one plain function per type, so that none can keep the reader waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from protocol import ErrorCode, RemoteProtocolError, encode_text, wire_name
from protocol.inbound import (
    Abort,
    Coding,
    ConfigUpdate,
    Hello,
    Iot,
    Listen,
    Mcp,
    Meeting,
    Mode,
    Peer,
    Ping,
    ServerCommand,
    Workflow,
)
from protocol.outbound import ConfigUpdateAck, Pong

if TYPE_CHECKING:
    from badge.session.session import Session

AUDIO_FORMATS = ("opus", "pcm")


def hello(session: Session, message: Hello) -> None:
    """Note what the badge is like and welcome it again."""
    if message.features is not None:
        session.traits.features = message.features
    if message.audio_params is not None and message.audio_params.format in AUDIO_FORMATS:
        session.traits.audio_format = message.audio_params.format
    session.greet()


def listen(session: Session, message: Listen) -> None:
    """Bound an utterance, or take a text."""
    if message.mode is not None:
        session.traits.mode = message.mode
    match message.state:
        case "start":
            session.conversation.start_listening()
        case "stop":
            session.conversation.stop_listening()
        case "detect":
            session.conversation.take_text(message.text or "")


def abort(session: Session, _: Abort) -> None:
    """Silence."""
    session.conversation.abort()


def ping(session: Session, _: Ping) -> None:
    """A sign of life for a sign of life."""
    session.outbox.post(encode_text(Pong()))


def config_update(session: Session, _: ConfigUpdate) -> None:
    """Legacy: taken, and nothing changes."""
    session.outbox.post(encode_text(ConfigUpdateAck()))


def unavailable(_: Session, message: Any) -> None:
    """A part of the protocol that this server does not offer."""
    name = wire_name(message)
    raise RemoteProtocolError(ErrorCode.UNAVAILABLE, f"{name} is not available on this server", ref={"type": name})


HANDLERS: dict[type, Callable[[Session, Any], None]] = {
    Hello: hello,
    Listen: listen,
    Abort: abort,
    Ping: ping,
    ConfigUpdate: config_update,
    Iot: unavailable,
    Mcp: unavailable,
    Meeting: unavailable,
    Coding: unavailable,
    Workflow: unavailable,
    Mode: unavailable,
    Peer: unavailable,
    ServerCommand: unavailable,
}
"""Every type that a badge may send has exactly one handler."""

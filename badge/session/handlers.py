"""What each message of a badge does: one plain function per type, so that none can keep the reader waiting."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from badge.session import requests
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
    session.traits.introduced = True
    session.greet()
    if message.features is not None:
        session.device_tools.hello(message.features)


def listen(session: Session, message: Listen) -> None:
    """Bound an utterance, or take a text."""
    if message.mode is not None:
        session.traits.ask(message.mode)
    match message.state:
        case "start":
            session.traits.listening = True
            session.conversation.start_listening()
        case "stop":
            session.traits.listening = False
            session.conversation.stop_listening()
        case "detect":
            session.conversation.take_text(message.text or "")


def abort(session: Session, message: Abort) -> None:
    """Silence."""
    session.conversation.abort(played_ms=message.played_ms)


def ping(session: Session, _: Ping) -> None:
    """A sign of life for a sign of life."""
    session.outbox.post(encode_text(Pong()))


def config_update(session: Session, _: ConfigUpdate) -> None:
    """Legacy: taken, and nothing changes."""
    session.outbox.post(encode_text(ConfigUpdateAck()))


def mode(session: Session, message: Mode) -> None:
    """Enter or leave a mode."""
    session.errands.admit("mode")
    if message.state == "start":
        session.modes.start(message.mode)
    else:
        session.modes.end(message.mode)


def meeting(session: Session, message: Meeting) -> None:
    """Have minutes made, or tasks of them."""
    session.errands.admit("meeting")
    match message.phase:
        case "finalize":
            session.modes.finalise()
        case "tasks":
            session.errands.put("meeting", partial(requests.adopt, session, message))
        case _:
            raise RemoteProtocolError(
                ErrorCode.BAD_MESSAGE,
                "meeting: phase: must be one of finalize, tasks",
                ref={"type": "meeting", "field": "phase"},
            )


def coding(session: Session, message: Coding) -> None:
    """Steer the log stream."""
    session.modes.steer_coding(message)


def workflow(session: Session, message: Workflow) -> None:
    """Read or change the tasks of the group."""
    session.errands.admit("workflow")
    if message.event == "refresh":
        session.desk.tasks.refresh(session.traits.device)
    elif message.event in requests.WORKFLOW:
        session.errands.put("workflow", partial(requests.WORKFLOW[message.event], session, message))
    else:
        names = ", ".join(sorted({*requests.WORKFLOW, "refresh"}))
        raise RemoteProtocolError(
            ErrorCode.BAD_MESSAGE,
            f"workflow: event: must be one of {names}",
            ref={"type": "workflow", "field": "event"},
        )


def peer(session: Session, message: Peer) -> None:
    """Send a message to other badges, or tell that one was played."""
    if message.event == "heard":
        letters = [(one.get("from", ""), one.get("id", "")) for one in message.ids[: requests.MOST_HEARD]]
        session.desk.post.heard(session.traits.device, letters)
    else:
        session.errands.admit("peer")
        session.errands.put("peer", partial(requests.send, session, message))


def mcp(session: Session, message: Mcp) -> None:
    """An answer of the badge's MCP server."""
    session.device_tools.receive_mcp(message)


def iot(session: Session, message: Iot) -> None:
    """What things the badge has, and how they are."""
    session.device_tools.receive_iot(message)


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
    Iot: iot,
    Mcp: mcp,
    Meeting: meeting,
    Coding: coding,
    Workflow: workflow,
    Mode: mode,
    Peer: peer,
    ServerCommand: unavailable,
}
"""Every type that a badge may send has exactly one handler."""

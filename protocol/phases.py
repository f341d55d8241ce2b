"""What a badge may say at each stage of its connection: one table."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from protocol.errors import ErrorCode, RemoteProtocolError
from protocol.inbound import Abort, Hello, Listen, Ping
from protocol.registry import wire_name


class Phase(Enum):
    """Stages of a connection, seen from the wire."""

    OPEN = "open"
    SUPERSEDED = "superseded"
    """The device connected again; this connection only finishes what it is doing."""


def _may_finish(message: object) -> bool:
    if isinstance(message, Listen):
        return message.state == "stop"
    return isinstance(message, Abort | Ping | Hello)


LEGAL: dict[Phase, Callable[[object], bool]] = {
    Phase.OPEN: lambda _: True,  # clients send listen, audio and more before hello; the reference server takes it
    Phase.SUPERSEDED: _may_finish,
}


def require_legal(phase: Phase, message: object) -> None:
    """Raise `RemoteProtocolError` when the phase does not allow the message."""
    if not LEGAL[phase](message):
        raise RemoteProtocolError(
            ErrorCode.SUPERSEDED,
            f"{wire_name(message)} is refused: this device has connected again, use the new connection",
            ref={"type": wire_name(message)},
        )

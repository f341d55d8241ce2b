"""What can be wrong with a message, and who is to blame for it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any


class ErrorCode(StrEnum):
    """Every `code` that an `error` message to a badge may carry."""

    BAD_MESSAGE = "bad-message"
    BAD_FRAME = "bad-frame"
    UNAVAILABLE = "unavailable"
    SUPERSEDED = "superseded"
    NOT_NOW = "not-now"
    BUSY = "busy"
    INTERNAL = "internal"
    COMPONENT_FAILED = "component-failed"
    AUDIO_OVERRUN = "audio-overrun"


class LocalProtocolError(Exception):
    """We tried to say something that the protocol does not allow: a bug of ours, never answered."""


class RemoteProtocolError(Exception):
    """The badge sent something that we cannot accept; knows what to answer.

    `detail` is an English sentence for the badge's developer, `ref` points at the offending message or field, and
    `reply`, when given, is the JSON object that a message type prescribes instead of the general `error` message.
    """

    def __init__(
        self,
        code: ErrorCode,
        detail: str,
        *,
        ref: dict[str, Any] | None = None,
        reply: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.ref = ref or {}
        self.reply = reply


class HandshakeError(Exception):
    """The upgrade request cannot become a session; `status` is the HTTP status to refuse it with."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail

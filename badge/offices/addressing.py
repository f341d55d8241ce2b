"""What a message must be like to be taken, and whom it names."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from attrs import field, frozen

from badge import texts
from badge.config.team import PeerSettings
from badge.desk import Outgoing, RefusedError
from badge.offices.clips import read_clip
from protocol.codec import dump
from protocol.identity import MAX_ID, normalise

EVERYONE = "*"
GROUP = "@group"

MOST_NAMED = 100
"""Devices that one message may name; everyone and the group may be more."""

MOST_AT_ONCE = 32 * 1024 * 1024
"""Bytes of one message, times its receivers: each of them has a copy that waits."""

_CATEGORY = re.compile(r"[a-z0-9._-]{1,32}")
_RAW = 4 * MAX_ID


@frozen(kw_only=True)
class Addresses:
    """Whom a message names; ids in their normal form, each once."""

    devices: tuple[str, ...] = ()
    everyone: bool = False
    group: bool = False


def read_addresses(to: Sequence[str]) -> Addresses:
    """Whom `to` names. Raises `RefusedError`."""
    if len(to) > MOST_NAMED:
        raise RefusedError(
            "too-many-targets",
            f"a message names at most {MOST_NAMED} devices, not {len(to)}; use {EVERYONE} or {GROUP}",
        )
    if any(len(raw) > _RAW for raw in to):  # before it is normalised, which takes its time with quotes in quotes
        raise _bad_target()
    names = dict.fromkeys(filter(None, map(normalise, to)))
    if not names:
        raise RefusedError(
            "no-target",
            f"`to` must name a device, {EVERYONE} (everybody who is online) or {GROUP} (your group, online or not)",
        )
    if not all(len(name) <= MAX_ID and name.isprintable() for name in names):
        raise _bad_target()
    return Addresses(
        devices=tuple(name for name in names if name not in (EVERYONE, GROUP)),
        everyone=EVERYONE in names,
        group=GROUP in names,
    )


@frozen(kw_only=True)
class Content:
    """What a message says, checked: its own id, its category, and the payload as JSON."""

    id: str
    category: str
    payload: str = field(repr=False)


def read_content(message: Outgoing, settings: PeerSettings) -> Content:
    """What a message says. Raises `RefusedError`."""
    if not 0 < len(message.id) <= MAX_ID or not message.id.isprintable():
        raise RefusedError("bad-id", f"a message id has 1 to {MAX_ID} printable characters; leave it out to get one")
    category = message.category[:_RAW].strip().lower() or "text"
    if not _CATEGORY.fullmatch(category):
        raise RefusedError("invalid-category", texts.INVALID_CATEGORY)
    payload = _written(message.payload)
    if (size := len(payload.encode())) > settings.payload_bytes:
        raise RefusedError(
            "too-large", f"a payload has at most {settings.payload_bytes} bytes (peer.payload_bytes), not {size}"
        )
    if category == "clip":
        read_clip(message.payload, longest_s=settings.longest_clip_s)
    return Content(id=message.id, category=category, payload=payload)


def check_volume(content: Content, targets: int) -> None:
    """A message for many must be small. Raises `RefusedError`."""
    size = len(content.payload.encode()) * targets
    if size > MOST_AT_ONCE:
        raise RefusedError(
            "too-large",
            f"{targets} copies of this message are {size} bytes, more than {MOST_AT_ONCE}: send it to fewer at a time",
        )


def _written(payload: dict[str, object]) -> str:
    try:
        text = dump(payload)
        text.encode()  # JSON escapes can bring half characters, which could never be sent on
        json.loads(text)  # as deep as the receiver's side of us can read
    except (UnicodeEncodeError, RecursionError, ValueError, TypeError):
        raise RefusedError(
            "bad-payload", "a payload must be a JSON object of whole characters, not deeply nested"
        ) from None
    return text


def _bad_target() -> RefusedError:
    return RefusedError("bad-target", f"a device id has at most {MAX_ID} printable characters")

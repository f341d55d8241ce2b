"""Text frames <-> messages, strictly."""

from __future__ import annotations

import json
from typing import Any

import attrs
from attrs import frozen

from protocol.errors import ErrorCode, RemoteProtocolError
from protocol.registry import FROM_BADGE, refusal_of, wire_name
from protocol.strict import make_converter, structure

MAX_ECHO = 1024
"""Bytes of a text frame that is not JSON, up to which it is echoed; more would be an amplifier."""

MAX_INTEGER_DIGITS = 64
"""A longer integer is no message of anybody's."""

_CONVERTER = make_converter(forbid_unknown=False)  # newer firmware may know fields that we do not


@frozen
class Echo:
    """A text frame that goes back as it came: an integer, or a short text that is not JSON."""

    text: str


@frozen
class Unknown:
    """A well-formed message of a type that we do not know."""

    name: str
    fields: dict[str, Any]


def decode_text(text: str) -> Any:
    """One message object for one text frame: an instance of a registered class, `Echo` or `Unknown`.

    Raises `RemoteProtocolError` for everything else; no input makes it raise anything different.
    """
    try:
        value = json.loads(text, parse_int=_integer, parse_constant=_constant)
    except (json.JSONDecodeError, RecursionError):
        if len(text) <= MAX_ECHO and len(text.encode(errors="surrogatepass")) <= MAX_ECHO:
            return Echo(text)
        raise RemoteProtocolError(
            ErrorCode.BAD_MESSAGE, f"not valid JSON ({len(text)} characters; up to {MAX_ECHO} bytes are echoed)"
        ) from None
    except ValueError as exc:
        raise RemoteProtocolError(ErrorCode.BAD_MESSAGE, str(exc)) from None
    if isinstance(value, int) and not isinstance(value, bool):
        return Echo(text)
    if not isinstance(value, dict):
        raise RemoteProtocolError(ErrorCode.BAD_MESSAGE, "a message must be a JSON object with a type")
    name = value.get("type")
    if not isinstance(name, str):
        raise RemoteProtocolError(ErrorCode.BAD_MESSAGE, "type: must be a string")
    cls = FROM_BADGE.get(name)
    if cls is None:
        return Unknown(name, value)
    message = structure(_CONVERTER, value, cls)
    if isinstance(message, list):
        raise RemoteProtocolError(
            ErrorCode.BAD_MESSAGE,
            f"{name}: " + "; ".join(str(m) for m in message[:5]),
            ref={"type": name, "field": message[0].path},
            reply=refusal_of(cls),
        )
    return message


def encode_text(message: attrs.AttrsInstance, **ready: str) -> str:
    """The text frame of a message that the server sends; fields that are None are left out. A field whose name is a word
    of Python has an underscore more than on the wire. `ready`: fields that are JSON already, whatever the message has
    there; for large ones, which are not taken apart again."""
    fields = attrs.asdict(message, filter=lambda a, v: v is not None and a.name not in ready)
    text = dump({"type": wire_name(message), **{name.rstrip("_"): value for name, value in fields.items()}})
    return text[:-1] + "".join(f',"{name}":{value}' for name, value in ready.items()) + "}"


def dump(value: dict[str, Any]) -> str:
    """Compact JSON that keeps Chinese readable on the wire."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _integer(digits: str) -> int:
    if len(digits) > MAX_INTEGER_DIGITS:
        raise ValueError(f"an integer of {len(digits)} digits is refused")
    return int(digits)


def _constant(name: str) -> float:
    raise json.JSONDecodeError(f"{name} is not JSON", name, 0)

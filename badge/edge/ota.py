"""What a badge is told when it reports in over HTTP: the time, its firmware, and where the WebSocket is."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable
from typing import Any

from attrs import field, frozen

from protocol.identity import CLIENT_HEADERS, DEVICE_HEADERS, MAX_ID, normalise

MAX_BODY = 64 * 1024
"""Bytes. A firmware report has about 2 KiB; a longer body is not one and is not read."""

WEBSOCKET_PATH = "/xiaozhi/v1/"

REFUSAL: dict[str, Any] = {"success": False, "message": "request error."}
"""Answer to a report without a usable device id, as the reference server gives it: firmware retries on any other
status than 200."""

UNKNOWN_VERSION = "0.0.0"
"""Stands for the version of a badge that reports none: never newer than what it runs, so it offers nothing."""

_MODEL_HEADERS = ("device-model", "device_model", "model")
_VERSION_HEADERS = ("device-version", "device_version", "version")

_DOTTED = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}){0,5}")
"""Firmware reads each part as a 32-bit number and stops working on anything else."""

_AGENT = re.compile(r"[^/\s]+/(?P<version>[0-9.]+)")
"""`<board>/<version>`, as firmware names itself; a browser's longer line does not match."""

_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*\.?", re.IGNORECASE)


@frozen(kw_only=True)
class Report:
    """What a badge says of itself; ids are normalised, `version` is dotted numbers or empty."""

    device: str
    client: str
    version: str = ""
    model: str = ""
    serial: str = ""


def _dotted(_: object, __: object, value: str) -> None:
    if not _DOTTED.fullmatch(value):
        raise ValueError("must be dotted numbers, such as 2.2.0: firmware stops working on anything else")


@frozen(kw_only=True)
class Firmware:
    """A firmware file on offer: to badges of `model` (board type; empty: of any) that run an older version."""

    version: str = field(validator=_dotted)
    url: str = ""
    model: str = ""


def read_report(headers: Iterable[tuple[str, str]], body: bytes) -> Report | None:
    """The report in one request, or None when it names no usable device.

    A body that is not a JSON object is ignored, as is whatever in it has the wrong type: firmware without a display
    sends invalid JSON. The version then comes from the headers.
    """
    lines: dict[str, str] = {}
    for name, value in headers:
        lines.setdefault(name.lower(), value)
    device = _first_id(lines, DEVICE_HEADERS)
    client = _first_id(lines, CLIENT_HEADERS) or device
    if not device or not all(len(name) <= MAX_ID and name.isprintable() for name in (device, client)):
        return None

    said = _object(body)
    agent = _AGENT.fullmatch(lines.get("user-agent", "").strip())
    versions = [lines.get(name, "") for name in _VERSION_HEADERS]
    versions += [_text(said, "application", "version"), agent["version"] if agent else ""]
    models = [lines.get(name, "") for name in _MODEL_HEADERS] + [_text(said, "board", "type")]
    return Report(
        device=device,
        client=client,
        version=next((v for v in versions if _DOTTED.fullmatch(v)), ""),
        model=next((m for m in models if m and len(m) <= MAX_ID and m.isprintable()), ""),
        serial=_serial(lines.get("serial-number", "")),
    )


def ota_reply(
    report: Report,
    *,
    now_ms: int,
    offset_minutes: int,
    url: str,
    token: str = "",
    version: int | None = None,
    firmware: Firmware | None = None,
    activation: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The answer to a report.

    `now_ms` is ms since the epoch and `offset_minutes` what local time is ahead of UTC; `version` is the binary framing
    (1 to 3) that the badge shall use, None to leave it as it is. There is never an `mqtt` object: a badge that finds
    one prefers it. `firmware` is always there, because old firmware stops working without it; an empty url means
    that there is nothing to fetch. `activation` is how a badge that is not bound can be bound.
    """
    offered = firmware is not None and firmware.model in ("", report.model) and _newer(firmware.version, report.version)
    told = firmware if firmware is not None and offered else Firmware(version=report.version or UNKNOWN_VERSION)
    websocket: dict[str, Any] = {"url": url, "token": token}
    if version is not None:
        websocket["version"] = version
    reply = {
        "server_time": {"timestamp": now_ms, "timezone_offset": offset_minutes},
        "firmware": {"version": told.version, "url": told.url},
        "websocket": websocket,
    }
    return reply if activation is None else {**reply, "activation": activation}


def websocket_url(public: str, host: str, port: int, *, reached: str = "") -> str:
    """Where a badge shall connect.

    `public` is what the operator configured. Without it the address is built from the host that the badge asked for
    (`host`, a Host header), or where that is no host from `reached`, the address at which the request came in.
    """
    return public or f"ws://{_host(host) or _host(reached) or 'localhost'}:{port}{WEBSOCKET_PATH}"


def http_url(public: str, host: str, port: int) -> str:
    """Where a badge finds the HTTP port, without a slash at the end: what is configured (`public`), or the host by which it
    reached the WebSocket port (`host`, a Host header); empty when that is no host."""
    name = _host(host)
    return public.rstrip("/") or (f"http://{name}:{port}" if name else "")


def _host(header: str) -> str:
    """The host part of a Host header or of a bare address; empty when it is neither a name nor an address."""
    value = header.strip()
    bracketed = re.fullmatch(r"\[([0-9a-fA-F:.]+)\](:[0-9]{0,5})?", value)
    if bracketed or value.count(":") > 1:
        try:
            address = ipaddress.IPv6Address(bracketed[1] if bracketed else value.partition("%")[0])
        except ValueError:
            return ""
        return str(address.ipv4_mapped) if address.ipv4_mapped else f"[{address}]"
    name, _, port = value.partition(":")
    plausible = len(name) <= 253 and _NAME.fullmatch(name) and (not port or (port.isascii() and port.isdigit()))
    return name.lower() if plausible else ""


def _serial(line: str) -> str:
    serial = line.strip()
    return serial if len(serial) <= MAX_ID and serial.isprintable() else ""


def _first_id(lines: dict[str, str], names: Iterable[str]) -> str:
    return next((found for name in names if (found := normalise(lines.get(name, "")))), "")


def _object(body: bytes) -> dict[str, Any]:
    if len(body) > MAX_BODY:
        return {}
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _text(said: dict[str, Any], group: str, key: str) -> str:
    inner = said.get(group)
    value = inner.get(key) if isinstance(inner, dict) else None
    return value if isinstance(value, str) else ""


def _newer(offered: str, running: str) -> bool:
    """Whether `offered` is a later version; a badge that does not say what it runs is left alone."""
    if not running:
        return False
    mine, theirs = ([int(part) for part in version.split(".")] for version in (offered, running))
    length = max(len(mine), len(theirs))
    return mine + [0] * (length - len(mine)) > theirs + [0] * (length - len(theirs))

"""Who is connecting: the only reader of device and client ids, framing and credentials of an upgrade request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from urllib.parse import parse_qs

from attrs import field, frozen

from protocol.errors import HandshakeError
from protocol.frames import Framing

DEVICE_QUERY = ("device-id", "device_id")
CLIENT_QUERY = ("client-id", "client_id")
DEVICE_HEADERS = ("device-id", "device_id", "x-device-id", "x-device_id")
CLIENT_HEADERS = ("client-id", "client_id", "x-client-id", "x-client_id")

MAX_ID = 128
"""Characters. A MAC address has 17 and a UUID 36; a longer id is an attack on logs and tables."""

GATEWAY_SUFFIX = "from=mqtt_gateway"
"""What the MQTT gateway puts at the end of the request target."""


class Source(StrEnum):
    """Where the device id was found."""

    QUERY = "query"
    HEADER = "header"
    AUTO = "auto"


@frozen(kw_only=True)
class Identity:
    """A badge as it introduced itself; ids are normalised, the raw forms are kept for old token signatures."""

    device: str
    client: str
    source: Source
    raw_device: str
    raw_client: str
    header_keys: tuple[str, ...] = ()
    header_device: str = ""
    framing: Framing = Framing.V1
    authorization: str = field(default="", repr=False)
    http_url: str = ""
    """where this badge reaches the server by HTTP, without a slash at the end; empty when that is not known"""

    @property
    def id_overridden(self) -> bool:
        """The query names another device than the header does: not to be trusted for an admission by device id."""
        return self.source is Source.QUERY and self.header_device not in ("", self.device)


def normalise(raw: str) -> str:
    """An id without surrounding white space and quotes, in lower case; empty means absent.

    Repeats until nothing changes, so that a quoted blank is absent and a doubly quoted id loses both pairs.
    """
    while True:
        bare = raw.strip().strip('"').strip("'")
        if bare == raw:
            return bare.lower()
        raw = bare


def identify(target: str, headers: Iterable[tuple[str, str]], invent: Callable[[], str]) -> Identity:
    """Read the identity of an upgrade request.

    `target` is the raw request target (`/path?query`, or a bare `?query`), `headers` its header lines in order,
    `invent` makes the id of a badge that names none. Raises `HandshakeError` for ids and framings that nobody could
    have meant.
    """
    query = parse_qs(target.partition("?")[2])
    lines: dict[str, str] = {}
    for name, value in headers:
        lines.setdefault(name.lower(), value)

    header_device = _first(lines, DEVICE_HEADERS)
    source, device = _device(query, lines, invent)
    client = _first(query, CLIENT_QUERY)
    if not client:
        client = device if source is Source.QUERY else _first(lines, CLIENT_HEADERS) or device
    for name, found in (("device-id", device), ("client-id", client)):
        if len(found.value) > MAX_ID or not found.value.isprintable():
            raise HandshakeError(400, f"{name} must be at most {MAX_ID} printable characters")

    return Identity(
        device=device.value,
        client=client.value,
        source=source,
        raw_device=device.raw,
        raw_client=client.raw,
        header_keys=tuple(lines),
        header_device=header_device.value if header_device else "",
        framing=_framing(target, query, lines),
        authorization=lines.get("authorization") or query.get("authorization", [""])[0],
    )


@frozen
class _Id:
    raw: str
    value: str


def _device(query: Mapping[str, list[str]], lines: Mapping[str, str], invent: Callable[[], str]) -> tuple[Source, _Id]:
    """Query before header before invention; a client id stands in where there is no device id."""
    if found := _first(query, DEVICE_QUERY):
        return Source.QUERY, found
    if found := _first(lines, DEVICE_HEADERS) or _first(lines, CLIENT_HEADERS):
        return Source.HEADER, found
    if found := _first(query, CLIENT_QUERY):
        return Source.QUERY, found
    invented = invent()
    return Source.AUTO, _Id(invented, invented)


def _first(values: Mapping[str, str] | Mapping[str, list[str]], names: tuple[str, ...]) -> _Id | None:
    """The id under the first name whose value is not blank."""
    for name in names:
        found = values.get(name, "")
        raw = found if isinstance(found, str) else found[0]
        if value := normalise(raw):
            return _Id(raw, value)
    return None


def _framing(target: str, query: Mapping[str, list[str]], lines: Mapping[str, str]) -> Framing:
    if target.endswith(GATEWAY_SUFFIX):
        return Framing.GATEWAY
    version = lines.get("protocol-version") or query.get("protocol-version", [""])[0]
    match version.strip():
        case "" | "1":
            return Framing.V1
        case "2":
            return Framing.V2
        case "3":
            return Framing.V3
        case _:
            raise HandshakeError(400, "Protocol-Version must be 1, 2 or 3")

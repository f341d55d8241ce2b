"""The request head on the WebSocket port: read within limits, and what to answer when it is no upgrade."""

from __future__ import annotations

import h11
import trio
from attrs import field, frozen

from badge import texts

HEAD_WITHIN = 10.0
"""Seconds that a client has to send its request head."""

MAX_LINE = 8 * 1024
MAX_HEAD = 64 * 1024
MAX_HEADERS = 64

_REASONS = {
    400: "Bad Request",
    401: "Unauthorized",
    405: "Method Not Allowed",
    408: "Request Timeout",
    414: "URI Too Long",
    426: "Upgrade Required",
    431: "Request Header Fields Too Large",
}


class BadRequestError(Exception):
    """The head is refused with an HTTP `status`; the message is the body."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


@frozen
class Head:
    """A request head: `raw` is everything read so far, for whoever parses it again."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    raw: bytes = field(repr=False)

    def get(self, name: str) -> str:
        """All values of a header, joined by commas; empty when absent."""
        return ",".join(value for key, value in self.headers if key == name)

    @property
    def is_upgrade(self) -> bool:
        """Whether this asks for a WebSocket. `Connection` is a list: proxies send `keep-alive, Upgrade`."""
        tokens = {token.strip().lower() for token in self.get("connection").split(",")}
        return "upgrade" in tokens and self.get("upgrade").strip().lower() == "websocket"


async def read_head(stream: trio.abc.ReceiveStream) -> Head | None:
    """The head of the first request; None when the client went away without one. Raises `BadRequestError`."""
    parser = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
    raw = bytearray()
    with trio.move_on_after(HEAD_WITHIN):
        while True:
            data = await stream.receive_some(4096)
            raw += data
            try:
                parser.receive_data(bytes(data))
                event = parser.next_event()
            except h11.RemoteProtocolError as exc:
                raise BadRequestError(exc.error_status_hint, str(exc)) from None
            if isinstance(event, h11.Request):
                return _head(event, bytes(raw))
            if not data:
                return None
            if len(raw) > MAX_LINE and b"\r\n" not in raw:
                raise BadRequestError(414, f"the request line is longer than {MAX_LINE} bytes")
    raise BadRequestError(408, f"no complete request head within {HEAD_WITHIN:g} s")


def _head(request: h11.Request, raw: bytes) -> Head:
    line = raw.partition(b"\r\n")[0]
    if len(line) > MAX_LINE:
        raise BadRequestError(414, f"the request line is longer than {MAX_LINE} bytes")
    if len(request.headers) > MAX_HEADERS:
        raise BadRequestError(431, f"more than {MAX_HEADERS} header lines")
    if request.http_version not in (b"1.0", b"1.1"):
        raise BadRequestError(400, "only HTTP/1.1 is spoken here")
    if not raw.partition(b"\r\n\r\n")[0].isascii():
        raise BadRequestError(400, "the request head is not ASCII")
    headers = tuple((name.decode(), value.decode()) for name, value in request.headers)
    return Head(request.method.decode(), request.target.decode(), headers, raw)


def require_websocket(head: Head) -> None:
    """Raise `BadRequestError` for an upgrade that the WebSocket protocol (RFC 6455, 4.2.1) does not allow."""
    if head.method != "GET":
        raise BadRequestError(400, "a WebSocket upgrade must be a GET request")
    if head.get("sec-websocket-version") != "13":
        raise BadRequestError(426, "Sec-WebSocket-Version must be 13")
    if not head.get("sec-websocket-key"):
        raise BadRequestError(400, "Sec-WebSocket-Key is missing")


def answer_plain(head: Head) -> bytes:
    """The whole response to a request that is no upgrade. Raises `BadRequestError`."""
    if head.method not in ("GET", "HEAD"):
        raise BadRequestError(405, "only GET and HEAD are answered here")
    return _response("200 OK", texts.HTTP_BODY, with_body=head.method == "GET")


def answer_error(error: BadRequestError) -> bytes:
    """The whole response to a request that is refused."""
    extra = {401: "WWW-Authenticate: Bearer\r\n", 405: "Allow: GET, HEAD\r\n", 426: "Sec-WebSocket-Version: 13\r\n"}
    body = (error.detail + "\n").encode()
    reason = _REASONS.get(error.status, "Error")
    return _response(f"{error.status} {reason}", body, extra=extra.get(error.status, ""))


def _response(status: str, body: bytes, *, extra: str = "", with_body: bool = True) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n{extra}Connection: close\r\n\r\n"
    return head.encode() + (body if with_body else b"")

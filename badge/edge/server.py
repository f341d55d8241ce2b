"""The door for badges: every TCP connection on the WebSocket port, from its first byte to its session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import trio
import trio_websocket

from badge import texts
from badge.boundary import boundary
from badge.edge.auth import AuthError, Gate
from badge.edge.request import BadRequestError, Head, answer_error, answer_plain, read_head, require_websocket
from badge.link import WebSocketWire, Wire
from badge.log import get_log, mask_target
from badge.services import Services
from badge.session.session import converse
from protocol import HandshakeError, Identity, Source, identify

log = get_log(__name__)

RAW_PATH_SHOWN = 256
"""Characters of a request target that the log shows."""

RECEIVE_BYTES = 16 * 1024
ACCEPT_WITHIN = 10.0


Attend = Callable[[Identity, Wire, Services], Awaitable[None]]
"""Serves one badge from welcome to goodbye."""

HttpUrl = Callable[[str], str]
"""Gives the address of the HTTP port for a badge that came by this Host header; empty when it has none."""


class Reception:
    """Answers plain HTTP, refuses who may not come in, and gives everybody else a session."""

    def __init__(
        self, services: Services, gate: Gate, attend: Attend = converse, http_url: HttpUrl = lambda _: ""
    ) -> None:
        self._services = services
        self._gate = gate
        self._attend = attend
        self._http_url = http_url

    async def receive(self, stream: trio.abc.Stream) -> None:
        """One connection; nothing that happens in it reaches another."""
        try:
            with boundary("connection", log):
                try:
                    admitted = await self._admit(stream)
                except trio.BrokenResourceError:
                    log.info("the connection was reset before a session began")
                    return
                if admitted is not None:
                    await self._serve(*admitted)
        finally:
            await trio.aclose_forcefully(stream)  # noqa: ASYNC102 - only closes the socket, never waits

    async def _admit(self, stream: trio.abc.Stream) -> tuple[Identity, Rewound] | None:
        """Who comes in, and the stream with its head to be read again; None when the request was answered here."""
        try:
            head = await read_head(stream)
            if head is None:
                return None
            if not head.is_upgrade:
                log.info(texts.LOG_HTTP_PATH, path=mask_target(head.target))
                await stream.send_all(answer_plain(head))
                return None
            require_websocket(head)
            identity = self._identify(head)
            self._authenticate(identity, _peer(stream))
        except BadRequestError as exc:
            log.info("request refused", status=exc.status, reason=exc.detail)
            await _refuse(stream, exc)
            return None
        except HandshakeError as exc:
            log.warning("request refused", status=exc.status, reason=exc.detail)
            await _refuse(stream, BadRequestError(exc.status, exc.detail))
            return None
        return identity, Rewound(stream, head.raw)

    def _identify(self, head: Head) -> Identity:
        shown = mask_target(head.target)[:RAW_PATH_SHOWN]
        log.info(texts.LOG_HTTP_PATH, path=shown)
        identity = identify(head.target, head.headers, self._services.ids.device)
        identity = attrs.evolve(identity, http_url=self._http_url(head.get("host")))
        if identity.source is Source.AUTO:
            keys = ",".join(identity.header_keys)
            log.warning(texts.LOG_IDENTITY_AUTO, device=identity.device, raw_paths=shown, header_keys=keys)
        else:
            log.info(texts.LOG_IDENTITY, device=identity.device, source=str(identity.source), raw_paths=shown)
        return identity

    def _authenticate(self, identity: Identity, peer: str) -> None:
        try:
            principal = self._gate.admit(identity)
        except AuthError as exc:
            log.error(texts.LOG_AUTH_FAILED, reason=str(exc), device=identity.device, peer=peer)
            raise BadRequestError(401, "a valid token is needed: Authorization: Bearer <token>") from None
        log.info("badge admitted", device=identity.device, principal=principal, peer=peer)

    async def _serve(self, identity: Identity, stream: trio.abc.Stream) -> None:
        async with trio.open_nursery() as nursery:
            with trio.fail_after(ACCEPT_WITHIN):
                request = await trio_websocket.wrap_server_stream(
                    nursery,
                    stream,
                    max_message_size=self._services.settings.limits.message_bytes,
                    receive_buffer_size=RECEIVE_BYTES,
                )
                connection = await request.accept()
            await self._attend(identity, WebSocketWire(connection), self._services)
            nursery.cancel_scope.cancel("the session has ended")


class Rewound(trio.abc.Stream):
    """A stream whose first bytes were already read: they come again."""

    def __init__(self, stream: trio.abc.Stream, first: bytes) -> None:
        self._stream = stream
        self._first = first

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """The bytes read before, then the stream."""
        if self._first:
            await trio.lowlevel.checkpoint()
            first, self._first = self._first, b""
            return first
        if isinstance(self._stream, trio.SocketStream) and self._stream.socket.fileno() != -1:
            await trio.lowlevel.wait_readable(self._stream.socket)  # asking first would nearly always be in vain
        return await self._stream.receive_some(max_bytes)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write everything."""
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait for room."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close the stream below."""
        await self._stream.aclose()


async def _refuse(stream: trio.abc.Stream, error: BadRequestError) -> None:
    with trio.move_on_after(2):
        await stream.send_all(answer_error(error))


def _peer(stream: trio.abc.Stream) -> str:
    """The client's IP address, empty when unknown."""
    if not isinstance(stream, trio.SocketStream):
        return ""
    try:
        return str(stream.socket.getpeername()[0])
    except (OSError, IndexError):
        return ""

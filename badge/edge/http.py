"""The plain HTTP door: over-the-air reports of badges and the health check, beside the WebSocket port."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import cast

import trio
from attrs import frozen
from hypercorn.config import Config
from hypercorn.trio import serve
from hypercorn.typing import ASGIFramework
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from badge.boundary import boundary
from badge.clock import WallClock, milliseconds
from badge.edge.activation import Activation, told
from badge.edge.ota import MAX_BODY, REFUSAL, Firmware, ota_reply, read_report, websocket_url
from badge.log import get_log
from badge.metrics import CONTENT_TYPE, Metrics
from badge.sounds import Sounds, sound_path

TokenIssuer = Callable[[str, str, bool], str]
"""Gives the WebSocket token of (device id, client id, whether it is bound); empty for none."""

BODY_SECONDS = 10.0
"""How long a body may take; what has come by then is all there is."""

DISCARD_BYTES = 1024 * 1024
"""Bytes of a too long body that are still taken, so that its sender gets to read the answer."""

REQUESTS_PER_CONNECTION = 100

STALL_SECONDS = 5.0
"""How long a peer may leave an answer unread before its connection is cut."""

RESTART_SECONDS = 0.05
"""Pause before Hypercorn is started again, so that a lasting fault does not spin."""

_CORS = {
    "access-control-allow-origin": "*",
    "access-control-allow-headers": "client-id, content-type, device-id, authorization",
    "access-control-allow-methods": "GET, POST, OPTIONS",
}

_log = get_log(__name__)


def no_token(_device: str, _client: str, _bound: bool) -> str:  # noqa: FBT001 - an issuer
    """Issue nothing: authentication is off."""
    return ""


@frozen(kw_only=True)
class Ota:
    """Answers `/xiaozhi/ota/`.

    `websocket_url` is the public address, empty to build it from the request's host and `websocket_port`; `framing`
    is the binary framing (1 to 3) that badges are told to use, None to leave it to them.
    """

    clock: WallClock
    websocket_port: int
    websocket_url: str = ""
    framing: int | None = None
    firmware: Firmware | None = None
    issue_token: TokenIssuer = no_token
    activation: Activation | None = None

    async def answer(self, request: Request) -> Response:
        """The answer to one request, whatever its body holds."""
        if request.method == "OPTIONS":
            return Response(status_code=204)
        if request.method != "POST":
            return PlainTextResponse(f"OTA is running. Badges are told to connect to {self._url(request)}\n")
        try:
            body = await _read_body(request)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        report = read_report(request.headers.items(), body)
        if report is None:
            return JSONResponse(REFUSAL)
        now = self.clock.now()
        ahead = now.utcoffset()
        bound, activation = False, None
        if self.activation is not None:
            standing = await self.activation.standing(report)
            bound, activation = standing.bound, self.activation.offer(report, standing)
        reply = ota_reply(
            report,
            now_ms=milliseconds(self.clock),
            offset_minutes=round(ahead.total_seconds() / 60) if ahead else 0,
            url=self._url(request),
            token=self.issue_token(report.device, report.client, bound),
            version=self.framing,
            firmware=self.firmware,
            activation=activation,
        )
        return JSONResponse(reply, headers={"cache-control": "no-store"})

    async def activate(self, request: Request) -> Response:
        """Whether a badge has been bound since it was given a code."""
        if request.method == "OPTIONS":
            return Response(status_code=204)
        try:
            body = await _read_body(request)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        report = read_report(request.headers.items(), b"")
        if report is None:
            return JSONResponse(REFUSAL, 400)
        status = 200 if self.activation is None else await self.activation.confirm(report, body)
        return JSONResponse(told(status), status, headers={"cache-control": "no-store"})

    def _url(self, request: Request) -> str:
        reached = (request.scope.get("server") or ("",))[0]
        return websocket_url(self.websocket_url, request.headers.get("host", ""), self.websocket_port, reached=reached)


def make_app(
    *,
    clock: WallClock,
    websocket_port: int,
    websocket_url: str = "",
    framing: int | None = None,
    firmware: Firmware | None = None,
    issue_token: TokenIssuer = no_token,
    activation: Activation | None = None,
    routes: Sequence[BaseRoute] = (),
) -> Starlette:
    """The HTTP application: OTA, `/healthz` and the given further routes; anything else is 404 in plain text.

    See `Ota` for the arguments.
    """
    ota = Ota(
        clock=clock,
        websocket_port=websocket_port,
        websocket_url=websocket_url,
        framing=framing,
        firmware=firmware,
        issue_token=issue_token,
        activation=activation,
    )
    methods = ["GET", "POST", "OPTIONS"]
    app = Starlette(
        routes=[
            Route("/xiaozhi/ota", ota.answer, methods=methods),
            Route("/xiaozhi/ota/", ota.answer, methods=methods),
            Route("/xiaozhi/ota/activate", ota.activate, methods=["POST", "OPTIONS"]),
            Route("/xiaozhi/ota/activate/", ota.activate, methods=["POST", "OPTIONS"]),
            Route("/healthz", _health),
            *routes,
        ],
        middleware=[Middleware(_AnyOrigin)],
        exception_handlers={Exception: _failed},
    )
    app.router.redirect_slashes = False  # firmware does not follow redirects
    return app


async def serve_http(
    app: ASGIApp, *, host: str, port: int, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED
) -> None:
    """Serve `app` at `host` (empty: every interface) until cancelled; `started` gives the port.

    Port 0 takes a free one. Raises `OSError` before `started` when the address cannot be had.
    """
    listeners = await trio.open_tcp_listeners(port, host=host or None)
    sockets = [listener.socket for listener in listeners]
    try:
        for socket in sockets:
            _limit_stall(socket)
        task_status.started(sockets[0].getsockname()[1])
        while True:
            with boundary("http server", _log):
                await _serve_until_broken(app, sockets)
            await trio.sleep(RESTART_SECONDS)
    finally:
        for socket in sockets:
            socket.close()


async def _serve_until_broken(app: ASGIApp, sockets: Sequence[trio.socket.SocketType]) -> None:
    """Run Hypercorn. One malformed upgrade request ends it with everything it serves (0.18), and callers wait in the
    queue of the listening sockets until the next run: those stay ours, it gets copies."""
    loan = _Loan(sockets)
    config = Config()
    config.bind = loan.binds
    config.accesslog = config.errorlog = None  # errors are logged by the boundary, requests not at all
    config.include_server_header = False
    config.keep_alive_max_requests = REQUESTS_PER_CONNECTION
    try:
        await serve(cast(ASGIFramework, _contained(app)), config, mode="asgi", task_status=loan)
    finally:
        loan.close()


class _Loan:
    """Copies of the listening sockets: ours to close until Hypercorn has made its own objects of them."""

    def __init__(self, sockets: Sequence[trio.socket.SocketType]) -> None:
        self._copies = [socket.dup() for socket in sockets]
        self.binds = [f"fd://{copy.fileno()}" for copy in self._copies]

    def started(self, _binds: list[str] | None = None) -> None:
        """Hypercorn has taken them."""
        for copy in self._copies:
            copy.detach()

    def close(self) -> None:
        """Close what was not taken."""
        for copy in self._copies:
            copy.close()


def _limit_stall(socket: trio.socket.SocketType) -> None:
    """Let the kernel end connections whose peer does not read: Hypercorn shields its writes, so that one such peer
    would hold up our own end for ever. Accepted sockets inherit the option; only Linux has it."""
    if hasattr(trio.socket, "TCP_USER_TIMEOUT"):
        socket.setsockopt(trio.socket.IPPROTO_TCP, trio.socket.TCP_USER_TIMEOUT, round(STALL_SECONDS * 1000))


def _contained(app: ASGIApp) -> ASGIApp:
    async def serve_one(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        with boundary(f"{scope['type']} request", _log):
            await app(scope, receive, send)

    return serve_one


async def _live(receive: Receive, send: Send) -> None:
    """Say yes to start and stop. Starlette would answer its own cancellation with an error."""
    for event in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{event}.complete"})


class _AnyOrigin:
    """Lets web pages of any origin read every answer: the badge's test page lives elsewhere."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_CORS)
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


async def _failed(_request: Request, _exc: Exception) -> Response:  # noqa: ASYNC124 - Starlette awaits it
    """The answer to a request whose handler raised; the error itself goes on to the boundary."""
    return PlainTextResponse("Internal Server Error\n", 500, headers=_CORS)


async def _health(_request: Request) -> Response:  # noqa: ASYNC124 - Starlette awaits it
    return PlainTextResponse("ok\n")


def metrics_route(metrics: Metrics) -> Route:
    """`/metrics`: what the server counts, for Prometheus."""

    async def show(_request: Request) -> Response:  # noqa: ASYNC124 - Starlette awaits it
        return Response(metrics.render(), media_type=CONTENT_TYPE)

    return Route("/metrics", show)


def sounds_route(sounds: Sounds) -> Route:
    """Sound files that badges were told to fetch."""

    async def send(request: Request) -> Response:  # noqa: ASYNC124 - Starlette awaits it
        data = sounds.get(request.path_params["name"])
        if data is None:
            return PlainTextResponse("Not Found\n", 404)
        return Response(data, media_type="audio/ogg", headers={"cache-control": "no-store"})

    return Route(sound_path("{name}"), send)


async def _read_body(request: Request) -> bytes:
    """The body, or as much of it as shows that it is no report; raises `ClientDisconnect`."""
    body = bytearray()
    taken = 0
    with trio.move_on_after(BODY_SECONDS):
        async with aclosing(request.stream()) as chunks:
            async for chunk in chunks:
                taken += len(chunk)
                body += chunk[: MAX_BODY + 1 - len(body)]
                if taken > DISCARD_BYTES:
                    break
    return bytes(body)

"""The HTTP door on real sockets: reports, health, bad callers, start and stop."""

from __future__ import annotations

import datetime
import json
import socket
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import httpx2
import pytest
import structlog
import trio
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from badge.clock import SystemClock, milliseconds
from badge.edge import http
from badge.edge.http import make_app, serve_http
from badge.edge.ota import Firmware

MAC = "AA:BB:CC:DD:EE:FF"
ALIVE = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
PATHS = ["/xiaozhi/ota", "/xiaozhi/ota/"]


class ShanghaiClock:
    """A clock that stands still."""

    def now(self) -> datetime.datetime:
        return datetime.datetime(2026, 11, 21, 8, 0, tzinfo=datetime.timezone(datetime.timedelta(hours=8)))


async def broken(_request: Request) -> Response:
    raise RuntimeError("a bug")


async def open_door(nursery: trio.Nursery, **settings: Any) -> int:
    app = make_app(**{"clock": ShanghaiClock(), "websocket_port": 8000, **settings})
    port: int = await nursery.start(partial(serve_http, app, host="127.0.0.1", port=0))
    return port


@pytest.fixture
async def port(nursery: trio.Nursery) -> int:
    return await open_door(nursery, issue_token=lambda device, client, _: f"token of {device} {client}")


@pytest.fixture
async def client(port: int) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", timeout=5, trust_env=False, headers={"User-Agent": "test"}
    ) as opened:
        yield opened


async def ask(port: int, request: bytes, *, seconds: float = 5) -> bytes:
    """What the server says until it closes or falls silent for `seconds`."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    said = b""
    async with stream:
        with trio.move_on_after(seconds):
            try:
                await stream.send_all(request)
                async for chunk in stream:
                    said += chunk
            except trio.BrokenResourceError:
                pass
    return said


async def is_alive(port: int) -> bool:
    return (await ask(port, ALIVE)).endswith(b"ok\n")


# --- what a badge and a browser get -----------------------------------------------------------------------------------


@pytest.mark.req("OT-1", "OT-3")
@pytest.mark.parametrize("path", PATHS)
async def test_a_report_is_answered(client: httpx2.AsyncClient, path: str) -> None:
    body = {"application": {"version": "2.2.0"}, "board": {"type": "bread-compact-wifi"}}
    answer = await client.post(path, json=body, headers={"Device-Id": MAC, "Client-Id": "U-1"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "server_time": {"timestamp": 1_795_219_200_000, "timezone_offset": 480},
        "firmware": {"version": "2.2.0", "url": ""},
        "websocket": {"url": "ws://127.0.0.1:8000/xiaozhi/v1/", "token": "token of aa:bb:cc:dd:ee:ff u-1"},
    }


async def test_settings_reach_the_answer(nursery: trio.Nursery) -> None:
    port = await open_door(
        nursery,
        websocket_url="wss://badge.example/xiaozhi/v1/",
        framing=3,
        firmware=Firmware(version="9.0.0", url="http://x/fw"),
    )
    async with httpx2.AsyncClient(trust_env=False) as client:
        answer = await client.post(
            f"http://127.0.0.1:{port}/xiaozhi/ota/",
            json={"application": {"version": "2.2.0"}},
            headers={"Device-Id": MAC},
        )
    assert answer.json()["websocket"] == {"url": "wss://badge.example/xiaozhi/v1/", "token": "", "version": 3}
    assert answer.json()["firmware"] == {"version": "9.0.0", "url": "http://x/fw"}


async def test_the_real_clock_is_told(nursery: trio.Nursery) -> None:
    port = await open_door(nursery, clock=SystemClock())
    before = milliseconds(SystemClock())
    async with httpx2.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"http://127.0.0.1:{port}/xiaozhi/ota/", headers={"Device-Id": MAC})
    assert before <= answer.json()["server_time"]["timestamp"] <= milliseconds(SystemClock())


async def test_without_a_device_id_the_request_is_refused_with_200(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/xiaozhi/ota/", json={}, headers={"Client-Id": "u-1"})
    assert (answer.status_code, answer.json()) == (200, {"success": False, "message": "request error."})


@pytest.mark.parametrize("path", PATHS)
async def test_get_names_the_websocket(client: httpx2.AsyncClient, path: str) -> None:
    answer = await client.get(path, headers={"Host": "badge.local:8003"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert "ws://badge.local:8000/xiaozhi/v1/" in answer.text


@pytest.mark.parametrize("path", PATHS)
async def test_preflight(client: httpx2.AsyncClient, path: str) -> None:
    asked = {"Origin": "http://page", "Access-Control-Request-Method": "POST"}
    answer = await client.options(path, headers=asked)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert set(answer.headers["access-control-allow-methods"].split(", ")) == {"GET", "POST", "OPTIONS"}
    allowed = set(answer.headers["access-control-allow-headers"].split(", "))
    assert {"client-id", "content-type", "device-id", "authorization"} <= allowed


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/xiaozhi/ota/", 200),
        ("GET", "/xiaozhi/ota/", 200),
        ("HEAD", "/xiaozhi/ota/", 200),
        ("PUT", "/xiaozhi/ota/", 405),
        ("GET", "/healthz", 200),
        ("HEAD", "/healthz", 200),
        ("GET", "/healthz/", 404),
        ("GET", "/", 404),
        ("GET", "/xiaozhi/v1/", 404),
        ("POST", "/xiaozhi/ota/download/../../etc/passwd", 404),
    ],
)
async def test_every_answer_may_be_read_by_web_pages(
    client: httpx2.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await client.request(method, path)
    assert answer.status_code == status
    assert answer.headers.get_list("access-control-allow-origin") == ["*"]
    if status >= 400:
        assert answer.headers["content-type"].startswith("text/plain")
    if method == "HEAD":
        assert answer.content == b""


async def test_health(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/healthz")).text == "ok\n"


async def test_an_error_in_a_handler_is_contained_and_logged(nursery: trio.Nursery) -> None:
    port = await open_door(nursery, routes=[Route("/broken", broken)])
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        with structlog.testing.capture_logs() as lines:
            answer = await client.get("/broken")
            assert (await client.get("/healthz")).status_code == 200
        assert answer.status_code == 500
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "a bug" not in answer.text
    assert [(line["what"], line["error"]) for line in lines] == [("http request", "RuntimeError")]


# --- bodies -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body", [b"junk", b'{"application":{"version":"2"},},', b"\xff" * 100, b"[" * 60_000, b"x" * 600_000], ids=len
)
async def test_a_bad_body_is_ignored(client: httpx2.AsyncClient, body: bytes) -> None:
    answer = await client.post("/xiaozhi/ota/", content=body, headers={"Device-Id": MAC})
    assert answer.status_code == 200
    assert answer.json()["firmware"]["version"] == "0.0.0"


async def test_a_chunked_body_is_read(client: httpx2.AsyncClient) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for byte in b'{"application":{"version":"2.2.0"}}':
            yield bytes([byte])

    answer = await client.post("/xiaozhi/ota/", content=pieces(), headers={"Device-Id": MAC})
    assert answer.json()["firmware"]["version"] == "2.2.0"


async def test_a_body_without_end_is_cut_off(port: int) -> None:
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with stream:
        head = f"POST /xiaozhi/ota/ HTTP/1.1\r\nHost: x\r\nDevice-Id: {MAC}\r\nContent-Length: 9999999999\r\n\r\n"
        await stream.send_all(head.encode())
        with trio.fail_after(10), pytest.raises(trio.BrokenResourceError):
            await stream.send_all(b"x" * 64 * 1024 * 1024)
    assert await is_alive(port)


async def test_a_body_that_never_comes_is_answered(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "BODY_SECONDS", 0.3)
    head = f"POST /xiaozhi/ota/ HTTP/1.1\r\nHost: x\r\nDevice-Id: {MAC}\r\nContent-Length: 50\r\n\r\n{{"
    said = await ask(port, head.encode())
    assert said.startswith(b"HTTP/1.1 200")
    assert json.loads(said.partition(b"\r\n\r\n")[2])["websocket"]["url"] == "ws://x:8000/xiaozhi/v1/"


async def test_a_caller_that_hangs_up_is_no_error(port: int) -> None:
    head = f"POST /xiaozhi/ota/ HTTP/1.1\r\nHost: x\r\nDevice-Id: {MAC}\r\nContent-Length: 50\r\n\r\n{{"
    with structlog.testing.capture_logs() as lines:
        for _ in range(5):
            async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                await stream.send_all(head.encode())
        assert await is_alive(port)
    assert lines == []


# --- bad callers ------------------------------------------------------------------------------------------------------

UPGRADE = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
HOSTILE = {
    "junk": b"\x00\x01\x02 what\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "no host": b"GET /xiaozhi/ota/ HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /xiaozhi/ota/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "long header": b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 100_000 + b"\r\n\r\n",
    "bad length": b"POST /xiaozhi/ota/ HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "bad chunk": b"POST /xiaozhi/ota/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "bad footer": b"POST /xiaozhi/ota/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\naXX\r\n",
    "bad path": b"GET /%ff%00/\xff HTTP/1.1\r\nHost: \xff\r\n\r\n",
    "connect": b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "h2 junk": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 64,
    "h2c upgrade": UPGRADE + b"Upgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n",
    "websocket without key": UPGRADE + b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n",
    "websocket": UPGRADE
    + b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_no_caller_takes_the_server_down(port: int, name: str) -> None:
    for _ in range(3):
        said = await ask(port, HOSTILE[name], seconds=0.2)
        assert b" 500 " not in said
    for _ in range(3):
        assert await is_alive(port)


async def test_a_hostile_host_header_is_not_reflected(port: int) -> None:
    request = b"GET /xiaozhi/ota/ HTTP/1.1\r\nHost: evil.example/x@y\r\nConnection: close\r\n\r\n"
    said = await ask(port, request)
    assert b"evil" not in said
    assert b"ws://127.0.0.1:8000/xiaozhi/v1/" in said


# --- start and stop ---------------------------------------------------------------------------------------------------


async def test_a_port_in_use_is_an_error_at_start(port: int) -> None:
    app = make_app(clock=ShanghaiClock(), websocket_port=8000)
    with pytest.raises(OSError, match="in use"):
        await serve_http(app, host="127.0.0.1", port=port)
    assert await is_alive(port)


async def test_stops_within_a_second_and_frees_the_port() -> None:
    request = f"POST /xiaozhi/ota/ HTTP/1.1\r\nHost: x\r\nDevice-Id: {MAC}\r\nContent-Length: 50\r\n\r\n"
    with structlog.testing.capture_logs() as lines:
        async with trio.open_nursery() as server:
            port = await open_door(server)
            idle = await trio.open_tcp_stream("127.0.0.1", port)
            waiting = await trio.open_tcp_stream("127.0.0.1", port)
            await waiting.send_all(request.encode())
            assert await is_alive(port)
            began = trio.current_time()
            server.cancel_scope.cancel()
        assert trio.current_time() - began < 1
    assert lines == []
    for stream in (idle, waiting):
        await stream.aclose()
    with pytest.raises(OSError, match="connect"):
        await trio.open_tcp_stream("127.0.0.1", port)
    async with trio.open_nursery() as again:
        app = make_app(clock=ShanghaiClock(), websocket_port=8000)
        assert await again.start(partial(serve_http, app, host="127.0.0.1", port=port)) == port
        assert await is_alive(port)
        again.cancel_scope.cancel()


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux cuts a connection for a stalled reader")
async def test_a_caller_that_does_not_read_cannot_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "STALL_SECONDS", 1.0)
    request = f"POST /xiaozhi/ota/ HTTP/1.1\r\nHost: x\r\nDevice-Id: {MAC}\r\nContent-Length: 2\r\n\r\n{{}}".encode()
    greedy = trio.socket.socket()
    greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    async with trio.open_nursery() as server:
        port = await open_door(server)
        await greedy.connect(("127.0.0.1", port))
        with trio.move_on_after(0.5):
            await trio.SocketStream(greedy).send_all(request * 5000)
        began = trio.current_time()
        server.cancel_scope.cancel()
    assert trio.current_time() - began < 6
    greedy.close()


async def test_serving_is_silent(client: httpx2.AsyncClient, capfd: pytest.CaptureFixture[str]) -> None:
    with structlog.testing.capture_logs() as lines:
        await client.post("/xiaozhi/ota/", json={}, headers={"Device-Id": MAC})
        await client.get("/nothing")
    assert lines == []
    assert capfd.readouterr() == ("", "")

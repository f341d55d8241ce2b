"""The request head: limits, upgrades and what is answered to everything else."""

from __future__ import annotations

from contextlib import suppress

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from badge.edge.request import BadRequestError, Head, answer_error, answer_plain, read_head, require_websocket


async def head_of(data: bytes, *, end: bool = True, piece: int = 0) -> Head | None:
    client, server = trio.testing.memory_stream_pair()
    step = piece or len(data) or 1
    for at in range(0, len(data), step):
        await client.send_all(data[at : at + step])
    if end:
        await client.send_eof()
    return await read_head(server)


UPGRADE = (
    b"GET /xiaozhi/v1/?device-id=x HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.mark.req("HT-2", "HS-1")
@pytest.mark.parametrize("piece", [1, 7, 0])
async def test_an_upgrade_is_recognised_however_it_arrives(piece: int) -> None:
    head = await head_of(UPGRADE + b"more", piece=piece)
    assert head is not None
    assert head.is_upgrade
    assert head.target == "/xiaozhi/v1/?device-id=x"
    assert head.raw.startswith(UPGRADE)
    require_websocket(head)


@pytest.mark.req("HT-2")
@pytest.mark.parametrize(
    ("connection", "upgrade", "expected"),
    [
        ("Upgrade", "websocket", True),
        ("upgrade", "WEBSOCKET", True),
        ("keep-alive, UPGRADE", "websocket", True),
        ("keep-alive", "websocket", False),
        ("upgraded", "websocket", False),
        ("Upgrade", "h2c", False),
        ("", "", False),
    ],
)
def test_what_counts_as_an_upgrade(connection: str, upgrade: str, expected: bool) -> None:
    head = Head("GET", "/", (("connection", connection), ("upgrade", upgrade)), b"")
    assert head.is_upgrade is expected


@pytest.mark.req("HT-1")
def test_a_plain_get() -> None:
    answer = answer_plain(Head("GET", "/", (), b""))
    lines, _, body = answer.partition(b"\r\n\r\n")
    assert lines.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Content-Type: text/plain\r\n" in lines + b"\r\n"
    assert b"Content-Length: 18\r\n" in lines + b"\r\n"
    assert body == b"Server is running\n"
    assert answer_plain(Head("HEAD", "/", (), b"")) == lines + b"\r\n\r\n"


@pytest.mark.req("HT-5")
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "BREW"])
def test_other_methods(method: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        answer_plain(Head(method, "/", (), b""))
    assert answer_error(refused.value).startswith(b"HTTP/1.1 405 Method Not Allowed\r\n")
    assert b"Allow: GET, HEAD\r\n" in answer_error(refused.value)


@pytest.mark.req("HT-4", "B-6")
@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: \xff\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X: y\r\n" * 70 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", 431),
    ],
    ids=["text", "http/0.9", "version", "header", "latin", "tls", "long line", "many headers", "long header"],
)
async def test_malformed_and_oversized_heads(data: bytes, status: int) -> None:
    with pytest.raises(BadRequestError) as refused:
        await head_of(data)
    assert refused.value.status == status


@pytest.mark.req("HT-5")
async def test_a_head_must_come_within_ten_seconds(autojump_clock: trio.testing.MockClock) -> None:
    with pytest.raises(BadRequestError) as refused:
        await head_of(b"GET / HTTP/1.1\r\n", end=False)
    assert refused.value.status == 408
    assert trio.current_time() == pytest.approx(10)


async def test_a_client_that_says_nothing_and_leaves() -> None:
    assert await head_of(b"") is None


@pytest.mark.req("HT-4")
@pytest.mark.parametrize(
    ("changed", "status"),
    [
        (UPGRADE.replace(b"GET", b"POST"), 400),
        (UPGRADE.replace(b"Version: 13", b"Version: 8"), 426),
        (UPGRADE.replace(b"Sec-WebSocket-Key", b"X-Key"), 400),
    ],
)
async def test_upgrades_that_the_protocol_does_not_allow(changed: bytes, status: int) -> None:
    head = await head_of(changed)
    assert head is not None
    with pytest.raises(BadRequestError) as refused:
        require_websocket(head)
    assert refused.value.status == status


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.binary(max_size=20))
def test_any_bytes_are_a_head_a_refusal_or_nobody(data: bytes, tail: bytes) -> None:
    async def run() -> None:
        with suppress(BadRequestError):
            head = await head_of(data + tail)
            assert head is None or head.method

    trio.run(run, clock=trio.testing.MockClock(autojump_threshold=0))

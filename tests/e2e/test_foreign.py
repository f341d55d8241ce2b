"""Clients that others wrote, unmodified: each gets a whole turn."""

from __future__ import annotations

import json
import queue
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trio
import websockets
import websockets.sync.client

from badge.app import Running
from providers.opus import Decoder
from providers.ports import MOUTH_RATE
from providers.scripted import ScriptedAsr
from tests.e2e.running import scripted_server
from tests.house import packets

WHOLE = ["stt", "tts start", "llm", "tts sentence_start", "audio", "tts stop"]


def browser() -> str:
    """Path of a Chromium; skips the test when there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    return found


# --- Python clients over the `websockets` library, which offers compression on every connection ----------------------------


def turn_of_a_desktop_client(port: int, compression: str | None) -> dict[str, Any]:
    headers = {
        "Authorization": "Bearer test-token",
        "Protocol-Version": "1",
        "Device-Id": "aa:bb:cc:dd:ee:ff",
        "Client-Id": "desk",
    }
    turn, audio = [], []
    with websockets.sync.client.connect(
        f"ws://127.0.0.1:{port}/xiaozhi/v1/", additional_headers=headers, compression=compression, max_size=1_048_576
    ) as socket:
        audio_params = {"format": "opus", "sample_rate": 16000, "channels": 1, "frame_duration": 20}
        hello = {"type": "hello", "version": 1, "transport": "websocket", "audio_params": audio_params}
        socket.send(json.dumps({**hello, "features": {"mcp": True}}))
        welcome = json.loads(socket.recv(timeout=10))
        session = welcome["session_id"]
        socket.send(json.dumps({"session_id": session, "type": "listen", "state": "start", "mode": "auto"}))
        for packet in (*packets("voice", 20)[:45], *packets("silence", 20)[:50]):
            socket.send(packet)
        while turn[-1:] != ["tts stop"]:
            data = socket.recv(timeout=10)
            if isinstance(data, bytes):
                audio.append(data)
                turn += ["audio"] * (turn[-1:] != ["audio"])
                continue
            message = json.loads(data)
            if message["type"] in ("stt", "tts", "llm"):
                turn.append(" ".join(filter(None, (message["type"], message.get("state")))))
        pong = socket.ping()
        assert pong.wait(5)
        return {"welcome": welcome, "turn": turn, "audio": audio, "extensions": socket.protocol.extensions}


@pytest.mark.parametrize("compression", ["deflate", None])
async def test_a_desktop_client(compression: str | None) -> None:
    asr = ScriptedAsr(["hello"])
    async with scripted_server(asr=asr) as (server, _):
        with trio.fail_after(30):
            got = await trio.to_thread.run_sync(turn_of_a_desktop_client, server.port, compression)
    assert got["turn"] == WHOLE
    assert got["extensions"] == []  # offered, and not taken up
    assert got["welcome"]["transport"] == "websocket"
    decoder = Decoder(MOUTH_RATE)
    assert {len(decoder.decode(opus)) for opus in got["audio"]} == {2880}


# --- a page in a real browser -------------------------------------------------------------------------------------------------


class Site:
    """The page, on an origin of its own, and what it reports."""

    def __init__(self, server: Running) -> None:
        self.reports: queue.Queue[dict[str, Any]] = queue.Queue()
        page = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
        page = page.replace("OTA", f"http://127.0.0.1:{server.http_port}/xiaozhi/ota/").replace("DONE", "/done")
        reports = self.reports

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(page.encode())

            def do_POST(self) -> None:
                reports.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/"


@asynccontextmanager
async def visit(site: Site, chromium: str, profile: Path) -> AsyncIterator[None]:
    """The browser shows the page until the block ends."""
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--user-data-dir={profile}"]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.to_thread.run_sync, site.http.serve_forever)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "check": False}
        nursery.start_soon(partial(trio.run_process, [chromium, *options, site.url], **quiet))
        try:
            yield
        finally:
            site.http.shutdown()
            nursery.cancel_scope.cancel()
    site.http.server_close()


@pytest.mark.req("OT-1")
async def test_a_page_in_a_browser(tmp_path: Path) -> None:
    chromium = browser()
    asr = ScriptedAsr(["hello"])
    async with scripted_server(asr=asr) as (server, _):
        site = Site(server)
        async with visit(site, chromium, tmp_path):
            got = await trio.to_thread.run_sync(partial(site.reports.get, timeout=60))
        assert "error" not in got, got
        assert got["found"] == f"ws://127.0.0.1:{server.port}/xiaozhi/v1/"
        assert got["turn"] == WHOLE
        assert got["extensions"] == ""
        assert got["frames"] == 10
        assert got["seconds"] == pytest.approx(0.6, abs=0.02)
        assert got["loudest"] > 0.1
        assert len(asr.heard[0]) / 32_000 == pytest.approx(0.6, abs=0.07)

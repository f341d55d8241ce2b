"""A notice is fetched over HTTP, as a badge does; and a recorded session in which that happens is repeated identically."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from badge.notices import Notice
from badge.recording.capsule import redacted
from badge.recording.fileformat import Recording, parse, read
from badge.recording.journal import SUFFIX
from badge.recording.records import Kind
from badge.replay.script import script_of
from badge.replay.search import replay
from providers.scripted import ScriptedTts, Utterance
from tests.e2e.running import Client, client, raw_http, scripted_server
from tests.house import changed
from tests.soundfile import seconds

TEXT = "Dinner at 7. Bring a friend."


@asynccontextmanager
async def told(**tables: dict[str, Any]) -> AsyncIterator[tuple[int, Client, str]]:
    """A badge has been told to fetch a notice: the HTTP port, the badge, and the address."""
    tts = ScriptedTts(lambda text: Utterance(duration=0.02 * len(text), delay=0.02))
    async with (
        scripted_server(settings=changed(**tables), tts=tts) as (server, house),
        client(server, device_id="b1") as badge,
    ):
        await badge.tell(type="hello", features={"notify": True})
        await badge.until("hello", count=2)
        mailbox = house.services.presence.find("b1")
        assert mailbox is not None
        assert mailbox.announce(Notice(kind="push", text=TEXT))
        yield server.http_port, badge, (await badge.until("notify"))["audio_url"]


async def fetched(port: int, path: str, method: str = "GET") -> tuple[bytes, bytes]:
    request = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    head, _, body = (await raw_http(port, request.encode())).partition(b"\r\n\r\n")
    return head.lower(), body


async def test_the_sound_is_where_the_badge_is_told() -> None:
    async with told() as (port, badge, url):
        base = f"http://127.0.0.1:{port}"
        assert url.startswith(f"{base}/sounds/")
        head, body = await fetched(port, url.removeprefix(base))
        assert head.startswith(b"http/1.1 200")
        assert b"content-type: audio/ogg" in head
        assert seconds(body) == pytest.approx(0.02 * (len(TEXT) - 1), abs=0.002)
        name = url.rpartition("/")[2]
        for wrong in (f"/sounds/{'0' * 32}.ogg", "/sounds/", f"/sounds/{name[:-4]}", "/sounds/..%2f.ogg"):
            assert (await fetched(port, wrong))[0].startswith(b"http/1.1 404"), wrong
        assert (await fetched(port, url.removeprefix(base), "POST"))[0].startswith(b"http/1.1 405")
        assert badge.turn == ["notify"]


async def test_the_address_may_be_configured() -> None:
    async with told(server={"public_http_url": "https://badge.example/voice/"}) as (_, __, url):
        assert url.startswith("https://badge.example/voice/sounds/")


async def recorded(folder: Path) -> Recording:
    """A session with a notice that is played to its end, and a turn after it."""
    async with told(recording={"use": "all", "folder": str(folder)}) as (_, badge, __):
        await trio.sleep(1.8)
        await badge.tell(type="listen", state="detect", text="what time is it")
        await badge.until("tts", "stop")
    await trio.sleep(0.1)
    return the_only(folder)


def the_only(folder: Path) -> Recording:
    (file,) = folder.glob(f"*{SUFFIX}")
    return read(file)


async def test_a_recorded_notice_is_repeated_and_can_be_shared(tmp_path: Path) -> None:
    recording = await recorded(tmp_path)
    for audio, text in (("keep", "keep"), ("hash", "redact")):
        shared = parse("shared", redacted(recording, audio=audio, text=text))
        found = await trio.to_thread.run_sync(replay, script_of(shared, partly=True))
        assert found.identical, found.divergence and found.divergence.render()
    sent = [json.loads(r.data[0]) for r in shared.records if r.kind is Kind.OUT and isinstance(r.data[0], str)]
    (notify,) = (message for message in sent if message["type"] == "notify")
    assert notify["audio_url"].startswith("xxxx://000.0.0.0:00")
    assert [line["text"] for line in notify["subtitles"]] == ["Xxxxxx xx 0.", "Xxxxx a xxxxxx."]
    assert shared.header["identity"]["http_url"].startswith("xxxx://000.0.0.0:0")

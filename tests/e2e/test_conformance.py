"""What real clients send, against the running server: every variant gets a whole turn or a clear answer."""

from __future__ import annotations

import hashlib
import json
import os

import attrs
import pytest
import structlog
import trio
import trio_websocket

from badge.config.settings import AuthSettings, Settings, TokenSettings
from badge.edge.auth import sign
from protocol import Framing
from providers.opus import Decoder
from providers.ports import MOUTH_RATE
from providers.scripted import Hearing, Reply, ScriptedAsr, ScriptedLlm, ScriptedTts, Utterance
from tests.e2e.running import Client, client, raw_http, scripted_server, upgraded
from tests.house import changed, packets

WHOLE = ["stt", "tts start", "llm", "tts sentence_start", "audio", "tts stop"]


async def manual_turn(badge: Client, *, frame_ms: int = 60) -> None:
    await badge.tell(type="listen", state="start", mode="manual", session_id="")
    await badge.sound("voice", 0.6, frame_ms=frame_ms)
    await badge.tell(type="listen", state="stop", session_id="")
    await badge.until("tts", "stop", count=len(badge.of("tts", "start")) + 1)


# --- 1. hello ---------------------------------------------------------------------------------------------------------


@pytest.mark.req("WL-4", "WL-5", "HS-19")
@pytest.mark.parametrize(
    "hello",
    [
        {
            "type": "hello",
            "version": 1,
            "features": {"mcp": True, "glyph_push": False},
            "transport": "websocket",
            "audio_params": {"format": "opus", "sample_rate": 16000, "channels": 1, "frame_duration": 60},
        },
        {
            "type": "hello",
            "device_id": "x",
            "device_name": "web",
            "device_mac": "y",
            "token": "your-token1",
            "features": {"mcp": True, "emoji": False},
        },
        {
            "type": "hello",
            "version": 1,
            "features": {"mcp": True},
            "transport": "websocket",
            "audio_params": {"format": "opus", "sample_rate": 16000, "channels": 1, "frame_duration": 20},
        },
        {"type": "hello", "audioParams": {"format": "opus", "sampleRate": 16000, "channels": 1, "frameDuration": 60}},
        {"type": "hello", "version": 2, "transport": "websocket"},
        {"type": "hello", "version": 3},
        {"type": "hello"},
    ],
    ids=["firmware", "web page", "py-xiaozhi", "xiaozhi-concurrent", "gateway", "version 3", "bare"],
)
async def test_every_hello_gets_a_turn(hello: dict[str, object]) -> None:
    async with scripted_server() as (server, _), client(server, device_id="aa:bb") as badge:
        await badge.tell(**hello)
        again = await badge.until("hello", count=2)
        assert again["transport"] == "websocket"
        assert again["audio_params"] == {"format": "opus", "sample_rate": 24000, "channels": 1, "frame_duration": 60}
        assert again["session_id"] == badge.of("hello")[0]["session_id"]
        await manual_turn(badge)
        emoji = hello.get("features") != {"mcp": True, "emoji": False}
        assert badge.turn == [word for word in WHOLE if emoji or word != "llm"]


# --- 2. identity and tokens ---------------------------------------------------------------------------------------------

SECRET = AuthSettings(
    enabled=True,
    key="k",
    tokens=[
        TokenSettings(name="desk", token="good"),
        TokenSettings(name="h", token="sha256:" + hashlib.sha256(b"hash").hexdigest()),
    ],
    devices=["11:22"],
)


@pytest.mark.req("HS-1", "HS-2", "HS-4", "HS-10", "HS-11", "B-5")
@pytest.mark.parametrize(
    ("target", "headers", "device"),
    [
        ("/xiaozhi/v1/", {"device_id": "AA:BB", "client_id": "c"}, "aa:bb"),
        ("/any/path", {"Device_Id": "AA:BB"}, "aa:bb"),
        ("/", {"X_Client_Id": "cc"}, "cc"),
        ("/xiaozhi/v1/?device-id=web-1&client-id=web", {}, "web-1"),
        ("/?device_id=%22Q%22", {"device_id": "h"}, "q"),
        ("/?device-id=%27%22x%22%27", {}, "x"),
        ("/", {"device_id": "'\"x\"'"}, "x"),
        ("/?device-id=%22%20%22", {}, None),
        ("/", {"device_id": '" "'}, None),
        ("/", {}, None),
    ],
)
async def test_identity_of_every_kind(target: str, headers: dict[str, str], device: str | None) -> None:
    async with scripted_server() as (server, house), client(server, target=target, **headers):
        (online,) = house.services.presence.online()
        if device is None:
            assert online.startswith("auto-")
            assert len(online) == 13
            int(online[5:], 16)
        else:
            assert online == device


@pytest.mark.req("HS-13", "B-1")
async def test_nobody_inherits_the_identity_of_who_was_there_before() -> None:
    async with scripted_server() as (server, house):
        for _ in range(20):
            async with client(server, target="/?device-id=VICTIM"):
                assert house.services.presence.online() == ["victim"]
            with trio.fail_after(5):
                while house.services.presence.online():
                    await trio.sleep(0.001)
            async with client(server):
                (device,) = house.services.presence.online()
                assert device.startswith("auto-")
            with trio.fail_after(5):
                while house.services.presence.online():
                    await trio.sleep(0.001)


@pytest.mark.req("HS-4", "AU-1", "B-3")
async def test_header_names_in_any_case_as_they_stand_on_the_wire() -> None:
    settings = attrs.evolve(Settings(), auth=SECRET)
    async with scripted_server(settings=settings) as (server, house):
        stream = await upgraded(
            server.port, b"dEvIcE-iD: AA:BB", b"CLIENT-ID: c", b"AUTHORIZATION: Bearer good", b"pRoToCoL-vErSiOn: 2"
        )
        assert house.services.presence.online() == ["aa:bb"]
        await stream.aclose()


@pytest.mark.req("HS-15", "HS-11", "HT-3", "LG-6")
async def test_the_log_says_who_comes_and_from_where() -> None:
    with structlog.testing.capture_logs() as logs:
        async with scripted_server() as (server, _):
            async with client(server, target="/v1/?device-id=D&authorization=Bearer%20tok" + "x" * 400):
                pass
            async with client(server, target="/v1/"):
                pass
    lines = [(line["log_level"], line["event"].format(**line)) for line in logs]
    assert any(
        level == "info" and text.startswith("握手解析 device-id: d (source=query, rawPaths=/v1/?")
        for level, text in lines
    )
    assert any(
        level == "info" and text.startswith("HTTP upgrade request path=/v1/?device-id=D") for level, text in lines
    )
    auto = next(text for level, text in lines if level == "warning" and text.startswith("未从握手中获取"))
    assert "，已回退自动分配 device-id=auto-" in auto
    assert "headerKeys=host," in auto
    assert [line["peer"] for line in logs if line["event"] == "badge admitted"] == ["127.0.0.1", "127.0.0.1"]
    assert "tok" not in str(logs)
    assert max(len(str(line.get("raw_paths", ""))) for line in logs) <= 256


@pytest.mark.req("AU-1", "AU-2", "AU-3", "AU-4", "AU-5", "AU-6", "B-2", "B-75")
@pytest.mark.parametrize(
    ("authorization", "device", "target", "comes_in"),
    [
        ("Bearer good", "aa", "/", True),
        ("Bearer hash", "aa", "/", True),
        ("", "aa", "/?authorization=Bearer%20good", True),
        ("SIGNED", "aa", "/", True),
        ("", "11:22", "/", True),
        ("", "aa", "/", False),
        ("Bearer bad", "aa", "/", False),
        ("EXPIRED", "aa", "/", False),
        ("SIGNED FOR ANOTHER", "aa", "/", False),
        ("", "aa", "/?device-id=11:22", False),
    ],
)
async def test_tokens(authorization: str, device: str, target: str, comes_in: bool) -> None:
    async with scripted_server(settings=attrs.evolve(Settings(), auth=SECRET)) as (server, house):
        now = int(house.clock.now().timestamp())
        made = {
            "SIGNED": sign("k", client="c", device="aa", issued=now),
            "EXPIRED": sign("k", client="c", device="aa", issued=now - 31 * 86400),
            "SIGNED FOR ANOTHER": sign("k", client="c", device="bb", issued=now),
        }
        headers = {"device_id": device, "client_id": "c"}
        if authorization:
            headers["authorization"] = f"Bearer {made[authorization]}" if authorization in made else authorization
        version = house.services.presence.version
        if comes_in:
            async with client(server, target=target, **headers) as badge:
                await badge.alive()
            return
        with pytest.raises(BaseException) as refused:  # noqa: PT011 - a group from the client's nursery
            async with client(server, target=target, **headers):
                pass
        rejection = refused.value
        while isinstance(rejection, BaseExceptionGroup):
            rejection = rejection.exceptions[0]
        assert isinstance(rejection, trio_websocket.ConnectionRejected)
        assert rejection.status_code == 401
        assert house.services.presence.version == version


# --- 3. frames ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frame_ms", [20, 40, 60])
@pytest.mark.parametrize(
    ("framing", "target", "version"),
    [
        (Framing.V1, "/", ""),
        (Framing.V1, "/", "1"),
        (Framing.V2, "/", "2"),
        (Framing.V3, "/", "3"),
        (Framing.GATEWAY, "/?device-id=x&from=mqtt_gateway", "2"),
    ],
    ids=["v1 by default", "v1", "v2", "v3", "gateway"],
)
async def test_a_turn_in_every_framing(framing: Framing, target: str, version: str, frame_ms: int) -> None:
    headers = {"device_id": "x", **({"protocol_version": version} if version else {})}
    asr = ScriptedAsr(["hello"])
    async with (
        scripted_server(asr=asr) as (server, _),
        client(server, target=target, framing=framing, **headers) as badge,
    ):
        await manual_turn(badge, frame_ms=frame_ms)
        assert badge.turn == WHOLE
        assert len(asr.heard[0]) == 32_000 * 0.6
        frames = [data for _, data in badge.got if isinstance(data, bytes)]
        assert len(frames) == 10
        decoder = Decoder(MOUTH_RATE)
        assert {len(decoder.decode(opus)) for opus in badge.audio} == {2880}
        if framing is Framing.V2:
            assert [int.from_bytes(frame[8:12], "big") for frame in frames[:3]] == [0, 60, 120]
        if framing is Framing.GATEWAY:
            assert [int.from_bytes(frame[4:8], "big") for frame in frames[:3]] == [0, 1, 2]


async def test_odd_packets_cost_nothing() -> None:
    async with scripted_server() as (server, _), client(server, device_id="x") as badge:
        await badge.tell(type="listen", state="start", mode="manual")
        for junk in (b"", b"\xff\xfe\xfd", os.urandom(2200), bytes(2200), b"\x00"):
            await badge.socket.send_message(junk)
            await badge.packet(packets("voice")[0])
        await badge.tell(type="listen", state="stop")
        await badge.until("tts", "stop")
        assert badge.turn == WHOLE


# --- 4. to 6. listening modes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tail", [0.2, 1.0])
async def test_auto_turn_with_lead_and_tail(tail: float) -> None:
    settings = changed(listen={"silence_ms": 150})
    async with scripted_server(settings=settings) as (server, _), client(server, device_id="x") as badge:
        await badge.tell(type="listen", state="start", mode="auto")
        await badge.sound("silence", 0.3)
        await badge.sound("voice", 0.9)
        await badge.sound("silence", tail)
        await badge.until("tts", "stop")
        assert badge.turn == WHOLE


async def test_short_word_two_utterances_and_silence() -> None:
    asr = ScriptedAsr(["好的", "第二句"])
    async with scripted_server(asr=asr) as (server, _), client(server, device_id="x") as badge:
        await badge.tell(type="listen", state="start", mode="auto")
        await badge.sound("silence", 3)
        assert badge.turn == []
        await badge.sound("voice", 0.3)
        await badge.sound("silence", 0.9)
        await badge.until("tts", "stop")
        await badge.tell(type="listen", state="start", mode="auto")
        await badge.sound("voice", 0.9)
        await badge.sound("silence", 0.9)
        await badge.until("tts", "stop", count=2)
        assert [m["text"] for m in badge.of("stt")] == ["好的", "第二句"]
        await badge.tell(type="listen", state="start", mode="auto")
        await badge.sound("silence", 3)
        await badge.alive()
        assert len(badge.of("stt")) == 2


async def test_manual_without_audio_twice_and_long() -> None:
    asr = ScriptedAsr(["long"])
    async with scripted_server(asr=asr) as (server, _), client(server, device_id="x") as badge:
        await badge.tell(type="listen", state="start", mode="manual")
        await badge.tell(type="listen", state="stop")
        await badge.tell(type="listen", mode="manual", state="stop")
        await badge.alive()
        assert badge.turn == []
        await badge.tell(type="listen", state="start", mode="manual")
        await badge.sound("voice", 59.4, pace=0)
        await badge.tell(type="listen", state="stop")
        await badge.until("tts", "stop")
        assert len(asr.heard[0]) / 32_000 == pytest.approx(59.4)


async def test_realtime_speech_during_the_answer() -> None:
    tts = ScriptedTts(lambda _: Utterance(duration=20))
    async with (
        scripted_server(tts=tts, asr=ScriptedAsr(["one", "two"])) as (server, _),
        client(server, device_id="x") as badge,
    ):
        await badge.tell(type="listen", state="start", mode="realtime")
        await badge.sound("voice", 0.6)
        await badge.sound("silence", 0.9)
        await badge.until("tts", "sentence_start")
        await badge.sound("voice", 0.9)
        await badge.until("tts", "stop")
        await badge.sound("silence", 0.9)
        await badge.until("stt", count=2)
        assert [m["text"] for m in badge.of("stt")] == ["one", "two"]


async def test_own_answer_fed_back_does_not_interrupt_in_auto() -> None:
    tts = ScriptedTts(lambda _: Utterance(duration=1.5))
    async with scripted_server(tts=tts) as (server, _), client(server, device_id="x") as badge:
        await badge.tell(type="listen", state="start", mode="auto")
        await badge.sound("voice", 0.6)
        await badge.sound("silence", 0.9)
        await badge.until("tts", "sentence_start")
        await badge.sound("voice", 1.2, pace=1.0)
        await badge.until("tts", "stop")
        assert badge.turn == WHOLE


# --- 7. detect --------------------------------------------------------------------------------------------------------------


@pytest.mark.req("WW-5", "LI-10", "LI-11")
async def test_wake_word_text_exit_and_announcement() -> None:
    llm = ScriptedLlm(["我在。"])
    async with scripted_server(llm=llm) as (server, _), client(server, device_id="x") as badge:
        await badge.sound("voice", 0.6)  # pre-roll of the wake word, before hello
        await badge.tell(type="listen", state="detect", text="你好小智", session_id="x")
        await badge.tell(type="listen", state="start", mode="auto", session_id="x")
        await badge.until("tts", "stop")
        assert badge.turn == ["tts start", "llm", "tts sentence_start", "audio", "tts stop"]
        await badge.tell(type="hello")
        await badge.tell(type="listen", state="detect", text="现在几点")
        await badge.until("tts", "stop", count=2)
        assert [m["text"] for m in badge.of("stt")] == ["现在几点"]
        await badge.tell(type="listen", state="detect", text="[device_call]妈妈来电")
        await badge.until("tts", "stop", count=3)
        assert badge.of("tts", "sentence_start")[-1]["text"] == "妈妈来电"
        assert len(llm.prompts) == 2
        await badge.tell(type="listen", state="detect", text="退出")
        assert await badge.closed() == 1000
        assert badge.turn[-1] == "tts stop"


# --- 8. abort ---------------------------------------------------------------------------------------------------------------


@pytest.mark.req("CH-22", "CH-23", "CH-30")
@pytest.mark.parametrize("when", ["before stt", "before audio", "mid-sentence", "after"])
async def test_abort_in_every_phase(when: str) -> None:
    providers = {
        "asr": ScriptedAsr([Hearing(text="hi", delay=0.3), "hi"]),
        "llm": ScriptedLlm([Reply(pieces=["One sentence."], first=0.3)]),
        "tts": ScriptedTts(lambda _: Utterance(duration=1.2)),
    }
    async with scripted_server(**providers) as (server, _), client(server, device_id="x") as badge:
        await badge.tell(type="listen", state="start", mode="manual")
        await badge.sound("voice", 0.3)
        await badge.tell(type="listen", state="stop")
        match when:
            case "before audio":
                await badge.until("tts", "start")
            case "mid-sentence":
                await badge.until("tts", "sentence_start")
                await trio.sleep(0.3)
            case "after":
                await badge.until("tts", "stop")
        await badge.tell(type="abort", reason="wake_word_detected")
        await badge.alive()
        frames = len(badge.audio)
        await trio.sleep(0.5)
        assert len(badge.audio) == frames
        assert len(badge.of("tts", "start")) == len(badge.of("tts", "stop")) == int(when != "before stt")
        await manual_turn(badge)
        assert badge.turn[-6:] == WHOLE


# --- 9. pacing --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lead", [0, 5])
async def test_pacing_on_the_wire_for_eight_badges(lead: int) -> None:
    settings = changed(tts={"lead_frames": lead})
    tts = ScriptedTts(lambda _: Utterance(duration=1.8))
    async with scripted_server(settings=settings, tts=tts) as (server, _):

        async def one(number: int) -> None:
            async with client(server, device_id=f"d{number}") as badge:
                await badge.tell(type="listen", state="detect", text="talk")
                await badge.until("tts", "stop")
                times = [at for at, data in badge.got if isinstance(data, bytes)]
                stop = next(at for at, data in badge.got if isinstance(data, str) and '"stop"' in data)
                assert len(times) == 30
                # in one burst at most the lead and the frame that plays; never more than that ahead of play-out
                assert sum(at - times[0] < 0.03 for at in times) <= lead + 1
                ahead = [(n + 1) * 0.06 - (at - times[0]) for n, at in enumerate(times)]
                assert max(ahead) <= (lead + 1) * 0.06 + 0.03
                assert stop - times[0] >= 30 * 0.06 - 0.01

        async with trio.open_nursery() as nursery:
            for number in range(8):
                nursery.start_soon(one, number)


# --- 12. over-the-air address -----------------------------------------------------------------------------------------------


@pytest.mark.req("OT-1", "AU-9")
async def test_the_token_of_the_ota_answer_opens_the_door() -> None:
    import httpx2

    settings = attrs.evolve(Settings(), auth=SECRET)
    async with (
        scripted_server(settings=settings) as (server, _),
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{server.http_port}") as http,
    ):
        for path in ("/xiaozhi/ota/", "/xiaozhi/ota"):
            answer = (
                await http.post(
                    path, headers={"device-id": "11:22", "client-id": "C-1"}, json={"application": {"version": "1.2.3"}}
                )
            ).json()
            assert answer["firmware"] == {"version": "1.2.3", "url": ""}
            assert answer["websocket"]["url"] == f"ws://127.0.0.1:{server.port}/xiaozhi/v1/"
            token = answer["websocket"]["token"]
            headers = {"device_id": "11:22", "client_id": "c-1", "authorization": f"Bearer {token}"}
            async with client(server, **headers) as badge:
                await badge.alive()
        stranger = (await http.post("/xiaozhi/ota/", headers={"device-id": "99:99"}, content=b"not json")).json()
        assert stranger["websocket"]["token"] == ""


# --- 14. idle ---------------------------------------------------------------------------------------------------------------


@pytest.mark.req("TO-2", "TO-4", "B-70")
async def test_idle_on_a_real_socket() -> None:
    settings = changed(timeouts={"no_voice_s": 1.0, "grace_s": 1.0})
    import badge.session.watchdog as watchdog

    before, watchdog.IDLE_EXTRA = watchdog.IDLE_EXTRA, 0.0
    try:
        async with scripted_server(settings=settings) as (server, house), client(server, device_id="x") as badge:
            await badge.until("system")
            await badge.alive()
            await badge.until("system", count=2)
            assert await badge.closed() == 1000
            await trio.sleep(0.05)
            assert house.services.presence.online() == []
    finally:
        watchdog.IDLE_EXTRA = before


# --- 15. our own messages to stock clients ------------------------------------------------------------------------------------


async def test_extensions_are_json_objects_with_a_type() -> None:
    """Stock clients ignore types that they do not know; what they cannot take is a frame that is no JSON."""
    async with scripted_server() as (server, _), client(server, device_id="x") as badge, client(server, device_id="y"):
        await badge.tell(type="meeting", phase="finalize")
        await badge.tell(type="config_update", config={})
        await badge.until("server")
        await badge.until("config_update")
        for _, data in badge.got:
            assert isinstance(data, str)
            assert isinstance(json.loads(data)["type"], str)


# --- the door itself ----------------------------------------------------------------------------------------------------------


@pytest.mark.req("HT-1", "HT-2", "HT-4", "HT-5", "B-6")
@pytest.mark.parametrize(
    ("request_bytes", "status", "body"),
    [
        (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", b"200", b"Server is running\n"),
        (b"GET /xiaozhi/v1/ HTTP/1.0\r\n\r\n", b"200", b"Server is running\n"),
        (b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", b"200", b""),
        (
            b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: keep-alive\r\n\r\n",
            b"200",
            b"Server is running\n",
        ),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", b"405", None),
        (b"garbage\r\n\r\n", b"400", None),
        (b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade websocket\r\n\r\n", b"400", None),
        (b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: web\x00socket\r\n\r\n", b"400", None),
        (b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", b"426", None),
        (
            b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: x\r\nProtocol-Version: 9\r\n\r\n",
            b"400",
            b"Protocol-Version must be 1, 2 or 3\n",
        ),
    ],
)
async def test_http_on_the_websocket_port(request_bytes: bytes, status: bytes, body: bytes | None) -> None:
    async with scripted_server() as (server, _):
        answer = await raw_http(server.port, request_bytes)
        head, _, got = answer.partition(b"\r\n\r\n")
        assert head.split(b" ")[1] == status
        if body is not None:
            assert got == body
        async with client(server, device_id="x") as badge:
            await badge.alive()


@pytest.mark.req("HS-17", "CK-1")
async def test_large_and_fragmented_messages() -> None:
    async with scripted_server() as (server, _), client(server, device_id="bystander") as bystander:
        async with client(server, device_id="x") as badge:
            await badge.socket.send_message("x" * 1_048_576)
            await badge.until("error")
            await badge.socket.send_message(b"\x00" * 1_048_576)
            await badge.alive()
            await badge.socket.send_message("x" * 1_048_577)
            assert await badge.closed() == 1009
        async with client(server, device_id="f") as badge:
            from wsproto.events import TextMessage

            for piece, last in (('{"ty', False), ('pe":"pi', False), ('ng"}', True)):
                await badge.socket._send(TextMessage(data=piece, message_finished=last))
            await badge.until("pong")
        await bystander.alive()

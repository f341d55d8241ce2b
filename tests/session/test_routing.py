"""Routing: whatever a badge sends is answered or ignored as promised, and the session goes on."""

from __future__ import annotations

import io
import json

import pytest
import structlog
import trio
import trio.testing

from badge import texts
from badge.log import logging_to
from badge.session import handlers
from badge.session.handlers import HANDLERS
from protocol import FROM_BADGE
from protocol.inbound import Iot, Ping
from providers.scripted import Reply, ScriptedLlm, ScriptedRecognition
from tests.house import Guest, House, changed, packets


async def alive(badge: Guest) -> None:
    """The session still answers."""
    before = len(badge.of("pong"))
    badge.tell(type="ping")
    await badge.until("pong", count=before + 1, within=1)


@pytest.mark.req("RT-2")
@pytest.mark.parametrize("name", ["ping", "keepalive"])
async def test_ping(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, name: str) -> None:
    badge = await House(nursery).enter()
    badge.tell(type=name)
    assert await badge.until("pong") == {"type": "pong"}


@pytest.mark.req("RT-3", "RT-5")
@pytest.mark.parametrize("text", ["7", "-12", "hello", "{not json", "x" * 1024])
async def test_echo(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, text: str) -> None:
    badge = await House(nursery).enter()
    badge.raw(text)
    await badge.quiet()
    assert badge.wire.sent[-1][1] == text


@pytest.mark.req("RT-4", "RT-7", "B-18", "B-19", "B-20", "B-21")
@pytest.mark.parametrize(
    "text",
    ["[]", '"x"', "null", "1.5", "{}", "true", "9" * 5000, '{"type":"listen"}', '{"type":"mcp"}', "x" * 1_048_576],
    ids=lambda text: text[:12],
)
async def test_malformed_messages_are_answered_and_harm_nothing(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, text: str
) -> None:
    badge = await House(nursery).enter()
    badge.raw(text)
    error = await badge.until("error")
    assert error["code"] == "bad-message"
    assert 0 < len(error["message"]) < 300
    await alive(badge)
    assert badge.story == ["hello", "error", "pong"]  # and no echo


@pytest.mark.req("RT-7", "RT-8", "B-18")
async def test_one_connection_survives_all_malformed_messages(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    badge = await House(nursery).enter()
    for text in ("[]", '"x"', "null", "1.5", "{}", '{"type":"listen"}', '{"type":"mcp","payload":{}}'):
        badge.raw(text)
    badge.tell(type="ping")
    await badge.until("pong")
    assert badge.story == ["hello", *["error"] * 7, "pong"]
    assert [e["code"] for e in badge.of("error")] == ["bad-message"] * 6 + ["unavailable"]


@pytest.mark.req("RT-6")
async def test_unknown_types_are_logged_and_ignored(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    badge = await House(nursery).enter()
    seen = len(badge.wire.sent)
    with structlog.testing.capture_logs() as logs:
        badge.tell(type="dance", token="s3cret", steps=[1, {"password": "x"}], speed=3, text="my secret wish")
        await badge.quiet()
    assert len(badge.wire.sent) == seen
    line = next(line for line in logs if line["event"] == texts.LOG_UNKNOWN_TYPE)
    assert line["log_level"] == "error"
    assert json.loads(line["message"]) == {
        "type": "dance",
        "token": "***",
        "steps_size": 2,
        "speed": 3,
        "text_size": 14,
    }
    await alive(badge)


@pytest.mark.req("RT-8")
async def test_an_error_in_a_handler_is_answered_and_logged(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(session: object, message: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setitem(handlers.HANDLERS, Ping, broken)
    badge = await House(nursery).enter()
    with structlog.testing.capture_logs() as logs:
        badge.tell(type="ping")
        error = await badge.until("error")
    assert (error["code"], error["ref"]) == ("internal", {"type": "ping"})
    assert [line["what"] for line in logs if line["event"] == "failed"] == ["ping"]
    monkeypatch.undo()
    await alive(badge)


@pytest.mark.req("RT-8", "RT-11", "B-22")
async def test_messages_of_one_type_keep_their_order_and_end_with_the_connection(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of them is much work, one fails, and one comes after the badge has gone."""
    taken: list[object] = []

    def take(_: object, message: Iot) -> None:
        if message.descriptors is not None:
            sum(range(100_000))
        taken.append(message.descriptors or message.states)
        if message.states == [{"n": 1}]:
            raise LookupError("a bug")

    monkeypatch.setitem(HANDLERS, Iot, take)
    badge = await House(nursery).enter()
    with structlog.testing.capture_logs() as logs:
        badge.tell(type="iot", descriptors=[{"name": "lamp"}])
        for number in range(3):
            badge.tell(type="iot", states=[{"n": number}])
        await badge.until("error")
        badge.vanish()
        badge.tell(type="iot", states=[{"n": 3}])
        await badge.gone.wait()
        await trio.sleep(100)
    assert taken == [[{"name": "lamp"}], [{"n": 0}], [{"n": 1}], [{"n": 2}]]
    assert [(e["code"], e["ref"]) for e in badge.of("error")] == [("internal", {"type": "iot"})]
    assert [(line["what"], line["error"]) for line in logs if line["event"] == "failed"] == [("iot", "LookupError")]


@pytest.mark.req("AD-3", "B-88", "B-91")
@pytest.mark.parametrize(
    "fields",
    [
        {"action": "restart"},
        {"action": "restart", "content": {}},
        {"action": "restart", "content": {"secret": ""}},
        {"action": "restart", "content": {"secret": None}},
        {"action": "update_config", "content": {"secret": ""}},
        {},
    ],
    ids=str,
)
async def test_nobody_manages_a_server_that_has_no_secret(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, fields: dict[str, object]
) -> None:
    house = House(nursery, settings=changed(auth={"manager_secret": ""}))
    badge, other = await house.enter(), await house.enter("other")
    badge.tell(type="server", **fields)
    await badge.until("error")
    assert badge.story == ["hello", "error"]
    await trio.sleep(5)
    await alive(badge)
    await alive(other)
    assert house.services.settings is house.settings


@pytest.mark.req("RT-13")
@pytest.mark.parametrize(
    "message",
    [
        {"type": "mcp", "payload": {"jsonrpc": "2.0"}},
        {"type": "server", "action": "restart", "content": {"secret": "x"}},
    ],
    ids=lambda message: message["type"],
)
async def test_types_without_behaviour_yet_say_so(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, message: dict[str, object]
) -> None:
    badge = await House(nursery).enter()
    badge.tell(**message)
    error = await badge.until("error")
    assert (error["code"], error["ref"]) == ("unavailable", {"type": message["type"]})
    await alive(badge)


@pytest.mark.req("RT-13")
def test_handler_table_is_total() -> None:
    assert set(HANDLERS) == set(FROM_BADGE.values())


async def test_types_with_their_own_refusal(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    badge = await House(nursery).enter()
    badge.tell(type="peer", to="x")
    badge.tell(type="mode", state="start", mode="party")
    badge.tell(type="config_update", config={"a": 1})
    await badge.quiet()
    assert badge.messages[-3:] == [
        {"type": "peer", "status": "error", "message": "invalid to/payload"},
        {"type": "mode", "status": "error", "message": "invalid state or mode"},
        {"type": "config_update", "status": "ok", "noop": True},
    ]


@pytest.mark.req("RT-11")
async def test_messages_take_effect_in_their_order(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    badge = await House(nursery).enter()
    for number in range(50):
        badge.raw(str(number))
    await badge.quiet()
    assert [frame for _, frame in badge.wire.sent if frame[:1] != "{"] == [str(n) for n in range(50)]


@pytest.mark.req("RT-12", "LI-7", "B-27")
@pytest.mark.parametrize("slow", ["feed", "finish"])
async def test_a_recogniser_that_takes_its_time_after_stop_delays_nothing(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch, slow: str
) -> None:
    usual = getattr(ScriptedRecognition, slow)

    async def slowly(*given: object) -> object:
        await trio.sleep(2.5)
        return await usual(*given)

    monkeypatch.setattr(ScriptedRecognition, slow, slowly)
    badge = await House(nursery).enter()
    badge.tell(type="listen", state="start", mode="manual")
    for packet in packets("voice")[:10]:
        badge.packet(packet)
    badge.tell(type="listen", state="stop")
    started = trio.current_time()
    await alive(badge)
    assert trio.current_time() == started
    await badge.until("stt")
    assert trio.current_time() - started >= 2.5


@pytest.mark.req("RT-12")
async def test_a_busy_turn_delays_neither_ping_nor_abort(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    badge = await House(nursery, llm=ScriptedLlm([Reply(first=9)])).enter()
    badge.tell(type="listen", state="detect", text="hi")
    await badge.quiet()
    started = trio.current_time()
    await alive(badge)
    badge.tell(type="abort")
    await badge.until("tts", "stop")
    assert trio.current_time() == started


@pytest.mark.req("RT-14", "LG-2", "LG-6", "WL-7", "CH-1", "HT-3")
async def test_the_log_has_every_message_and_no_secret_or_speech(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    badge = await House(nursery).enter()
    with structlog.testing.capture_logs() as logs:
        badge.tell(type="hello", features={"mcp": True}, token="tok-1")
        badge.tell(type="abort", reason={"token": "tok-2"})
        badge.tell(type="listen", state="detect", text="my secret diary")
        badge.tell(type="peer", to=["x"], payload={"text": "private words"})
        badge.tell(type="server", action="restart", content={"secret": "tok-3"})
        badge.tell(type="config_update", config={"api_key": "tok-4"})
        badge.tell(type="mystery", authorization="tok-5", text="z" * 5)
        badge.raw("42")
        await trio.sleep(5)
    lines = [line["event"].format(**line) for line in logs]
    text = "\n".join(lines) + str(logs)
    for hidden in ("tok-", "diary", "private words", "half past nine"):
        assert hidden not in text
    for shown in (
        "收到hello消息：",
        "收到listen消息：",
        "收到abort消息：",
        "收到peer消息：",
        "收到服务器消息：",
        "收到文本消息：",
    ):
        assert any(line.startswith(shown) for line in lines), shown
    assert "大模型收到用户消息: 15 characters" in lines
    assert '收到listen消息：{"state": "detect", "text_size": 15}' in lines
    assert '收到服务器消息：{"action": "restart", "content": "***"}' in lines


@pytest.mark.req("RT-14", "LG-1", "LG-2", "B-25")
@pytest.mark.parametrize(
    "message",
    [
        {"type": "peer", "to": ["x"], "payload": {"token": "s3cret", "text": "s3cret" * 180_000}},
        {"type": "peer", "to": ["x"] * 10_000},
        {"type": "abort", "reason": {"token": "s3cret", "why": ["a"] * 100_000}},
        {"type": "abort", "reason": "a" * 1_000_000},
        {"type": "mode", "state": "start", "mode": "working", "token": "s3cret", "x": "y" * 1_000_000},
        {"type": "dance", "token": "s3cret", "steps": ["s3cret"] * 100_000, "text": "s3cret" * 100_000},
        {"type": "dance" * 100_000, "api_key": "s3cret"},
        {f"key {number}": number for number in range(50_000)} | {"type": "dance", "secret": "s3cret"},
    ],
    ids=lambda message: message["type"][:5],
)
async def test_what_the_log_shows_of_a_large_message_is_masked_and_short(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, message: dict[str, object]
) -> None:
    stream = io.StringIO()
    with logging_to(stream, form="json", level="info", max_message_length=2000):
        badge = await House(nursery, team=True).enter()
        badge.tell(**message)
        await alive(badge)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    (shown,) = [line["event"] for line in lines if "收到" in line["event"] and "ping" not in line["event"]]
    assert len(shown) > 20
    assert max(len(str(value)) for line in lines for value in line.values()) < 2100
    assert "s3cret" not in stream.getvalue()


@pytest.mark.req("RT-15")
async def test_sending_to_a_closed_session_is_false_not_an_error(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery)
    badge = await house.enter("a")
    mailbox = house.services.presence.find("a")
    assert mailbox is not None
    assert mailbox.post("{}")
    badge.vanish()
    await badge.gone.wait()
    assert not mailbox.post("{}")


@pytest.mark.req("RT-16")
async def test_a_badge_that_never_reads_is_given_up_and_delays_nobody(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery)
    deaf, other = await house.enter("deaf"), await house.enter("other")
    deaf.wire.reading = trio.Event()
    for _ in range(300):
        deaf.tell(type="ping")
    await deaf.quiet()
    started = trio.current_time()
    await alive(other)
    assert trio.current_time() == started
    await deaf.gone.wait()
    assert deaf.wire.closed == (1013, "too slow: messages were not read")
    assert trio.current_time() - started <= 2.5
    assert house.services.presence.online() == ["other"]


@pytest.mark.req("RT-16")
async def test_a_stalled_frame_ends_the_connection(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    badge = await House(nursery).enter()
    badge.wire.reading = trio.Event()
    badge.tell(type="ping")
    started = trio.current_time()
    await badge.gone.wait()
    assert trio.current_time() - started == pytest.approx(10)
    assert badge.wire.closed is not None
    assert badge.wire.closed[0] == 1013


@pytest.mark.parametrize("version", ["2", "3"])
async def test_wrong_framing_is_said_once(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, version: str
) -> None:
    badge = await House(nursery).enter(**{"protocol-version": version})
    for packet in packets("voice")[:20]:
        badge.raw(packet)
    error = await badge.until("error")
    assert error["code"] == "bad-frame"
    assert error["ref"] == {"framing": f"v{version}"}
    await alive(badge)
    assert len(badge.of("error")) == 1
    await badge.speak()
    await badge.until("tts", "stop")

"""The life of a connection: welcome, hello, takeover, idle, and every way to end."""

from __future__ import annotations

import json
import random
import uuid
from typing import Any

import attrs
import pytest
import structlog
import trio
import trio.testing

from badge import texts
from badge.components import Component
from badge.config.settings import Settings
from badge.dialogue import Dialogue
from badge.link import Goodbye, LinkClosedError, Mailbox, Outbox
from badge.peers.presence import Presence, Resident
from badge.session.session import LAST_WORDS
from badge.stats import broadcast_stats
from protocol import identify
from providers.ports import ProviderError, Tts
from providers.scripted import Hearing, Reply, ScriptedAsr, ScriptedLlm, ScriptedRecall, ScriptedTts, Utterance
from tests.house import FrozenClock, Guest, House, Spawned, changed, packets

DEVICE = "aa:bb:cc:00:00:01"


class Mail:
    """A delivery that says what it was asked for."""

    def __init__(self, name: str) -> None:
        self.name = name

    def arrived(self, device: str, mailbox: Mailbox) -> None:
        mailbox.post(f'{{"type":"{self.name}","event":"arrived","for":"{device}"}}')

    def greeted(self, device: str, mailbox: Mailbox) -> None:
        mailbox.post(f'{{"type":"{self.name}","event":"greeted"}}')


# --- welcome and hello ------------------------------------------------------------------------------------------------


@pytest.mark.req("HS-14", "HS-18", "HS-19", "WL-1", "WL-2", "WL-3", "B-13", "RG-15")
async def test_the_welcome_is_first_then_mail_then_snapshots(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery, deliveries=(Mail("peer"), Mail("workflow")))
    nursery.start_soon(broadcast_stats, house.settings.stats, house.services.presence, house.clock)
    badge = await house.enter(DEVICE)
    await trio.sleep(1)
    assert badge.story[:4] == ["hello", "peer arrived", "workflow arrived", "server stats"]
    welcome = badge.messages[0]
    assert str(uuid.UUID(welcome["session_id"])) == welcome["session_id"]
    assert welcome == {
        "type": "hello",
        "version": 1,
        "transport": "websocket",
        "session_id": badge.session.traits.session_id,
        "audio_params": {"format": "opus", "sample_rate": 24000, "channels": 1, "frame_duration": 60},
    }


@pytest.mark.req("HS-14")
async def test_every_connection_has_its_own_session_id(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery)
    ids = {(await house.enter(f"d{n}")).messages[0]["session_id"] for n in range(20)}
    assert len(ids) == 20


@pytest.mark.req("HS-10", "HS-14", "B-106")
async def test_strangers_who_come_at_the_same_moment_are_different(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery)
    come = trio.current_time()
    strangers = [house.open(identify("/", [], house.services.ids.device)) for _ in range(20)]
    await strangers[0].quiet()
    assert trio.current_time() == come
    assert len({stranger.of("hello")[0]["session_id"] for stranger in strangers}) == 20
    assert len(house.services.presence.online()) == 20


@pytest.mark.req("WL-1")
async def test_the_welcome_can_be_extended_by_configuration(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    settings = attrs.evolve(Settings(), welcome={"server": "desk", "session_id": "forged"})
    badge = await House(nursery, settings=settings).enter()
    assert badge.messages[0]["server"] == "desk"
    assert badge.messages[0]["session_id"] == badge.session.traits.session_id


@pytest.mark.req("WL-4", "WL-5", "WL-6")
@pytest.mark.parametrize(
    "hello",
    [
        {
            "version": 1,
            "features": {"mcp": True},
            "transport": "websocket",
            "audio_params": {"format": "opus", "frame_duration": 60},
        },
        {"device_id": "x", "device_name": "web", "device_mac": "y", "features": {"mcp": True, "emoji": False}},
        {"audioParams": {"format": "opus", "sampleRate": 16000}},
        {"version": 3, "audio_params": {"format": "speex"}},
        {},
    ],
    ids=["firmware", "web", "camelCase", "version 3", "bare"],
)
async def test_hello_is_answered_at_any_time(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, hello: dict[str, object]
) -> None:
    house = House(nursery, deliveries=(Mail("workflow"),))
    badge = await house.enter()
    await badge.speak()
    await badge.until("tts", "stop")
    badge.tell(type="hello", **hello)
    await badge.until("hello", count=2)
    await badge.quiet()
    first, second = badge.of("hello")
    assert first == second
    mcp = "mcp" in str(hello)
    assert badge.story[-1 - mcp :] == ["workflow greeted", *(["mcp"] if mcp else [])]
    assert badge.session.traits.features.mcp is mcp


# --- takeover -----------------------------------------------------------------------------------------------------------


@pytest.mark.req("RG-2", "RG-3", "RG-4", "RG-5", "DG-7", "B-7")
async def test_takeover(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    house = House(nursery)
    with structlog.testing.capture_logs() as logs:
        old = await house.enter(DEVICE)
        await trio.sleep(5)
        taken = trio.current_time()
        new = await house.enter(DEVICE)
        assert trio.current_time() == taken  # welcomed at once
        await old.gone.wait()
    assert [m["message"] for m in old.of("system")] == ["检测到新连接，当前通道将于约1.5秒后关闭以切换到新通道"]
    assert trio.current_time() - taken == pytest.approx(1.5)
    assert old.wire.closed == (1000, "superseded by a newer connection")
    assert new.wire.closed is None
    assert house.services.presence.online() == [DEVICE]
    assert texts.LOG_TAKEOVER in [line["event"] for line in logs if line["log_level"] == "warning"]
    new.tell(type="ping")
    await new.until("pong")


@pytest.mark.req("RG-5", "RG-11", "B-9", "B-10", "I-12")
async def test_a_stalled_old_connection_delays_nobody(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """Neither its successor nor others that come and go, with the news to everybody under way."""
    house = House(nursery)
    nursery.start_soon(broadcast_stats, house.settings.stats, house.services.presence, house.clock)
    old = await house.enter(DEVICE)
    old.wire.reading = trio.Event()
    old.tell(type="ping")
    await old.quiet()
    started = trio.current_time()
    new = await house.enter(DEVICE)
    other = await house.enter("other")
    other.vanish()
    await other.gone.wait()
    await house.enter("third")
    assert trio.current_time() == started
    assert house.services.presence.online() == [DEVICE, "third"]
    assert (await new.until("server", within=1))["online"] == [DEVICE, "third"]
    await old.gone.wait()
    assert trio.current_time() - started <= 1.5 + 2.0 + 0.01


@pytest.mark.req("RG-6", "B-14")
async def test_a_superseded_connection_takes_no_new_work(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery)
    old = await house.enter(DEVICE)
    await house.enter(DEVICE)
    await trio.sleep(1)
    for message in (
        {"type": "mode", "state": "start", "mode": "working"},
        {"type": "peer", "to": ["x"], "payload": {}},
        {"type": "workflow", "event": "assign", "id": "1"},
        {"type": "listen", "state": "start"},
        {"type": "listen", "state": "detect", "text": "hello"},
    ):
        old.tell(**message)
    await old.quiet()
    assert [e["code"] for e in old.of("error")] == ["superseded"] * 5
    await old.sound("voice", 0.3)
    assert old.turn[-1] == "error"
    old.tell(type="ping")
    await old.until("pong")
    await old.gone.wait()
    assert house.llm.prompts == []


@pytest.mark.req("RG-6")
async def test_a_superseded_connection_may_finish_what_it_does(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """Dictation under way is recognised, running speech plays on, until the 1.5 s are over."""
    house = House(nursery, asr=ScriptedAsr([Hearing(text="the end of it", delay=0.2)]))
    dictating = await house.enter("dictating")
    dictating.tell(type="listen", state="start", mode="manual")
    await dictating.sound("voice", 0.6)
    await house.enter("dictating")
    await dictating.sound("voice", 0.3)
    dictating.tell(type="listen", state="stop")
    await dictating.until("stt")
    assert dictating.of("stt")[0]["text"] == "the end of it"
    await dictating.gone.wait()
    assert dictating.of("tts") == []

    house = House(nursery, tts=ScriptedTts(lambda _: Utterance(duration=1.2)))
    speaking = await house.enter("speaking")
    speaking.tell(type="listen", state="detect", text="hi")
    await speaking.until("tts", "sentence_start")
    await house.enter("speaking")
    await speaking.gone.wait()
    assert len(speaking.audio) == 20
    assert speaking.turn[-1] == "tts stop"


@pytest.mark.req("RG-6")
async def test_what_waits_for_its_turn_does_not_begin_on_a_superseded_connection(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """The words are shown, and the floor is free."""
    settings = changed(chat={"new_words": "wait"})
    house = House(nursery, settings=settings, tts=ScriptedTts(lambda _: Utterance(duration=0.6)))
    old = await house.enter(DEVICE)
    for text in ("one", "two", "three"):
        old.tell(type="listen", state="detect", text=text)
    await old.until("tts", "sentence_start")
    await house.enter(DEVICE)
    await old.until("tts", "stop")
    await old.quiet()
    assert old.session.conversation.state == "idle"
    await old.gone.wait()
    assert [m["text"] for m in old.of("stt")] == ["one", "two", "three"]
    assert len(old.of("tts", "start")) == 1


@pytest.mark.req("RG-6")
async def test_a_superseded_connection_does_not_listen_for_ever(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery)
    waiting = await house.enter("waiting")
    waiting.tell(type="listen", state="start", mode="auto")
    await house.enter("waiting")
    await waiting.sound("voice", 0.3)
    assert waiting.session.conversation.state == "idle"
    dictating = await house.enter("dictating")
    dictating.tell(type="listen", state="start", mode="manual")
    await dictating.sound("voice", 0.6)
    await house.enter("dictating")
    dictating.tell(type="listen", state="stop")
    await dictating.until("stt")
    assert dictating.session.conversation.state == "idle"


@pytest.mark.req("RG-7")
async def test_the_dialogue_moves_on_with_the_device(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery, llm=ScriptedLlm(["Nice to meet you.", "You are Ann."]))
    old = await house.enter(DEVICE)
    old.tell(type="listen", state="detect", text="I am Ann")
    await old.until("tts", "stop")
    new = await house.enter(DEVICE)
    await old.gone.wait()
    new.tell(type="listen", state="detect", text="who am I")
    await new.until("tts", "stop")
    said = [m.content for m in house.llm.prompts[1].messages][1:]
    assert said == ["I am Ann", "Nice to meet you.", "who am I"]


@pytest.mark.req("RG-14", "B-73", "I-1")
async def test_a_third_connection_supersedes_the_second(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery)
    guests = []
    for _ in range(3):
        guests.append(await house.enter(DEVICE))
        await trio.sleep(0.2)
    await trio.sleep(3)
    assert [g.wire.closed is not None for g in guests] == [True, True, False]
    assert [len(g.of("system")) for g in guests] == [1, 1, 0]
    assert house.services.presence.online() == [DEVICE]


@pytest.mark.req("B-113")
async def test_a_fourth_connection_has_to_wait_until_the_first_has_closed(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery)
    guests = [await house.enter(DEVICE) for _ in range(3)]
    fourth = house.open(identify("/", [("device-id", DEVICE)], lambda: "x"))
    await fourth.gone.wait()
    assert fourth.wire.closed == (Goodbye.REGISTER_FAILED.code, Goodbye.REGISTER_FAILED.reason)
    assert house.services.presence.online() == [DEVICE]
    await guests[2].quiet()
    assert guests[2].wire.closed is None
    await trio.sleep(3)
    fifth = await house.enter(DEVICE)
    await trio.sleep(3)
    assert guests[2].wire.closed is not None
    fifth.vanish()
    await fifth.gone.wait()
    assert house.services.presence.online() == []
    await house.enter(DEVICE)


@pytest.mark.req("RG-8", "RG-9", "B-16")
async def test_the_end_of_a_superseded_connection_is_no_news(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery)
    nursery.start_soon(broadcast_stats, house.settings.stats, house.services.presence, house.clock)
    old = await house.enter(DEVICE)
    new = await house.enter(DEVICE)
    await trio.sleep(1)
    version, resident, news = house.services.presence.version, house.services.presence.find(DEVICE), len(new.messages)
    with structlog.testing.capture_logs() as logs:
        await old.gone.wait()
        await trio.sleep(1)
    assert house.services.presence.version == version
    assert house.services.presence.find(DEVICE) is resident
    assert len(new.messages) == news
    assert texts.LOG_UNREGISTERED not in [line["event"] for line in logs]
    new.vanish()
    await new.gone.wait()
    assert house.services.presence.version == version + 1


@pytest.mark.req("RG-12", "B-17")
async def test_registration_that_fails_is_said_once_and_closes(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery, settings=changed(limits={"connections": 1}))
    await house.enter("first")
    badge = house.open(identify("/", [("device-id", "second")], lambda: "x"))
    await badge.gone.wait()
    assert badge.messages == [{"type": "system", "event": "register_failed", "message": "设备注册失败"}]
    assert badge.wire.closed == (1013, "registration failed, try again later")
    assert badge.wire.closings == 1
    assert house.services.presence.online() == ["first"]


# --- news ---------------------------------------------------------------------------------------------------------------


@pytest.mark.req("RG-10", "ST-1", "ST-2", "ST-3", "ST-4")
async def test_arrivals_and_departures_are_news(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    house = House(nursery)
    nursery.start_soon(broadcast_stats, house.settings.stats, house.services.presence, house.clock)
    deaf, a = await house.enter("deaf"), await house.enter("a")
    await trio.sleep(1)
    deaf.wire.reading = trio.Event()
    before = len(a.of("server"))
    b = await house.enter("b")
    await trio.sleep(1)
    b.vanish()
    await trio.sleep(1)
    news = a.of("server")[before:]
    assert [m["online"] for m in news] == [["deaf", "a", "b"], ["deaf", "a"]]
    assert news[0]["deviceCount"] == 3
    assert 0 <= round(house.clock.now().timestamp() * 1000) - news[0]["ts"] <= 2000
    assert news[0]["memTotalMB"] > 0
    await trio.sleep(10)
    assert len(a.of("server")) > before + 2
    before = len(a.of("server"))
    for n in range(100):
        await house.enter(f"burst-{n}")
    await trio.sleep(0.5)
    assert len(a.of("server")) - before <= 3


@pytest.mark.req("ST-3", "B-8", "CR-3")
@pytest.mark.parametrize("failure", [LinkClosedError(1006), OSError(104, "reset"), None], ids=["gone", "reset", "bye"])
async def test_a_badge_that_news_cannot_reach_keeps_them_from_nobody(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, failure: Exception | None
) -> None:
    """The first of three cannot be sent to, or is about to leave: it is still registered, and takes no messages."""
    house = House(nursery)
    first, *others = [await house.enter(device) for device in ("first", "second", "third")]

    async def fail(_: str | bytes) -> None:
        raise failure or AssertionError

    if failure:
        first.wire.send = fail  # type: ignore[method-assign]
    else:
        first.wire.reading = trio.Event()
        first.tell(type="ping")
        await first.quiet()
        first.session.leave(Goodbye.IDLE)
    nursery.start_soon(broadcast_stats, house.settings.stats, house.services.presence, house.clock)
    for other in others:
        assert (await other.until("server", within=1))["online"] == ["first", "second", "third"]
    await first.gone.wait()
    for other in others:
        assert (await other.until("server", count=2, within=11))["online"] == ["second", "third"]


@pytest.mark.req("ST-4", "B-12")
async def test_a_thousand_reconnects_in_a_second_are_a_handful_of_news(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    count = 1000
    presence, sent = Presence(count), 0

    class Counting(Mailbox):
        def post(self, frame: str, *, stale: bool = False) -> bool:
            nonlocal sent
            sent += 1
            return super().post(frame, stale=stale)

    def enter(device: str) -> Resident:
        outbox = Outbox(lambda: None)
        return presence.enter(device, Counting(outbox, lambda _: None), Dialogue(1))[0]

    residents = {device: enter(device) for device in (f"d{number}" for number in range(count))}
    nursery.start_soon(broadcast_stats, Settings().stats, presence, FrozenClock())
    await trio.sleep(1)
    sent = 0
    for device, resident in residents.items():
        presence.leave(device, resident)
        enter(device)
        await trio.sleep(1 / count)
    await trio.sleep(1)
    assert 0 < sent <= 7 * count


# --- idle ---------------------------------------------------------------------------------------------------------------


@pytest.mark.req("TO-1", "TO-2", "TO-3", "TO-4", "B-70", "I-14")
async def test_idle_is_warned_and_then_closed(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    house = House(nursery)
    badge = await house.enter()
    started = trio.current_time()
    await badge.until("system", within=700)
    assert badge.of("system") == [
        {"type": "system", "event": "timeout_warning", "message": "连接将因长时间空闲而关闭，如需继续请发送任意消息。"}
    ]
    assert trio.current_time() - started == pytest.approx(660)
    house.clock.moment = house.clock.moment.replace(year=2030)
    with structlog.testing.capture_logs() as logs:
        await badge.gone.wait()
    assert trio.current_time() - started == pytest.approx(670)
    assert badge.wire.closed == (1000, "idle")
    assert badge.wire.closings == 1
    assert [line["event"] for line in logs].count("连接超时，准备关闭") == 1
    assert [line["event"] for line in logs][-1] == texts.LOG_RELEASED
    assert house.services.presence.online() == []
    await house.enter()  # the slot is free


@pytest.mark.req("TO-3", "RT-1")
@pytest.mark.parametrize("frame", ['{"type":"ping"}', "garbage", b"", b"\x00"])
async def test_any_frame_keeps_the_connection_and_restarts_the_limit(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, frame: str | bytes
) -> None:
    house = House(nursery)
    badge = await house.enter()
    await trio.sleep(665)
    assert len(badge.of("system")) == 1
    badge.raw(frame)
    await trio.sleep(659)
    assert len(badge.of("system")) == 1
    assert badge.wire.closed is None
    await trio.sleep(2)
    assert len(badge.of("system")) == 2
    await trio.sleep(10)
    assert badge.wire.closed is not None


@pytest.mark.req("TO-5", "B-23", "B-74")
async def test_frames_create_no_tasks_and_are_parsed_once(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    badge = await House(nursery).enter()
    badge.raw(b"x")
    await badge.quiet()
    parsed: list[str] = []
    loads = json.loads
    with Spawned() as spawned, monkeypatch.context() as patch:
        patch.setattr(json, "loads", lambda text, **options: parsed.append(text) or loads(text, **options))
        for number in range(3000):
            badge.raw(f'{{"type":"ping","n":{number}}}' if number % 2 else b"x")
            if number % 100 == 0:
                await badge.quiet()
        await badge.quiet()
    assert spawned.count == 0
    assert parsed == [f'{{"type":"ping","n":{number}}}' for number in range(1, 3000, 2)]
    assert len(badge.of("pong")) == 1500


@pytest.mark.req("TO-5", "B-124", "I-2")
async def test_frames_that_come_while_a_connection_closes_change_nothing(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """They neither begin anything nor hold up the end, however slowly the badge takes its last messages."""
    house = House(nursery)
    await trio.testing.wait_all_tasks_blocked()
    before = trio.lowlevel.current_statistics().tasks_living
    badge = await house.enter()
    badge.wire.reading = trio.Event()
    badge.tell(type="ping")
    await badge.quiet()
    badge.session.leave(Goodbye.IDLE)
    closing = trio.current_time()
    with Spawned() as spawned:
        while not badge.gone.is_set():
            badge.tell(type="listen", state="detect", text="hello")
            badge.packet(packets("voice")[0])
            await trio.sleep(0.1)
    assert spawned.count == 0
    assert trio.current_time() - closing == pytest.approx(LAST_WORDS, abs=0.2)
    assert trio.lowlevel.current_statistics().tasks_living == before
    assert badge.wire.closings == 1
    assert house.llm.prompts == []
    await trio.sleep(1000)
    assert badge.of("system") == []


@pytest.mark.req("TO-6")
async def test_a_long_answer_is_no_idleness(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    settings = changed(timeouts={"no_voice_s": 30.0})
    house = House(nursery, settings=settings, tts=ScriptedTts(lambda _: Utterance(duration=200)))
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="sing me an opera")
    await badge.until("tts", "stop", within=300)
    assert badge.of("system") == []
    ended = trio.current_time()
    await badge.until("system", within=300)
    assert trio.current_time() - ended > 0


@pytest.mark.req("TO-7")
async def test_who_listens_to_a_long_answer_is_not_sent_away(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    settings = changed(timeouts={"no_voice_s": 5.0})
    house = House(nursery, settings=settings, tts=ScriptedTts(lambda _: Utterance(duration=12)))
    badge = await house.enter()
    badge.tell(type="listen", state="start", mode="realtime")
    badge.tell(type="listen", state="detect", text="sing me an opera")
    async with trio.open_nursery() as talk:
        talk.start_soon(badge.sound, "silence", 30)
        await badge.until("tts", "stop")
        talk.cancel_scope.cancel()
    assert len(badge.of("tts", "start")) == 1
    assert len(badge.audio) == 200  # 12 s of 60 ms


@pytest.mark.req("TO-7")
async def test_audio_without_any_voice_ends_the_conversation_with_a_goodbye(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery, settings=changed(timeouts={"no_voice_s": 60.0}))
    badge = await house.enter()
    started = trio.current_time()
    async with trio.open_nursery() as talk:
        talk.start_soon(badge.sound, "silence", 120)
        await badge.until("tts", "start", within=100)
        assert trio.current_time() - started == pytest.approx(60, abs=0.2)
        await badge.gone.wait()
        talk.cancel_scope.cancel()
    assert badge.of("stt") == []
    assert badge.turn[-1] == "tts stop"
    assert "Goodbye" in badge.of("tts", "sentence_start")[-1]["text"]
    assert badge.wire.closed == (1000, "idle")


async def test_pings_alone_keep_a_badge_connected(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    badge = await House(nursery).enter()
    for _ in range(100):
        badge.tell(type="ping")
        await trio.sleep(60)
    assert badge.wire.closed is None
    assert badge.of("system") == []


# --- the end ------------------------------------------------------------------------------------------------------------


@pytest.mark.req("CL-1", "CL-4", "I-2", "CL-5")
async def test_nothing_outlives_a_connection(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    """Whatever the session was doing when the badge vanished: no task, no registry entry, no memory of what was said."""
    house = House(nursery, llm=ScriptedLlm([Reply(pieces=["Yes. "] * 5, first=0.2, pause=0.2)]))
    await trio.testing.wait_all_tasks_blocked()
    before = trio.lowlevel.current_statistics().tasks_living
    for number in range(60):
        badge = await house.enter()
        badge.tell(type="listen", state="start", mode="manual")
        await badge.sound("voice", 0.3)
        badge.tell(type="listen", state="stop")
        await trio.sleep(0.05 * number)
        badge.vanish()
        with structlog.testing.capture_logs() as logs:
            await badge.gone.wait()
        assert trio.lowlevel.current_statistics().tasks_living == before
        assert house.services.presence.online() == []
        assert [line["event"] for line in logs][-1] == "连接资源已释放"
        assert len(badge.session.conversation._answers._thinker._dialogue) == 0
    assert house.llm.abandoned > 10


@pytest.mark.req("LG-4")
@pytest.mark.parametrize("code", [1000, 1001, 1005, 1006])
async def test_an_ordinary_disconnect_is_no_error(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, code: int
) -> None:
    house = House(nursery)
    with structlog.testing.capture_logs() as logs:
        badge = await house.enter()
        badge.vanish(code)
        await badge.gone.wait()
    assert {line["log_level"] for line in logs} <= {"debug", "info"}
    assert badge.wire.closed is None  # the other side has closed: nothing to say


@pytest.mark.req("CL-2", "CL-3", "B-73")
@pytest.mark.parametrize("leaves", [True, False], ids=["and the badge leaves", "and the badge stays"])
@pytest.mark.parametrize("attempt", range(10))  # who goes first at one moment is a matter of chance
async def test_every_reason_to_end_at_the_same_moment_is_one_end(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, attempt: int, leaves: bool
) -> None:
    house = House(nursery)
    badge = await house.enter(DEVICE)
    mailbox = Mailbox(badge.session.outbox, badge.session.retire)
    with structlog.testing.capture_logs() as logs:
        await trio.sleep(668.5)
        assert len(badge.of("system")) == 1
        new = await house.enter(DEVICE)  # a takeover, whose grace ends with that of the warning
        await trio.sleep(1.5)
        ends = [
            lambda: mailbox.retire(Goodbye.SHUTDOWN),
            lambda: badge.session.leave(Goodbye.IDLE),
            lambda: mailbox.retire(Goodbye.SUPERSEDED),
            *[badge.vanish] * leaves,
        ]
        for end in random.Random(attempt).sample(ends, len(ends)):
            end()
        await badge.gone.wait()
    assert [line["event"] for line in logs].count(texts.LOG_RELEASED) == 1
    assert not [line for line in logs if line["log_level"] == "error"]
    assert badge.wire.closings in ((0, 1) if leaves else (1,))  # none where the badge was the first to close
    assert house.services.presence.online() == [DEVICE]
    assert new.wire.closed is None


@pytest.mark.req("CL-2", "CL-3", "B-125")
@pytest.mark.parametrize("after", [0.2, 1.2], ids=["thinking", "speaking"])
async def test_a_takeover_ends_the_running_answer_in_an_orderly_way(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, after: float
) -> None:
    """What the answer waits for is cancelled once, with nothing of the session taken away under it."""
    llm = ScriptedLlm([Reply(pieces=["One, and. ", "never"], first=1, pause=1e6)])
    tts = ScriptedTts(lambda _: Utterance(duration=60))
    house = House(nursery, llm=llm, tts=tts)
    old = await house.enter(DEVICE)
    before = trio.lowlevel.current_statistics().tasks_living
    old.tell(type="listen", state="detect", text="hi")
    await trio.sleep(after)
    with structlog.testing.capture_logs() as logs:
        new = await house.enter(DEVICE)
        await old.gone.wait()
    assert llm.abandoned == 1
    assert old.turn.count("tts start") == old.turn.count("tts stop") == 1
    assert old.turn[-1] == "tts stop"
    assert old.wire.closings == 1
    assert [line["event"] for line in logs].count(texts.LOG_RELEASED) == 1
    assert not [line for line in logs if line["log_level"] == "error"]
    assert trio.lowlevel.current_statistics().tasks_living <= before  # the new one instead of the old one
    new.tell(type="ping")
    await new.until("pong")


@pytest.mark.req("CL-2")
async def test_an_error_of_ours_still_cleans_up(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(nursery)
    badge = await house.enter()

    def explode(*_: object) -> None:
        raise RuntimeError("a bug in the ear")

    monkeypatch.setattr(badge.session.conversation._ear, "hear", explode)
    with structlog.testing.capture_logs() as logs:
        badge.packet(b"x")
        await badge.gone.wait()
    assert badge.wire.closed == (1011, "internal error")
    assert house.services.presence.online() == []
    assert [line["what"] for line in logs if line["event"] == "failed"] == ["session"]
    other = await house.enter("other")
    other.tell(type="ping")
    await other.until("pong")


class Untidy:
    """What a provider hands out; to clean it up fails."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def __aenter__(self) -> Any:
        return await self._inner.__aenter__()

    async def __aexit__(self, *details: Any) -> None:
        try:
            await self._inner.__aexit__(*details)
        finally:
            raise RuntimeError("a bug in the cleanup")


@pytest.mark.req("CL-2", "B-71")
@pytest.mark.parametrize("end", ["IDLE", "SHUTDOWN", "takeover", "gone"])
@pytest.mark.parametrize("kind", ["asr", "llm", "tts"])
async def test_cleanup_that_fails_frees_everything_all_the_same(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch, kind: str, end: str
) -> None:
    house = House(
        nursery,
        asr=ScriptedAsr([Hearing(text="hi", delay=2)]),
        llm=ScriptedLlm([Reply(pieces=["One, and. ", "two."], pause=1e6)]),
        tts=ScriptedTts(lambda _: Utterance(delay=4)),
        settings=changed(asr={"timeout_s": 60.0}),
    )
    await trio.testing.wait_all_tasks_blocked()
    before = trio.lowlevel.current_statistics().tasks_living
    provider, verb = {"asr": (house.asr, "recognise"), "llm": (house.llm, "stream"), "tts": (house.tts, "speak")}[kind]
    work = getattr(provider, verb)
    monkeypatch.setattr(provider, verb, lambda *given: Untidy(work(*given)))
    badge = await house.enter(DEVICE)
    await badge.speak(voice=0.3)
    await trio.sleep(1 if kind == "asr" else 4)
    with structlog.testing.capture_logs() as logs, trio.fail_after(5):
        if end == "gone":
            badge.vanish()
        elif end == "takeover":
            new = await house.enter(DEVICE)
            await badge.gone.wait()
            new.vanish()
            await new.gone.wait()
        else:
            badge.session.leave(Goodbye[end])
        await badge.gone.wait()
    assert [line["error"] for line in logs if line["event"] == "failed"] == ["RuntimeError"]
    assert badge.wire.closings == int(end != "gone")
    assert house.services.presence.online() == []
    assert trio.lowlevel.current_statistics().tasks_living == before


@pytest.mark.req("CL-4", "I-2")
@pytest.mark.parametrize("kind", ["asr", "llm", "tts", "recall", "loading"])
async def test_a_provider_that_hangs_holds_nothing_after_the_end(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, kind: str
) -> None:
    for_ever = 1e6
    house = House(
        nursery,
        asr=ScriptedAsr([Hearing(text="hi", delay=for_ever * (kind == "asr"))]),
        llm=ScriptedLlm(
            [Reply(pieces=["One."], first=for_ever * (kind == "llm"))], load=for_ever * (kind == "loading")
        ),
        tts=ScriptedTts(lambda _: Utterance(duration=30, delay=for_ever * (kind == "tts"))),
        recall=ScriptedRecall("", delay=for_ever * (kind == "recall")),
    )
    await trio.testing.wait_all_tasks_blocked()
    before = trio.lowlevel.current_statistics().tasks_living
    badge = await house.enter()
    await badge.speak(voice=0.3)
    await trio.sleep(1)
    badge.vanish()
    vanished = trio.current_time()
    await badge.gone.wait()
    assert trio.current_time() == vanished
    assert trio.lowlevel.current_statistics().tasks_living == before
    assert house.services.presence.online() == []


@pytest.mark.req("AV-12", "B-72")
async def test_the_end_of_one_session_leaves_the_answer_of_another_alone(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """Both answers stream from the same model when the first badge goes."""
    llm = ScriptedLlm([Reply(pieces=[f"Number {n}. " for n in range(9)], first=0.5, pause=0.5)])
    house = House(nursery, llm=llm)
    a, b = await house.enter("a"), await house.enter("b")
    for badge in (a, b):
        badge.tell(type="listen", state="detect", text="count")
    await trio.sleep(2)
    assert llm.abandoned == 0
    a.vanish()
    await a.gone.wait()
    assert llm.abandoned == 1
    await b.until("tts", "stop")
    assert [m["text"] for m in b.of("tts", "sentence_start")] == [f"Number {n}." for n in range(9)]
    assert len(b.audio) == 90
    assert llm.abandoned == 1


@pytest.mark.req("RS-2", "CL-3")
async def test_shutdown_lets_the_running_answer_finish(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery)
    quiet, speaking = await house.enter("quiet"), await house.enter("speaking")
    speaking.tell(type="listen", state="detect", text="hi")
    await speaking.until("tts", "sentence_start")
    for mailbox in house.services.presence.everyone():
        mailbox.retire(Goodbye.SHUTDOWN)
    await quiet.gone.wait()
    assert quiet.wire.closed == (1001, "server going away")
    await speaking.gone.wait()
    assert speaking.turn[-1] == "tts stop"
    assert len(speaking.audio) == 10
    assert speaking.wire.closed == (1001, "server going away")


# --- wake and exit --------------------------------------------------------------------------------------------------------


async def wake(badge: Guest) -> None:
    """What firmware does: the wake word, then at once the open microphone."""
    badge.tell(type="listen", state="detect", text="你好小智")
    badge.tell(type="listen", state="start", mode="auto")
    await badge.sound("silence", 0.3)


@pytest.mark.req("WW-3", "WW-5")
async def test_a_wake_word_is_greeted_without_stt(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery, llm=ScriptedLlm([Reply(pieces=["我在。"], first=0.5)]))
    badge = await house.enter()
    await badge.sound("voice", 0.6)  # buffered wake-word audio comes first
    await wake(badge)
    await badge.until("tts", "stop")
    assert badge.turn == ["tts start", "llm", "tts sentence_start", "audio", "tts stop"]
    assert house.llm.prompts[0].messages[-1].content == "嘿，你好呀"
    badge.tell(type="listen", state="start", mode="auto")
    await badge.sound("voice", 0.6)
    await badge.sound("silence", 0.9)
    await badge.until("tts", "stop", count=2)
    assert badge.of("stt")[0]["text"] == "what time is it"


async def test_talking_over_the_greeting_interrupts_it(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery, llm=ScriptedLlm([Reply(pieces=["我在。"], first=5), "Yes."]))
    badge = await house.enter()
    await wake(badge)
    await badge.sound("voice", 0.9)
    await badge.sound("silence", 0.9)
    await badge.until("tts", "stop", count=2)
    assert [m["text"] for m in badge.of("tts", "sentence_start")] == ["Yes."]


@pytest.mark.req("WW-4")
@pytest.mark.parametrize("speaking", [False, True])
async def test_a_wake_word_without_greeting(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, speaking: bool
) -> None:
    house = House(nursery, settings=changed(phrases={"enable_greeting": False}))
    badge = await house.enter()
    if speaking:
        badge.tell(type="listen", state="detect", text="hello")
        await badge.until("tts", "sentence_start")
    before = len(badge.turn)
    badge.tell(type="listen", state="detect", text="你好，小智！")
    await badge.quiet()
    assert [word for word in badge.turn[before:] if word != "audio"] == ["stt", "tts stop"]
    assert badge.of("stt")[-1]["text"] == "你好，小智"
    assert len(house.llm.prompts) == int(speaking)
    assert badge.session.conversation.state == "idle"


@pytest.mark.req("WW-7", "WW-8", "B-80")
@pytest.mark.parametrize("duration", [0.001, 0.06, 3.0])
async def test_an_exit_command_closes_after_the_goodbye(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, duration: float
) -> None:
    house = House(nursery, tts=ScriptedTts(lambda _: Utterance(duration=duration)))
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="退出。")
    await badge.gone.wait()
    assert badge.turn[:2] == ["stt", "tts start"]
    assert badge.turn[-2:] == ["audio", "tts stop"]
    assert badge.wire.closed == (1000, "conversation finished")
    assert badge.of("tts", "sentence_start")[-1]["text"].endswith("再见。")
    assert house.llm.prompts == []


@pytest.mark.req("WW-8")
async def test_an_exit_closes_even_when_it_cannot_be_spoken(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery, tts=ScriptedTts(broken=ProviderError("tts", "no voice")))
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="goodbye")
    await badge.gone.wait()
    assert badge.wire.closed == (1000, "conversation finished")


async def test_an_announcement_is_read_as_it_is(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    house = House(nursery)
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="[device_call] 妈妈来电，请接听。")
    await badge.until("tts", "stop")
    assert "".join(house.tts.spoken) == "妈妈来电，请接听。"
    assert badge.of("stt") == []
    assert house.llm.prompts == []


# --- components ---------------------------------------------------------------------------------------------------------


@pytest.mark.req("AV-5", "AV-11", "B-119")
async def test_a_component_that_fails_is_told_and_skips_no_other(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    with structlog.testing.capture_logs() as logs:
        house = House(nursery, asr=ScriptedAsr(broken=ProviderError("vosk", "the model folder is missing.")))
        await trio.sleep(1)
    failed = [line for line in logs if line["event"] == texts.LOG_COMPONENT_FAILED]
    assert [line["kind"] for line in failed] == ["asr"]
    assert failed[0]["event"].format(**failed[0]) == "实例化组件失败: vosk: the model folder is missing."
    badge = await house.enter()
    error = await badge.until("error")
    assert (error["code"], error["ref"]) == ("component-failed", {"component": "asr"})
    badge.tell(type="listen", state="detect", text="hi")
    await badge.until("tts", "stop")
    assert len(badge.audio) == 10


@pytest.mark.req("AV-5", "AV-6")
async def test_the_next_candidate_steps_in_for_one_that_does_not_start(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    first, second = ScriptedTts(broken=ProviderError("piper", "no voice"), load=1), ScriptedTts(load=1)
    component = Component[Tts]("tts", (first, second))
    nursery.start_soon(component.run)
    started = trio.current_time()
    assert await component.ready() is second
    assert trio.current_time() - started == pytest.approx(2)
    assert component.failure is None
    assert component.provider is second

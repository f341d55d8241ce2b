"""The life of a connection: welcome, hello, takeover, idle, and every way to end."""

from __future__ import annotations

import uuid

import attrs
import pytest
import structlog
import trio
import trio.testing

from badge import texts
from badge.components import Component
from badge.config import Settings
from badge.link import Goodbye, Mailbox
from badge.stats import broadcast_stats
from protocol import identify
from providers.ports import ProviderError, Tts
from providers.scripted import Hearing, Reply, ScriptedAsr, ScriptedLlm, ScriptedTts, Utterance
from tests.house import Guest, House, changed

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
    assert badge.story[-1] == "workflow greeted"
    assert badge.session.traits.features.mcp is ("mcp" in str(hello))


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
    house = House(nursery)
    old = await house.enter(DEVICE)
    old.wire.reading = trio.Event()
    old.tell(type="ping")
    await old.quiet()
    started = trio.current_time()
    await house.enter(DEVICE)
    await house.enter("other")
    assert trio.current_time() == started
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


@pytest.mark.req("RG-7", "B-15")
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
    old = await house.enter(DEVICE)
    new = await house.enter(DEVICE)
    version = house.services.presence.version
    await old.gone.wait()
    assert house.services.presence.version == version
    assert house.services.presence.find(DEVICE) is not None
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
    assert house.services.presence.online() == ["first"]


# --- news ---------------------------------------------------------------------------------------------------------------


@pytest.mark.req("RG-10", "ST-1", "ST-2", "ST-3", "ST-4", "B-8", "B-12")
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
    assert news[0]["ts"] == round(house.clock.now().timestamp() * 1000)
    assert news[0]["memTotalMB"] > 0
    await trio.sleep(10)
    assert len(a.of("server")) > before + 2
    before = len(a.of("server"))
    for n in range(100):
        await house.enter(f"burst-{n}")
    await trio.sleep(0.5)
    assert len(a.of("server")) - before <= 3


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
    assert "连接超时，准备关闭" in [line["event"] for line in logs]
    assert house.services.presence.online() == []


@pytest.mark.req("TO-3", "RT-1", "TO-5", "B-23", "B-74")
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


@pytest.mark.req("TO-5", "B-74", "B-124")
async def test_frames_create_no_tasks(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    badge = await House(nursery).enter()
    badge.raw(b"x")
    await badge.quiet()
    before = trio.lowlevel.current_statistics().tasks_living
    for _ in range(3000):
        badge.raw('{"type":"ping"}' if _ % 20 else b"x")
        if _ % 100 == 0:
            await badge.quiet()
    await badge.quiet()
    assert trio.lowlevel.current_statistics().tasks_living == before


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
        assert len(badge.session.conversation._mouth._dialogue) == 0
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


@pytest.mark.req("CL-2", "CL-3", "B-71", "B-73", "B-125")
async def test_every_reason_to_end_at_the_same_moment_is_one_end(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery, llm=ScriptedLlm([Reply(pieces=["Yes."], first=1e6)]))
    badge = await house.enter(DEVICE)
    badge.tell(type="listen", state="detect", text="hi")
    await trio.sleep(668.4)
    new = await house.enter(DEVICE)  # takeover …
    mailbox = Mailbox(badge.session.outbox, badge.session.retire)
    await trio.sleep(1.5)  # … whose grace ends with the idle limit
    mailbox.retire(Goodbye.SHUTDOWN)
    badge.session.leave(Goodbye.IDLE)
    badge.vanish()
    with structlog.testing.capture_logs() as logs:
        await badge.gone.wait()
    assert [line["event"] for line in logs].count("连接资源已释放") <= 1
    assert not [line for line in logs if line["log_level"] == "error"]
    assert house.services.presence.online() == [DEVICE]
    assert new.wire.closed is None


@pytest.mark.req("CL-2", "B-71")
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
@pytest.mark.parametrize("duration", [0.06, 3.0])
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

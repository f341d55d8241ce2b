"""Badges that belong to somebody: what waits, who is turned away, and on which terms the others are served."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from badge import texts
from badge.clock import milliseconds
from badge.components import Component
from badge.config.settings import Settings
from badge.desk import Terms
from badge.llms import Purpose
from badge.private import PrivateProviders
from badge.session.binding import ASK_EVERY, CODE_EVERY, HELD, HELD_BYTES
from badge.stats import broadcast_stats
from providers.ports import ProviderError, ToolCallDelta
from providers.scripted import Reply, ScriptedAsr, ScriptedLlm, ScriptedRecall, ScriptedTts, ScriptedVad
from tests.house import Guest, House, Workshop, changed
from tests.mcp.firmware import Firmware, tool

DEVICE = "aa:bb:cc:00:00:01"
CODED = changed(devices={"binding": "code"})


def zh(settings: Settings = CODED) -> Settings:
    return attrs.evolve(settings, asr=attrs.evolve(settings.asr, language="zh"))


class Counter:
    """A `DeviceDesk` and a `ReportDesk` of a test, whose answers are given."""

    def __init__(self, *terms: Terms, within: float = 0.0) -> None:
        self.terms_given = list(terms) or [Terms()]
        self.within = within
        self.asked: list[tuple[str, str]] = []
        self.spoken: list[int] = []
        self.limit = 0
        self.reports: list[tuple[str, str, str, int]] = []

    async def terms(self, device: str, client: str) -> Terms:
        self.asked.append((device, client))
        await trio.sleep(self.within)
        return self.terms_given.pop(0) if len(self.terms_given) > 1 else self.terms_given[0]

    async def spoke(self, device: str, characters: int) -> bool:
        await trio.lowlevel.checkpoint()
        self.spoken.append(characters)
        return not self.limit or sum(self.spoken) < self.limit

    def report(self, device: str, session: str, kind: str, text: str, audio: str, at: int) -> None:
        self.reports.append((kind, text, audio, at))


def bound_house(nursery: trio.Nursery, counter: Counter, **rest: Any) -> House:
    """A house in which a test decides on the terms."""
    settings = rest.pop("settings", None) or changed(devices={"binding": "console"})
    house = House(nursery, settings=settings, **rest)
    desk = attrs.evolve(house.services.desk, devices=counter, reports=counter)
    house.services = attrs.evolve(house.services, desk=desk)
    return house


def said(guest: Guest) -> str:
    return "".join(m["text"] for m in guest.of("tts", "sentence_start"))


def renew(house: House, device: str = DEVICE) -> None:
    mailbox = house.services.presence.find(device)
    assert mailbox is not None
    mailbox.renew()


# --- with codes --------------------------------------------------------------------------------------------------------------


@pytest.mark.req("PC-5", "PC-9")
@pytest.mark.parametrize(("settings", "text"), [(CODED, texts.BIND_ME["en"]), (zh(), texts.BIND_ME["zh"])])
async def test_an_unbound_badge_hears_its_code_unasked_digit_by_digit(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, settings: Settings, text: str
) -> None:
    house = House(nursery, settings=settings, team=True)
    badge = await house.enter()
    await badge.until("tts", "stop")
    (record,) = await house.store.devices.known()
    assert len(record.code) == 6
    assert said(badge).replace(" ", "") == text.format(code=record.code).replace(" ", "")
    assert isinstance(house.tts, ScriptedTts)
    spoken = "".join(house.tts.spoken)
    assert record.code not in spoken
    digits = texts.DIGITS[settings.asr.language][1]
    assert [c for c in spoken if c in digits] == [digits[int(digit)] for digit in record.code]


@pytest.mark.req("PC-9", "PC-10")
async def test_whatever_an_unbound_badge_says_is_answered_by_its_code_once_a_minute(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    house = House(nursery, settings=CODED, team=True)
    badge = await house.enter()
    await badge.until("tts", "stop")
    asked = trio.current_time()
    for _ in range(8):
        badge.tell(type="listen", state="detect", text="what time is it")
        await badge.speak()
        await trio.sleep(5)
    sentences = badge.times("tts", "sentence_start")
    assert len({round(at / CODE_EVERY) for at in sentences}) == len(badge.of("tts", "start")) == 1
    await trio.sleep_until(asked + CODE_EVERY)
    badge.tell(type="listen", state="start", mode="manual")
    await badge.until("tts", "start", count=2, within=1)
    assert isinstance(house.llm, ScriptedLlm)
    assert isinstance(house.asr, ScriptedAsr)
    assert (house.llm.prompts, house.asr.heard) == ([], [])
    assert badge.of("stt") == []


@pytest.mark.req("PC-9")
async def test_an_unbound_badge_can_do_nothing_and_gets_nothing_of_others(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    house = House(nursery, settings=CODED, team=True)
    badge = await house.enter()
    badge.tell(type="hello", version=1)
    badge.tell(type="mode", state="start", mode="meeting")
    badge.tell(type="workflow", event="create", tasks=[{"id": "1", "title": "shed"}])
    badge.tell(type="ping")
    await badge.until("pong", within=0.1)
    await badge.until("error", count=2, within=0.1)
    assert {m["code"] for m in badge.of("error")} == {"unavailable"}
    assert all(m["message"] == texts.NOT_BOUND for m in badge.of("error"))
    await trio.sleep(5)
    assert badge.of("workflow") == badge.of("mode") == []
    assert len(badge.of("hello")) == 2


async def test_without_room_for_a_code_it_says_that_it_is_not_known(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    house = House(nursery, settings=changed(devices={"binding": "code", "codes_per_minute": 1}), team=True)
    await (await house.enter("aa:bb:cc:00:00:02")).until("tts", "stop")
    badge = await house.enter()
    await badge.until("tts", "stop")
    assert said(badge).replace(" ", "") == texts.NOT_KNOWN["en"].replace(" ", "")


async def test_a_badge_that_is_bound_while_it_is_connected_says_so_and_answers(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    house = House(nursery, settings=CODED, team=True)
    badge = await house.enter()
    badge.tell(type="hello", version=1)
    await badge.until("tts", "stop")
    (record,) = await house.store.devices.known()
    await house.office.binding.registry.bind(record.code)
    await badge.until("tts", "stop", count=2)
    assert said(badge).replace(" ", "").endswith(texts.NOW_BOUND["en"].replace(" ", ""))
    await badge.until("workflow")
    badge.tell(type="listen", state="detect", text="what time is it")
    await badge.until("tts", "stop", count=3)
    assert said(badge).endswith("It is half past nine.")
    assert badge.wire.closings == 0


async def test_a_badge_that_is_unbound_while_it_is_connected_goes(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    house = House(nursery, settings=CODED, team=True)
    await house.office.binding.registry.bind(DEVICE)
    badge = await house.enter()
    await trio.sleep(1)
    assert badge.of("tts") == []
    await house.office.binding.registry.unbind(DEVICE)
    with trio.fail_after(1):
        await badge.gone.wait()
    assert badge.wire.closed == (1000, "conversation finished")
    again = await house.enter()
    await again.until("tts", "stop")
    assert "bind this device" in said(again)


@pytest.mark.req("PC-9")
@pytest.mark.parametrize("binding", ["code", "console"])
async def test_a_badge_that_was_bound_where_nobody_tells_us_is_served_when_it_is_spoken_to(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, binding: str
) -> None:
    """A console does not call."""
    counter = Counter(Terms(bound=False, code="123456"))
    house = bound_house(nursery, counter, settings=changed(devices={"binding": binding}))
    badge = await house.enter()
    await badge.until("tts", "stop")
    counter.terms_given = [Terms()]
    await trio.sleep(ASK_EVERY)
    badge.tell(type="listen", state="detect", text="what time is it")
    await badge.until("tts", "sentence_start", count=3, within=3)
    assert said(badge).replace(" ", "").endswith(texts.NOW_BOUND["en"].replace(" ", ""))
    await badge.until("tts", "stop", count=3)  # the wake word, too, has one
    badge.tell(type="listen", state="detect", text="what time is it")
    await badge.until("tts", "stop", count=4)
    assert said(badge).endswith("It is half past nine.")


@pytest.mark.req("PC-9")
async def test_a_badge_that_stays_says_the_code_that_is_good_now_and_does_not_ask_for_each_packet(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    counter = Counter(Terms(bound=False, code="123456"), within=0.5)
    house = bound_house(nursery, counter)
    badge = await house.enter()
    await badge.until("tts", "stop")
    counter.terms_given = [Terms(bound=False, code="654321")]
    begun = trio.current_time()
    await badge.sound("voice", CODE_EVERY + ASK_EVERY)
    assert len(counter.asked) <= 2 + (trio.current_time() - begun) / ASK_EVERY
    told = [m["text"] for m in badge.of("tts", "sentence_start") if any(c.isdigit() for c in m["text"])]
    assert ["123456" in one for one in told] == [True, False]
    assert "654321" in told[1]


@pytest.mark.req("PC-9")
async def test_a_badge_that_nobody_speaks_to_is_silent_when_the_operator_renames_it(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    badge = await (house := bound_house(nursery, Counter(Terms(bound=False, code="123456")))).enter()
    await badge.until("tts", "stop")
    await trio.sleep(CODE_EVERY)
    renew(house)
    await trio.sleep(1)
    assert len(badge.of("tts", "start")) == 1


@pytest.mark.req("PC-9")
async def test_what_a_badge_can_do_is_known_when_it_is_bound_later(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    house = House(nursery, settings=CODED, team=True)
    badge = await house.enter()
    nursery.start_soon(Firmware(badge, [tool("self.dance")]).run)
    badge.tell(type="hello", version=1, features={"mcp": True})
    lamp = {"name": "Lamp", "description": "a lamp", "properties": {}, "methods": {"on": {"description": "on"}}}
    badge.tell(type="iot", descriptors=[lamp])
    await badge.until("tts", "stop")
    assert badge.of("error") == []
    await house.office.binding.registry.bind(DEVICE)
    await badge.until("tts", "stop", count=2)
    names = set((await badge.session.toolbox.kit()).tools)
    assert any("dance" in name for name in names)
    assert any("lamp" in name.lower() for name in names)


@pytest.mark.req("PC-9")
async def test_who_else_is_here_is_told_to_nobody_who_is_not_bound(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    house = House(nursery, settings=CODED, team=True)
    nursery.start_soon(broadcast_stats, house.settings.stats, house.services.presence, house.clock)
    await house.office.binding.registry.bind(DEVICE)
    mine, stranger = await house.enter(), await house.enter("aa:bb:cc:00:00:02")
    await trio.sleep(2 * house.settings.stats.every_s)
    assert mine.of("server")
    assert stranger.of("server") == []


@pytest.mark.req("AU-8")
async def test_a_bound_device_with_another_client_id_has_to_be_bound_again(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    house = House(nursery, settings=CODED, team=True)
    await house.office.binding.registry.bind(DEVICE)
    mine = await house.enter(**{"client-id": "mine"})
    await trio.sleep(1)
    mine.vanish()
    await mine.gone.wait()
    other = await house.enter(**{"client-id": "other"})
    await other.until("tts", "stop")
    assert "bind this device" in said(other)
    other.vanish()
    await other.gone.wait()
    back = await house.enter(**{"client-id": "mine"})
    back.tell(type="listen", state="detect", text="what time is it")
    await back.until("tts", "stop")
    assert said(back) == "It is half past nine."


async def test_when_the_registry_cannot_be_read_badges_are_served(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    house = House(nursery, settings=CODED, team=True)
    house.break_store("devices")
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="what time is it")
    await badge.until("tts", "stop")
    assert said(badge) == "It is half past nine."
    assert [m["event"] for m in badge.of("system")] == ["default_config"]


# --- the wait ------------------------------------------------------------------------------------------------------------------


@pytest.mark.req("PC-1", "HS-18")
async def test_terms_are_asked_for_after_the_welcome_and_only_where_badges_belong_to_somebody(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    for binding, asked in (("open", []), ("console", [(DEVICE, "c")])):
        counter = Counter(within=3)
        house = bound_house(nursery, counter, settings=changed(devices={"binding": binding}))
        badge = await house.enter(**{"client-id": "c"})
        assert badge.of("hello")
        await badge.quiet()
        assert counter.asked == asked


@pytest.mark.req("PC-7", "B-79")
async def test_words_and_sound_wait_for_the_terms_and_pings_do_not(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    counter = Counter(within=3)
    house = bound_house(nursery, counter, asr=ScriptedAsr(["what time is it", "and now"]))
    badge = await house.enter()
    begun = trio.current_time()
    await badge.speak()
    badge.tell(type="ping")
    await badge.until("pong", within=0.1)
    assert badge.of("stt") == []
    stt = await badge.until("stt", within=10)
    assert stt["text"] == "what time is it"
    assert badge.times("stt")[0] >= begun + 2.5
    await badge.until("tts", "stop")
    assert said(badge) == "It is half past nine."


async def test_what_cannot_wait_any_more_is_dropped_and_the_rest_keeps_its_order(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    house = bound_house(
        nursery, Counter(within=4), settings=changed(devices={"binding": "console"}, chat={"history": 9})
    )
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="first")
    for _ in range(HELD + 50):
        badge.packet(b"\xf8\xff\xfe")
    badge.tell(type="listen", state="detect", text="too late")
    await badge.until("stt", within=10)
    await trio.sleep(3)
    assert [m["text"] for m in badge.of("stt")] == ["first"]


@pytest.mark.req("PC-7", "SC-10")
async def test_large_messages_that_wait_are_few(autojump_clock: trio.testing.MockClock, nursery: trio.Nursery) -> None:
    house = bound_house(nursery, Counter(within=4))
    badge = await house.enter()
    for number in range(20):
        badge.tell(type="listen", state="detect", text=f"{number} " + "x" * (HELD_BYTES // 5))
    await badge.quiet()
    waiting = badge.session._services.tenancy._waiting  # type: ignore[attr-defined]
    assert len(waiting._held) == 4
    badge.tell(type="listen", state="detect", text="short")
    await trio.sleep(10)
    assert badge.of("stt")[-1]["text"] == "short"


@pytest.mark.req("PC-2", "PC-6")
async def test_terms_that_are_known_hold_when_they_cannot_be_asked_for_again(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    counter = Counter(Terms(prompt="You are Ann's."), Terms(unknown=True))
    house = bound_house(nursery, counter)
    badge = await house.enter()
    await badge.quiet()
    renew(house)
    await badge.quiet()
    badge.tell(type="listen", state="detect", text="who are you")
    await badge.until("tts", "stop")
    assert len(counter.asked) == 2
    assert isinstance(house.llm, ScriptedLlm)
    assert house.llm.prompts[0].messages[0].content.startswith("You are Ann's.")
    assert badge.of("system") == []


@pytest.mark.req("RG-7", "PC-1")
async def test_a_mode_moves_on_over_a_connection_whose_terms_were_never_known(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    counter = Counter()
    house = bound_house(nursery, counter, team=True)
    first = await house.enter()
    first.tell(type="mode", state="start", mode="meeting")
    await first.until("mode")
    counter.within = 4
    await house.enter()
    await trio.sleep(1)
    counter.within = 0
    third = await house.enter()
    await third.quiet()
    assert third.session.modes.state == "meeting"


@pytest.mark.req("PC-6", "PC-7")
@pytest.mark.parametrize("trouble", ["never", "bug", "unknown"])
async def test_when_nobody_knows_the_terms_those_of_the_server_hold_and_the_badge_is_told_once(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, trouble: str
) -> None:
    class Bad(Counter):
        async def terms(self, device: str, client: str) -> Terms:
            await trio.lowlevel.checkpoint()
            if trouble == "never":
                await trio.sleep_forever()
            if trouble == "bug":
                raise RuntimeError("nobody thought of this")
            return Terms(unknown=True)

    house = bound_house(nursery, Bad())
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="what time is it")
    await badge.until("tts", "stop", within=9)
    assert said(badge) == "It is half past nine."
    assert [m["message"] for m in badge.of("system")] == [texts.TERMS_UNKNOWN]


@pytest.mark.req("I-2")
@pytest.mark.parametrize("after", [0.0, 1.0, 3.0, 4.0])
async def test_nothing_of_it_outlives_the_session(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, after: float
) -> None:
    counter = Counter(Terms(bound=False, code="123456"), within=3)
    house = bound_house(nursery, counter)
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="what time is it")
    await trio.sleep(after)
    tasks = len(nursery.child_tasks)
    badge.vanish()
    await badge.gone.wait()
    await badge.quiet()
    assert len(nursery.child_tasks) == tasks - 1
    assert not house.services.presence.is_online(DEVICE)


# --- private settings ----------------------------------------------------------------------------------------------------------


def keep_private(house: House, nursery: trio.Nursery, **makers: Callable[[Any], Any]) -> PrivateProviders:
    private = PrivateProviders({(kind, "mine"): make for kind, make in makers.items()})
    house.services = attrs.evolve(house.services, private=private)
    return private


def own_model(house: House, nursery: trio.Nursery, llm: ScriptedLlm) -> None:
    """From now on this model answers for the device, whatever it is asked for."""
    mine: Component[Any] = Component("llm.mine", (llm,))
    nursery.start_soon(mine.run)
    house.services.llms._models["mine"] = mine
    house.services.llms.assign(DEVICE, dict.fromkeys(map(str, Purpose), "mine"))


async def nothing() -> str:
    return ""


@pytest.mark.req("PC-2", "PC-3", "AV-5")
async def test_prompt_memory_model_voice_and_tools_are_private(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    counter, mine, voice = Counter(), ScriptedLlm(["I am yours."]), ScriptedTts()
    house = bound_house(nursery, counter, tools=Workshop(weather=nothing, news=nothing))
    private = keep_private(house, nursery, tts=lambda _: voice)
    await nursery.start(private.run)
    own_model(house, nursery, mine)
    tts = private.admit("tts", {"type": "mine"})
    counter.terms_given = [
        Terms(
            prompt="You are Ann's.",
            memory="She likes tea.",
            tts=tts,
            functions=("news",),
        )
    ]
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="who are you")
    await badge.until("tts", "stop")
    assert said(badge) == "I am yours."
    system = mine.prompts[0].messages[0].content
    assert "You are Ann's." in system
    assert '- "She likes tea."' in system
    assert house.settings.chat.prompt not in system
    assert [tool.name for tool in mine.prompts[0].tools] == ["news"]
    assert voice.spoken == ["I am yours."]
    assert isinstance(house.tts, ScriptedTts)
    assert house.tts.spoken == []


@pytest.mark.req("ME-1", "PC-2")
async def test_of_a_device_whose_console_wants_it_nothing_is_remembered(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    other = "aa:bb:cc:00:00:02"
    counter, llm = Counter(Terms(forgets=True)), ScriptedLlm(["Yes."])
    house = bound_house(nursery, counter, llm=llm, team=True, recall=ScriptedRecall("notes of old"))
    for device, terms in ((DEVICE, Terms(forgets=True)), (other, Terms())):
        counter.terms_given = [terms]
        for _ in range(2):
            badge = await house.enter(device)
            await badge.speak()
            await badge.until("tts", "stop")
            badge.vanish()
            await badge.gone.wait()
        await trio.sleep(1)
    asked = [prompt.messages for prompt in llm.prompts if prompt.schema is None]
    assert [len(messages) for messages in asked] == [2, 2, 2, 4], "only the other one goes on with its conversation"
    assert ["notes of old" in messages[0].content for messages in asked] == [False, False, True, True]
    assert [one.device for one in await house.store.recall.devices()] == [other]
    assert house.purposes.count("memory") == 2


@pytest.mark.req("B-87")
async def test_a_private_model_answers_for_every_purpose(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    counter, mine = Counter(), ScriptedLlm()
    house = bound_house(nursery, counter)
    own_model(house, nursery, mine)
    badge = await house.enter()
    await badge.quiet()
    for purpose in Purpose:
        component = badge.session._services.llms.of(purpose, device=DEVICE)
        assert await component.ready() is mine, purpose


@pytest.mark.req("PC-2", "AV-4")
async def test_a_private_ear_is_used_and_a_broken_voice_gives_way_to_the_servers(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    counter, ear, detector = Counter(), ScriptedAsr(["in my own words"]), ScriptedVad()
    house = bound_house(nursery, counter, vad=ScriptedVad(broken=ProviderError("vad", "is deaf.")))
    private = keep_private(
        house,
        nursery,
        vad=lambda _: detector,
        asr=lambda _: ear,
        tts=lambda _: ScriptedTts(broken=ProviderError("tts", "has no voice.")),
    )
    await nursery.start(private.run)
    vad, asr, tts = (private.admit(kind, {"type": "mine"}) for kind in ("vad", "asr", "tts"))
    counter.terms_given = [Terms(vad=vad, asr=asr, tts=tts)]
    badge = await house.enter()
    badge.tell(type="listen", state="start", mode="auto")
    await badge.sound("voice", 1.2)
    await badge.sound("silence", 1.2)
    await badge.until("tts", "stop")
    assert badge.of("stt")[-1]["text"] == "in my own words"
    assert isinstance(house.tts, ScriptedTts)
    assert house.tts.spoken == ["It is half past nine."]
    assert said(badge) == "It is half past nine."


@pytest.mark.req("PC-3", "MC-4")
async def test_plugins_are_those_of_the_terms_and_the_badge_keeps_its_own_tools(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    tools = Workshop(weather=nothing, news=nothing)
    house = bound_house(nursery, Counter(Terms(functions=("news",))), tools=tools)
    badge = await house.enter()
    nursery.start_soon(Firmware(badge, [tool("self.dance")]).run)
    badge.tell(type="hello", version=1, features={"mcp": True})
    await trio.sleep(1)
    badge.tell(type="listen", state="detect", text="dance")
    await badge.until("tts", "stop")
    assert isinstance(house.llm, ScriptedLlm)
    assert {one.name for one in house.llm.prompts[0].tools} == {"news", "self_dance"}


@pytest.mark.req("PC-2")
@pytest.mark.parametrize("forgets", [False, True])
async def test_a_badge_whose_terms_want_that_is_not_remembered(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, forgets: bool
) -> None:
    recall = ScriptedRecall("Likes tea.")
    counter = Counter(Terms(forgets=forgets))
    house = bound_house(nursery, counter, llm=ScriptedLlm(["One.", "Two.", "Three."]), recall=recall, team=True)
    for words in ("first", "second"):
        badge = await house.enter()
        badge.tell(type="listen", state="detect", text=words)
        await badge.until("tts", "stop")
        badge.vanish()
        await badge.gone.wait()
        await badge.quiet()
    assert house.office.memory is not None
    with trio.fail_after(5):
        await house.office.memory.settle()
    kept = await house.store.recall.devices()
    assert isinstance(house.llm, ScriptedLlm)
    asked = next(prompt for prompt in house.llm.prompts if prompt.messages[-1].content == "second")
    shown = "".join(message.content for message in asked.messages)
    assert (kept == (), "Likes tea" not in shown, "first" not in shown) == (forgets, forgets, forgets)


@pytest.mark.req("PC-10", "RP-1")
async def test_an_unbound_badge_starts_no_private_provider_and_nothing_is_reported(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    made: list[Any] = []
    counter = Counter(Terms(bound=False, code="123456", reported="audio", longest_output=5))
    house = bound_house(nursery, counter)
    private = keep_private(house, nursery, tts=lambda settings: made.append(settings))
    await nursery.start(private.run)
    badge = await house.enter()
    await badge.until("tts", "stop")
    badge.tell(type="listen", state="detect", text="hello")
    await trio.sleep(1)
    assert made == counter.reports == []


# --- how much may be spoken --------------------------------------------------------------------------------------------------------


@pytest.mark.req("CH-31")
async def test_beyond_the_daily_limit_a_goodbye_is_spoken_and_the_session_closes(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    counter = Counter(Terms(longest_output=30))
    counter.limit = 30
    house = bound_house(
        nursery, counter, llm=ScriptedLlm(["One and twenty letters.", "And twenty more of them.", "No."])
    )
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="go on")
    await badge.until("tts", "stop")
    badge.tell(type="listen", state="detect", text="go on")
    await badge.gone.wait()
    assert said(badge).endswith(("of them." + texts.SAID_ENOUGH["en"].replace(". ", "."), texts.SAID_ENOUGH["en"]))
    assert "And twenty more of them." in said(badge)
    assert badge.wire.closed == (1000, "conversation finished")

    again = await house.enter()
    again.tell(type="listen", state="detect", text="go on")
    await again.gone.wait()
    assert said(again).replace(" ", "") == texts.SAID_ENOUGH["en"].replace(" ", "")


@pytest.mark.req("CH-31")
async def test_who_has_said_enough_today_gets_no_answer_by_speaking_before_that_is_known(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    counter = Counter(Terms(longest_output=30), within=1)
    counter.limit, counter.spoken = 30, [30]
    badge = await bound_house(nursery, counter).enter()
    badge.tell(type="listen", state="detect", text="go on")
    await badge.gone.wait()
    assert said(badge).replace(" ", "") == texts.SAID_ENOUGH["en"].replace(" ", "")


@pytest.mark.req("CH-31")
async def test_without_a_limit_nothing_is_counted(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    counter = Counter()
    badge = await bound_house(nursery, counter).enter()
    badge.tell(type="listen", state="detect", text="go on")
    await badge.until("tts", "stop")
    assert counter.spoken == []


# --- what is reported ----------------------------------------------------------------------------------------------------------------


@pytest.mark.req("RP-2", "RP-3")
async def test_what_is_said_is_reported_with_its_time(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    counter = Counter(Terms(reported="text"))
    house = bound_house(nursery, counter, llm=ScriptedLlm(["It is nine. Really.", "Yes."]))
    badge = await house.enter()
    began = milliseconds(house.clock)
    badge.tell(type="listen", state="detect", text="what time is it")
    await badge.until("tts", "stop")
    await badge.speak()
    await badge.until("tts", "stop", count=2)
    assert [(kind, text, audio) for kind, text, audio, _ in counter.reports] == [
        ("user", "what time is it", ""),
        ("agent", "It is nine.", ""),
        ("agent", "Really.", ""),
        ("user", "what time is it", ""),
        ("agent", "Yes.", ""),
    ]
    times = [at for *_, at in counter.reports]
    assert times == sorted(times)
    assert times[0] >= began


@pytest.mark.req("RP-2")
async def test_tools_that_are_called_are_reported_between_question_and_answer(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    async def sunny(city: str) -> str:
        return "Sunny."

    counter = Counter(Terms(reported="text"))
    call = ToolCallDelta(index=0, id="1", name="weather", arguments='{"city": "Rome"}')
    llm = ScriptedLlm([Reply(pieces=[call]), "It is sunny."])
    badge = await bound_house(nursery, counter, llm=llm, tools=Workshop(weather=sunny)).enter()
    badge.tell(type="listen", state="detect", text="what is the weather")
    await badge.until("tts", "stop")
    kinds, texts_ = zip(*((kind, text) for kind, text, *_ in counter.reports), strict=True)
    assert kinds == ("user", "tool", "agent")
    assert json.loads(texts_[1]) == {"tool": "weather", "arguments": {"city": "Rome"}}


@pytest.mark.req("RP-2", "RP-3")
async def test_sound_is_reported_where_it_is_wanted(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    counter = Counter(Terms(reported="audio"))
    badge = await bound_house(nursery, counter).enter()
    badge.tell(type="listen", state="start", mode="auto")
    await badge.sound("silence", 3.0)
    await badge.sound("voice", 1.2)
    await badge.sound("silence", 1.2)
    await badge.until("tts", "stop")
    badge.tell(type="listen", state="detect", text="typed")
    await badge.until("tts", "stop", count=2)
    (_, _, voice, _), (_, _, answer, _), (_, typed, nothing, _), _ = counter.reports
    assert 1.2 <= len(voice.split()) * 0.06 <= 2.4  # the voice, a little before it, and the silence that ended it
    packets = [b64decode(packet) for packet in answer.split()]
    assert len(packets) > 5
    assert packets == badge.audio[: len(packets)]
    assert (typed, nothing) == ("typed", "")


@pytest.mark.req("RP-1")
async def test_nothing_is_reported_unless_it_is_wanted(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    counter = Counter(Terms(reported="none"))
    badge = await bound_house(nursery, counter).enter()
    badge.tell(type="listen", state="detect", text="what time is it")
    await badge.until("tts", "stop")
    assert counter.reports == []


@pytest.mark.req("RP-5")
async def test_a_report_that_fails_does_not_touch_the_turn(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    class Broken(Counter):
        def report(self, *_: Any) -> None:
            raise RuntimeError("nobody thought of this")

    badge = await bound_house(nursery, Broken(Terms(reported="audio"))).enter()
    badge.tell(type="listen", state="detect", text="what time is it")
    await badge.until("tts", "stop")
    assert said(badge) == "It is half past nine."


@pytest.mark.req("B-77", "RP-4")
async def test_a_sentence_that_was_begun_is_reported_when_it_is_cut_off(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    for end in ("abort", "vanish"):
        counter = Counter(Terms(reported="audio"))
        badge = await bound_house(
            nursery, counter, llm=ScriptedLlm(["A sentence that takes its time to be said."])
        ).enter()
        badge.tell(type="listen", state="detect", text="go on")
        await badge.until("tts", "sentence_start")
        await trio.sleep(0.5)
        if end == "abort":
            badge.tell(type="abort")
        else:
            badge.vanish()
            await badge.gone.wait()
        await badge.quiet()
        assert [kind for kind, *_ in counter.reports] == ["user", "agent"], end
        assert counter.reports[1][2]

"""Sessions with models that change, fail and get ready, and recordings of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio

from badge import texts
from badge.config.llm import Purpose, PurposeSettings
from badge.config.settings import Settings
from badge.llms.plan import Plan
from badge.recording.recorder import session_settings
from providers.ports import ProviderError, Usage
from providers.scripted import Hearing, Reply, ScriptedAsr
from tests.house import Guest, House, Workshop, changed
from tests.llms.stage import Set, failing, live, model, plan
from tests.session.test_tools import call, sunny

DOWN = ProviderError("d", "the server failed (HTTP 500).", retryable=True)


@asynccontextmanager
async def staged(
    first: Plan, scripts: dict[str, Any] | None = None, **providers: Any
) -> AsyncIterator[tuple[House, Set]]:
    """A house with live models."""
    async with live(first, scripts) as one, trio.open_nursery() as nursery:
        house = House(nursery, **providers)
        house.services = attrs.evolve(house.services, llms=one.llms, metrics=one.metrics)
        yield house, one
        nursery.cancel_scope.cancel()


async def ask(badge: Guest, text: str, count: int) -> str:
    """What the badge says to a question, which is the so-manieth that it is asked."""
    before = len(badge.of("tts", "sentence_start"))
    badge.tell(type="listen", state="detect", text=text)
    await badge.until("tts", "stop", count=count)
    return " ".join(message["text"] for message in badge.of("tts", "sentence_start")[before:])


@pytest.mark.req("B-82", "B-86", "LM-13", "LM-11")
async def test_a_live_session_uses_the_new_model_at_its_next_turn(autojump_clock: object) -> None:
    """The turn under way ends as it began."""
    slow = {"script": [Reply(pieces=["This is the old one. ", "It goes on. ", "It ends."], pause=3.0)]}
    async with staged(plan(), {"d": slow, "e": {"script": ["This is the new one."]}}) as (house, one):
        badge = await house.enter()
        badge.tell(type="listen", state="detect", text="who are you")
        await badge.until("tts", "sentence_start")
        one.llms.renew(plan({"default": model("x")}))
        one.llms.renew(plan({"default": model("e")}))
        await badge.until("tts", "stop")
        said = [message["text"] for message in badge.of("tts", "sentence_start")]
        assert said == ["This is the old one.", "It goes on.", "It ends."]
        assert await ask(badge, "and now", 2) == "This is the new one."
        assert one.works.of("d")[0].closed


@pytest.mark.req("LM-13", "B-82", "CH-15")
async def test_an_answer_that_was_begun_early_stays_with_its_model_through_all_rounds(autojump_clock: object) -> None:
    """The first round is a draft; while its tool runs, other models are configured, twice."""

    async def forecast() -> str:
        one.works.scripts["d"] = {"script": ["The old one says it is sunny."]}  # where it has to be opened anew
        one.llms.renew(plan({"default": model("x")}))
        one.llms.renew(plan({"default": model("e")}))
        return "Sunny."

    asr = ScriptedAsr([Hearing(text="how is the weather", partials=["how is the weather"])])
    old = {"script": [Reply(pieces=[call("weather")])]}
    async with staged(plan(), {"d": old}, asr=asr, tools=Workshop(weather=forecast)) as (house, one):
        badge = await house.enter()
        badge.tell(type="listen", state="start", mode="auto")
        await badge.sound("voice", 0.9)
        await badge.sound("silence", 1.2)
        await badge.until("tts", "stop")
        assert one.metrics.value("badge_drafts_taken_total") == 1
        assert [message["text"] for message in badge.of("tts", "sentence_start")] == ["The old one says it is sunny."]
        assert await ask(badge, "who are you", 2) == "e"


@pytest.mark.req("DG-1", "DG-5")
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tell me about the sea", texts.LLM_FAILED["en"]),
        ("给我讲讲大海", "抱歉，我暂时无法理解您的问题，请稍后再试。"),
    ],
)
async def test_when_every_model_fails_the_user_hears_so(autojump_clock: object, text: str, says: str) -> None:
    async with staged(plan(), {"d": failing(DOWN)}) as (house, _):
        badge = await house.enter()
        assert "".join((await ask(badge, text, 1)).split()) == "".join(says.split())


@pytest.mark.req("DG-4")
async def test_while_the_network_is_down_the_user_hears_so_every_time(autojump_clock: object) -> None:
    """Also when nobody asks the model any more."""
    away = ProviderError("d", "the connection failed.", retryable=True, unreachable=True)
    async with staged(plan(), {"d": failing(away)}) as (house, one):
        badge = await house.enter()
        for count in range(1, 6):
            assert (await ask(badge, "给我讲讲大海", count)).replace(" ", "") == "网络连接中断，请检查网络设置"
        assert len(one.works.of("d")[0].prompts) == 3


@pytest.mark.req("DG-5")
async def test_when_every_model_fails_the_time_is_still_known(autojump_clock: object) -> None:
    async with staged(plan(), {"d": failing(DOWN)}) as (house, _):
        badge = await house.enter()
        assert "9:30" in await ask(badge, "what time is it", 1)


@pytest.mark.req("DG-5")
async def test_a_hanging_model_is_replaced_within_the_patience(autojump_clock: object) -> None:
    models = {"default": model("d", fallback=["big"]), "big": model("b")}
    scripts = {"d": {"script": [Reply(pieces=["late"], first=1e6)]}, "b": {"script": ["Here I am."]}}
    async with staged(plan(models), scripts) as (house, _):
        badge = await house.enter()
        began = trio.current_time()
        assert await ask(badge, "hello you", 1) == "Here I am."
        assert trio.current_time() - began < 8


async def test_a_session_takes_no_harm_from_costs_and_they_are_its_devices(autojump_clock: object) -> None:
    script = {"script": [Reply(pieces=["Yes.", Usage(prompt=40, answer=2)])]}
    async with staged(plan(), {"d": script}) as (house, one):
        badge = await house.enter("aa:bb:cc:00:00:07")
        assert await ask(badge, "well", 1) == "Yes."
        assert one.ledger.by_device()["aa:bb:cc:00:00:07"][Purpose.CHAT].prompt == 40


@pytest.mark.req("AV-12", "B-72")
async def test_a_badge_that_leaves_takes_no_model_from_another(autojump_clock: object) -> None:
    slow = {"script": [Reply(pieces=["First part. ", "Second part."], pause=5.0)]}
    async with staged(plan(), {"d": slow}) as (house, one):
        gone, stays = await house.enter("aa:bb:cc:00:00:01"), await house.enter("aa:bb:cc:00:00:02")
        for badge in (gone, stays):
            badge.tell(type="listen", state="detect", text="go on")
        await gone.until("tts", "sentence_start")
        gone.vanish()
        await gone.gone.wait()
        await stays.until("tts", "stop")
        assert [message["text"] for message in stays.of("tts", "sentence_start")] == ["First part.", "Second part."]
        assert not one.works.made[0].closed
        assert len(one.works.made) == 1


async def test_when_somebody_begins_to_speak_the_model_gets_ready(autojump_clock: object) -> None:
    """Before there are words to ask it about; in a meeting nobody asks it."""
    async with staged(plan()) as (house, one):
        badge = await house.enter()
        await badge.speak(voice=0.9)
        await badge.until("tts", "stop")
        made = one.works.made[0]
        assert made.warmings == 1
        assert len(made.prompts) == 1


async def test_a_model_that_decides_on_tools_gets_ready_as_well(autojump_clock: object) -> None:
    """It is asked first."""
    models = {"default": model("d"), "quick": model("q")}
    async with staged(plan(models, intent="quick"), {"q": {"script": ["hm"]}}) as (house, one):
        house.services = attrs.evolve(house.services, settings=changed(chat={"intent": "intent_llm"}))
        badge = await house.enter()
        await badge.speak(voice=0.9)
        await badge.until("tts", "stop")
        assert [one.works.of(name)[0].warmings for name in "dq"] == [1, 1]


@pytest.mark.req("LM-14", "B-87")
async def test_whatever_is_asked_in_a_session_goes_to_the_devices_own_model(autojump_clock: object) -> None:
    """Drafts, decisions on tools, answers and insights; the server's model hears nothing of it."""
    asr = ScriptedAsr([Hearing(text="hello", partials=["hello"])])
    async with staged(plan(), {"mine": {"script": ["My own."]}}, asr=asr, tools=Workshop(weather=sunny)) as (
        house,
        one,
    ):
        one.llms.assign("aa", {"chat": one.llms.admit(model("mine"))})

        def asked() -> int:
            return sum(len(made.prompts) for made in one.works.of("mine"))

        badge = await house.enter("aa")
        badge.tell(type="listen", state="start", mode="auto")
        await badge.sound("voice", 0.9)
        await badge.sound("silence", 1.2)
        await badge.until("tts", "stop")
        assert (asked(), one.metrics.value("badge_drafts_taken_total")) == (1, 1)
        badge.tell(type="coding", phase="start")
        badge.tell(type="coding", phase="log", line="all green")
        await trio.sleep(house.services.settings.coding.insight_interval_s + 1)
        assert asked() == 2
        house.services = attrs.evolve(house.services, settings=changed(chat={"intent": "intent_llm"}))
        badge = await house.enter("aa")
        assert await ask(badge, "hello", 1) == "My own."
        assert asked() == 4
        assert one.works.of("d")[0].prompts == []


def test_a_recording_says_which_models_there_are_and_no_more() -> None:
    """What is different for a purpose may be a key."""
    settings = Settings()
    chosen = PurposeSettings(chat={"llm": "big", "api_key": "sk-geheim"}, meeting="gone")
    header = session_settings(
        attrs.evolve(settings, llm={"default": model("d", api_key="sk-auch"), "big": model("b")}, llm_by_purpose=chosen)
    )
    assert header["llm"] == {"default": {}, "big": {}}
    assert header["llm_by_purpose"]["chat"] == "big"
    assert header["llm_by_purpose"]["meeting"] == "default"
    assert not [word for word in ("geheim", "auch") if word in json.dumps(header)]

"""The models of a running server: shared by all, changed while it runs, and those of single devices."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
import structlog
import trio

from badge import texts
from badge.config.llm import BreakerSettings, LlmSettings, Purpose
from badge.llms import private, whole_answer
from badge.llms.ledger import MOST_DEVICES, Ledger
from badge.metrics import Metrics
from badge.pool import UnfitError
from badge.recording.components import seam_of_llms
from badge.recording.records import Kind
from providers.llm.openai_settings import OpenAiSettings
from providers.ports import ProviderError, Text, Usage
from providers.scripted import Reply
from tests.llms.stage import Set, Works, answer, failing, live, model, plan, prompt, said

ONCE = BreakerSettings(failures=1, pause_s=20)
SLOW = {"script": [Reply(pieces=["one ", "two ", "three"], pause=5.0)]}


# --- sharing ------------------------------------------------------------------------------------------------------------


@pytest.mark.req("LM-6", "LM-7", "B-84", "LM-15")
async def test_all_purposes_and_devices_share(autojump_clock: object) -> None:
    """A hundred first questions at one tick, with two models among them."""
    async with live(plan(chat="default", meeting={"max_tokens": 100}, coding={"max_tokens": 100})) as one:
        async with trio.open_nursery() as nursery:
            for number in range(100):
                purpose = list(Purpose)[number % 6]
                nursery.start_soon(lambda p=purpose, n=number: answer(one, p, device=f"device {n}"))
        assert len(one.works.made) == 2
        assert sum(len(made.prompts) for made in one.works.made) == 100


@pytest.mark.req("AV-12", "B-72")
async def test_a_session_that_ends_takes_no_model_along(autojump_clock: object) -> None:
    """Another one is in the middle of its answer."""
    async with live(plan(), {"d": SLOW}) as one:
        heard: list[str] = []

        async def other() -> None:
            heard.append(await said(await one.llms.of(Purpose.CHAT, device="b").ready(), patience=60))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(other)
            async with trio.open_nursery() as session:
                session.start_soon(answer, one)
                await trio.sleep(7)
                session.cancel_scope.cancel("the badge has gone")
        assert heard == ["one two three"]
        assert not one.works.made[0].closed


@pytest.mark.req("LM-10")
async def test_a_choice_lasts_as_long_as_the_configuration_and_leaves_nothing(autojump_clock: object) -> None:
    """Turn after turn the same model; who has gone holds nothing."""
    async with live(plan()) as one:
        for _ in range(5):
            assert await answer(one, device="a") == "d"
        assert len(one.works.made) == 1
        one.llms.renew(plan({"default": model("e")}))
        await trio.testing.wait_all_tasks_blocked()
        assert [made.closed for made in one.works.made] == [True, False]


@pytest.mark.req("CH-28", "B-84")
async def test_who_asks_while_models_load_waits_for_them(autojump_clock: object) -> None:
    """And for those who keep the models; all who wait share one."""
    one = Set(plan(), Works({"d": {"load": 3.0}}))
    heard: list[str] = []

    async def ask() -> None:
        heard.append(await answer(one))

    async with trio.open_nursery() as nursery:
        async with trio.open_nursery() as users:
            for _ in range(10):
                users.start_soon(ask)
            await trio.sleep(2)
            nursery.start_soon(one.llms.run)
        assert heard == ["d"] * 10
        assert len(one.works.made) == 1
        nursery.cancel_scope.cancel()


@pytest.mark.req("CH-28")
async def test_a_model_that_does_not_load_is_not_waited_for_longer_than_an_answer(autojump_clock: object) -> None:
    """The next one answers, or what is known without any is said."""
    models = {"default": model("d", fallback=["big"]), "big": model("b")}
    async with live(plan(models, coding={"fallback": []}), {"d": {"load": 1e6}}) as one:
        assert await answer(one) == "b"
        assert "3" in await answer(one, Purpose.CODING, text="what is 1 plus 2")


# --- a new configuration --------------------------------------------------------------------------------------------------


@pytest.mark.req("LM-11", "LM-13", "B-82", "B-86")
async def test_the_next_turn_has_the_new_model(autojump_clock: object) -> None:
    """Of the session that began before, for every purpose, also where only the default was changed."""
    async with live(plan(chat="default")) as one:
        assert [await answer(one, purpose, device="a") for purpose in Purpose] == ["d"] * 6
        models = {"default": model("e"), "big": model("b")}
        one.llms.renew(plan(models, meeting="big"))
        assert [await answer(one, purpose, device="a") for purpose in Purpose] == ["e", "b", "e", "e", "e", "e"]


@pytest.mark.req("LM-12", "B-81")
async def test_another_key_is_another_client(autojump_clock: object) -> None:
    """The old one, with the old key, is closed; what did not change goes on."""
    models = {"default": model("d", api_key="old"), "big": model("b")}
    async with live(plan(models, meeting="big")) as one:
        await answer(one)
        one.llms.renew(plan({**models, "default": model("d", api_key="new")}, meeting="big"))
        await answer(one)
        await trio.testing.wait_all_tasks_blocked()
        assert [(made.settings.openai.api_key, made.closed) for made in one.works.of("d")] == [
            ("old", True),
            ("new", False),
        ]
        assert [made.closed for made in one.works.of("b")] == [False]


@pytest.mark.req("B-81")
async def test_a_key_file_with_another_key_is_another_client(autojump_clock: object, tmp_path: Any) -> None:
    file = tmp_path / "key"
    file.write_text("old\n")
    models = {"default": model("d", api_key_file=str(file))}
    async with live(plan(models)) as one:
        file.write_text("new\n")
        one.llms.renew(plan(models))
        await answer(one)
        assert [made.settings.openai.api_key for made in one.works.made] == ["old", "new"]


@pytest.mark.req("I-13", "LM-15", "B-86")
async def test_a_turn_under_way_keeps_its_model_through_two_reloads(autojump_clock: object) -> None:
    """Also when it asks again, as after a tool; what nobody needs any more goes at the end of the turn."""
    async with live(plan(), {"d": SLOW}) as one:
        line = await one.llms.of(Purpose.CHAT).ready()
        async with line.stream(prompt()) as tokens:
            assert await tokens.receive() == Text("one ")
            one.llms.renew(plan({"default": model("e")}))
            assert await answer(one) == "e"
            assert await tokens.receive() == Text("two ")
            one.llms.renew(plan({"default": model("f")}))
            assert await answer(one) == "f"
            assert await tokens.receive() == Text("three")
            assert not one.works.of("d")[0].closed
            assert one.works.of("e")[0].closed
        await trio.testing.wait_all_tasks_blocked()
        assert one.works.of("d")[0].closed
        assert await said(line, patience=60) == "one two three"  # a line keeps to what it was made with
        assert await answer(one) == "f"
        await trio.testing.wait_all_tasks_blocked()
        assert len(one.pool) == 1


@pytest.mark.req("LM-15")
async def test_a_model_that_is_configured_again_is_the_same(autojump_clock: object) -> None:
    """There and back while a turn goes on: no second client for it."""
    async with live(plan(), {"d": SLOW}) as one:
        async with (await one.llms.of(Purpose.CHAT).ready()).stream(prompt()) as tokens:
            await tokens.receive()
            one.llms.renew(plan({"default": model("e")}))
            one.llms.renew(plan())
        await trio.sleep(10)
        assert len(one.works.of("d")) == 1
        assert not one.works.of("d")[0].closed


async def test_a_model_that_does_not_start_is_said_at_once(autojump_clock: object) -> None:
    """When the server starts, not when the first user waits for it; and users are answered by the next one."""
    models = {"default": model("e", fallback=["big"]), "big": model("b")}
    with structlog.testing.capture_logs() as lines:
        async with live(plan(models), {"e": {"broken": ProviderError("e", "there is no API key.")}}) as one:
            assert [(line["event"][:5], line.get("error")) for line in lines if line["log_level"] == "error"] == [
                ("实例化组件", "e: there is no API key.")
            ]
            assert [line["model"] for line in lines if line["event"] == texts.LOG_LLM_DOES_NOT_START] == ["default"]
            assert await answer(one) == "b"


@pytest.mark.req("CF-4", "B-85")
@pytest.mark.parametrize("how", [{"broken": ProviderError("e", "there is no API key.")}, {"load": 1e6}], ids=str)
async def test_new_models_are_there_together_or_not_at_all(autojump_clock: object, how: dict[str, Any]) -> None:
    """Those that have started go again, and what was configured before serves on."""
    models = {"default": model("x", fallback=["big"]), "big": model("e")}
    async with live(plan(), {"e": how}) as one:
        with pytest.raises(ProviderError, match=r"llm.big: .* no API key|not started within 30 s"):
            await one.llms.adopt(plan(models))
        await trio.testing.wait_all_tasks_blocked()
        assert await answer(one) == "d"
        assert [made.closed for made in one.works.made] == [False, True, True]
        assert len(one.pool) == 1


@pytest.mark.req("CF-4", "LM-15")
async def test_a_new_configuration_waits_for_its_models(autojump_clock: object) -> None:
    """Turns meanwhile have the old one; then nobody waits for the new one, which is made once."""
    async with live(plan(), {"e": {"load": 3.0}}) as one, trio.open_nursery() as nursery:
        nursery.start_soon(one.llms.adopt, plan({"default": model("e")}))
        await trio.sleep(2)
        assert await answer(one) == "d"
        await trio.sleep(2)
        began = trio.current_time()
        assert await answer(one) == "e"
        assert trio.current_time() == began
        assert [made.closed for made in one.works.made] == [True, False]


@pytest.mark.req("CF-4")
async def test_a_model_that_was_broken_before_keeps_nothing_from_changing(autojump_clock: object) -> None:
    """It is no part of the news."""
    models = {"default": model("d", fallback=["spare"]), "spare": model("e")}
    async with live(plan(models), {"e": {"broken": ProviderError("e", "there is no API key.")}}) as one:
        await one.llms.adopt(plan({**models, "default": model("x", fallback=["spare"])}))
        assert await answer(one) == "x"


@pytest.mark.req("DG-5")
async def test_a_new_configuration_forgets_whose_failures_do_not_matter_any_more(autojump_clock: object) -> None:
    """Those of models that are still configured, or a device's own, it does not."""
    models = {"default": model("d"), "big": model("b")}
    async with live(plan(models, meeting="big"), {name: failing() for name in ("d", "b", "mine")}, ONCE) as one:
        keys = {"chat": one.llms.admit(model("mine"))}

        async def asked() -> list[int]:
            for about in ({}, {"purpose": Purpose.MEETING}, {"own": keys}):
                with pytest.raises(ProviderError):
                    await answer(one, **about)
            return [sum(len(made.prompts) for made in one.works.of(name)) for name in ("d", "b", "mine")]

        assert await asked() == [1, 1, 1]
        one.llms.renew(plan(models))
        one.llms.renew(plan(models, meeting="big"))
        assert await asked() == [1, 2, 1]


@pytest.mark.req("LM-2", "LM-9")
async def test_what_is_odd_about_a_configuration_is_said_once(autojump_clock: object) -> None:
    odd = plan({"default": model("d"), "big": model("b")}, chat="gone", meeting="big", coding="big", working="big",
               memory="big")  # fmt: skip
    async with live(plan()) as one:
        with structlog.testing.capture_logs() as lines:
            one.llms.renew(odd)
            for _ in range(3):
                await answer(one)
        warned = [line for line in lines if line["log_level"] == "warning"]
        assert [(line["event"][:20], line["key"]) for line in warned] == [
            ("get_llm_for: llm_by_", "chat"),
            ("get_llm_for: 未找到用途 {", "intent"),
        ]


# --- devices with models of their own -------------------------------------------------------------------------------------


@pytest.mark.req("LM-14", "B-87")
async def test_a_device_with_its_own_model_never_gets_that_of_the_server(autojump_clock: object) -> None:
    """Whatever the purpose, and whatever is configured for it or reloaded; others do not get its model."""
    async with live(plan({"default": model("d"), "big": model("b")}, meeting="big")) as one:
        key = one.llms.admit(model("mine", api_key="K1"))
        keys = {"chat": key}
        assert [await answer(one, purpose, own=keys) for purpose in Purpose] == ["mine"] * 6
        one.llms.renew(plan({"default": model("e")}))
        assert await answer(one, Purpose.MEETING, own=keys) == "mine"
        assert await answer(one, Purpose.MEETING) == "e"
        assert {made.settings.openai.api_key for made in one.works.of("mine")} == {"K1"}
        assert len(one.works.of("mine")) == 1


@pytest.mark.req("LM-14", "B-87")
async def test_offices_ask_in_the_name_of_a_device(autojump_clock: object) -> None:
    """As when minutes are written: they know the device, and no keys."""
    async with live(plan()) as one:
        one.llms.assign("aa", {"chat": one.llms.admit(model("m1")), "meeting": one.llms.admit(model("m2"))})
        asked = [(Purpose.MEETING, "aa"), (Purpose.MEMORY, "aa"), (Purpose.MEETING, "bb")]
        heard = [await whole_answer(one.llms, p, prompt(), seconds=5, longest=99, device=d) for p, d in asked]
        assert heard == ["m2", "m1", "d"]
        one.llms.assign("aa", {})
        assert await answer(one, device="aa") == "d"


@pytest.mark.req("LM-14")
async def test_a_key_that_is_not_known_gets_no_model(autojump_clock: object) -> None:
    """Rather none than that of the server."""
    async with live(plan()) as one:
        with pytest.raises(ProviderError):
            await answer(one, Purpose.MEETING, own={"chat": "private-7"})
        assert "3" in await answer(one, text="what is 1 plus 2", own={"chat": "private-7"})
        assert one.works.made[0].prompts == []


@pytest.mark.req("LM-14")
async def test_a_model_of_a_device_that_fails_is_not_replaced_by_one_of_the_server(autojump_clock: object) -> None:
    async with live(plan({"default": model("d"), "big": model("b")}), {"mine": failing()}) as one:
        key = one.llms.admit(model("mine", fallback=["big", "default"]))
        with pytest.raises(ProviderError, match="HTTP 500"):
            await answer(one, own={"chat": key})
        assert not any(made.prompts for made in one.works.made if made.settings.openai.model != "mine")


@pytest.mark.req("LM-14", "DG-5")
async def test_a_device_whose_key_is_refused_spoils_no_other_one(autojump_clock: object) -> None:
    """Of the same server and model; nor the server's own."""
    refused = ProviderError("m", "the server refuses the API key (HTTP 401).")
    async with live(plan({"default": model("m")}), {"m": failing(refused)}, ONCE) as one:
        with pytest.raises(ProviderError, match="401"):
            await answer(one, own={"chat": one.llms.admit(model("m", api_key="K1"))})
        del one.works.scripts["m"]
        assert await answer(one, own={"chat": one.llms.admit(model("m", api_key="K2"))}) == "m"
        with pytest.raises(ProviderError, match="401"):  # it was made when all were refused, and is asked all the same
            await answer(one)


async def test_keys_tell_nothing_and_are_the_same_for_the_same(autojump_clock: object) -> None:
    async with live(plan()) as one:
        first = one.llms.admit(model("mine", api_key="sk-geheim"))
        again = one.llms.admit(model("mine", api_key="sk-geheim"))
        other = one.llms.admit(model("mine", api_key="sk-anders"))
        assert first == again == "private-1"
        assert other == "private-2"
        one.llms.assign("a", {"chat": first})
        assert one.llms.of(Purpose.CHAT, device="a").kind == "llm.default"


async def test_a_key_of_the_server_is_not_sent_anywhere_else(autojump_clock: object) -> None:
    """A device's settings name an address; the server's own keys and files are not for it."""
    async with live(plan()) as one:
        mine = OpenAiSettings(base_url="http://elsewhere/v1", model="mine", api_key_file="/etc/hostname")
        key = one.llms.admit(LlmSettings(openai=mine))
        await answer(one, own={"chat": key})
        made = one.works.of("mine")[0].settings.openai
        assert (made.api_key, made.api_key_env, made.api_key_file) == ("", "", "")


@pytest.mark.req("LM-12", "B-83")
async def test_settings_of_a_device_that_cannot_be_compared_are_refused(autojump_clock: object) -> None:
    async with live(plan()) as one:
        with pytest.raises((UnfitError, ValueError), match="JSON"):
            one.llms.admit(model("mine", extra={"stop": {1}}))


@pytest.mark.req("LM-15")
async def test_a_devices_client_stays_for_a_while_and_goes(autojump_clock: object) -> None:
    """As long as its connection might be used again."""
    async with live(plan()) as one:
        keys = {"chat": one.llms.admit(model("mine"))}
        for _ in range(3):
            await answer(one, own=keys)
            await trio.sleep(100)
        assert len(one.works.of("mine")) == 1
        await trio.sleep(100)
        assert one.works.of("mine")[0].closed
        assert await answer(one, own=keys) == "mine"
        assert len(one.works.of("mine")) == 2


@pytest.mark.req("LM-14")
async def test_only_so_many_devices_are_known(autojump_clock: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that has not asked for the longest time is forgotten, however long ago it came."""
    monkeypatch.setattr(private, "MOST", 2)
    async with live(plan()) as one:
        keys = {"chat": one.llms.admit(model("mine"))}
        for device in ("a", "b"):
            one.llms.assign(device, keys)
        assert await answer(one, device="a") == "mine"
        one.llms.assign("c", keys)
        assert [await answer(one, device=device) for device in "abc"] == ["mine", "d", "mine"]


async def test_only_so_many_are_known(autojump_clock: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that were not used for the longest time go."""
    monkeypatch.setattr(private, "MOST", 2)
    async with live(plan()) as one:
        a, b = one.llms.admit(model("a")), one.llms.admit(model("b"))
        assert await answer(one, own={"chat": a}) == "a"
        c = one.llms.admit(model("c"))
        assert [await answer(one, own={"chat": key}) for key in (a, c)] == ["a", "c"]
        with pytest.raises(ProviderError):
            await answer(one, own={"chat": b})
        assert one.llms.admit(model("b")) not in (a, b, c)


# --- getting ready ----------------------------------------------------------------------------------------------------------


async def test_the_first_model_of_a_purpose_gets_ready_once(autojump_clock: object) -> None:
    """However many begin to speak; nobody waits for it."""
    models = {"default": model("d", fallback=["big"]), "big": model("b")}
    async with live(plan(models, meeting="big")) as one:
        for _ in range(50):
            one.llms.warm(Purpose.CHAT, device="a")
        await trio.sleep(1)
        one.llms.warm(Purpose.CHAT)
        await trio.sleep(1)
        assert (one.works.of("d")[0].warmings, one.works.of("b")[0].warmings) == (2, 0)
        assert one.count("badge_llm_warmed_total", result="ready") == 2


@pytest.mark.req("DG-5")
async def test_a_model_that_is_left_alone_is_not_bothered(autojump_clock: object) -> None:
    """Whoever will be asked in its place gets ready; where there is nobody, nobody does."""
    models = {"default": model("d", fallback=["big"]), "big": model("b"), "small": model("s")}
    limited = ProviderError("d", "limits the rate (HTTP 429).", retryable=True, pause=30.0)
    async with live(plan(models, meeting="small"), {"d": failing(limited), "s": failing(limited)}) as one:
        assert await answer(one) == "b"
        with pytest.raises(ProviderError):
            await answer(one, Purpose.MEETING)
        for purpose in (Purpose.CHAT, Purpose.MEETING):
            one.llms.warm(purpose)
        await trio.sleep(1)
        assert [one.works.of(name)[0].warmings for name in "dbs"] == [0, 1, 0]
        await trio.sleep(30)
        one.llms.warm(Purpose.CHAT)
        await trio.sleep(1)
        assert [one.works.of(name)[0].warmings for name in "dbs"] == [1, 1, 0]


async def test_getting_ready_may_fail_or_hang(autojump_clock: object) -> None:
    async with live(plan(), {"d": {"broken": ProviderError("d", "no")}}) as one:
        one.llms.warm(Purpose.CHAT)
        one.llms.assign("a", {"chat": "private-9"})
        one.llms.warm(Purpose.MEETING, device="a")
        await trio.sleep(10)
        assert one.count("badge_llm_warmed_total", result="failed") == 1
    async with live(plan(), {"d": {"load": 1e6}}) as one:
        for _ in range(3):
            one.llms.warm(Purpose.CHAT)
            await trio.sleep(6)
        assert one.count("badge_llm_warmed_total", result="failed") == 3


# --- on record --------------------------------------------------------------------------------------------------------------


async def test_a_recording_knows_one_name_through_a_reload(autojump_clock: object) -> None:
    """That of the configuration at the start; no key, private settings or new name gets into it."""
    noted: list[tuple[Kind, Any]] = []

    class Notes:
        def note(self, kind: Kind, *data: Any) -> None:
            noted.append((kind, data))

    models = {"default": model("d", api_key="sk-geheim"), "big": model("b")}
    async with live(plan(models, chat="big")) as one:
        assert sorted(component.kind for component in one.llms.components()) == ["llm.big", "llm.default"]
        llms = one.llms.around(seam_of_llms(Notes()))  # type: ignore[arg-type]
        assert await said(await llms.of(Purpose.CHAT).ready()) == "b"
        one.llms.renew(plan({"default": model("e", api_key="sk-anders")}))
        assert await said(await llms.of(Purpose.CHAT).ready()) == "e"
        llms.assign("a", {"chat": llms.admit(model("mine", api_key="sk-privat"))})
        assert await said(await llms.of(Purpose.CHAT, device="a").ready()) == "mine"
        llms.warm(Purpose.CHAT)
    opened = [data[:2] for kind, data in noted if kind is Kind.LLM_OPEN]
    assert opened == [(1, "llm.big"), (2, "llm.big"), (3, "llm.big")]
    assert not [secret for secret in ("geheim", "anders", "sk-privat", "private-") if secret in str(noted)]


# --- what it has cost -------------------------------------------------------------------------------------------------------


def test_sums_by_device_are_bounded() -> None:
    ledger = Ledger(Metrics())
    for number in range(MOST_DEVICES + 5):
        ledger.answered(Purpose.CHAT, f"device {number}")
        ledger.used(Purpose.CHAT, "default", f"device {number}", Usage(prompt=2, answer=1))
    ledger.used(Purpose.MEMORY, "default", "", Usage(prompt=5, answer=3), 0.5)
    sums = ledger.by_device()
    assert len(sums) == MOST_DEVICES
    assert next(iter(sums)) == f"device {MOST_DEVICES + 4}"
    assert "device 5" not in sums
    assert {purpose: attrs.astuple(spent) for purpose, spent in sums[""].items()} == {
        Purpose.CHAT: (6, 12, 6, 0.0),
        Purpose.MEMORY: (0, 5, 3, 0.5),
    }
    assert sum(spent[Purpose.CHAT].prompt for spent in sums.values()) == 2 * (MOST_DEVICES + 5)
    assert list(ledger.by_device(2)) == [f"device {MOST_DEVICES + 4}", f"device {MOST_DEVICES + 3}", ""]
    assert ledger.by_device(2)[""][Purpose.CHAT].answers == MOST_DEVICES + 3


async def test_the_state_of_a_model_is_shown_as_it_is_now(autojump_clock: object) -> None:
    """Before anybody has asked it, when its pause is over, and after a new configuration; the worst, where one name is
    several servers."""
    models = {"default": model("d"), "big": model("b")}
    chosen = plan(models, meeting="big", coding={"model": "c"})
    async with live(chosen, {"c": failing()}, ONCE) as one:

        def states() -> list[float]:
            return [one.count("badge_llm_breaker", model=name) for name in models]

        assert states() == [0, 0]
        with pytest.raises(ProviderError):
            await answer(one, Purpose.CODING)
        assert states() == [2, 0]
        await trio.sleep(20)
        assert states() == [1, 0]
        one.llms.renew(plan({"default": model("d")}))
        assert states() == [0, 0]
        assert 'model="big"' not in one.metrics.render().decode()


async def test_prices_are_added_up(autojump_clock: object) -> None:
    """By purpose and model, and by device and purpose."""
    script = {"script": [Reply(pieces=["Yes.", Usage(prompt=500_000, answer=100_000)])]}
    priced = attrs.evolve(model("d"), prompt_price=2.0, answer_price=10.0)
    async with live(plan({"default": priced}), {"d": script}) as one:
        for purpose in (Purpose.CHAT, Purpose.CHAT, Purpose.MEETING):
            await answer(one, purpose, device="aa")
        assert one.count("badge_llm_cost_total", purpose="chat", model="default") == 4.0
        spent = one.ledger.by_device()["aa"]
        assert {str(purpose): (one.answers, one.cost) for purpose, one in spent.items()} == {
            "chat": (2, 4.0),
            "meeting": (1, 2.0),
        }


async def test_nothing_with_a_device_or_secret_is_a_label(autojump_clock: object) -> None:
    async with live(plan({"default": model("d", api_key="sk-geheim")})) as one:
        await answer(one, device="aa:bb")
        await answer(one, device="aa:bb", own={"chat": one.llms.admit(model("mine", api_key="sk-privat"))})
        text = one.metrics.render().decode()
        assert 'badge_llm_requests_total{model="private",purpose="chat"} 1.0' in text
        assert not [word for word in ("geheim", "privat-", "sk-", "aa:bb", "mine") if word in text]
        assert isinstance(one, Set)

"""Who answers when a model fails: the next one, in the time that is left, or in the end what is known without any."""

from __future__ import annotations

from typing import Any

import pytest
import structlog
import trio

from badge.config.llm import BreakerSettings, Purpose
from providers.ports import Llm, ProviderError, Text, Token, ToolCallDelta, Usage
from providers.scripted import Reply
from tests.llms.stage import answer, failing, live, model, plan, prompt, said, take

CHAIN = {"default": model("d", fallback=["big"]), "big": model("b")}
LIMITED = ProviderError("d", "the server limits the rate (HTTP 429).", retryable=True, pause=30.0)


async def interrupted(llm: Llm, after: float) -> None:
    """Ask, and leave after a while: nobody knew beforehand when."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(said, llm)
        await trio.sleep(after)
        nursery.cancel_scope.cancel()


@pytest.mark.req("DG-5", "DG-1")
@pytest.mark.parametrize(
    "script",
    [
        failing(),
        failing(LIMITED),
        failing(ProviderError("d", "the server refuses the API key (HTTP 401).")),
        failing(ProviderError("d", "the request is too long (HTTP 413).", particular=True)),
        {"script": [Reply(pieces=[])]},
        {"broken": ProviderError("d", "there is no API key.")},
        {"script": [Reply(error=RuntimeError("a bug"))]},  # type: ignore[arg-type]
    ],
    ids=["500", "429", "401", "413", "empty", "does not start", "unforeseen"],
)
async def test_a_failure_before_the_first_word_asks_the_next(autojump_clock: object, script: Any) -> None:
    async with live(plan(CHAIN), {"d": script}) as one:
        began = trio.current_time()
        assert await answer(one) == "b"
        assert trio.current_time() - began < 0.1
        assert one.count("badge_llm_fallbacks_total", purpose="chat", model="big") == 1
        assert one.count("badge_llm_failures_total", purpose="chat", model="default") == 1


@pytest.mark.req("DG-1")
async def test_after_the_first_word_nobody_begins_anew(autojump_clock: object) -> None:
    """What was said stands; the error is that of the model that broke."""
    async with live(plan(CHAIN), {"d": failing(pieces=("The sea ",))}) as one:
        heard: list[Token] = []
        with pytest.raises(ProviderError, match="HTTP 500"):
            await take(await one.llms.of(Purpose.CHAT).ready(), heard)
        assert heard == [Text("The sea ")]
        assert one.works.of("b")[0].prompts == []


async def test_a_call_is_a_first_word(autojump_clock: object) -> None:
    async with live(plan(CHAIN), {"d": failing(pieces=(ToolCallDelta(index=0, id="c", name="weather"),))}) as one:
        with pytest.raises(ProviderError, match="HTTP 500"):
            await answer(one)


@pytest.mark.req("DG-5")
async def test_a_model_that_hangs_leaves_time_for_the_next(autojump_clock: object) -> None:
    """Half of the patience, where another model stands behind it."""
    async with live(plan(CHAIN), {"d": {"script": [Reply(pieces=["late"], first=1e6)]}}) as one:
        began = trio.current_time()
        assert await answer(one) == "b"
        assert trio.current_time() - began == pytest.approx(5.0)


@pytest.mark.req("AV-15")
async def test_a_model_that_has_begun_may_take_its_time(autojump_clock: object) -> None:
    """The half was for its first word."""
    async with live(
        plan(CHAIN), {"d": {"script": [Reply(pieces=["one ", "two ", "three"], first=1.0, pause=4.0)]}}
    ) as one:
        assert await answer(one) == "one two three"


@pytest.mark.req("DG-5")
async def test_failures_count_in_a_row(autojump_clock: object) -> None:
    """A whole answer between them, and they begin anew."""
    down = Reply(error=ProviderError("d", "no"))
    async with live(plan(CHAIN), {"d": {"script": [down, down, "d", down, down, "d"]}}) as one:
        assert [await answer(one) for _ in range(6)] == ["b", "b", "d", "b", "b", "d"]


@pytest.mark.req("DG-1")
async def test_the_last_model_has_all_but_a_moment(autojump_clock: object) -> None:
    """What the offline assistant knows is said in time; what it does not know leaves the error of the model."""
    async with live(plan(), {"d": {"script": [Reply(pieces=["late"], first=1e6)]}}) as one:
        began = trio.current_time()
        assert "3" in await answer(one, text="what is 1 plus 2")
        assert trio.current_time() - began == pytest.approx(9.5)
        with pytest.raises(ProviderError, match="did not begin to answer in time"):
            await answer(one)
    async with live(plan(), {"d": {"script": [Reply(pieces=["just in time"], first=9.4)]}}) as one:
        assert await answer(one) == "just in time"


@pytest.mark.req("DG-1")
async def test_the_offline_assistant_is_the_last(autojump_clock: object) -> None:
    """It says only what it is sure of: small talk would pretend that all is well."""
    async with live(plan(CHAIN), {"d": failing(), "b": failing(LIMITED)}) as one:
        assert "3" in await answer(one, text="what is 1 plus 2")
        assert one.count("badge_llm_fallbacks_total", model="offline") == 1
        for text in ("how are you", "tell me about the sea"):
            with pytest.raises(ProviderError, match="HTTP 500"):
                await answer(one, text=text)


async def test_where_nobody_steps_in_no_time_is_kept_for_him(autojump_clock: object) -> None:
    async with live(plan(), {"d": {"script": [Reply(pieces=["just in time"], first=9.8)]}}) as one:
        assert await answer(one, Purpose.MEETING) == "just in time"


@pytest.mark.parametrize("purpose", [Purpose.MEETING, Purpose.INTENT, Purpose.MEMORY])
async def test_no_small_talk_where_documents_are_wanted(autojump_clock: object, purpose: Purpose) -> None:
    async with live(plan(), {"d": failing()}) as one:
        with pytest.raises(ProviderError, match="HTTP 500"):
            await answer(one, purpose, text="what is 1 plus 2")
    async with live(plan({"default": model("d", use="offline")})) as one:
        with pytest.raises(ProviderError, match=f"is no model for the purpose {purpose}. Set OPENAI_API_KEY"):
            await answer(one, purpose, text="what is 1 plus 2")
        assert not any(made.prompts for made in one.works.made)


@pytest.mark.req("DG-5")
async def test_a_model_that_fails_again_and_again_is_left_alone(autojump_clock: object) -> None:
    """Then nobody waits for it; after a pause one question tries it, and when that works it is back."""
    slow = [Reply(error=ProviderError("d", "timed out", retryable=True), first=2.0)] * 3
    scripts = {"d": {"script": [*slow, "I am back."]}}
    async with live(plan(CHAIN), scripts, BreakerSettings(failures=3, pause_s=20)) as one:
        waits = []
        for _ in range(5):
            began = trio.current_time()
            assert await answer(one) == "b"
            waits.append(trio.current_time() - began)
        assert waits == pytest.approx([2, 2, 2, 0, 0], abs=0.01)
        assert one.count("badge_llm_skipped_total", purpose="chat", model="default") == 2
        assert one.count("badge_llm_breaker", model="default") == 2
        await trio.sleep(20)
        assert await answer(one) == "I am back."
        assert one.count("badge_llm_breaker", model="default") == 0


@pytest.mark.req("DG-5")
async def test_a_server_that_names_a_pause_is_not_asked_meanwhile(autojump_clock: object) -> None:
    """Whatever the purpose, and however it is asked: it is the same server and model."""
    chosen = plan(CHAIN, coding={"temperature": 0.3, "fallback": ["big"]})
    async with live(chosen, {"d": {"script": [Reply(error=LIMITED), "d"]}}) as one:
        assert await answer(one) == "b"
        assert await answer(one, Purpose.CODING) == "b"
        assert sorted(len(made.prompts) for made in one.works.of("d")) == [0, 1]
        await trio.sleep(30)
        assert await answer(one) == "d"
        assert one.count("badge_llm_skipped_total", purpose="coding", model="default") == 1


@pytest.mark.req("DG-5")
async def test_everybody_left_alone_is_no_hang(autojump_clock: object) -> None:
    async with live(plan(), {"d": failing()}, BreakerSettings(failures=1, pause_s=20)) as one:
        for says in ("HTTP 500", "left alone"):
            with pytest.raises(ProviderError, match=says), trio.fail_after(0.01):
                await answer(one)


@pytest.mark.req("DG-4")
async def test_a_network_that_is_down_stays_the_reason_while_nobody_asks(autojump_clock: object) -> None:
    """A model that is left alone is excused by what was wrong with it."""
    away = ProviderError("d", "the connection failed.", retryable=True, unreachable=True)
    scripts = {"d": {"script": [Reply(error=away), Reply(error=LIMITED)]}}
    async with live(plan(), scripts, BreakerSettings(failures=1, pause_s=20)) as one:
        for says, unreachable in (
            ("the connection failed", True),
            ("left alone", True),
            ("HTTP 429", False),
            ("left alone", False),
        ):
            with pytest.raises(ProviderError, match=says) as caught:
                await answer(one)
            assert caught.value.unreachable is unreachable
            await trio.sleep(10)


@pytest.mark.req("DG-5")
async def test_a_model_that_is_back_is_there_for_all_while_it_still_speaks(autojump_clock: object) -> None:
    """The trial is over with its first word; when it breaks off nevertheless, it was none."""
    long = Reply(pieces=["I am ", "back."], pause=30.0)
    script = [Reply(error=ProviderError("d", "no")), long, "yes", "yes"]
    async with live(plan(CHAIN), {"d": {"script": script}}, BreakerSettings(failures=1, pause_s=20)) as one:
        assert await answer(one) == "b"
        await trio.sleep(20)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(interrupted, await one.llms.of(Purpose.CHAT).ready(), 60.0)
            await trio.sleep(1)
            assert one.count("badge_llm_breaker", model="default") == 0
            assert await answer(one) == "yes"
            nursery.cancel_scope.cancel()


@pytest.mark.req("DG-5")
async def test_after_the_pause_one_tries_and_not_all(autojump_clock: object) -> None:
    """Nor one more for each that asked before and leaves now."""
    lame = Reply(pieces=["late"], first=8.0)
    script = [lame, lame, Reply(error=ProviderError("d", "no")), Reply(pieces=["back"], first=3.0), "back"]
    async with live(plan(CHAIN), {"d": {"script": script}}, BreakerSettings(failures=1, pause_s=2)) as one:
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(interrupted, await one.llms.of(Purpose.CHAT).ready(), 3.0)
            await trio.sleep(0.5)
            assert await answer(one) == "b"
            await trio.sleep(2)
            assert one.count("badge_llm_breaker", model="default") == 1
            heard: list[str] = []

            async def turn(after: float) -> None:
                await trio.sleep(after)
                heard.append(await answer(one))

            for number in range(20):
                nursery.start_soon(turn, number * 0.1)
        assert (heard.count("back"), heard.count("b")) == (1, 19)


async def test_a_question_that_cannot_be_answered_says_nothing_about_the_model(autojump_clock: object) -> None:
    too_long = ProviderError("d", "too long (HTTP 413).", particular=True)
    async with live(plan(CHAIN), {"d": failing(too_long)}, BreakerSettings(failures=1)) as one:
        for _ in range(3):
            assert await answer(one) == "b"
        assert len(one.works.of("d")[0].prompts) == 3


async def test_who_interrupts_says_nothing_about_the_model(autojump_clock: object) -> None:
    """Neither before the first word nor after it; and the model is left at once."""
    script = {"script": [Reply(pieces=["one ", "two"], first=1.0, pause=5.0)]}
    async with live(plan(CHAIN), {"d": script}, BreakerSettings(failures=1)) as one:
        llm = await one.llms.of(Purpose.CHAT).ready()
        for wait in (0.5, 2.0):
            await interrupted(llm, wait)
        async with llm.stream(prompt()) as tokens:
            await tokens.receive()
        assert one.works.of("d")[0].abandoned == 3
        assert one.count("badge_llm_breaker", model="default") == 0
        assert one.count("badge_llm_failures_total") == 0


async def test_a_trial_that_is_interrupted_lets_another_one_try(autojump_clock: object) -> None:
    scripts = {"d": {"script": [Reply(error=ProviderError("d", "no")), Reply(pieces=["x"], first=3.0), "back"]}}
    async with live(plan(CHAIN), scripts, BreakerSettings(failures=1, pause_s=20)) as one:
        assert await answer(one) == "b"
        await trio.sleep(20)
        await interrupted(await one.llms.of(Purpose.CHAT).ready(), 1.0)
        assert await answer(one) == "back"


async def test_a_slow_receiver_is_no_slow_model(autojump_clock: object) -> None:
    async with live(plan(CHAIN), {"d": {"script": [Reply(pieces=["a", "b", "c"])]}}) as one:
        heard = []
        async with (await one.llms.of(Purpose.CHAT).ready()).stream(prompt()) as tokens:
            async for token in tokens:
                heard.append(token.text)
                await trio.sleep(60)
        assert heard == ["a", "b", "c"]


async def test_costs_are_passed_on_and_counted(autojump_clock: object) -> None:
    script = {"script": [Reply(pieces=["Yes.", Usage(prompt=30, answer=2)])]}
    async with live(plan(CHAIN), {"d": script}) as one:
        heard: list[Token] = []
        await take(await one.llms.of(Purpose.CHAT, device="aa").ready(), heard)
        assert heard == [Text("Yes."), Usage(prompt=30, answer=2)]
        assert await answer(one, device="aa") == "Yes."
        assert one.count("badge_llm_tokens_total", purpose="chat", model="default", kind="prompt") == 60
        assert one.count("badge_llm_tokens_total", purpose="chat", model="default", kind="answer") == 4
        spent = one.ledger.by_device()["aa"][Purpose.CHAT]
        assert (spent.answers, spent.prompt, spent.answer) == (2, 60, 4)


async def test_an_error_of_the_receiver_stays_its_own(autojump_clock: object) -> None:
    async with live(plan(CHAIN)) as one:
        llm = await one.llms.of(Purpose.CHAT).ready()
        with pytest.RaisesGroup(KeyError):
            async with llm.stream(prompt()) as tokens:
                await tokens.receive()
                raise KeyError("mine")
        assert one.count("badge_llm_failures_total") == 0


async def test_the_log_names_the_model_and_no_secret(autojump_clock: object) -> None:
    models = {"default": model("d", api_key="sk-geheim", fallback=["big"]), "big": model("b")}
    async with live(plan(models), {"d": failing()}) as one:
        with structlog.testing.capture_logs() as lines:
            await answer(one)
    told = [line for line in lines if line["event"] == "a language model failed"]
    assert [(line["model"], line["error"]) for line in told] == [("default", "model: the server failed (HTTP 500).")]
    assert "geheim" not in str(lines)


async def test_many_turns_at_once_do_not_mix(autojump_clock: object) -> None:
    async with live(plan(CHAIN), {"d": {"script": ["d"] * 20 + [Reply(error=ProviderError("d", "no"))]}}) as one:
        heard: list[str] = []

        async def turn() -> None:
            heard.append(await answer(one))

        async with trio.open_nursery() as nursery:
            for _ in range(30):
                nursery.start_soon(turn)
        assert heard.count("d") == 20
        assert heard.count("b") == 10

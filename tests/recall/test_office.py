"""The office of memory: what it is told is kept in order, what is worth remembering is worked out, and nobody waits for it."""

from __future__ import annotations

import datetime
import json
from array import array
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import structlog
import trio
import trio.testing

from badge.desk import Past, RefusedError, Said
from badge.recall.erasing import erase
from badge.recall.meanings import LONGEST_QUESTION
from badge.recall.office import FINISH_WITHIN, LONGEST_SAID
from badge.recall.pages import MOST
from badge.recall.ranking import HEADER
from badge.recall.reading import LONGEST_READING
from badge.recall.study import ATTEMPTS, BATCH, RETRY, SHOWN
from badge.storage.memory import MemoryStore
from badge.storage.ports import StoreError
from badge.storage.recollections import Exchanged, Lesson
from providers.llm.offline import OfflineLlm
from providers.pauses import KEPT
from providers.ports import ProviderError
from providers.scripted import Reply, ScriptedLlm
from tests.recall.desks import Desk, Numbers, meaning_of
from tests.storage.stores import fact, opened, sqlite

Clock = trio.testing.MockClock


def writes(*facts: str, summary: str = "") -> str:
    return json.dumps({"facts": [{"text": text, "replaces": []} for text in facts], "summary": summary})


class SlowStore(MemoryStore):
    """Takes a second for each exchange, or fails."""

    def __init__(self, *, seconds: float = 1.0, fails: str = "") -> None:
        super().__init__()
        add = self.recall.add

        async def slowly(exchange: Exchanged, *, keep: int) -> int:
            await trio.sleep(seconds)
            if exchange.device == fails:
                raise StoreError("the disk is full.", remedy="Make room.")
            return await add(exchange, keep=keep)

        self.recall.add = slowly  # type: ignore[method-assign]


# --- the last exchanges -----------------------------------------------------------------------------------------------


@pytest.mark.req("ME-6", "B-15", "RG-7")
async def test_what_was_told_before_is_in_the_past_however_slow_the_store_is(
    nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    desk = await Desk(store=SlowStore()).open(nursery)
    assert await desk.office.past("a") == Past()
    for number in range(3):
        desk.say(str(number), answer=f"answer {number}")
    desk.office.paused("a", [0.25, 0.5])
    desk.say("other", device="b")
    past = await desk.office.past("a")
    assert past == Past(exchanges=tuple(Said(user=str(n), answer=f"answer {n}") for n in range(3)), pauses=(0.25, 0.5))
    assert trio.current_time() == pytest.approx(3, abs=0.01)
    assert await desk.said("b") == ["other"]


@pytest.mark.req("ME-6", "B-15")
async def test_a_save_that_is_under_way_when_the_device_comes_back_overwrites_nothing(
    nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    """The old connection's last words are still being stored while the new one begins and says something."""
    llm = ScriptedLlm([Reply(pieces=[writes("Likes tea.")], first=5), writes("Has a cat.")])
    desk = await Desk(llm, store=SlowStore()).open(nursery)
    desk.say("I like tea", session="old")
    desk.office.over("a", "old")
    assert await desk.said() == ["I like tea"]
    desk.say("I have a cat", session="new")
    desk.office.over("a", "new")
    assert await desk.learned_something(number=2) == ["Has a cat.", "Likes tea."]
    assert await desk.said() == ["I like tea", "I have a cat"]
    shown = [json.loads(prompt.messages[1].content) for prompt in llm.prompts]
    assert [len(one["conversation"]) for one in shown] == [1, 1]
    assert shown[1]["known"] == {"1": "Likes tea."}, "one after the other: the second knows what the first has learned"


async def test_a_conversation_is_resumed_within_its_window_only(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    desk = await Desk(resume_within_s=600.0, exchanges=3, history=2).open(nursery)
    desk.say("old")
    await trio.sleep(300)
    for number in range(4):
        desk.say(str(number))
    assert await desk.said() == ["2", "3"], "as many as the model is shown"
    assert len(await desk.store.recall.exchanges("a")) == 3
    await trio.sleep(601)
    assert await desk.said() == []


@pytest.mark.parametrize(("step", "resumed"), [(-3600, False), (-500, True), (-1, True), (500, True), (3600, False)])
async def test_a_clock_that_is_set_makes_no_conversation_last_for_ever(
    nursery: trio.Nursery, autojump_clock: Clock, step: float, resumed: bool
) -> None:
    desk = await Desk(resume_within_s=600.0).open(nursery)
    desk.say("I like tea")
    desk.office.over("a", "s")
    await trio.sleep(1)
    desk.clock.moment += datetime.timedelta(seconds=step)
    assert await desk.said() == (["I like tea"] if resumed else [])
    await trio.sleep(2000)
    assert await desk.store.recall.exchanges("a") == ()


async def test_exchanges_go_when_they_are_worked_out_and_over(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    desk = await Desk(resume_within_s=600.0).open(nursery)
    desk.say("I like tea")
    desk.say("unread", device="b")
    desk.office.over("a", "s")
    await trio.sleep(500)
    assert len(await desk.store.recall.exchanges("a")) == 1
    await trio.sleep(1000)
    assert await desk.store.recall.exchanges("a") == ()
    assert len(await desk.store.recall.exchanges("b")) == 1


async def test_what_is_kept_is_bounded(nursery: trio.Nursery) -> None:
    desk = await Desk().open(nursery)
    desk.say("x" * 10_000, answer="y" * 10_000)
    desk.office.paused("a", [float(n) for n in range(1000)])
    past = await desk.office.past("a")
    assert [len(past.exchanges[0].user), len(past.exchanges[0].answer)] == [LONGEST_SAID] * 2
    assert past.pauses == tuple(float(n) for n in range(1000 - KEPT, 1000))


async def test_a_store_that_fails_loses_what_it_was_to_keep_and_delays_no_other_device(
    nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    desk = await Desk(store=SlowStore(seconds=0, fails="a")).open(nursery)
    desk.say("lost")
    desk.say("kept", device="b")
    with trio.fail_after(0.1):
        assert await desk.said("b") == ["kept"]
    assert await desk.said("a") == []
    assert trio.current_time() < 10
    assert desk.office._at_work is not None
    assert desk.office._at_work[0].lost == 1


async def test_of_too_much_that_waits_the_oldest_is_lost_and_counted(
    nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    desk = await Desk(store=SlowStore(), exchanges=500, history=500).open(nursery)
    for number in range(MOST + 20):
        desk.say(str(number))
    assert await desk.said() == [str(number) for number in range(20, MOST + 20)]
    assert desk.office._at_work is not None
    assert desk.office._at_work[0].lost == 20


async def test_a_store_that_cannot_be_read_is_said_so(nursery: trio.Nursery) -> None:
    desk = await Desk().open(nursery)

    async def fail(*_: Any, **__: Any) -> Any:
        await trio.lowlevel.checkpoint()
        raise StoreError("the disk is broken.")

    desk.store.recall.exchanges = desk.store.recall.facts = fail  # type: ignore[method-assign]
    with pytest.raises(RefusedError, match="cannot be read"):
        await desk.office.past("a")
    with pytest.raises(ProviderError, match="broken"):
        await desk.recall("tea")


async def test_an_office_that_is_closed_delays_nobody(autojump_clock: Clock) -> None:
    desk = Desk()
    desk.say("to nobody")
    desk.office.paused("a", [1.0])
    desk.office.over("a", "s")
    assert await desk.office.past("a") == Past()
    await desk.office.settle()
    assert trio.current_time() == 0


# --- what is worth remembering ----------------------------------------------------------------------------------------


@pytest.mark.req("ME-1", "ME-2", "ME-3")
async def test_what_the_model_of_purpose_memory_finds_is_recalled_in_the_next_conversation(
    nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    llm = ScriptedLlm([writes("Likes oolong tea.", "Has a dog.", summary="Talked about tea.")])
    desk = await Desk(llm).open(nursery)  # its chat model is switched off
    assert await desk.recall("what tea do I like") == ""
    desk.say("I like oolong tea")
    desk.office.over("a", "s")
    assert trio.current_time() == 0, "nobody waits"
    await desk.learned_something(number=3)
    assert (await desk.recall("what tea do I like")).splitlines() == [
        HEADER,
        '- 2026-11-21: "Likes oolong tea."',
        '- 2026-11-21, a conversation: "Talked about tea."',
        '- 2026-11-21: "Has a dog."',
    ]
    assert "Has a dog" in (await desk.recall("my dog")).splitlines()[1]
    assert llm.prompts[0].max_tokens == 800


@pytest.mark.req("LM-14", "B-87")
async def test_conversations_of_a_device_with_its_own_model_are_told_to_no_other(
    nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    ours, own = (ScriptedLlm([writes(f"Known to {who}.")]) for who in ("the server", "its own"))
    desk = await Desk(ours, own={"b": own}).open(nursery)
    for device in "ab":
        desk.say("I like tea", device=device)
        desk.office.over(device, "s")
    assert await desk.learned_something("a") == ["Known to the server."]
    assert await desk.learned_something("b") == ["Known to its own."]
    assert (len(ours.prompts), len(own.prompts)) == (1, 1)


@pytest.mark.req("ME-5", "B-75")
async def test_devices_never_mix(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    class Echo(ScriptedLlm):
        """Finds what each user said, after a while that depends on it."""

        def stream(self, prompt: Any) -> Any:
            (said,) = json.loads(prompt.messages[1].content)["conversation"]
            self._script.clear()
            self._script.append(Reply(pieces=[writes(said["user"])], first=len(said["user"]) % 3))
            return super().stream(prompt)

    desk = await Desk(Echo()).open(nursery)
    devices = [f"d{number}" for number in range(40)]
    for device in devices:
        desk.say(f"{device} likes tea" + "!" * (hash(device) % 5), device=device)
        desk.office.over(device, "s")
    for device in devices:
        (learned,) = await desk.learned_something(device)
        assert learned.startswith(f"{device} likes tea")
    for device in devices:
        lines = (await desk.recall("which tea", device)).splitlines()[1:]
        assert len(lines) == 1
        assert f'"{device} likes tea' in lines[0]
        assert len(await desk.said(device)) == 1


@pytest.mark.req("ME-1")
async def test_without_a_model_that_writes_documents_explicit_statements_are_kept(
    nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    desk = await Desk(OfflineLlm(lambda: datetime.datetime(2026, 11, 21, tzinfo=datetime.UTC))).open(nursery)
    desk.say("My name is Anna. What time is it?")
    desk.say("请记住我的车停在B2")
    desk.office.over("a", "s")
    assert await desk.learned_something(number=2) == ["记住: 我的车停在B2", "name: Anna"]
    assert trio.current_time() < 1
    desk.say("my name is Anne")
    desk.office.over("a", "s")
    await trio.sleep(1)
    assert sorted(await desk.learned()) == ["name: Anne", "记住: 我的车停在B2"]


@pytest.mark.req("ME-4")
async def test_a_model_that_fails_for_a_while_is_asked_again(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    down = Reply(error=ProviderError("llm", "is overloaded", retryable=True))
    llm = ScriptedLlm([down, Reply(first=10_000), writes("Likes tea.")])
    desk = await Desk(llm).open(nursery)
    desk.say("I like tea")
    desk.office.over("a", "s")
    assert await desk.learned_something() == ["Likes tea."]
    assert trio.current_time() == pytest.approx(60 + 2 * RETRY, abs=1)


async def test_a_model_that_fails_every_time_is_done_without(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    llm = ScriptedLlm([Reply(error=ProviderError("llm", "is overloaded", retryable=True))])
    desk = await Desk(llm).open(nursery)
    desk.say("I like tea")
    desk.office.over("a", "s")
    assert await desk.learned_something() == ["likes: tea"]
    assert len(llm.prompts) == ATTEMPTS


@pytest.mark.parametrize("answer", ["I would rather not.", '{"no": "facts"}', "{" * 50])
async def test_an_answer_that_is_no_use_is_done_without(
    nursery: trio.Nursery, autojump_clock: Clock, answer: str
) -> None:
    desk = await Desk(ScriptedLlm([answer])).open(nursery)
    desk.say("I like tea")
    desk.office.over("a", "s")
    assert await desk.learned_something() == ["likes: tea"]


async def test_a_long_conversation_is_read_part_by_part(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    llm = ScriptedLlm([writes("One."), writes("Two."), writes("Three.")])
    desk = await Desk(llm, exchanges=500).open(nursery)
    for number in range(2 * BATCH + 1):
        desk.say(str(number))
        await desk.office.past("a")
    desk.office.over("a", "s")
    assert sorted(await desk.learned_something(number=3)) == ["One.", "Three.", "Two."]
    assert [len(json.loads(p.messages[1].content)["conversation"]) for p in llm.prompts] == [BATCH, BATCH, 1]


async def test_what_is_said_while_a_conversation_is_read_is_read_after_it(
    nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    llm = ScriptedLlm([Reply(pieces=[writes("One.")], first=5), writes("Two.")])
    desk = await Desk(llm).open(nursery)
    desk.say("one")
    desk.office.over("a", "s")
    await trio.sleep(1)
    desk.say("two")
    desk.office.over("a", "s")
    desk.office.over("a", "s")
    assert sorted(await desk.learned_something(number=2)) == ["One.", "Two."]
    assert len(llm.prompts) == 2


async def test_what_is_told_late_is_read_too(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    """It is still being stored when all that there was has been read."""
    llm = ScriptedLlm([writes("One."), writes("Two.")])
    desk = await Desk(llm, store=SlowStore()).open(nursery)
    desk.say("one")
    desk.office.over("a", "s")
    await trio.sleep(0.5)
    llm._script[0] = Reply(pieces=[writes("One.")], first=1)  # until 2.0 s
    await trio.sleep(1)
    desk.say("two")  # stored at 2.5 s
    desk.office.over("a", "s")
    assert sorted(await desk.learned_something(number=2, within=20)) == ["One.", "Two."]


async def test_of_a_conversation_without_an_end_nothing_goes_unread(
    nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    class Clerk(ScriptedLlm):
        def stream(self, prompt: Any) -> Any:
            self.read += [one["user"] for one in json.loads(prompt.messages[1].content)["conversation"]]
            return super().stream(prompt)

        read: list[str] = []  # noqa: RUF012 - of the only one

    llm = Clerk([Reply(pieces=[writes()], first=1)])
    desk = await Desk(llm, exchanges=10).open(nursery)
    for number in range(50):
        desk.say(str(number))
        await trio.sleep(1)
    desk.office.over("a", "s")
    await trio.sleep(5)
    assert llm.read == [str(number) for number in range(50)]
    assert len(llm.prompts) <= 20


async def test_a_model_that_drips_is_given_up(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    llm = ScriptedLlm([Reply(pieces=["x"] * 800, pause=59), writes("Likes tea.")])
    desk = await Desk(llm).open(nursery)
    desk.say("I like tea")
    desk.office.over("a", "s")
    assert await desk.learned_something(within=1e6) == ["Likes tea."]
    assert trio.current_time() == pytest.approx(LONGEST_READING + RETRY, abs=1)


async def test_few_conversations_are_read_at_once(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    class Busy(ScriptedLlm):
        now = most = 0

        @asynccontextmanager
        async def stream(self, prompt: Any) -> Any:
            self.now += 1
            self.most = max(self.most, self.now)
            try:
                async with super().stream(prompt) as tokens:
                    yield tokens
            finally:
                self.now -= 1

    llm = Busy([Reply(pieces=[writes("Likes tea.")], first=5)])
    desk = await Desk(llm).open(nursery)
    for number in range(12):
        desk.say("I like tea", device=str(number))
        desk.office.over(str(number), "s")
    for number in range(12):
        await desk.learned_something(str(number))
    assert llm.most == 4


async def test_the_model_is_shown_some_of_many_facts_and_none_is_known_twice(
    nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    llm = ScriptedLlm([writes("Likes tea of kind 1.", "Has a dog.")])
    desk = await Desk(llm).open(nursery)
    for number in range(SHOWN + 5):  # the oldest are not shown
        await desk.knows(fact(str(number), f"Likes tea of kind {number}.", created=number))
    desk.say("hello")
    desk.office.over("a", "s")
    learned = await desk.learned_something(number=SHOWN + 6)
    assert learned.count("Likes tea of kind 1.") == 1
    assert len(json.loads(llm.prompts[0].messages[1].content)["known"]) == SHOWN


async def test_what_is_erased_while_it_is_read_teaches_nothing(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    desk = await Desk(ScriptedLlm([Reply(pieces=[writes("A secret.")], first=5)]), store=SlowStore()).open(nursery)
    desk.say("a secret")
    desk.office.over("a", "s")
    await trio.sleep(3)
    desk.say("another secret")
    assert await desk.office.forget("a") == 2, "also what is still to be stored"
    await trio.sleep(60)
    assert await desk.learned() == []
    assert await desk.office.devices() == ()


@pytest.mark.parametrize("known", ["by nobody", "by another model", "by the same name"])
async def test_what_is_known_becomes_comparable_with_what_is_learned(
    nursery: trio.Nursery, autojump_clock: Clock, known: str
) -> None:
    """There was no model of meanings before, or another one, or one that made other vectors under the same name."""
    desk = await Desk(ScriptedLlm([writes("Owns a bicycle.")]), embedders=[Numbers()]).open(nursery)
    before = {"by nobody": ("", b""), "by another model": ("other", bytes(8)), "by the same name": ("m", bytes(12))}
    embedder, vector = before[known]
    await desk.knows(fact("1", "Likes tea.", vector=vector, embedder=embedder))
    desk.say("I own a bicycle")
    desk.office.over("a", "s")
    await desk.learned_something(number=2)
    facts = await desk.store.recall.facts("a")
    assert [(one.embedder, one.vector) for one in facts] == [("m", meaning_of(one.text)) for one in facts]


@pytest.mark.parametrize("part", ["facts", "one"])
async def test_what_is_erased_while_meanings_are_worked_out_stays_erased(
    nursery: trio.Nursery, autojump_clock: Clock, part: str
) -> None:
    llm = ScriptedLlm([Reply(pieces=[writes("Has a dog.")], first=5)])
    desk = await Desk(llm, embedders=[Numbers(seconds=5)]).open(nursery)
    await desk.knows(fact("1", "A secret."))
    desk.say("I have a dog")
    desk.office.over("a", "s")
    await trio.sleep(12)  # its vector is being asked for
    assert await desk.office.forget("a", part="facts", fact="1" if part == "one" else "") == 1
    await trio.sleep(60)
    assert await desk.learned() == ["Has a dog."]


@pytest.mark.parametrize("broken", ["hangs", "fails"])
async def test_facts_are_learned_without_a_server_for_meanings(
    nursery: trio.Nursery, autojump_clock: Clock, broken: str
) -> None:
    numbers = Numbers(seconds=1e6) if broken == "hangs" else Numbers(error=ProviderError("e", "is down."))
    desk = await Desk(ScriptedLlm([writes("Has a dog.")]), embedders=[numbers]).open(nursery)
    await desk.knows(fact("1", "Likes tea.", vector=b"1234", embedder="m"))
    desk.say("I have a dog")
    desk.office.over("a", "s")
    assert await desk.learned_something(number=2) == ["Has a dog.", "Likes tea."]
    assert trio.current_time() < 31
    begun = trio.current_time()
    assert "Likes tea" in await desk.recall("tea")
    assert "Likes tea" in await desk.recall("tea")
    assert trio.current_time() - begun <= 0.5, "a question waits half a second, and the next one not at all"


async def test_half_a_character_keeps_nothing_from_being_remembered(nursery: trio.Nursery, tmp_path: Path) -> None:
    async with sqlite(tmp_path) as store:
        llm = ScriptedLlm(['{"facts": ["Likes \\ud83d tea."], "summary": ""}'])
        desk = await Desk(llm, store=store).open(nursery)
        desk.say("I like \ud83d tea", answer="Yes \udc00")
        assert await desk.said() == ["I like \ufffd tea"]
        desk.office.over("a", "s")
        assert await desk.learned_something() == ["Likes \ufffd tea."]


async def test_what_is_erased_before_anybody_could_see_it_is_said_to_be_erased(
    nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    desk = await Desk(store=SlowStore()).open(nursery)
    desk.say("a secret")
    assert (await erase(desk.office, "a", part="all", fact="")).startswith("a: 1 exchanges and facts erased")
    with pytest.raises(RefusedError, match="nothing is remembered of any badge"):
        await erase(desk.office, "a", part="all", fact="")


# --- what serves -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ahead", "kept"), [(False, ["Likes tea.", "New."]), (True, ["Has a dog.", "New."])])
async def test_a_fact_that_serves_is_kept_longer(
    nursery: trio.Nursery, autojump_clock: Clock, ahead: bool, kept: list[str]
) -> None:
    """It serves for what was said: what may be said in a moment leaves no trace."""
    desk = await Desk(ScriptedLlm([writes("New.")]), facts=2).open(nursery)
    number = await desk.store.recall.add(Exchanged(device="a", session="s", at=0, user="", answer=""), keep=9)
    facts = (fact("1", "Likes tea."), fact("2", "Has a dog.", created=1))
    await desk.store.recall.learn(Lesson(device="a", upto=number, facts=facts), keep=9, summaries=9)
    await desk.recall("tea", ahead=ahead)
    assert [one.id for one in await desk.store.recall.facts("a")] == ["2", "1"]
    desk.say("something")
    desk.office.over("a", "s")
    await trio.sleep(1)
    assert sorted(await desk.learned()) == kept


async def test_a_question_has_the_same_answer_throughout_a_conversation(
    nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    """A draft is of use only when the turn finds the same notes; what has served is written down when the conversation ends."""
    desk = await Desk(embedders=[Numbers()], facts=9).open(nursery)
    await desk.knows(*(fact(str(number), f"Likes tea of kind {number}.", created=number) for number in range(6)))
    before = [one.id for one in await desk.store.recall.facts("a")]
    notes = await desk.recall("tea of kind 2")
    await trio.sleep(1)
    assert await desk.recall("tea of kind 2") == notes
    assert [one.used for one in await desk.store.recall.facts("a")] == [5, 4, 3, 2, 1, 0]
    desk.office.over("a", "s")
    await trio.sleep(1)
    assert {one.used for one in await desk.store.recall.facts("a")} == {desk.office._now() - 1000}
    assert before == ["5", "4", "3", "2", "1", "0"]
    await desk.recall("nothing of the kind", "b")
    assert desk.office.recaller.served("b") == ()


async def test_the_nearest_of_very_many_is_found_wherever_it_stands(nursery: trio.Nursery) -> None:
    """They are compared in parts, so that others have the thread in between."""
    desk = await Desk(embedders=[Numbers()], facts=900, prompt_chars=400).open(nursery)
    far = [attrs.evolve(fact(str(n), "y" * 3, created=n), vector=array("f", [-1, 0.0]).tobytes()) for n in range(500)]
    one = fact("one", "z" * 40, created=-1)
    known = [*far, attrs.evolve(one, vector=meaning_of("x" * 40))]
    await desk.knows(*(attrs.evolve(each, embedder="m") for each in known))
    assert "z" * 40 in (await desk.recall("x" * 40)).splitlines()[1]


async def test_a_long_question_is_cut_before_it_is_embedded(nursery: trio.Nursery) -> None:
    numbers = Numbers()
    desk = await Desk(embedders=[numbers]).open(nursery)
    await desk.knows(fact("1", "Likes tea."))
    assert "tea" in await desk.recall("tea " + "word " * 20_000 + '" OR owner : "x" NEAR(*) -{}^')
    assert [len(text) for texts in numbers.asked for text in texts] == [LONGEST_QUESTION]


# --- the end of the server --------------------------------------------------------------------------------------------


@pytest.mark.req("ME-4", "B-76")
async def test_the_server_waits_for_what_is_being_worked_out(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    desk = await Desk(ScriptedLlm([Reply(pieces=[writes("Likes tea.")], first=6)]), store=SlowStore()).open(nursery)
    desk.say("I like tea")
    desk.office.over("a", "s")
    await trio.sleep(0.01)  # B-76: the server is stopped 10 ms after the badge has gone
    await desk.office.settle()
    assert await desk.learned() == ["Likes tea."]
    assert trio.current_time() == pytest.approx(7, abs=0.1)


@pytest.mark.req("ME-4", "B-76")
async def test_what_is_not_finished_in_time_is_counted_and_done_after_the_next_start(
    nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    store = MemoryStore()  # outlives the office here, as a file outlives the server
    async with trio.open_nursery() as first_run:
        desk = await Desk(ScriptedLlm([Reply(first=10_000)]), store=store).open(first_run)
        for device in ("a", "b"):
            desk.say(f"I am {device}", device=device)
            desk.office.over(device, "s")
        await desk.office.past("b")
        begun = trio.current_time()
        with structlog.testing.capture_logs() as logs:
            await desk.office.settle()
        assert trio.current_time() - begun == pytest.approx(FINISH_WITHIN)
        assert [line["to_be_worked_out_after_the_next_start"] for line in logs if "not finished" in line["event"]] == [
            2
        ]
        first_run.cancel_scope.cancel()
    again = await Desk(ScriptedLlm([writes("Likes tea.")]), store=store).open(nursery)
    for device in ("a", "b"):
        assert await again.learned_something(device) == ["Likes tea."]
    assert await again.said("a") == ["I am a"]


async def test_a_model_that_is_down_does_not_hold_the_server_up(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    llm = ScriptedLlm([Reply(error=ProviderError("llm", "is overloaded", retryable=True))])
    desk = await Desk(llm).open(nursery)
    desk.say("I like tea")
    desk.office.over("a", "s")
    await trio.sleep(1)
    with structlog.testing.capture_logs() as logs:
        await desk.office.settle()
    assert trio.current_time() == pytest.approx(1)
    assert [line["to_be_worked_out_after_the_next_start"] for line in logs if "not finished" in line["event"]] == [1]
    assert await desk.store.recall.unread_devices() == ("a",)


async def test_words_are_in_no_log(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    failing = SlowStore(seconds=0, fails="b")
    with structlog.testing.capture_logs() as logs:
        desk = await Desk(ScriptedLlm(["no use: Kryptonit", writes("Kryptonit")]), store=failing).open(nursery)
        for device in ("a", "b"):
            desk.say("my name is Kryptonit", device=device, answer="Hello Kryptonit")
            desk.office.over(device, "s")
        await trio.sleep(300)
        await desk.recall("Kryptonit")
        assert "Kryptonit" in "".join(await desk.learned())
    assert logs
    assert "Kryptonit" not in str(logs) + repr(await desk.store.recall.facts("a")) + repr(await desk.office.past("a"))


async def test_the_store_in_memory_serves_as_well(nursery: trio.Nursery) -> None:
    async with opened(MemoryStore()) as store:
        desk = await Desk(store=store).open(nursery)
        desk.say("hello")
        assert await desk.said() == ["hello"]

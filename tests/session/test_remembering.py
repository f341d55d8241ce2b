"""A conversation goes on where it was left: on a new connection, after a pause, and not for anybody else."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
import trio.testing

from badge.link import Goodbye
from badge.session.remembering import RESUME_WITHIN
from providers.scripted import Hearing, Reply, ScriptedAsr, ScriptedLlm, ScriptedRecall, ScriptedTts, Utterance
from tests.house import Guest, House, Spawned, changed

DEVICE = "aa:bb:cc:00:00:01"
OTHER = "aa:bb:cc:00:00:02"

Clock = trio.testing.MockClock


class Talker(ScriptedLlm):
    """Answers each question in turn; about conversations it writes the facts that it is told to."""

    def __init__(self, *facts: str, **how: Any) -> None:
        super().__init__(["Yes."])
        self._facts = facts
        self._how = how
        self.asked: list[list[tuple[str, str]]] = []
        """the dialogues that it was shown, with the system prompt first"""

    def stream(self, prompt: Any) -> Any:
        reply = Reply(pieces=[f"Answer {len(self.asked) + 1}."], **self._how)
        if prompt.schema is not None:
            reply = Reply(pieces=[json.dumps({"facts": list(self._facts), "summary": ""})])
        else:
            self.asked.append([(one.role, one.content) for one in prompt.messages])
        self._script.clear()
        self._script.append(reply)
        return super().stream(prompt)

    @property
    def dialogues(self) -> list[list[str]]:
        return [[content for role, content in one if role != "system"] for one in self.asked]


class OfTheOffice(ScriptedRecall):
    """What the office of a house recalls, which is put together after this."""

    house: House

    async def recall(self, device: str, text: str, *, ahead: bool = False) -> str:
        assert self.house.office.memory is not None
        return await self.house.office.memory.recaller.recall(device, text, ahead=ahead)


async def ask(badge: Guest, text: str, *, answers: int = 1) -> None:
    badge.tell(type="listen", state="detect", text=text)
    await badge.until("tts", "stop", count=answers)


async def _hang(*_: Any, **__: Any) -> Any:
    await trio.sleep_forever()


async def _nothing(*_: Any, **__: Any) -> tuple[()]:
    await trio.lowlevel.checkpoint()
    return ()


async def leave(badge: Guest) -> None:
    badge.vanish()
    await badge.gone.wait()


@pytest.mark.req("ME-3", "ME-6", "RG-7", "B-15")
async def test_a_badge_that_comes_back_goes_on_with_its_conversation(
    nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    llm = Talker("Likes tea.")
    house = House(nursery, llm=llm, team=True)
    badge = await house.enter(DEVICE)
    await ask(badge, "I like tea")
    await ask(badge, "what else", answers=2)
    begun = trio.current_time()
    await leave(badge)
    assert trio.current_time() == begun, "closing waits for nothing"
    badge = await house.enter(DEVICE)
    await ask(badge, "and now")
    assert llm.dialogues[-1] == ["I like tea", "Answer 1.", "what else", "Answer 2.", "and now"]
    await ask(badge, "more", answers=2)
    assert llm.dialogues[-1][-3:] == ["and now", "Answer 3.", "more"]
    assert house.purposes.count("memory") == 1


@pytest.mark.req("ME-5", "B-75")
async def test_two_badges_never_go_on_with_each_others(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    llm = Talker()
    house = House(nursery, llm=llm, team=True)
    for device in (DEVICE, OTHER):
        badge = await house.enter(device)
        await ask(badge, f"I am {device}")
        await leave(badge)
    for device in (OTHER, DEVICE):
        badge = await house.enter(device)
        await ask(badge, "who am I")
        assert llm.dialogues[-1][0] == f"I am {device}"
        assert len(llm.dialogues[-1]) == 3


@pytest.mark.req("CH-2", "ME-2")
async def test_what_was_learned_is_in_the_prompt_of_the_turn_that_it_serves(
    nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    llm = Talker("Likes oolong tea.")
    settings = changed(chat={"prompt": "P"}, memory={"resume_within_s": 60})
    recall = OfTheOffice("")
    recall.house = house = House(nursery, llm=llm, team=True, recall=recall, settings=settings)
    badge = await house.enter(DEVICE)
    await ask(badge, "I like oolong tea")
    assert llm.asked[-1] == [("system", "P"), ("user", "I like oolong tea")]
    await leave(badge)
    await trio.sleep(100)
    badge = await house.enter(DEVICE)
    await ask(badge, "which tea do I like")
    (system, content), *rest = llm.asked[-1]
    assert system == "system"
    assert content.startswith("P\n\nNotes about this user")
    assert content.endswith('- 2026-11-21: "Likes oolong tea."')
    assert rest == [("user", "which tea do I like")], "the window is over"
    stranger = await house.enter(OTHER)
    await ask(stranger, "which tea do I like")
    assert llm.asked[-1][0] == ("system", "P")


@pytest.mark.req("RG-7")
async def test_a_takeover_moves_the_dialogue_and_is_no_end_of_the_conversation(
    nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    llm = Talker()
    house = House(nursery, llm=llm, team=True)
    old = await house.enter(DEVICE)
    await ask(old, "one")
    new = await house.enter(DEVICE)
    await old.gone.wait()
    assert "memory" not in house.purposes
    await ask(new, "two")
    assert llm.dialogues[-1] == ["one", "Answer 1.", "two"], "once, not twice"
    third = await house.enter(DEVICE)
    await new.gone.wait()
    await leave(third)
    await trio.sleep(1)
    assert house.purposes.count("memory") == 1, "it is over when the last connection is, though nothing was said on it"
    assert [one.user for one in await house.store.recall.exchanges(DEVICE)] == ["one", "two"]


@pytest.mark.req("RG-7", "CH-22")
@pytest.mark.parametrize(
    ("after", "heard"), [(0.0, []), (1.0, ["One…"]), (2.6, ["One. Two…"]), (9.0, ["One. Two. Three."])]
)
async def test_a_takeover_moves_of_an_answer_under_way_what_was_heard(
    nursery: trio.Nursery, autojump_clock: Clock, after: float, heard: list[str]
) -> None:
    llm = ScriptedLlm([Reply(pieces=["One. ", "Two. ", "Three."]), "Next."])
    house = House(nursery, llm=llm, team=True, tts=ScriptedTts(lambda _: Utterance(duration=2)))
    old = await house.enter(DEVICE)
    old.tell(type="listen", state="detect", text="tell me")
    await old.until("tts", "start")
    await trio.sleep(after)
    new = await house.enter(DEVICE)
    await ask(new, "go on")
    asked = [message.content for message in llm.prompts[-1].messages][1:]
    assert asked == ["tell me", *(heard or ["(interrupted)"]), "go on"]


@pytest.mark.req("ME-3")
async def test_an_answer_that_is_cut_short_is_remembered_as_far_as_it_went(
    nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    llm = ScriptedLlm([Reply(pieces=["First…", "Second. "], pause=3), Reply(first=50)])
    house = House(nursery, llm=llm, team=True)
    badge = await house.enter(DEVICE)
    badge.tell(type="listen", state="detect", text="tell me")
    await badge.until("tts", "sentence_start")
    await trio.sleep(0.3)
    badge.tell(type="abort")
    await badge.until("tts", "stop")
    badge.tell(type="listen", state="detect", text="unanswered")
    await trio.sleep(5)
    assert [(one.user, one.answer) for one in await house.store.recall.exchanges(DEVICE)] == [("tell me", "First…")]
    await leave(badge)
    await trio.sleep(0.1)
    assert [(one.user, one.answer) for one in await house.store.recall.exchanges(DEVICE)] == [
        ("tell me", "First…"),
        ("unanswered", ""),
    ]


async def test_a_question_that_is_asked_again_after_a_cough_is_remembered_once(
    nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    llm = ScriptedLlm([Reply(first=50), "At last."])
    house = House(nursery, llm=llm, team=True)
    badge = await house.enter(DEVICE)
    badge.tell(type="listen", state="detect", text="well")
    await trio.sleep(1)
    badge.tell(type="abort")
    await trio.sleep(1)
    badge.tell(type="listen", state="detect", text="well")
    await badge.until("tts", "stop", count=2)
    await trio.sleep(1)
    assert [(one.user, one.answer) for one in await house.store.recall.exchanges(DEVICE)] == [("well", "At last.")]


@pytest.mark.req("CL-5")
async def test_a_session_that_is_over_knows_nothing_any_more(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    house = House(nursery, llm=Talker(), team=True)
    badge = await house.enter(DEVICE)
    await ask(badge, "a secret")
    session = badge.session
    conversation = session.conversation
    memory = conversation._answers._memory
    badge.tell(type="listen", state="detect", text="unanswered secret")
    await leave(badge)
    assert len(session._dialogue) == 0
    assert memory._exchange is None
    assert "secret" not in repr(vars(memory)) + repr(session._dialogue)


@pytest.mark.req("AU-6", "B-75")
async def test_a_connection_that_says_nothing_asks_and_tells_nothing(
    nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    house = House(nursery, llm=Talker(), team=True)
    assert house.office.memory is not None
    told: list[tuple[str, str]] = []
    house.office.memory.over = lambda *about: told.append(about)  # type: ignore[method-assign, assignment]
    for how in ("idle", "again"):
        badge = await house.enter(DEVICE)
        with Spawned() as spawned:
            badge.tell(type="hello", how=how)
            await trio.sleep(30)
        assert spawned.count == 0
        await leave(badge)
    await trio.sleep(1)
    assert "memory" not in house.purposes
    assert await house.store.recall.devices() == ()
    assert told == []


@pytest.mark.req("ME-1")
async def test_where_nothing_is_remembered_nothing_is_kept(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    llm = Talker()
    house = House(nursery, llm=llm, team=True, settings=changed(memory={"use": "none"}))
    for _ in range(2):
        badge = await house.enter(DEVICE)
        await ask(badge, "hello")
        await leave(badge)
    await trio.sleep(100)
    assert llm.dialogues == [["hello"], ["hello"]]
    assert await house.store.recall.devices() == ()
    assert "memory" not in house.purposes
    assert house.office.memory is None
    assert house.office.recall.disabled


@pytest.mark.parametrize("how", ["hangs", "fails"])
async def test_a_past_that_is_not_to_be_had_delays_the_answer_a_second_at_most(
    nursery: trio.Nursery, autojump_clock: Clock, how: str
) -> None:
    llm = Talker()
    house = House(nursery, llm=llm, team=True)
    badge = await house.enter(DEVICE)
    if how == "fails":
        house.break_store("recall")
    else:
        house.store.recall.exchanges = _hang  # type: ignore[method-assign]
    begun = trio.current_time()
    await ask(badge, "hello")
    assert llm.dialogues == [["hello"]]
    (start,) = badge.times("tts", "sentence_start")
    assert start - begun < (RESUME_WITHIN if how == "hangs" else 0) + 0.5
    await ask(badge, "again", answers=2)
    assert llm.dialogues[-1] == ["hello", "Answer 1.", "again"], "asked once only"


@pytest.mark.req("ME-3")
async def test_the_past_is_asked_for_once(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    """Where there is none, too: neither each guess at what is said nor each turn asks again."""
    settings = changed(listen={"eager": True, "eager_silence_ms": 200, "eager_steady_ms": 60})
    asr = ScriptedAsr([Hearing(text="", partials=["well"]), Hearing(text="hello", partials=["hello"])])
    house = House(nursery, llm=Talker(), asr=asr, team=True, settings=settings)
    assert house.office.memory is not None
    asked: list[str] = []
    past = house.office.memory.past

    async def noting(device: str) -> Any:
        asked.append(device)
        return await past(device)

    house.office.memory.past = noting  # type: ignore[method-assign]
    for connection in range(1, 3):
        badge = await house.enter(DEVICE)
        assert len(asked) == connection - 1
        for _ in range(2):
            badge.tell(type="listen", state="start", mode="auto")
            await badge.sound("voice", 0.9)
            await badge.sound("silence", 1.5)
        await badge.until("tts", "stop")
        await ask(badge, "again", answers=2)
        assert house.services.metrics.value("badge_drafts_total") == 2 * connection
        assert asked == [DEVICE] * connection
        await leave(badge)
        house.store.recall.exchanges = _nothing  # type: ignore[method-assign]


async def test_notes_that_are_not_to_be_had_delay_an_answer_little(
    nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    house = House(nursery, llm=Talker(), recall=ScriptedRecall("late", delay=60))
    badge = await house.enter(DEVICE)
    begun = trio.current_time()
    await ask(badge, "hello")
    (start,) = badge.times("tts", "sentence_start")
    assert 1 < start - begun < 2


@pytest.mark.req("ME-3", "ME-4", "CL-4")
async def test_closing_never_waits_for_what_is_worked_out_and_the_work_outlives_the_session(
    nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    class Slow(Talker):
        def stream(self, prompt: Any) -> Any:
            stream = super().stream(prompt)
            if prompt.schema is not None:
                self._script[0] = Reply(pieces=['{"facts": ["Likes tea."], "summary": ""}'], first=20)
            return stream

    house = House(nursery, llm=Slow(), team=True)
    badge = await house.enter(DEVICE)
    await ask(badge, "I like tea")
    begun = trio.current_time()
    badge.session.retire(Goodbye.SHUTDOWN)
    await badge.gone.wait()
    assert trio.current_time() - begun < 2.5
    await trio.sleep(30)
    assert [one.text for one in await house.store.recall.facts(DEVICE)] == ["Likes tea."]

"""Answers that are begun before the utterance is over: earlier when the guess was right, without a trace when it was not."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from badge.components import Component
from badge.link import Goodbye
from badge.llms import Purpose
from badge.llms.fixed import FixedLlms
from badge.metrics import Metrics
from badge.session.drafting import LIFETIME, TOKENS, Drafts
from badge.session.eagerness import Eagerness
from providers.ports import ChatMessage, Prompt, ProviderError, Text, Token, single_error
from providers.scripted import Hearing, Reply, ScriptedAsr, ScriptedLlm, ScriptedRecall, ScriptedTts, Utterance
from tests.house import Guest, House, changed

EAGER = changed(listen={"eager": True, "eager_silence_ms": 200, "eager_steady_ms": 60})
SLOW = Reply(pieces=["It is half past nine."], first=0.3)


def counted(house: House) -> dict[str, int]:
    """What became of drafts."""
    metrics = house.services.metrics
    found = {"begun": metrics.value("badge_drafts_total"), "taken": metrics.value("badge_drafts_taken_total")}
    for why in ("resumed", "words", "prompt", "void"):
        found[why] = metrics.value("badge_drafts_discarded_total", reason=why)
    return {name: int(value) for name, value in found.items() if value == value and value}


def said(badge: Guest) -> list[str]:
    return [m["text"] for m in badge.of("tts", "sentence_start")]


async def in_auto(badge: Guest, *, voice: float = 0.9, silence: float = 1.2) -> float:
    """Speak in auto; gives when the voice ended."""
    badge.tell(type="listen", state="start", mode="auto")
    await badge.sound("voice", voice)
    ended = trio.current_time()
    await badge.sound("silence", silence)
    return ended


class EchoLlm(ScriptedLlm):
    """Every answer names its question, and comes in pieces, after a random time."""

    def __init__(self, seed: int = 0, broken: float = 0.0) -> None:
        super().__init__()
        self._dice = random.Random(seed)
        self._risk = broken

    @asynccontextmanager
    async def stream(self, prompt: Prompt) -> AsyncIterator[trio.MemoryReceiveChannel[Token]]:
        error = ProviderError("llm", "hung up", retryable=True) if self._dice.random() < self._risk else None
        words = prompt.messages[-1].content
        pieces = ["This ", "answers ", words, ". ", "And ", "this ", "too, ", words, "."]
        self._script.clear()
        self._script.append(
            Reply(pieces=pieces, first=self._dice.uniform(0, 0.6), pause=self._dice.uniform(0, 0.1), error=error)
        )
        async with super().stream(prompt) as tokens:
            yield tokens


# --- earlier ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("eager", "wait"), [(True, 0.52), (False, 0.8)])
async def test_the_model_begins_while_the_silence_lasts(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, eager: bool, wait: float
) -> None:
    asr = ScriptedAsr([Hearing(text="what time is it", partials=["what time is it"])])
    llm = ScriptedLlm([SLOW])
    house = House(nursery, asr=asr, llm=llm, settings=changed(listen={"eager": eager}), tts=ScriptedTts())
    badge = await house.enter()
    ended = await in_auto(badge)
    await badge.until("tts", "stop")
    assert badge.times("audio")[0] - ended == pytest.approx(wait, abs=0.07)
    assert said(badge) == ["It is half past nine."]
    assert len(llm.prompts) == 1
    assert counted(house) == ({"begun": 1, "taken": 1} if eager else {})


async def test_who_ends_utterances_himself_is_answered_earlier_too(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    asr = ScriptedAsr([Hearing(text="hello", partials=["hello"])])
    house = House(nursery, asr=asr, llm=ScriptedLlm([SLOW]), settings=EAGER)
    badge = await house.enter()
    badge.tell(type="listen", state="start", mode="manual")
    await badge.sound("voice", 0.9)
    await badge.sound("silence", 0.9)
    badge.tell(type="listen", state="stop")
    stopped = trio.current_time()
    await badge.until("tts", "stop")
    assert badge.times("audio")[0] - stopped < 0.1
    assert counted(house) == {"begun": 1, "taken": 1}


async def test_what_was_said_before_belongs_to_the_words(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """An utterance that went on before it was answered is answered as a whole; so is its draft."""
    asr = ScriptedAsr([Hearing(text="one", delay=0.4), Hearing(text="two", partials=["two"])])
    house = House(nursery, asr=asr, llm=ScriptedLlm([SLOW]), settings=EAGER)
    badge = await house.enter()
    badge.tell(type="listen", state="start", mode="realtime")
    await badge.sound("voice", 0.6)
    await badge.sound("silence", 0.6)
    await badge.sound("voice", 0.6)
    await badge.sound("silence", 1.2)
    await badge.until("tts", "stop")
    assert [prompt.messages[-1].content for prompt in house.llm.prompts] == ["one two"]
    assert counted(house) == {"begun": 1, "taken": 1}


# --- without a trace --------------------------------------------------------------------------------------------------


async def test_nothing_of_a_wrong_draft_is_heard_or_remembered(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    asr = ScriptedAsr([Hearing(text="turn it off later", partials=["turn it off"])])
    llm = ScriptedLlm(["It is off.", "Later, then."])
    house = House(nursery, asr=asr, llm=llm, settings=EAGER)
    badge = await house.enter()
    await in_auto(badge)
    await badge.until("tts", "stop")
    assert [prompt.messages[-1].content for prompt in llm.prompts] == ["turn it off", "turn it off later"]
    assert [len(prompt.messages) for prompt in llm.prompts] == [2, 2]
    assert said(badge) == ["Later, then."]
    assert house.tts.spoken == ["Later, then."]
    assert [m["text"] for m in badge.of("stt")] == ["turn it off later"]
    (exchange,) = badge.session._dialogue
    assert (exchange.user, exchange.answer) == ("turn it off later", "Later, then.")
    assert counted(house) == {"begun": 1, "words": 1}


class Notebook(ScriptedRecall):
    """Notes what has served; what it remembers depends on that."""

    def __init__(self) -> None:
        super().__init__("")
        self.served: list[str] = []

    async def recall(self, device: str, text: str, *, ahead: bool = False) -> str:
        await super().recall(device, text, ahead=ahead)
        known = f"{self.served} have served"
        self.served += [] if ahead else [text]
        return known


@pytest.mark.parametrize(("partial_text", "fate"), [("turn it off", "words"), ("turn it off later", "taken")])
async def test_memory_serves_for_what_was_said(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, partial_text: str, fate: str
) -> None:
    """A draft asks it, and leaves no trace there, by which the prompt of the turn would be another one."""
    asr = ScriptedAsr([Hearing(text="turn it off later", partials=[partial_text])])
    recall = Notebook()
    house = House(nursery, asr=asr, llm=ScriptedLlm(["Yes."]), recall=recall, settings=EAGER)
    badge = await house.enter()
    await in_auto(badge)
    await badge.until("tts", "stop")
    assert [text for _, text in recall.asked] == [partial_text, "turn it off later"]
    assert recall.served == ["turn it off later"]
    assert counted(house) == {"begun": 1, fate: 1}


class Fickle(ScriptedRecall):
    """Remembers something else every time."""

    async def recall(self, device: str, text: str, *, ahead: bool = False) -> str:
        await super().recall(device, text, ahead=ahead)
        return f"Asked {len(self.asked)} times."


async def test_the_same_words_with_another_prompt_are_another_question(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    asr = ScriptedAsr([Hearing(text="what is new", partials=["what is new"])])
    llm = ScriptedLlm(["Nothing.", "A lot."])
    house = House(nursery, asr=asr, llm=llm, recall=Fickle(""), settings=EAGER)
    badge = await house.enter()
    await in_auto(badge)
    await badge.until("tts", "stop")
    assert said(badge) == ["A lot."]
    assert [prompt.messages[-1].content for prompt in llm.prompts] == ["what is new"] * 2
    assert counted(house) == {"begun": 1, "prompt": 1}


async def test_who_speaks_on_ends_the_draft(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    asr = ScriptedAsr([Hearing(text="play some music", partials=["play"] * 22 + ["play some music"])])
    llm = ScriptedLlm([Reply(pieces=["Play what?"], first=5.0), "Here it is."])
    house = House(nursery, asr=asr, llm=llm, settings=EAGER)
    badge = await house.enter()
    badge.tell(type="listen", state="start", mode="auto")
    await badge.sound("voice", 0.6)
    await badge.sound("silence", 0.36)
    assert len(llm.prompts) == 1
    await badge.sound("voice", 0.6)
    assert llm.abandoned == 1
    await badge.sound("silence", 1.2)
    await badge.until("tts", "stop")
    assert said(badge) == ["Here it is."]
    assert counted(house) == {"begun": 2, "resumed": 1, "taken": 1}


async def test_nothing_said_in_the_end(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    asr = ScriptedAsr([Hearing(text="", partials=["the"])])
    llm = ScriptedLlm([Reply(pieces=["What?"], first=3.0)])
    house = House(nursery, asr=asr, llm=llm, settings=EAGER)
    badge = await house.enter()
    await in_auto(badge)
    assert badge.turn == []
    assert llm.abandoned == 1
    assert badge.session.conversation.state == "idle"
    assert counted(house) == {"begun": 1, "words": 1}


@pytest.mark.parametrize("how", ["abort", "typed", "gone", "failed"])
async def test_a_draft_ends_with_what_it_was_for(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, how: str
) -> None:
    error = ProviderError("asr", "broken") if how == "failed" else None
    asr = ScriptedAsr([Hearing(text="hello", partials=["hello"], error=error)])
    llm = ScriptedLlm([Reply(pieces=["Never."], first=3.0), "Yes."])
    house = House(nursery, asr=asr, llm=llm, settings=EAGER)
    badge = await house.enter()
    badge.tell(type="listen", state="start", mode="auto")
    await badge.sound("voice", 0.6)
    await badge.sound("silence", 0.36)
    assert counted(house) == {"begun": 1}
    match how:
        case "abort":
            badge.tell(type="abort")
        case "typed":
            badge.tell(type="listen", state="detect", text="what")
        case "gone":
            badge.vanish()
        case "failed":
            await badge.sound("silence", 0.6)
    await badge.quiet()
    assert llm.abandoned == 1
    await trio.sleep(6)
    assert said(badge) in ([], ["Yes."], ["Sorry, I did not catch that. Please say it again."]) or how == "failed"
    assert "Never." not in said(badge)
    assert counted(house) == {"begun": 1, "void": 1} or how == "failed"


async def test_whoever_silences_the_answer_ends_the_draft_that_it_is(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    asr = ScriptedAsr([Hearing(text="hello", partials=["hello"])])
    llm = ScriptedLlm([Reply(pieces=["Never."], first=5.0)])
    house = House(nursery, asr=asr, llm=llm, settings=EAGER)
    badge = await house.enter()
    await in_auto(badge)
    assert counted(house) == {"begun": 1, "taken": 1}
    assert llm.abandoned == 0
    badge.tell(type="abort")
    await badge.quiet()
    assert llm.abandoned == 1


@pytest.mark.parametrize(
    "words", ["你好小智", "进入会议模式", "goodbye", "remind me to call Ann in ten minutes", "结束会议"]
)
async def test_words_with_a_fixed_meaning_are_no_question(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, words: str
) -> None:
    asr = ScriptedAsr([Hearing(text=words, partials=[words])])
    phrases = {"exit": ["goodbye"], "enable_greeting": False}
    house = House(nursery, asr=asr, settings=changed(listen={"eager": True}, phrases=phrases), team=True)
    badge = await house.enter()
    await in_auto(badge)
    await badge.quiet()
    assert counted(house) == {}
    assert house.llm.prompts == []


async def test_commands_of_a_mode_wait_for_the_end(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """A partial text that is a command of the working mode is not carried out; a question there is begun early."""
    partials = ["认领任务"] * 3
    asr = ScriptedAsr(
        [Hearing(text="认领任务是什么意思", partials=partials), Hearing(text="为什么", partials=["为什么"])]
    )
    house = House(nursery, asr=asr, settings=EAGER, team=True)
    badge = await house.enter()
    badge.tell(type="mode", state="start", mode="working")
    await badge.quiet()
    for _ in range(2):
        badge.tell(type="listen", state="start", mode="manual")
        await badge.sound("voice", 0.9)
        await badge.sound("silence", 0.6)
        badge.tell(type="listen", state="stop")
        await trio.sleep(3)
    assert not [m for m in badge.of("workflow") if m.get("intent") == "assign"]
    assert [prompt.messages[-1].content for prompt in house.llm.prompts] == ["认领任务是什么意思", "为什么"]
    assert counted(house) == {"begun": 1, "taken": 1}


async def test_who_is_about_to_leave_is_asked_nothing(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    asr = ScriptedAsr([Hearing(text="hello", partials=["hello"])])
    house = House(nursery, asr=asr, settings=EAGER)
    badge = await house.enter()
    badge.tell(type="listen", state="start", mode="auto")
    await badge.sound("voice", 0.6)
    badge.session.conversation.part(Goodbye.SUPERSEDED)
    await badge.sound("silence", 0.36)
    assert counted(house) == {}


async def test_what_a_meeting_overhears_is_no_question(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    asr = ScriptedAsr([Hearing(text="we should talk", partials=["we should talk"])])
    house = House(nursery, asr=asr, settings=EAGER, team=True)
    badge = await house.enter()
    badge.tell(type="mode", state="start", mode="meeting")
    await badge.quiet()
    badge.tell(type="listen", state="start", mode="realtime")
    await badge.sound("voice", 0.9)
    await badge.sound("silence", 0.9)
    await badge.quiet()
    assert counted(house) == {}


# --- trouble ----------------------------------------------------------------------------------------------------------


async def test_the_model_is_asked_again_when_the_draft_failed(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    asr = ScriptedAsr([Hearing(text="hello", partials=["hello"])])
    llm = ScriptedLlm([Reply(error=ProviderError("llm", "busy", retryable=True)), "Hello."])
    house = House(nursery, asr=asr, llm=llm, settings=EAGER)
    badge = await house.enter()
    await in_auto(badge)
    await badge.until("tts", "stop")
    assert said(badge) == ["Hello."]


async def test_a_draft_that_fails_after_it_was_taken_fails_as_a_model_does(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    asr = ScriptedAsr([Hearing(text="hello", partials=["hello"])])
    late = Reply(pieces=["One. ", "Two."], first=0.4, pause=0.5, error=ProviderError("llm", "hung up"))
    house = House(nursery, asr=asr, llm=ScriptedLlm([late]), settings=EAGER)
    badge = await house.enter()
    await in_auto(badge, silence=3)
    await badge.until("tts", "stop")
    assert said(badge) == ["One.", "Two."]
    assert counted(house) == {"begun": 1, "taken": 1}


class OddLlm(ScriptedLlm):
    """Breaks in a way that nobody foresaw, once."""

    @asynccontextmanager
    async def stream(self, prompt: Prompt) -> AsyncIterator[trio.MemoryReceiveChannel[Token]]:
        if not self.prompts:
            self.prompts.append(prompt)
            raise RuntimeError("odd")
        async with super().stream(prompt) as tokens:
            yield tokens


async def test_an_error_of_ours_in_a_draft_harms_nobody(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    asr = ScriptedAsr([Hearing(text="hello", partials=["hello"])])
    house = House(nursery, asr=asr, llm=OddLlm(["Hello."]), settings=EAGER)
    badge = await house.enter()
    await in_auto(badge)
    await badge.until("tts", "stop")
    assert said(badge) == ["Hello."]
    assert not badge.gone.is_set()


# --- when ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "guesses"),
    [
        ([("go", 0.06), ("go", 0.12), ("go", 0.18)], ["", "", ""]),
        ([("go", 0.18), ("go", 0.24)], ["", "go"]),
        ([("go", 0.24), ("go on", 0.3), ("go on", 0.36)], ["", "", "go on"]),
        ([("go", 0.24), ("go", 0.3), ("go", 0.06), ("go", 0.3)], ["", "go", "", "go"]),
        ([("", 0.5), ("", 0.6)], ["", ""]),
    ],
)
def test_words_are_likely_all_when_they_are_steady_and_silence_lasts(
    steps: Sequence[tuple[str, float]], guesses: list[str]
) -> None:
    eagerness = Eagerness(EAGER.listen)
    found = []
    for number, (text, silence) in enumerate(steps, 20):
        position = number * 1920
        found.append(eagerness.guess(text, position, position - round(silence * 32000)))
    assert found == guesses


# --- in every order -----------------------------------------------------------------------------------------------------


def prompt(words: str) -> Prompt:
    return Prompt(messages=(ChatMessage(role="user", content=words),))


async def read(drafts: Drafts, llm: ScriptedLlm, asked: Prompt) -> tuple[str, ProviderError | None]:
    """As a turn reads an answer."""
    text = ""
    try:
        with single_error():
            draft = drafts.take(Purpose.CHAT, asked)
            async with draft.read() if draft is not None else llm.stream(asked) as tokens:
                while True:
                    try:
                        token = await tokens.receive()
                    except trio.EndOfChannel:
                        break
                    assert isinstance(token, Text)
                    text += token.text
    except ProviderError as exc:
        return text, exc
    return text, None


DO = st.one_of(
    st.tuples(st.just("begin"), st.sampled_from("abc")),
    st.tuples(st.just("take"), st.sampled_from("abc")),
    st.tuples(st.just("settle"), st.sampled_from("abc")),
    st.tuples(st.just("forget"), st.sampled_from(["resumed", "void"])),
    st.tuples(st.just("sleep"), st.sampled_from([0.0, 0.05, 0.3, 1.0, LIFETIME])),
)


@settings(max_examples=150, deadline=None)
@given(steps=st.lists(DO, max_size=12), seed=st.integers(0, 9), broken=st.sampled_from([0.0, 0.3]))
def test_whoever_takes_a_draft_reads_the_answer_to_his_own_question(
    steps: list[tuple[str, Any]], seed: int, broken: float
) -> None:
    trio.run(_in_order, steps, seed, broken, clock=trio.testing.MockClock(autojump_threshold=0))


async def _in_order(steps: list[tuple[str, Any]], seed: int, broken: float) -> None:
    llm, metrics, told = EchoLlm(seed, broken), Metrics(), []
    component: Component[Any] = Component("llm", (llm,))

    async def foresee(words: str) -> Prompt:
        await trio.lowlevel.checkpoint()
        return prompt(words)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(component.run)
        llms = FixedLlms({"default": component}, dict.fromkeys(Purpose, "default"))
        drafts = Drafts(llms.of, metrics, lambda *event: told.append(event[1]), nursery.start_soon)
        for step, value in steps:
            match step:
                case "begin":
                    drafts.begin(value, Purpose.CHAT, partial(foresee, value))
                case "take":
                    text, error = await read(drafts, llm, prompt(value))
                    whole = f"This answers {value}. And this too, {value}."
                    assert text == whole, "what was read is not the answer"
                    assert error is None or broken
                case "sleep":
                    await trio.sleep(value)
                case _:
                    getattr(drafts, step)(value)
        drafts.forget("void")
        await trio.sleep(2 * LIFETIME)
        left = [task for task in nursery.child_tasks if "_run" in task.name]
        assert left == [], "a draft outlives its session"
        nursery.cancel_scope.cancel()
    ends = [event for event in told if event not in ("begin", "open")]
    assert told.count("begin") == len(ends) == metrics.value("badge_drafts_total")
    assert metrics.value("badge_drafts_taken_total") == ends.count("take")


async def test_a_draft_waits_for_room_and_not_for_ever(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """Its tokens are bounded, and so is its life; both are let go of by the model's stream."""
    llm = ScriptedLlm([Reply(pieces=["x"] * 3 * TOKENS)])
    component: Component[Any] = Component("llm", (llm,))
    nursery.start_soon(component.run)
    llms = FixedLlms({"default": component}, dict.fromkeys(Purpose, "default"))
    drafts = Drafts(llms.of, Metrics(), lambda *_: None, nursery.start_soon)

    async def foresee() -> Prompt:
        await trio.lowlevel.checkpoint()
        return prompt("a")

    drafts.begin("a", Purpose.CHAT, foresee)
    await trio.sleep(LIFETIME / 2)
    assert llm.abandoned == 0
    await trio.sleep(LIFETIME)
    assert llm.abandoned == 1
    assert drafts.take(Purpose.CHAT, prompt("a")) is None
    drafts.begin("a", Purpose.CHAT, foresee)
    await trio.sleep(1)
    assert drafts.take(Purpose.CODING, prompt("a")) is None
    drafts.begin("a", Purpose.CHAT, foresee)
    await trio.sleep(1)
    text, error = await read(drafts, llm, prompt("a"))
    assert (len(text), error) == (3 * TOKENS, None)


@pytest.mark.parametrize("seed", range(25))
def test_every_answer_that_is_heard_is_to_what_was_said(seed: int) -> None:
    """A random life with wrong guesses, interruptions and failures: each sentence answers the words that were shown last,
    and so does each answer in the dialogue."""
    trio.run(_live, seed, clock=trio.testing.MockClock(autojump_threshold=0))


async def _live(seed: int) -> None:
    dice = random.Random(seed)
    words = ["alpha", "beta", "gamma", "delta"]
    hearings = [
        Hearing(
            text=dice.choice([*words, f"{dice.choice(words)} {dice.choice(words)}", ""]),
            partials=[dice.choice([*words, ""]) for _ in range(dice.randrange(30))],
            delay=dice.uniform(0, 0.3),
        )
        for _ in range(40)
    ]
    async with trio.open_nursery() as nursery:
        llm = EchoLlm(seed, broken=0.1)
        tts = ScriptedTts(lambda text: Utterance(duration=0.03 * len(text)))
        house = House(nursery, asr=ScriptedAsr(hearings), llm=llm, tts=tts, settings=EAGER)
        badge = await house.enter()
        for _ in range(12):
            await _do_something(badge, dice, words)
        await trio.sleep(20)
        _check(badge)
        assert not badge.gone.is_set()
        nursery.cancel_scope.cancel()


async def _do_something(badge: Guest, dice: random.Random, words: Sequence[str]) -> None:
    match dice.choice(["auto", "auto", "realtime", "manual", "typed", "abort", "wait"]):
        case "auto" | "realtime" as mode:
            badge.tell(type="listen", state="start", mode=mode)
            for _ in range(dice.randrange(1, 3)):
                await badge.sound("voice", dice.uniform(0.2, 0.8))
                await badge.sound("silence", dice.uniform(0.1, 1.5))
        case "manual":
            await badge.speak(voice=dice.uniform(0.2, 0.8))
        case "typed":
            badge.tell(type="listen", state="detect", text=dice.choice(words))
        case "abort":
            badge.tell(type="abort")
        case "wait":
            await trio.sleep(dice.uniform(0, 3))


def _check(badge: Guest) -> None:
    shown = ""
    for message in badge.messages:
        if message["type"] == "stt":
            shown = message["text"]
        elif message["type"] == "tts" and message["state"] == "sentence_start":
            apology = "answers" not in message["text"] and "too" not in message["text"]
            assert apology or message["text"].rstrip(".").endswith((f"answers {shown}", f"too, {shown}", "too,", shown))
    for exchange in badge.session._dialogue:
        if exchange.answer.startswith("This"):
            assert f"This answers {exchange.user}. And this too, {exchange.user}.".startswith(
                exchange.answer.rstrip("…")
            )

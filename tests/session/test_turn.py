"""The turn: from words to speech, what a badge sees of it, and how it ends when something fails."""

from __future__ import annotations

from itertools import pairwise

import pytest
import structlog
import trio
import trio.testing

from badge import texts
from providers.opus import Decoder
from providers.ports import MOUTH_RATE, ProviderError, ToolCallDelta
from providers.scripted import Hearing, Reply, ScriptedAsr, ScriptedLlm, ScriptedRecall, ScriptedTts, Utterance
from tests.house import House, Workshop, changed

DOWN = ProviderError("llm", "is down", retryable=True)


@pytest.mark.req("AV-1", "CH-5", "CH-21", "CH-29", "I-3")
async def test_a_whole_voice_turn(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    asr = ScriptedAsr(["What time is it?"])
    house = House(nursery, asr=asr, llm=ScriptedLlm([Reply(pieces=["It is ten. ", "Good night."])]))
    badge = await house.enter()
    await badge.speak(voice=0.9)
    await badge.until("tts", "stop")
    assert badge.turn == [
        "stt",
        "tts start",
        "llm",
        "tts sentence_start",
        "audio",
        "tts sentence_start",
        "audio",
        "tts stop",
    ]
    assert badge.of("stt")[0]["text"] == "What time is it"
    assert [m["text"] for m in badge.of("tts", "sentence_start")] == ["It is ten.", "Good night."]
    assert all(m["session_id"] == badge.session.traits.session_id for m in badge.messages if m["type"] != "server")
    heard = len(asr.heard[0]) / 32_000
    assert heard == pytest.approx(0.9, abs=0.001)
    spoken = sum(len(Decoder(MOUTH_RATE).decode(packet)) for packet in badge.audio) / (2 * MOUTH_RATE)
    assert spoken == pytest.approx(1.2, abs=0.001)


@pytest.mark.req("CH-1", "CH-6", "CH-27")
async def test_the_model_sees_the_dialogue_and_its_own_answers(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    llm = ScriptedLlm([Reply(pieces=["It is ", "ten."]), "You said one."])
    house = House(nursery, llm=llm, settings=changed(chat={"prompt": "Be brief."}))
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="one")
    await badge.until("tts", "stop")
    badge.tell(type="listen", state="detect", text="two")
    await badge.until("tts", "stop", count=2)
    assert [(m.role, m.content) for m in llm.prompts[1].messages] == [
        ("system", "Be brief."),
        ("user", "one"),
        ("assistant", "It is ten."),
        ("user", "two"),
    ]
    assert llm.prompts[0].session == badge.session.traits.session_id


@pytest.mark.req("CH-2")
async def test_memory_is_asked_and_merged_into_the_prompt(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    recall, llm = ScriptedRecall("The user likes tea."), ScriptedLlm()
    house = House(nursery, recall=recall, llm=llm, settings=changed(chat={"prompt": "P"}))
    badge = await house.enter("dev")
    badge.tell(type="listen", state="detect", text="what do I like")
    await badge.until("tts", "stop")
    assert recall.asked == [("dev", "what do I like")]
    assert llm.prompts[0].messages[0].content == "P\n\nThe user likes tea."


@pytest.mark.req("CH-2", "B-75")
async def test_everybody_is_remembered_for_himself(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """Two badges ask at the same time: each question goes to the memory of its own device, and so does the answer."""

    class Notebook(ScriptedRecall):
        async def recall(self, device: str, text: str, *, ahead: bool = False) -> str:
            await super().recall(device, text, ahead=ahead)
            return f"This is {device}."

    recall, llm = Notebook("", delay=1), ScriptedLlm()
    house = House(nursery, recall=recall, llm=llm, settings=changed(chat={"prompt": "P"}))
    a, b = await house.enter("a"), await house.enter("b")
    a.tell(type="listen", state="detect", text="from a")
    await trio.sleep(0.5)
    b.tell(type="listen", state="detect", text="from b")
    await a.until("tts", "stop")
    await b.until("tts", "stop")
    assert recall.asked == [("a", "from a"), ("b", "from b")]
    assert [[m.content for m in prompt.messages] for prompt in llm.prompts] == [
        ["P\n\nThis is a.", "from a"],
        ["P\n\nThis is b.", "from b"],
    ]


@pytest.mark.req("CH-2")
async def test_a_broken_memory_costs_the_memory_not_the_turn(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    recall = ScriptedRecall("", error=ProviderError("recall", "is down"))
    house = House(nursery, recall=recall)
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="hello")
    await badge.until("tts", "stop")
    assert [m["text"] for m in badge.of("tts", "sentence_start")] == ["It is half past nine."]


@pytest.mark.req("CH-3")
async def test_every_answer_has_a_fresh_id(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    house = House(nursery)
    badge = await house.enter()
    with structlog.testing.capture_logs() as logs:
        for number in (1, 2):
            badge.tell(type="listen", state="detect", text="again")
            await badge.until("tts", "stop", count=number)
            await badge.quiet()
    ids = [line["answer"] for line in logs if line["event"] == "turn over"]
    assert len(set(ids)) == 2
    assert all(len(i) == 32 and int(i, 16) >= 0 for i in ids)


async def fine() -> str:
    return "Done."


@pytest.mark.req("CH-4")
@pytest.mark.parametrize(("intent", "offered"), [("function_call", 1), ("none", 0)])
async def test_tools_are_offered_where_there_are_some_and_intent_says_so(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, intent: str, offered: int
) -> None:
    llm = ScriptedLlm()
    house = House(nursery, llm=llm, tools=Workshop(light=fine), settings=changed(chat={"intent": intent}))
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="light on")
    await badge.until("tts", "stop")
    assert len(llm.prompts[0].tools) == offered
    plain = House(nursery, llm=llm)
    badge = await plain.enter()
    badge.tell(type="listen", state="detect", text="light on")
    await badge.until("tts", "stop")
    assert llm.prompts[1].tools == ()


@pytest.mark.req("CH-26", "B-34")
async def test_a_chunk_that_is_the_word_content_is_text(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery, llm=ScriptedLlm([Reply(pieces=["content"])]))
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="hi")
    await badge.until("tts", "stop")
    assert [m["text"] for m in badge.of("tts", "sentence_start")] == ["content"]


@pytest.mark.req("DG-1", "DG-8", "CH-25", "B-40", "I-5")
@pytest.mark.parametrize(
    ("reply", "question", "apology"),
    [
        (Reply(error=DOWN), "几点了", "zh"),
        (Reply(error=DOWN), "what time is it", "en"),
        (Reply(pieces=[]), "what time is it", "en"),
        (Reply(pieces=["…"]), "what time is it", "en"),
        (Reply(pieces=[ToolCallDelta(index=0, id="1", name="f")]), "what time is it", "en"),
        (Reply(first=1e6), "what time is it", "en"),
    ],
    ids=["zh", "en", "empty", "nothing to say", "a call that was not offered", "mute"],
)
async def test_a_model_that_fails_at_once_is_excused_aloud(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, reply: Reply, question: str, apology: str
) -> None:
    llm = ScriptedLlm([reply, "Fine."])
    house = House(nursery, llm=llm)
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text=question)
    await badge.until("tts", "stop")
    said = "".join(m["text"] for m in badge.of("tts", "sentence_start")).replace(" ", "")
    assert said == texts.LLM_FAILED[apology].replace(" ", "")
    assert len(badge.audio) > 0
    badge.tell(type="listen", state="detect", text="again")
    await badge.until("tts", "stop", count=2)
    assert badge.of("tts", "sentence_start")[-1]["text"] == "Fine."
    roles = [m.role for m in llm.prompts[-1].messages]
    assert roles == ["system", "user", "assistant", "user"]


@pytest.mark.req("DG-4")
@pytest.mark.parametrize(("question", "language"), [("几点了", "zh"), ("what time is it", "en")])
async def test_a_model_that_cannot_be_reached_is_the_networks_fault(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, question: str, language: str
) -> None:
    away = ProviderError("llm", "the connection failed.", retryable=True, unreachable=True)
    badge = await House(nursery, llm=ScriptedLlm([Reply(error=away)])).enter()
    badge.tell(type="listen", state="detect", text=question)
    await badge.until("tts", "stop")
    said = "".join(m["text"] for m in badge.of("tts", "sentence_start")).replace(" ", "")
    assert said == texts.NETWORK_DOWN[language].replace(" ", "")


@pytest.mark.req("CH-25", "B-39", "AV-15")
@pytest.mark.parametrize("stall", [False, True])
async def test_a_model_that_breaks_midway_keeps_what_it_said(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, stall: bool
) -> None:
    broken = Reply(pieces=["One. Two ", "never"], pause=1e6) if stall else Reply(pieces=["One. ", "Two "], error=DOWN)
    llm = ScriptedLlm([broken, "Fine."])
    house = House(nursery, llm=llm)
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="count")
    started = trio.current_time()
    await badge.until("tts", "stop")
    assert [m["text"] for m in badge.of("tts", "sentence_start")] == ["One.", "Two"]
    assert badge.turn.count("tts stop") == 1
    if stall:
        assert trio.current_time() - started == pytest.approx(10.6 + 0.06, abs=0.7)
    badge.tell(type="listen", state="detect", text="go on")
    await badge.until("tts", "stop", count=2)
    assert [m.content for m in llm.prompts[1].messages][1:] == ["count", "One. Two ", "go on"]
    assert llm.abandoned >= 1


@pytest.mark.req("DG-3", "DG-8", "AV-15")
@pytest.mark.parametrize(
    "failure", [Utterance(error=ProviderError("tts", "broke")), Utterance(delay=1e6)], ids=["error", "mute"]
)
async def test_a_sentence_that_cannot_be_spoken_goes_out_as_text(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, failure: Utterance
) -> None:
    tts = ScriptedTts(lambda text: failure if "two" in text else Utterance())
    house = House(nursery, tts=tts, llm=ScriptedLlm([Reply(pieces=["Say one. Say two. ", "Say three."])]))
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="count")
    await badge.until("tts", "stop")
    assert [word for word in badge.turn if word not in ("stt", "llm")] == [
        "tts start",
        "tts sentence_start",
        "audio",
        "tts sentence_start",
        "tts sentence_start",
        "audio",
        "tts stop",
    ]
    assert [m["text"] for m in badge.of("tts", "sentence_start")] == ["Say one.", "Say two.", "Say three."]
    assert len(badge.audio) == 20


@pytest.mark.req("DG-3", "AV-11", "B-119")
async def test_without_any_synthesis_the_answer_is_text(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery, without=["tts"])
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="hi")
    await badge.until("tts", "stop")
    assert badge.turn == ["stt", "tts start", "llm", "tts sentence_start", "tts stop"]


@pytest.mark.req("CH-21")
async def test_the_next_sentence_is_made_while_this_one_plays(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    made: list[tuple[str, float]] = []

    def voice(text: str) -> Utterance:
        made.append((text, trio.current_time()))
        return Utterance(duration=2.4, delay=0.5)

    house = House(
        nursery, tts=ScriptedTts(voice), llm=ScriptedLlm([Reply(pieces=["Number one. Number two. Number three."])])
    )
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="count")
    await badge.until("tts", "stop")
    begun = [t - badge.times("tts", "start")[0] for _, t in made]
    marks = [t - badge.times("tts", "start")[0] for t in badge.times("tts", "sentence_start")]
    assert begun[1] < 1.0 < marks[1]
    assert begun[2] < marks[1]
    audio = badge.times("audio")
    gaps = [b - a for a, b in pairwise(audio)]
    assert max(gaps) <= 0.0601  # synthesis of the next sentence is never heard as a pause
    assert len(audio) == 120


@pytest.mark.req("CH-29")
@pytest.mark.parametrize("lead", [0, 2, 5])
async def test_pacing_and_the_end_of_play_out(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, lead: int
) -> None:
    """Burst no longer than configured, then one frame per frame duration, `tts stop` only after play-out."""
    tts = ScriptedTts(lambda _: Utterance(duration=3.0))
    house = House(nursery, tts=tts, settings=changed(tts={"lead_frames": lead}))
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="talk")
    await badge.until("tts", "stop")
    audio = badge.times("audio")
    first = audio[0]
    assert len(audio) == 50
    for number, at in enumerate(audio):
        assert at == pytest.approx(first + max(0, number - lead) * 0.06)
    assert first - badge.times("tts", "start")[0] == pytest.approx(0.012)
    assert badge.times("tts", "stop")[0] == pytest.approx(first + 50 * 0.06 + 0.06)


@pytest.mark.parametrize("frame_ms", [20, 40, 60])
async def test_frame_length_is_as_announced(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, frame_ms: int
) -> None:
    house = House(nursery, settings=changed(tts={"frame_ms": frame_ms}))
    badge = await house.enter()
    assert badge.of("hello")[0]["audio_params"]["frame_duration"] == frame_ms
    badge.tell(type="listen", state="detect", text="talk")
    await badge.until("tts", "stop")
    decoder = Decoder(MOUTH_RATE)
    assert {len(decoder.decode(packet)) for packet in badge.audio} == {MOUTH_RATE * frame_ms // 1000 * 2}


async def test_ready_made_packets_pass_through(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    house = House(nursery, tts=ScriptedTts(packets=[b"p1", b"p2", b"p3"]))
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="talk")
    await badge.until("tts", "stop")
    assert badge.audio == [b"p1", b"p2", b"p3"]


async def test_mood_is_shown_once_and_only_to_those_who_want_it(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery, llm=ScriptedLlm([Reply(pieces=["😂 That is ", "funny. Very 😠 funny."])]))
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="joke")
    await badge.until("tts", "stop")
    assert [(m["text"], m["emotion"]) for m in badge.of("llm")] == [("😂", "funny")]
    badge.tell(type="hello", features={"emoji": False})
    badge.tell(type="listen", state="detect", text="joke")
    await badge.until("tts", "stop", count=2)
    assert len(badge.of("llm")) == 1


async def test_ledger_and_partials_for_badges_that_ask(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    asr = ScriptedAsr([Hearing(text="what time is it", partials=["what", "what time"], delay=0.3)])
    llm = ScriptedLlm([Reply(pieces=["Ten."], first=0.2)])
    house = House(nursery, asr=asr, llm=llm, tts=ScriptedTts(lambda _: Utterance(delay=0.1)))
    badge = await house.enter()
    badge.tell(type="hello", features={"partials": True, "ledger": True})
    await badge.speak()
    await badge.until("ledger")
    assert [m["text"] for m in badge.of("stt") if m.get("partial")] == ["what", "what time"]
    ledger = badge.of("ledger")[0]
    assert ledger["stages"] == pytest.approx(
        {"endpointing": 60, "asr": 300, "queue": 0, "llm": 200, "tts": 100, "encode": 0, "gap": 0, "send": 0}, abs=0.01
    )
    assert ledger["total_ms"] == pytest.approx(sum(ledger["stages"].values()), abs=0.1)


@pytest.mark.req("CH-24", "B-32")
@pytest.mark.parametrize("gap", [0.01, 0.1, 0.7])
async def test_two_texts_at_once_never_interleave(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, gap: float
) -> None:
    llm = ScriptedLlm(["Answer one. More of one.", "Answer two. More of two."])
    house = House(nursery, llm=llm)
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="one")
    await trio.sleep(gap)
    badge.tell(type="listen", state="detect", text="two")
    await badge.until("tts", "stop")
    first = [m["text"] for m in badge.of("tts", "sentence_start")]
    await trio.sleep(10)
    said = [m["text"] for m in badge.of("tts", "sentence_start")]
    assert first == ["Answer one.", "More of one."][: len(first)]
    assert said == [*first, "Answer two.", "More of two."]
    bounds = [word for word in badge.turn if word in ("tts start", "tts stop")]
    assert bounds[-2:] == ["tts start", "tts stop"]
    assert bounds == ["tts start", "tts stop"] * (len(bounds) // 2)


@pytest.mark.req("CH-24")
async def test_new_words_wait_where_the_configuration_says_so(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    llm = ScriptedLlm(["Answer one.", "Answer two.", "Answer three."])
    house = House(nursery, llm=llm, settings=changed(chat={"new_words": "wait"}))
    badge = await house.enter()
    for text in ("one", "two", "three"):
        badge.tell(type="listen", state="detect", text=text)
    await badge.until("tts", "stop", count=3)
    assert [m["text"] for m in badge.of("tts", "sentence_start")] == ["Answer one.", "Answer two.", "Answer three."]
    assert badge.turn.count("tts start") == 3


@pytest.mark.req("CH-28", "B-47", "B-48")
async def test_text_that_comes_before_the_components_are_ready(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery, llm=ScriptedLlm(["Ready."], load=3), tts=ScriptedTts(load=4))
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="hi")
    await badge.until("tts", "stop")
    assert [m["text"] for m in badge.of("tts", "sentence_start")] == ["Ready."]
    assert len(badge.audio) == 10


@pytest.mark.req("B-84")
async def test_first_questions_at_the_same_moment_share_one_model(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    class Counting(ScriptedLlm):
        runs = 0

        async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
            self.runs += 1
            await super().run(task_status=task_status)

    llm = Counting(["Here."], load=1)
    house = House(nursery, llm=llm)
    badges = [await house.enter(device) for device in ("a", "b", "c")]
    for badge in badges:
        badge.tell(type="listen", state="detect", text="anybody there")
    for badge in badges:
        await badge.until("tts", "stop")
        assert [m["text"] for m in badge.of("tts", "sentence_start")] == ["Here."]
    assert llm.runs == 1
    assert len(llm.prompts) == 3


@pytest.mark.req("CH-24", "B-50")
@pytest.mark.parametrize("turns", [2, 20])
async def test_turns_that_hang_in_the_model_keep_nothing_from_the_next(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, turns: int
) -> None:
    llm = ScriptedLlm([*[Reply(pieces=["Never."], first=1e6)] * turns, "Here."])
    house = House(nursery, llm=llm)
    badge, other = await house.enter(), await house.enter("other")
    for number in range(turns):
        badge.tell(type="listen", state="detect", text=f"question {number}")
        await trio.sleep(1)
    asked = trio.current_time()
    badge.tell(type="listen", state="detect", text="the last question")
    other.tell(type="listen", state="detect", text="hello")
    await badge.until("tts", "sentence_start")
    await other.until("tts", "sentence_start")
    assert trio.current_time() - asked < 0.1
    assert badge.of("tts", "sentence_start")[0]["text"] == "Here."
    assert llm.abandoned == turns


@pytest.mark.req("CH-28")
async def test_a_model_that_never_loads_is_excused(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery, llm=ScriptedLlm(["Ready."], load=1e6))
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="hi")
    await badge.until("tts", "stop")
    assert badge.of("tts", "sentence_start")[0]["text"].startswith("Sorry")


@pytest.mark.req("RT-8", "DG-8")
async def test_an_error_of_ours_ends_the_turn_and_nothing_else(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    class Buggy(ScriptedTts):
        def speak(self, text: str):  # type: ignore[no-untyped-def]
            if "boom" in text:
                raise KeyError("a bug")
            return super().speak(text)

    house = House(nursery, tts=Buggy(), llm=ScriptedLlm(["boom", "Fine."]))
    badge = await house.enter()
    badge.tell(type="listen", state="detect", text="hi")
    await badge.until("tts", "stop")
    await badge.until("error")
    assert badge.of("error")[0]["code"] == "internal"
    badge.tell(type="listen", state="detect", text="again")
    await badge.until("tts", "stop", count=2)
    assert badge.of("tts", "sentence_start")[-1]["text"] == "Fine."

"""Writing minutes: part by part, repaired once, by rule where the model is no help, and never cut without a word."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import trio

from badge.config.team import MeetingSettings
from badge.meetings.document import LISTED, REFERENCES, TEXT, TITLE, Content, Minutes, dumps, loads
from badge.meetings.extract import extract
from badge.meetings.prompts import MINUTES
from badge.meetings.writing import EXTRACTED, NOTHING, Order, Writer
from badge.storage.records import Hole, Segment
from providers.llm.offline import OfflineLlm
from providers.ports import ProviderError, ToolCallDelta
from providers.scripted import Reply, ScriptedLlm
from tests.meetings.models import Asked, ReadingLlm, llms_of, minutes_of, start
from tests.meetings.stage import BEGIN

GOOD = json.dumps(
    {
        "title": "t",
        "summary": [{"text": "s", "segments": [1]}],
        "decisions": [],
        "actions": [{"text": "a", "owner": None, "due": None, "segments": [2]}],
        "questions": [],
    }
)
SILENT = ProviderError("m", "no", retryable=True)


def answer(**changes: Any) -> str:
    return json.dumps({**json.loads(GOOD), **changes})


def order(*texts: str, holes: tuple[Hole, ...] = ()) -> Order:
    """Minutes wanted of these words, two segments a page."""
    segments = [Segment(number=number, ts=number, text=text) for number, text in enumerate(texts, 1)]

    async def read(after: int) -> list[Segment]:
        await trio.lowlevel.checkpoint()
        return segments[after : after + 2]

    return Order(read=read, holes=holes, date="2026-11-21 (Saturday)", session="s1")


async def write(llm: Any, wanted: Order, **settings: Any) -> Minutes:
    """The minutes that this model leads to."""
    async with trio.open_nursery() as nursery:
        llms = await start(nursery, llm)
        minutes = await Writer(llms=llms, settings=lambda: MeetingSettings(**settings)).minutes(wanted)
        nursery.cancel_scope.cancel()
    return minutes


@pytest.mark.req("MT-15")
async def test_the_model_is_asked_strictly_and_shown_numbers_and_date(autojump_clock: object) -> None:
    llm = ScriptedLlm([GOOD])
    minutes = await write(llm, order("hello", "we ship on monday"))
    (prompt,) = llm.prompts
    assert prompt.messages[1].content == "[1] hello\n[2] we ship on monday"
    assert "2026-11-21 (Saturday)" in prompt.messages[0].content
    assert (prompt.max_tokens, prompt.schema, prompt.session) == (800, MINUTES, "s1")
    assert (minutes.title, minutes.text, minutes.method, minutes.left_out) == ("t", "s", "model", ())
    assert (minutes.actions[0].text, minutes.actions[0].owner, minutes.actions[0].segments) == ("a", None, (2,))


def test_the_schema_is_what_strict_servers_want() -> None:
    """Everything is required, and nothing more is allowed, at every level."""
    objects: list[dict[str, Any]] = []

    def collect(schema: dict[str, Any]) -> None:
        if schema.get("type") == "object":
            objects.append(schema)
            for inner in schema["properties"].values():
                collect(inner)
        elif "items" in schema:
            collect(schema["items"])

    collect(MINUTES.json)
    assert len(objects) == 5
    for schema in objects:
        assert schema["required"] == list(schema["properties"])
        assert schema["additionalProperties"] is False


@pytest.mark.parametrize(
    "text",
    [
        f"```json\n{GOOD}\n```",
        f"Here they are:\n{GOOD}\nDo you want more?",
        f'<think>{{"title": 1}}</think>{GOOD}',
        answer(mood="fine"),
    ],
)
async def test_what_stands_around_the_object_does_not_matter(autojump_clock: object, text: str) -> None:
    llm = ScriptedLlm([text])
    assert (await write(llm, order("one", "two"))).title == "t"
    assert len(llm.prompts) == 1


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ("I cannot do that.", "no complete JSON object"),
        (GOOD[:-20], "not valid JSON"),
        ("{" * 5000 + "}" * 5000, "not valid JSON"),
        (answer(actions=[{"text": 5, "segments": [1]}]), "actions[0].text: must be a string"),
        (answer(questions=None), "questions: must be a list"),
        (answer(summary=[]), "summary: must have at least one point"),
        (answer(decisions=[{"text": "d", "segments": [7]}]), "1 decisions, actions or questions name none of the numbers 1 to 2"),
        ("[1, 2]", "no complete JSON object"),
        (answer(title="\ud800"), "title: must be a string"),
    ],
)  # fmt: skip
async def test_an_answer_that_is_no_use_is_repaired_once(autojump_clock: object, bad: str, told: str) -> None:
    llm = ScriptedLlm([bad, GOOD])
    minutes = await write(llm, order("one", "two"))
    assert (minutes.title, minutes.method) == ("t", "model")
    repair = llm.prompts[1].messages
    assert [message.role for message in repair] == ["system", "user", "assistant", "user"]
    assert repair[2].content == bad
    assert told in repair[3].content


async def test_an_answer_without_words_is_quoted_as_such(autojump_clock: object) -> None:
    llm = ScriptedLlm([Reply(pieces=[" "]), GOOD])
    assert (await write(llm, order("hello", "two"))).method == "model"
    assert all(message.content.strip() for prompt in llm.prompts for message in prompt.messages)


async def test_after_one_repair_key_sentences_are_kept_and_it_is_said(autojump_clock: object) -> None:
    llm = ScriptedLlm(["no", "no", GOOD])
    minutes = await write(llm, order("We decided to ship.", "Bob will pack."))
    assert len(llm.prompts) == 2
    assert minutes.method == "extract"
    assert [one.text for one in minutes.decisions] == ["We decided to ship."]
    assert [(one.owner, one.segments) for one in minutes.actions] == [("Bob", (2,))]
    assert minutes.left_out == (
        "Of segments 1 to 2 only key sentences are here, because the answer of the language model could not be used.",
    )


async def test_points_that_rest_on_nothing_are_left_out_and_it_is_said(autojump_clock: object) -> None:
    baseless = answer(decisions=[{"text": "d", "segments": [7]}, {"text": "e", "segments": [1, 7]}])
    minutes = await write(ScriptedLlm([baseless]), order("one", "two"))
    assert [(one.text, one.segments) for one in minutes.decisions] == [("e", (1,))]
    assert minutes.method == "model"
    assert minutes.left_out == (
        "Not here are 1 decisions, actions or questions of which the language model did not say what they rest on.",
    )


async def test_what_a_model_says_is_bounded(autojump_clock: object) -> None:
    wide = answer(
        title="t " * 500,
        summary=[{"text": "s\n" * 500, "segments": [2, 1, 1]}],
        questions=[{"text": f"q{n}", "segments": list(range(1, 101))} for n in range(LISTED + 50)],
        actions=[{"text": "a", "owner": "o" * 500, "due": "d" * 500, "segments": [1]}],
    )
    minutes = await write(ScriptedLlm([wide]), order(*map(str, range(100))), summary_tokens=100_000)
    assert len(minutes.title) <= TITLE
    assert (len(minutes.summary[0].text), minutes.summary[0].segments) == (TEXT, (1, 2))
    assert len(minutes.questions) == LISTED
    assert all(len(one.segments) == REFERENCES for one in minutes.questions)
    assert len(minutes.actions[0].owner or "") == len(minutes.actions[0].due or "") == 60
    assert loads(dumps(minutes)) == minutes


async def test_an_answer_without_end_is_read_no_further(autojump_clock: object) -> None:
    llm = ScriptedLlm([Reply(pieces=["x" * 1000] * 100, pause=1.0), GOOD])
    begun = trio.current_time()
    assert (await write(llm, order("one", "two"), summary_tokens=500)).method == "model"
    assert trio.current_time() - begun == 7
    assert llm.abandoned == 1


async def test_a_model_that_calls_a_function_has_said_nothing(autojump_clock: object) -> None:
    llm = ScriptedLlm([Reply(pieces=[ToolCallDelta(index=0, name="f", arguments=GOOD)]), GOOD])
    assert (await write(llm, order("one", "two"))).title == "t"


@pytest.mark.parametrize(
    ("llm", "waited"),
    [
        (ScriptedLlm([Reply(error=SILENT)]), 0),
        (ScriptedLlm([Reply(first=1000)]), 120),
        (ScriptedLlm([Reply(pieces=["{"], pause=1000, error=SILENT)]), 0),
        (ReadingLlm(load=1000), 120),
        (OfflineLlm(lambda: BEGIN), 0),
        (None, 0),
    ],
)  # fmt: skip
async def test_without_a_model_there_are_key_sentences(autojump_clock: object, llm: Any, waited: float) -> None:
    """A model that fails, is slow, breaks off, loads for ever, writes no documents, or is switched off."""
    begun = trio.current_time()
    wanted = order(
        "我们决定周五发布。" * 60, *["小王负责发送报告。"] * 100, holes=(Hole(since=1, until=2, reason="overload"),)
    )
    async with trio.open_nursery() as nursery:
        llms = llms_of(llm)
        for component in llms.components():
            nursery.start_soon(component.run)
        settings = MeetingSettings(part_chars=500, patience_s=60)
        minutes = await Writer(llms=llms, settings=lambda: settings).minutes(wanted)
        nursery.cancel_scope.cancel()
    assert trio.current_time() - begun == waited
    assert minutes.method == "extract"
    assert minutes.decisions[0].text == "我们决定周五发布。"
    assert [(one.owner, len(one.segments)) for one in minutes.actions] == [("小王", REFERENCES)]
    assert minutes.left_out == ("第1至101段只保留了关键句，因为语言模型没有回答。",)
    assert minutes.holes == (Hole(since=1, until=2, reason="overload"),)


async def test_a_model_that_is_silent_once_is_asked_again_about_the_next_part(autojump_clock: object) -> None:
    def answers(asked: Asked) -> str | ProviderError:
        return SILENT if 2 in asked.numbers and asked.schema == "minutes" else minutes_of(asked)

    minutes = await write(ReadingLlm(answers), order(*["word " * 80] * 4), part_chars=500)
    assert minutes.method == "mixed"
    assert minutes.left_out == (
        "Of segments 2 to 2 only key sentences are here, because the language model did not answer.",
    )
    assert [one.segments for one in minutes.decisions] == [(1,), (3,), (4,)]


async def test_a_model_that_is_silent_twice_is_left_in_peace(autojump_clock: object) -> None:
    llm = ReadingLlm(lambda _: SILENT)
    await write(llm, order(*["word " * 80] * 50), part_chars=500)
    assert len(llm.asked) == 2


@pytest.mark.req("MT-15")
async def test_a_long_meeting_is_read_whole_part_by_part(autojump_clock: object) -> None:
    """No prompt is longer than configured; every word is shown once; summaries are joined level by level."""
    llm = ReadingLlm()
    texts = [f"words {n} " * (1 + n % 7) for n in range(900)] + ["one sentence without end " * 100]
    minutes = await write(llm, order(*texts), part_chars=1000)
    parts = [asked for asked in llm.asked if asked.schema == "minutes"]
    joins = [asked for asked in llm.asked if asked.schema == "summary"]
    assert all(asked.size <= 1000 for asked in llm.asked)
    assert sum(asked.size for asked in parts) > sum(map(len, texts))
    shown = [number for asked in parts for number in asked.numbers]
    assert sorted(set(shown)) == list(range(1, 902))
    assert shown.count(901) == 3  # it is longer than a part
    assert len(shown) == 900 + 3
    assert len(joins) >= 3  # two on the first level, one above
    assert joins[-1].numbers[0] == 1
    assert minutes.summary[0].segments == (1, 901)
    assert (minutes.title, minutes.method, minutes.left_out) == ("All plans", "model", ())
    assert len(minutes.decisions) == len({asked.numbers[0] for asked in parts})


async def test_points_beyond_the_bound_are_counted(autojump_clock: object) -> None:
    minutes = await write(ReadingLlm(), order(*["word " * 80] * (LISTED + 3)), part_chars=500)
    assert (len(minutes.decisions), len(minutes.actions)) == (LISTED, LISTED)
    assert minutes.left_out == ("Not here are 9 decisions, actions or questions, because minutes hold 100 of each.",)


async def test_more_parts_than_allowed_are_taken_by_rule_and_it_is_said(autojump_clock: object) -> None:
    llm = ReadingLlm()
    texts = [*["word " * 80] * 5, *["We decided to stop. " + "word " * 76] * 40]
    minutes = await write(llm, order(*texts), part_chars=500, most_parts=5)
    assert sum(asked.schema == "minutes" for asked in llm.asked) == 5
    assert minutes.method == "mixed"
    assert minutes.left_out == (
        "Of segments 6 to 45 only key sentences are here, because the meeting is longer than meeting.most_parts allows.",
    )
    assert minutes.decisions[-1].text == "We decided to stop."
    assert 45 in llm.asked[-1].numbers


async def test_summaries_that_the_model_does_not_join_are_joined_by_rule_and_it_is_said(autojump_clock: object) -> None:
    def answers(asked: Asked) -> str | ProviderError:
        return "no" if asked.schema == "summary" else minutes_of(asked)

    minutes = await write(ReadingLlm(answers), order(*["word " * 80] * 30), part_chars=500)
    assert minutes.method == "mixed"
    assert minutes.title == "Plans from 1"
    assert minutes.left_out == (
        "The summary of segments 1 to 30 was joined without a language model, and not all of its points are here.",
    )
    numbers = [number for point in minutes.summary for number in point.segments]
    assert len(minutes.summary) == 12
    assert numbers == sorted(numbers)
    assert numbers[-1] > 20


async def test_of_nothing_there_are_minutes_without_asking(autojump_clock: object) -> None:
    llm = ReadingLlm()
    minutes = await write(llm, order())
    assert (minutes.text, llm.asked) == (NOTHING["en"], [])


async def test_two_are_written_at_a_time(autojump_clock: object) -> None:
    llm = ReadingLlm(delay=10)
    async with trio.open_nursery() as nursery:
        writer = Writer(llms=await start(nursery, llm), settings=MeetingSettings)
        async with trio.open_nursery() as writing:
            for _ in range(5):
                writing.start_soon(writer.minutes, order("one", "two"))
        nursery.cancel_scope.cancel()
    assert (len(llm.asked), llm.most_running) == (5, 2)


async def test_an_error_of_ours_costs_the_model_and_not_the_minutes(
    autojump_clock: object, log_lines: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> Callable[..., object]:
        raise RuntimeError

    monkeypatch.setattr("badge.meetings.asking.json_in", broken)
    minutes = await write(ScriptedLlm([GOOD]), order("We decided to ship."))
    assert (minutes.method, len(minutes.decisions)) == ("extract", 1)
    assert [line.pop("what") for line in log_lines if line["event"] == "failed"] == ["minutes"]
    log_lines.clear()


async def test_picking_sentences_of_a_huge_part_lets_others_have_their_turn(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def measured(segments: Sequence[Segment]) -> Content:
        sizes.append(sum(len(segment.text) for segment in segments))
        return extract(segments)

    monkeypatch.setattr("badge.meetings.writing.extract", measured)
    texts = [*["We decided to ship. " + "word " * 50] * 100, "one sentence without end " * 1000]
    minutes = await write(None, order(*texts), part_chars=1_000_000)
    assert max(sizes) <= EXTRACTED
    assert sum(sizes) == sum(map(len, texts))
    assert minutes.decisions[0].segments == tuple(range(1, REFERENCES + 1))


async def test_a_summary_so_far_is_a_text_or_nothing(autojump_clock: object) -> None:
    segments = [Segment(number=1, ts=1, text="one")]
    async with trio.open_nursery() as nursery:
        for script, expected in (
            ([json.dumps({"summary": " a\nb "})], "a b"),
            (["no", '{"summary": ""}'], ""),
            ([Reply(error=SILENT)], ""),
        ):
            llm = ScriptedLlm(script)
            writer = Writer(llms=await start(nursery, llm), settings=MeetingSettings)
            assert await writer.checkpoint("", segments, "s") == expected
            assert llm.prompts[0].max_tokens == 400
        nursery.cancel_scope.cancel()

"""Minutes without a language model: what telling words are found, in both languages."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from badge.meetings.document import TEXT, fit
from badge.meetings.extract import KEY_SENTENCES, extract
from badge.storage.records import Segment


def said(*texts: str) -> list[Segment]:
    """A transcript."""
    return [Segment(number=number, ts=number * 1000, text=text) for number, text in enumerate(texts, 1)]


@pytest.mark.parametrize(
    ("text", "owner", "due"),
    [
        ("Bob will send the report by Friday.", "Bob", "Friday"),
        ("anna will call the supplier tomorrow", "anna", "tomorrow"),
        ("I will write it down before the end of the week.", None, "the end of the week"),
        ("Action item: Maria needs to book the room by 2026-12-01", "Maria", "2026-12-01"),
        ("The tests are assigned to Joe.", "Joe", None),
        ("小王负责发送报告，下周三之前完成。", "小王", "下周三"),
        ("这个由张三丰来负责", "张三丰", None),
        ("我们负责场地，12月3日前。", None, "12月3日"),
        ("请李雷明天提交报告", None, "明天"),
    ],
)
def test_actions_have_owner_and_date_when_they_are_said(text: str, owner: str | None, due: str | None) -> None:
    (action,) = extract(said("Good morning everybody.", text)).actions
    assert (action.text, action.owner, action.due, action.segments) == (text, owner, due, (2,))


@pytest.mark.parametrize(
    "text", ["It will rain.", "there will be cake", "This will be fine.", "我们今天开会。", "The weather was good"]
)
def test_not_everything_that_will_be_is_to_be_done(text: str) -> None:
    assert extract(said(text)).actions == ()


@pytest.mark.parametrize(
    "text",
    [
        "We decided to ship on Monday.",
        "it was agreed that we wait",
        "Let's go with blue.",
        "我们决定周五发布。",
        "大家一致同意。",
    ],
)
def test_decisions(text: str) -> None:
    assert [(one.text, one.segments) for one in extract(said("Hello.", text)).decisions] == [(text, (2,))]


@pytest.mark.parametrize(
    "text",
    ["Who pays for it?", "what about the budget then", "预算够吗", "谁来付钱？", "The open question is the price."],
)
def test_questions(text: str) -> None:
    content = extract(said("Hello.", text))
    assert [(one.text, one.segments) for one in content.questions] == [(text, (2,))]
    assert (content.decisions, content.actions) == ((), ())


def test_the_weightiest_sentences_are_the_summary_in_the_order_of_the_meeting() -> None:
    idle = [f"Yes okay, then {word}." for word in ("fine", "good", "well", "right", "sure", "nice", "great", "cool")]
    transcript = said("Let us begin.", *idle[:4], "The budget of the printer project grows.", *idle[4:],
                      "The printer project needs a larger budget.", "Bye.")  # fmt: skip
    summary = extract(transcript).summary
    assert len(summary) == KEY_SENTENCES
    assert {6, 11} <= {point.segments[0] for point in summary}
    assert [point.segments for point in summary] == sorted(point.segments for point in summary)


def test_one_segment_may_hold_several_sentences() -> None:
    content = extract(said("We decided on version 2.5. Bob will test it. Who pays?"))
    assert [one.text for one in content.decisions] == ["We decided on version 2.5."]
    assert [one.text for one in content.actions] == ["Bob will test it."]
    assert [one.text for one in content.questions] == ["Who pays?"]
    assert content.title == "We decided on version 2.5."


def test_what_is_said_twice_is_there_once_and_rests_on_both() -> None:
    (action,) = extract(said("Bob will test it.", "Yes.", "bob will test it")).actions
    assert (action.text, action.segments) == ("Bob will test it.", (1, 3))


def test_nothing_said_is_nothing_found() -> None:
    content = extract([])
    assert (content.title, content.summary, content.actions) == ("", (), ())


@settings(max_examples=200, deadline=1000)
@given(st.lists(st.text(max_size=300), max_size=12))
def test_whatever_is_said_the_result_fits(texts: list[str]) -> None:
    content = extract(said(*texts))
    assert fit(content, range(1, len(texts) + 1)) == content
    for point in (*content.summary, *content.decisions, *content.actions, *content.questions):
        assert 0 < len(point.text) <= TEXT
        assert point.segments


def test_a_text_without_end_costs_no_time() -> None:
    extract(said("a" * 50_000, "will " * 20_000, "." * 50_000, "请" * 50_000, "a." * 30_000))

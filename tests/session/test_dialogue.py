"""The dialogue: questions and answers in pairs, whatever happens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from badge.dialogue import LONGEST_MEMORY, Dialogue
from providers.ports import ToolCall


def roles(dialogue: Dialogue) -> list[tuple[str, str]]:
    return [(m.role, m.content) for m in dialogue.messages("system", "(nothing)")]


@pytest.mark.req("CH-1", "CH-6", "CH-27")
def test_messages_for_a_model() -> None:
    dialogue = Dialogue(limit=10)
    first = dialogue.begin("one")
    first.add("a")
    first.add("b")
    dialogue.begin("two")
    assert roles(dialogue) == [("system", "system"), ("user", "one"), ("assistant", "ab"), ("user", "two")]
    assert dialogue.messages("changed", "")[0].content == "changed"


@pytest.mark.req("I-5", "B-40")
def test_an_interrupted_question_still_has_its_answer() -> None:
    dialogue = Dialogue(limit=10)
    dialogue.begin("never answered")
    dialogue.begin("two")
    assert roles(dialogue)[1:] == [("user", "never answered"), ("assistant", "(nothing)"), ("user", "two")]


@given(st.lists(st.one_of(st.just("ask"), st.just("answer"), st.just("late answer")), max_size=30))
def test_user_and_assistant_always_alternate(steps: list[str]) -> None:
    dialogue = Dialogue(limit=5)
    exchanges = []
    for step in steps:
        if step == "ask":
            exchanges.append(dialogue.begin("q"))
        elif exchanges:
            exchanges[-1 if step == "answer" else 0].add("a")
    expected = ["user", "assistant"] * 5
    seen = [role for role, _ in roles(dialogue)[1:]]
    assert seen == expected[: len(seen)]
    assert not seen or seen[-1] == "user"


def test_a_dialogue_is_bounded_also_where_it_goes_on() -> None:
    dialogue = Dialogue(limit=3)
    for number in range(5):
        dialogue.begin(str(number)).add("a")
    assert [one.user for one in dialogue] == ["2", "3", "4"]
    smaller = Dialogue(limit=2)
    smaller.resume(dialogue)
    assert [one.user for one in smaller] == ["3", "4"]
    assert [one.user for one in dialogue.foreseen("5")] == ["3", "4", "5"]
    assert [one.user for one in dialogue] == ["2", "3", "4"], "what is foreseen has not happened"


def test_of_what_tools_have_said_little_is_kept_in_mind() -> None:
    dialogue = Dialogue(limit=3)
    exchange = dialogue.begin("one")
    exchange.called([ToolCall(id="c", name="t", arguments="{}")], ["x" * 5000])

    def result() -> str:
        (found,) = [m.content for m in dialogue.messages("system", "") if m.role == "tool"]
        return found

    assert len(result()) == 5000, "all of it for the answer that it is for"
    exchange.add("done")
    dialogue.begin("two")
    assert len(result()) == LONGEST_MEMORY


def test_what_is_moved_of_an_answer_under_way_is_what_was_heard() -> None:
    dialogue, other = Dialogue(limit=3), Dialogue(limit=3)
    exchange = dialogue.begin("one")
    exchange.add("a b c")
    exchange.audible = lambda: "a…"
    other.resume(dialogue)
    assert roles(other)[1:] == [("user", "one")]
    assert [one.answer for one in other] == ["a…"]
    exchange.audible = None
    other.resume(dialogue)
    assert [one.answer for one in other] == ["a b c"]


@pytest.mark.req("CL-5", "SC-11")
def test_forgetting_erases_everything() -> None:
    dialogue = Dialogue(limit=5)
    dialogue.begin("secret").add("also secret")
    dialogue.forget()
    assert len(dialogue) == 0
    assert "secret" not in repr(dialogue) + str(roles(dialogue))

"""The dialogue: questions and answers in pairs, whatever happens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from badge.dialogue import Dialogue


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


@pytest.mark.req("CL-5", "SC-11")
def test_forgetting_erases_everything() -> None:
    dialogue = Dialogue(limit=5)
    dialogue.begin("secret").add("also secret")
    dialogue.forget()
    assert len(dialogue) == 0
    assert "secret" not in repr(dialogue) + str(roles(dialogue))

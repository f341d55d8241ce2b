"""What FunASR servers say, without a network: which messages are words, which words replace which, and when it is over."""

from __future__ import annotations

import json
from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.asr.funasr_reply import NEXT_AT_ALL, NEXT_SETTLED, STATUSES, Mode, Reply, ServerError


def first(text: str, **more: Any) -> str:
    return json.dumps({"mode": "2pass-online", "text": text, "is_final": False, **more})


def second(text: str, **more: Any) -> str:
    return json.dumps({"mode": "2pass-offline", "text": text, "is_final": False, **more})


def reply(*messages: str, then: tuple[str, ...] = (), mode: Mode = "2pass") -> Reply:
    """What comes while somebody speaks, and `then` after the end."""
    made = Reply(mode)
    for message in messages:
        made.take(message)
    made.ask()
    for message in then:
        made.take(message)
    return made


@pytest.mark.req("AR-1", "B-96")
@pytest.mark.parametrize("status", [*sorted(STATUSES - {"error"}), "warming up"])
@pytest.mark.parametrize("beside", [{}, {"message": "words"}])
def test_a_status_is_no_result(status: str, beside: dict[str, str]) -> None:
    made = reply(then=(json.dumps({"status": status, **beside}),))
    assert (made.text, made.final, made.patience) == ("", False, inf)


@pytest.mark.req("AR-1")
def test_a_known_status_is_none_even_with_a_text() -> None:
    made = reply(then=('{"status": "processing", "text": "please wait", "is_final": true}',))
    assert (made.text, made.final) == ("", False)


@pytest.mark.req("AR-1")
@pytest.mark.parametrize(
    "message", ['{"status": "error"}', '{"status": "error", "text": "oops"}', '{"error": "no gpu"}']
)
def test_an_error_is_no_result_either(message: str) -> None:
    with pytest.raises(ServerError):
        reply(then=(message,))


@pytest.mark.req("AR-2")
@pytest.mark.parametrize(
    "message", ["", "  \n", '{"text": " "}', '{"text": null}', '{"words": "x"}', "null", '{"text": 5}']
)
def test_what_is_blank_is_no_result(message: str) -> None:
    assert reply(then=(message,)).text == ""


@pytest.mark.req("AR-3", "B-117")
@pytest.mark.parametrize("word", ["ready", "error", "Processing", "chunk_received", "I am ready"])
def test_words_are_words_whatever_they_mean(word: str) -> None:
    for message in (word, json.dumps(word), json.dumps({"text": word}), second(word, is_final=True)):
        made = reply(then=(message,))
        assert made.text == word
        assert made.final or made.patience == NEXT_SETTLED


@pytest.mark.req("AR-5")
def test_the_second_pass_replaces_the_first_one_stretch_by_stretch() -> None:
    shown = []
    made = Reply("2pass")
    for message in (
        first("stop"),
        first(" the mu"),
        second("Stop the music."),
        first("no"),
        second("Now.", is_final=True),
    ):
        made.take(message)
        shown.append(made.text)
    assert shown == ["stop", "stop the mu", "Stop the music.", "Stop the music. no", "Stop the music. Now."]


@pytest.mark.req("AR-5")
def test_a_partial_text_replaces_the_one_before_where_the_server_says_all_of_it() -> None:
    made = Reply("2pass", replacing=True)
    for text in ("今天", "今天天气", "今天天气怎么样"):
        made.take(first(text))
        assert made.text == text


@pytest.mark.req("AR-5", "AR-4")
def test_a_result_further_inside_replaces_the_one_before_and_the_last_one_counts() -> None:
    made = Reply("2pass")
    for text in ("今天", "今天天气", "今天天气怎么样"):
        made.take(json.dumps({"payload_msg": {"result": {"text": text}}}))
    made.ask()
    assert made.text == "今天天气怎么样"
    assert made.patience < inf


@pytest.mark.req("AR-4")
def test_when_it_is_over() -> None:
    """As the three servers say it; what looks like an end before the end is none."""
    assert reply(first("a"), then=(second("A.", is_final=True),)).final  # C++
    assert reply(first("a"), then=('{"text": "", "is_final": true}',)).final
    assert not reply(first("a"), then=(second("A."),)).final  # a stretch, of several
    assert reply(first("a", is_final=True), then=(second("A."),)).final  # the older Python server
    assert not reply(first("a", is_final=True), then=(first(" b", is_final=True),)).final  # was under way
    assert reply(second("A."), then=('{"is_end": true}',)).final  # the newest one
    assert not reply(second("A.", is_final=True, is_end=True)).final


def test_how_long_a_silent_server_is_waited_for() -> None:
    """For ever when it owes a text: whoever asks has a limit of their own."""
    assert Reply("2pass").patience == inf
    assert reply().patience == inf
    assert reply(first("a")).patience == inf
    assert reply(then=(second("A."),)).patience == NEXT_SETTLED
    assert reply(second("A.")).patience == NEXT_AT_ALL
    assert reply(first("a"), mode="online").patience < inf


@given(st.one_of(st.text(), st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(["text", "mode", "is_final", "is_end", "status", "payload_msg", "result", "error"]), inner),
).map(json.dumps)))  # fmt: skip
def test_nothing_else_is_raised(message: str) -> None:
    """Whatever a server sends."""
    for made in (Reply("2pass"), reply(first("a"))):
        try:
            made.take(message)
        except (ServerError, ValueError, RecursionError):
            continue
        assert isinstance(made.text, str)

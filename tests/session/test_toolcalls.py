from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from badge.session.toolcalls import LONGEST_CALL, MOST_CALLS, CallReader, MalformedCallError, presentable
from badge.tools.arguments import parse_arguments
from providers.ports import ToolCall, ToolCallDelta

TAGGED = '<tool_call>{"name": "light", "arguments": {"on": true}}</tool_call>'
LIGHT = ("light", {"on": True})


def read(*pieces: str | ToolCallDelta) -> tuple[str, list[tuple[str, Any]]]:
    """What is said, and what is called."""
    reader = CallReader()
    said = []
    for piece in pieces:
        if isinstance(piece, str):
            said.append(reader.text(piece))
        else:
            reader.call(piece)
    said.append(reader.rest())
    return "".join(said), [(call.name, parse_arguments(call.arguments)) for call in reader.calls("c")]


def split(text: str, data: st.DataObject) -> list[str]:
    """The text in pieces, at random places."""
    places = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


def outcome(pieces: list[str]) -> object:
    try:
        return read(*pieces)
    except MalformedCallError:
        return "malformed"


WORDS = st.sampled_from(
    ["", "Let me see. ", "a < b", "<tool", "<tool_cal", "tool_call>", "\n", "\u597d\u7684\u3002", "{}", "</tool_call>"]
)
CALLS = st.sampled_from(
    [
        TAGGED,
        '<tool_call>\n{"name": "clock"}\n</tool_call>',
        '<tool_call>{"name":',
        "<tool_call></tool_call>",
        "<tool_call>nonsense</tool_call>",
        '<tool_call>{"name": "say", "arguments": "{\\"text\\": \\"<b>\\"}"}</tool_call>',
        '<tool_call>{"arguments": {}}</tool_call>',
        "<tool_call>[1]</tool_call>",
        '<tool_call>{"name": "light"}',
        "<<tool_call>" + "[" * 50 + "</tool_call>",
    ]
)


@pytest.mark.req("CH-7", "CH-9", "CH-10", "CH-11", "B-35", "B-36")
@given(st.lists(st.one_of(WORDS, CALLS), max_size=5), st.data())
def test_however_a_stream_is_cut_it_says_and_calls_the_same(parts: list[str], data: st.DataObject) -> None:
    text = "".join(parts)
    assert outcome(split(text, data)) == outcome([text]) == outcome(list(text))


@pytest.mark.req("CH-10", "B-35")
@given(st.text(alphabet="<tool_cal>/ x", max_size=60), st.data())
def test_what_is_no_call_is_said_to_the_letter(text: str, data: st.DataObject) -> None:
    if "<tool_call>" not in text:
        assert read(*split(text, data)) == (text, [])


@pytest.mark.req("CH-10", "B-35")
@pytest.mark.parametrize(
    "pieces", [["<tool", '_call>{"name": "light", "arguments": {"on": true}}'], list(TAGGED), [TAGGED]]
)
def test_nothing_of_a_call_is_said(pieces: list[str]) -> None:
    assert read(*pieces) == ("", [LIGHT])


@pytest.mark.req("CH-9")
def test_words_around_calls_are_said() -> None:
    assert read(f"Sure. {TAGGED}\n{TAGGED} Done.") == ("Sure. \n Done.", [LIGHT, LIGHT])


@pytest.mark.req("CH-9")
def test_both_forms_of_arguments_are_read() -> None:
    assert read('<tool_call>{"name": "f", "arguments": "{\\"a\\": 1}"}</tool_call>') == ("", [("f", {"a": 1})])
    assert read('<tool_call>{"name": "f", "parameters": {"a": 1}}</tool_call>') == ("", [("f", {"a": 1})])


@pytest.mark.req("CH-11", "B-36")
@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>{"name":',
        "<tool_call>no</tool_call>",
        '<tool_call>{"name": 5}</tool_call>',
        '<tool_call>{"name": ""}',
        "<tool_call>" + "[" * 100000,
        '<tool_call>{"name": "f", "arguments": "' + "x" * LONGEST_CALL + '"}</tool_call>',
    ],
)
def test_what_cannot_be_read_is_no_call(text: str) -> None:
    with pytest.raises(MalformedCallError) as found:
        read(text)
    assert "f" not in str(found.value).split()
    assert len(str(found.value)) < 80


@pytest.mark.req("CH-11")
def test_an_endless_call_takes_bounded_memory_and_ends_where_it_ends() -> None:
    reader = CallReader()
    reader.text("<tool_call>")
    for _ in range(100):
        reader.text("x" * 10_000)
    assert len(reader._held) < 2 * LONGEST_CALL
    assert reader.text("</tool_") + reader.text("call> And now?") == " And now?"


@pytest.mark.req("CH-8", "B-37")
def test_parallel_calls_are_kept_apart() -> None:
    pieces = [
        ToolCallDelta(index=0, id="1", name="f", arguments='{"a":'),
        ToolCallDelta(index=1, id="2", name="g", arguments='{"b":2}'),
        ToolCallDelta(index=0, arguments="1}"),
    ]
    assert read(*pieces) == ("", [("f", {"a": 1}), ("g", {"b": 2})])


@pytest.mark.req("CH-8", "B-37")
def test_parallel_calls_with_one_index_are_told_apart_by_their_ids() -> None:
    pieces = [
        ToolCallDelta(index=0, id="1", name="f", arguments='{"a":1}'),
        ToolCallDelta(index=0, id="2", name="f", arguments='{"b":'),
        ToolCallDelta(index=0, id="2", arguments="2}"),
    ]
    assert read(*pieces) == ("", [("f", {"a": 1}), ("f", {"b": 2})])


@pytest.mark.req("CH-7")
@given(
    st.data(),
    st.lists(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=20)), min_size=1, max_size=4),
)
def test_arguments_in_any_pieces_and_any_order_of_calls_are_the_same(
    data: st.DataObject, calls: list[dict[str, Any]]
) -> None:
    waiting = [
        [
            ToolCallDelta(index=n, id=f"i{n}", name=f"f{n}"),
            *(ToolCallDelta(index=n, arguments=one) for one in split(json.dumps(args), data)),
        ]
        for n, args in enumerate(calls)
    ]
    pieces = []
    while any(waiting):
        pieces.append(data.draw(st.sampled_from([one for one in waiting if one])).pop(0))
    assert read(*pieces) == ("", [(f"f{n}", args) for n, args in enumerate(calls)])


def pieces_of(name: str, arguments: str, manner: str, index: int, data: st.DataObject) -> list[ToolCallDelta]:
    """One call as servers send it: the name at once, in pieces, or again with each piece; with an id or without."""
    identity = "" if manner == "no id" else f"i{index}"
    written = split(arguments, data)
    if manner == "name again":
        return [ToolCallDelta(index=0, id=identity, name=name, arguments=one) for one in written]
    names = split(name, data) if manner == "name in pieces" else [name]
    first = [ToolCallDelta(index=0, id=identity if not n else "", name=one) for n, one in enumerate(names)]
    if manner == "no id":  # such servers send it whole
        return [ToolCallDelta(index=0, name=name, arguments=arguments)]
    return [*first, *(ToolCallDelta(index=0, arguments=one) for one in written)]


@pytest.mark.req("CH-7", "CH-8", "B-37")
@given(
    st.data(),
    st.lists(
        st.tuples(
            st.sampled_from(["light", "f", "weather"]), st.dictionaries(st.text(max_size=3), st.text(max_size=9))
        ),
        max_size=4,
    ),
    st.sampled_from(["name at once", "name in pieces", "name again", "no id"]),
)
def test_calls_that_follow_each_other_under_one_index_are_the_same_in_all_manners(
    data: st.DataObject, calls: list[tuple[str, dict[str, Any]]], manner: str
) -> None:
    pieces = [
        piece
        for n, (name, arguments) in enumerate(calls)
        for piece in pieces_of(name, json.dumps(arguments), manner, n, data)
    ]
    assert read(*pieces) == ("", calls)


@pytest.mark.req("CH-19", "B-45", "I-5")
def test_a_call_without_an_id_of_its_own_gets_one() -> None:
    reader = CallReader()
    reader.call(ToolCallDelta(index=0, name="f"))
    reader.call(ToolCallDelta(index=3, name="g", id="same"))
    reader.call(ToolCallDelta(index=4, name="h", id="same"))
    assert [call.id for call in reader.calls("x")] == ["x-0", "same", "x-2"] == [call.id for call in reader.calls("x")]


@pytest.mark.req("MC-4")
@pytest.mark.parametrize(
    ("written", "name"), [("self.light.set", "self_light_set"), ("rm -rf /", "rm_-rf__"), ("\\ud800", "_")]
)
def test_a_name_is_always_one_that_language_models_take(written: str, name: str) -> None:
    assert read(f'<tool_call>{{"name": "{written}"}}</tool_call>')[1] == [(name, {})]


@pytest.mark.req("CH-11")
@pytest.mark.parametrize("arguments", ["{oops", "[1]", '{"a": NaN}', '{"a": 1e999}', '"{}"', "", '{"a": "\\ud800"}'])
def test_what_stands_in_a_dialogue_is_taken_by_every_server(arguments: str) -> None:
    call = presentable(ToolCall(id="i\ud800", name="f", arguments=arguments))
    assert isinstance(json.loads(call.arguments, parse_constant=pytest.fail), dict)
    assert (call.arguments + call.id).encode()


def test_endless_calls_take_bounded_memory() -> None:
    reader = CallReader()
    for n in range(1000):
        reader.call(ToolCallDelta(index=n, name="f" * 1000, arguments="x" * 100))
        reader.text("<tool_call>" + "x" * 1000 + "</tool_call><tool_call></tool_call>")
    assert len(reader._pieces) <= 64
    assert max(len(piece.name) for piece in reader._pieces.values()) < 300
    assert len(reader._tagged) <= MOST_CALLS


def test_of_very_many_calls_the_first_are_taken() -> None:
    assert len(read(*(ToolCallDelta(index=n, name="f") for n in range(100)))[1]) == MOST_CALLS


@pytest.mark.req("MC-5", "B-46")
@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("", {}),
        (" ", {}),
        ("{}", {}),
        ('{"a": 1}', {"a": 1}),
        ("[1]", None),
        ("null", {}),
        ('"{\\"a\\": 1}"', {"a": 1}),
        ('"[1]"', None),
        ('{"a": NaN}', None),
        ('{"a": 1e999}', None),
        ('{"a": "\\ud800\\ud83d\\ude00"}', {"a": "\ufffd\U0001f600"}),
        ("{", None),
        ("[" * 100_000, None),
    ],
)
def test_arguments_are_an_object_or_nothing(written: str, meant: dict[str, Any] | None) -> None:
    assert parse_arguments(written) == meant

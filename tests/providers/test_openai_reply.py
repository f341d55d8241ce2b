"""Server-sent events read without I/O: every division of the bytes gives the same tokens."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.llm.openai_reply import Reply, ReplyError
from providers.ports import Text, Token, ToolCallDelta
from providers.sse import LONGEST_EVENT


def chunk(finish: str | None = None, **delta: Any) -> str:
    """One event with a piece of an answer."""
    return f"data: {json.dumps({'choices': [{'delta': delta, 'finish_reason': finish}]})}\n\n"


def read(data: bytes, size: int = 1 << 30) -> tuple[list[Token], Reply]:
    """All tokens of a body."""
    reply = Reply()
    tokens = [token for at in range(0, len(data), size) for token in reply.feed(data[at : at + size])]
    return tokens + list(reply.end()), reply


BODY = (
    ": welcome\r\n\r\nevent: x\nid: 1\n"
    + chunk(role="assistant", content="")
    + chunk(content="你好")
    + chunk(tool_calls=[{"index": 1, "id": "a", "function": {"name": "f", "arguments": "{"}}])
    + chunk(content="!", refusal="no").replace("\n\n", "\r\n\r\n")
    + 'data:{"choices":[],\ndata:"usage":{}}\n\n'
    + chunk(finish="stop")
    + "data: [DONE]\n\n"
    + chunk(content="after the end")
).encode()
TOKENS = [Text("你好"), ToolCallDelta(index=1, id="a", name="f", arguments="{"), Text("!"), Text("no")]


@given(st.integers(1, len(BODY)))
def test_any_division_of_the_bytes(size: int) -> None:
    """Even within a character, a line end or a word."""
    tokens, reply = read(BODY, size)
    assert tokens == TOKENS
    assert (reply.started, reply.complete, reply.finish) == (True, True, "stop")


def test_a_last_event_without_its_blank_line() -> None:
    """Some servers close right after the text."""
    tokens, reply = read((chunk(content="a") + chunk(content="b")).encode().rstrip(b"\n"))
    assert tokens == [Text("a"), Text("b")]
    assert not reply.complete


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({"error": {"code": "c", "type": "t"}}, "c"),
        ({"error": {"type": "t"}}, "t"),
        ({"error": {"code": 429}}, "429"),
        ({"error": {"message": "secret"}}, ""),
        ({"error": "secret"}, ""),
        ({"object": "error", "code": 400, "message": "secret"}, "400"),
    ],
)
def test_errors_within_the_stream(event: dict[str, Any], code: str) -> None:
    """Their code, never their text."""
    with pytest.raises(ReplyError) as caught:
        read(f"data: {json.dumps(event)}\n\n".encode())
    assert caught.value.code == code
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        b"data: {\n\n",
        b"data: \xff\n\n",
        b"data: 5\n\n",
        b"data: []\n\n",
        b'data: {"choices": 5}\n\n',
        b'data: {"choices": [5]}\n\n',
        b'data: {"choices": [{"delta": {"tool_calls": [5]}}]}\n\n',
        b'data: {"choices": [{"delta": {"content": ["x"]}}]}\n\n',
        b"data: " + b"[" * 100_000 + b"\n\n",
        b"x" * (LONGEST_EVENT + 1),
    ],
    ids=lambda data: repr(data[:40]),
)
def test_what_is_no_answer(data: bytes) -> None:
    """Raises one of the documented errors."""
    with pytest.raises((ValueError, TypeError, LookupError, AttributeError, RecursionError)):
        read(data)


@given(
    st.lists(
        st.sampled_from(
            [b"data: ", b"\n", b"\n\n", b"\r\n", b"{", b'{"choices":', b"[", b"]", b"}", b"null", b"[DONE]", b"\xe4"]
        )
    )
)
def test_nothing_else_is_raised(pieces: list[bytes]) -> None:
    """Whatever a server sends."""
    try:
        read(b"".join(pieces))
    except (ReplyError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return

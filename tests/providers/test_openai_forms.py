"""Answers of a given form, asked of a real HTTP server: in the strictest way that it understands."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import attrs
import pytest

from providers.llm.openai_reply import MOST_TOKENS
from providers.ports import ProviderError, Schema, Text, Usage, single_error
from tests.providers.openai_server import Exchange, OpenAiServer, Reply, openai_server, refuses, says
from tests.providers.test_openai import PROMPT, ask, running

FORM = {
    "type": "object",
    "properties": {"title": {"type": "string"}},
    "required": ["title"],
    "additionalProperties": False,
}
ASKED = attrs.evolve(PROMPT, schema=Schema(name="minutes", json=FORM))
STRICT = {"type": "json_schema", "json_schema": {"name": "minutes", "strict": True, "schema": FORM}}
OBJECT = {"type": "json_object"}


@pytest.fixture
async def server() -> AsyncIterator[OpenAiServer]:
    """A fresh server."""
    async with openai_server() as started:
        yield started


def knows(*forms: Any, status: int = 400) -> Reply:
    """A server that refuses every form but these, as servers do that do not know the field."""

    async def reply(exchange: Exchange) -> None:
        answer: Callable[[Exchange], Awaitable[None]] = refuses(status)
        if exchange.body.get("response_format") in forms:
            answer = says('{"title": "t"}')
        await answer(exchange)

    return reply


def forms_of(server: OpenAiServer) -> list[Any]:
    """What was asked for, request by request."""
    return [exchange.body.get("response_format") for exchange in server.exchanges]


async def test_a_form_is_asked_for_strictly(server: OpenAiServer) -> None:
    """And only where there is one."""
    server.plan(knows(None, STRICT))
    async with running(server) as llm:
        assert await ask(llm, ASKED) == [Text('{"title": "t"}')]
        await ask(llm)
    assert forms_of(server) == [STRICT, None]


@pytest.mark.parametrize("status", [400, 422])
async def test_a_server_that_knows_json_only_is_asked_for_json(server: OpenAiServer, status: int) -> None:
    """What it understood is remembered: it is not bothered twice. First it is tried whether the count was too much."""
    server.plan(knows(OBJECT, None, status=status))
    async with running(server) as llm:
        assert await ask(llm, ASKED) == [Text('{"title": "t"}')]
        assert await ask(llm, ASKED) == [Text('{"title": "t"}')]
    assert forms_of(server) == [STRICT, STRICT, OBJECT, OBJECT]


async def test_a_server_that_knows_no_forms_is_asked_without(server: OpenAiServer) -> None:
    """The prompt says it all the same."""
    server.plan(knows(None))
    async with running(server) as llm:
        assert await ask(llm, ASKED) == [Text('{"title": "t"}')]
        await ask(llm, ASKED)
    assert forms_of(server) == [STRICT, STRICT, OBJECT, None, None]


async def test_a_request_that_is_refused_for_another_reason_teaches_nothing(server: OpenAiServer) -> None:
    """The error is the server's, and the next request is strict again."""
    server.plan(refuses(400), refuses(400), refuses(400), refuses(400), says("{}"))
    async with running(server) as llm:
        with pytest.raises(ProviderError, match="HTTP 400"), single_error():
            await ask(llm, ASKED)
        await ask(llm, ASKED)
    assert forms_of(server) == [STRICT, STRICT, OBJECT, None, STRICT]


async def test_other_failures_are_no_reason_to_ask_in_another_way(server: OpenAiServer) -> None:
    """A key that is refused is refused whatever the form."""
    server.plan(refuses(401))
    async with running(server) as llm:
        with pytest.raises(ProviderError, match="HTTP 401"), single_error():
            await ask(llm, ASKED)
    assert forms_of(server) == [STRICT]


# --- what an answer has cost --------------------------------------------------------------------------------------------


def counts(*words: str, **usage: Any) -> Reply:
    """An answer, and at its end what it has cost, as servers say it: in an event of its own without a choice."""

    async def reply(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.words(*words)
        await exchange.chunk(finish="stop")
        await exchange.event({"choices": [], "usage": usage})
        await exchange.data("data: [DONE]\n\n")
        await exchange.end()

    return reply


def plain_only(exchange: Exchange) -> Awaitable[None]:
    """A server that does not know the field."""
    return refuses(400)(exchange) if "stream_options" in exchange.body else says("ok")(exchange)


async def test_the_cost_comes_last(server: OpenAiServer) -> None:
    """In tokens, as the server counts."""
    server.plan(counts("Yes", ".", prompt_tokens=30, completion_tokens=2))
    async with running(server) as llm:
        assert await ask(llm) == [Text("Yes"), Text("."), Usage(prompt=30, answer=2)]
    assert server.exchanges[0].body["stream_options"] == {"include_usage": True}


async def test_a_server_that_does_not_count_is_asked_once(server: OpenAiServer) -> None:
    """It refuses the field: the same without it works, and from then on it is left out."""
    server.plan(plain_only)
    async with running(server) as llm:
        for _ in range(3):
            assert await ask(llm) == [Text("ok")]
    assert ["stream_options" in one.body for one in server.exchanges] == [True, False, False, False]


async def test_a_form_that_is_refused_says_nothing_about_the_count(server: OpenAiServer) -> None:
    """A server that knows no forms may count all the same."""
    server.plan(knows(OBJECT, None))
    async with running(server) as llm:
        await ask(llm, ASKED)
        await ask(llm, ASKED)
    assert "stream_options" in server.exchanges[-1].body


@pytest.mark.parametrize(
    "usage", [None, {}, {"prompt_tokens": None}, {"prompt_tokens": "many"}, {"completion_tokens": -5}]
)
async def test_a_strange_count_harms_no_answer(server: OpenAiServer, usage: Any) -> None:
    """What is no number counts as none."""

    async def reply(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.words("Yes")
        await exchange.chunk(finish="stop")
        await exchange.event({"choices": [], "usage": usage})
        await exchange.data("data: [DONE]\n\n")
        await exchange.end()

    server.plan(reply)
    async with running(server) as llm:
        assert [token for token in await ask(llm) if token != Usage(prompt=0, answer=0)] == [Text("Yes")]


async def test_no_answer_costs_more_than_can_be_counted(server: OpenAiServer) -> None:
    """Numbers of JSON have no bound, sums have."""
    server.plan(counts("Yes", prompt_tokens=10**400, completion_tokens=2))
    async with running(server) as llm:
        assert await ask(llm) == [Text("Yes"), Usage(prompt=MOST_TOKENS, answer=2)]

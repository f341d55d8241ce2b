"""A connection that is open before it is needed: what that gains, against a server with TLS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio
import trustme

from providers.llm import openai
from providers.llm.openai import OpenAiLlm, OpenAiSettings
from providers.ports import Warmable
from providers.scripted import ScriptedLlm
from tests.llms.far import far_server, models_or_words
from tests.llms.stage import prompt, said
from tests.providers.openai_server import Exchange, OpenAiServer, openai_server

DISTANCE = 0.1
"""Seconds of a round trip to the server."""


@asynccontextmanager
async def provider(server: OpenAiServer) -> AsyncIterator[OpenAiLlm]:
    """The provider, started."""
    llm = OpenAiLlm(OpenAiSettings(base_url=server.base_url, model="m"), {"OPENAI_API_KEY": "k"})
    async with trio.open_nursery() as nursery:
        await nursery.start(llm.run)
        yield llm
        nursery.cancel_scope.cancel()


async def timed(llm: OpenAiLlm) -> float:
    """Seconds that an answer takes."""
    began = trio.current_time()
    assert await said(llm) == "yes"
    return trio.current_time() - began


async def test_the_handshakes_are_over_when_the_question_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cold, the first answer waits for them as well."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    async with far_server(authority, DISTANCE) as server:
        server.plan(models_or_words)
        async with provider(server) as llm:
            cold = await timed(llm)
        async with provider(server) as llm:
            assert await llm.warm()
            warm = await timed(llm)
        assert server.connections == 2
        assert cold - warm > DISTANCE * 0.8


@pytest.fixture
async def server() -> AsyncIterator[OpenAiServer]:
    """A server nearby."""
    async with openai_server() as started:
        started.plan(models_or_words)
        yield started


async def test_a_warm_connection_is_not_asked_for_again(server: OpenAiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it may have been closed by the server; an answer keeps it warm, too."""
    async with provider(server) as llm:
        assert [await llm.warm() for _ in range(5)] == [True] * 5
        assert [exchange.path for exchange in server.exchanges] == ["/v1/models"]
        assert server.exchanges[0].headers["authorization"] == "Bearer k"
        await said(llm)
        assert await llm.warm()
        assert len(server.exchanges) == 2
        monkeypatch.setattr(openai, "STAYS_WARM", 0.0)
        assert await llm.warm()
        assert len(server.exchanges) == 3
        assert server.connections == 1


async def speaks_for_long(exchange: Exchange) -> None:
    """An answer without an end."""
    await exchange.head()
    await exchange.words("yes, ")
    await trio.sleep_forever()


async def test_after_an_interruption_there_is_no_connection(server: OpenAiServer) -> None:
    """It ended with the answer that was cut short, as when a user speaks into it: just then the next question comes."""
    server.plan(speaks_for_long, models_or_words)
    async with provider(server) as llm:
        async with llm.stream(prompt()) as tokens:
            await tokens.receive()
        assert await llm.warm()
        assert [exchange.path for exchange in server.exchanges[1:]] == ["/v1/models"]
        assert await said(llm) == "yes"
        assert server.connections == 2


async def test_a_connection_in_use_is_no_help_to_others(server: OpenAiServer) -> None:
    """While one badge is answered, another one begins to speak."""
    server.plan(models_or_words, speaks_for_long, models_or_words)
    async with provider(server) as llm:
        assert await llm.warm()
        assert await said_while_busy(llm) == "yes"
        paths = [exchange.path.rpartition("/")[2] for exchange in server.exchanges]
        assert paths == ["models", "completions", "models", "completions"]
        assert server.connections == 2


async def said_while_busy(llm: OpenAiLlm) -> str:
    """The answer to one badge while another one is still answered, on the only connection that there was."""
    async with llm.stream(prompt()) as tokens:
        await tokens.receive()
        assert [await llm.warm() for _ in range(2)] == [True, True]
        return await said(llm)


async def test_what_the_server_says_does_not_matter(server: OpenAiServer) -> None:
    """It is there; whether it knows the page is another matter."""

    async def unknown(exchange: Exchange) -> None:
        await exchange.head(404)
        await exchange.end()

    server.plan(unknown, models_or_words)
    async with provider(server) as llm:
        assert await llm.warm()
        assert await said(llm) == "yes"
        assert server.connections == 1


async def test_a_server_that_is_not_there_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor one that says nothing; the next time it is tried again."""
    monkeypatch.setattr(openai, "WARM_WITHIN", 0.3)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    silent = OpenAiServer(port)
    async with listeners[0], provider(silent) as llm:
        began = trio.current_time()
        assert not await llm.warm()
        assert trio.current_time() - began < 2
    async with provider(silent) as llm:
        assert [await llm.warm(), await llm.warm()] == [False, False]


async def test_a_provider_that_does_not_run_is_not_warm() -> None:
    assert not await OpenAiLlm(attrs.evolve(OpenAiSettings(), api_key="k")).warm()
    assert not isinstance(ScriptedLlm(), Warmable)

"""Vectors from servers with the OpenAI API, real sockets and all: whatever they answer, there are vectors or a reason."""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from providers.embeddings import LONGEST_ANSWER, MOST_AT_ONCE, EmbeddingSettings, OpenAiEmbeddings
from providers.ports import ProviderError
from tests.providers.openai_server import Exchange, OpenAiServer, Reply, openai_server, refuses


def vectors(*listed: Any) -> dict[str, Any]:
    return {"data": [{"index": at, "embedding": one} for at, one in enumerate(listed)]}


def answers(value: Any) -> Reply:
    async def reply(exchange: Exchange) -> None:
        await exchange.plain(200, value)

    return reply


async def lengths(exchange: Exchange) -> None:
    """A vector for each text, in an order of the server's own."""
    data = vectors(*([len(text), 0.5] for text in exchange.body["input"]))["data"]
    await exchange.plain(200, {"data": data[::-1]})


@asynccontextmanager
async def embeddings(server: OpenAiServer, **settings: Any) -> AsyncIterator[OpenAiEmbeddings]:
    made = OpenAiEmbeddings(EmbeddingSettings(base_url=server.base_url, **settings), {"KEY": "sk-secret"})
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            await nursery.start(made.run)
            yield made
            nursery.cancel_scope.cancel()


async def test_each_text_gets_its_vector_however_many_there_are() -> None:
    async with openai_server() as server:
        server.plan(lengths)
        async with embeddings(server, model="nomic", api_key_env="KEY") as one:
            texts = ["x" * number for number in range(1, 2 * MOST_AT_ONCE + 2)]
            assert await one.embed(texts) == tuple(array("f", [len(text), 0.5]).tobytes() for text in texts)
            assert await one.embed([]) == ()
        asked = server.exchanges
        assert [len(e.body["input"]) for e in asked] == [MOST_AT_ONCE, MOST_AT_ONCE, 1]
        assert {(e.path, e.body["model"], e.headers["authorization"]) for e in asked} == {
            ("/v1/embeddings", "nomic", "Bearer sk-secret")
        }
        assert server.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        {"data": None},
        {"data": [5]},
        vectors(),
        vectors([1.0]),
        vectors([1.0], [1.0], [1.0]),
        vectors([1.0], [1.0, 2.0]),
        vectors([], []),
        vectors([1.0], None),
        vectors([1.0], "12"),
        vectors([1.0], [[2.0]]),
        vectors([1.0], [float("nan")]),
        vectors([1.0], [1e300]),
        vectors([1.0], [10**400]),
        vectors([0.0] * 20_000, [0.0] * 20_000),
        {"data": [{"embedding": [1.0]}, {"embedding": [2.0]}]},
    ],
)
async def test_rubbish_is_no_vector(answer: Any) -> None:
    async with openai_server() as server:
        server.plan(answers(answer), lengths)
        async with embeddings(server) as one:
            with pytest.raises(ProviderError):
                await one.embed(["one", "two"])
            assert len(await one.embed(["one"])) == 1, "the next answer is read as ever"


@pytest.mark.parametrize("how", ["no json", "nested", "endless", "cut", "silent"])
async def test_a_server_out_of_its_mind_is_no_more_than_an_error(how: str) -> None:
    async def mad(exchange: Exchange) -> None:
        await exchange.head(200, {"content-type": "application/json"})
        if how == "endless":
            for _ in range(LONGEST_ANSWER // 1_000_000 + 2):
                await exchange.data(b" " * 1_000_000)
        await exchange.data({"no json": "<html>", "nested": "[" * 100_000}.get(how, '{"data": '))
        if how == "cut":
            await exchange.reset()
        else:
            await exchange.end()

    async def silent(exchange: Exchange) -> None:
        await exchange.gone.wait()

    async with openai_server() as server:
        server.plan(silent if how == "silent" else mad, lengths)
        async with embeddings(server) as one:
            if how == "silent":
                with trio.move_on_after(0.2) as patience:
                    await one.embed(["one"])
                assert patience.cancelled_caught
            else:
                with pytest.raises(ProviderError):
                    await one.embed(["one"])
            assert len(await one.embed(["one"])) == 1


@pytest.mark.parametrize(
    ("status", "says", "again"), [(401, "key", False), (404, "model", False), (500, "failed", True)]
)
async def test_a_refusal_says_why_and_nothing_of_the_texts(status: int, says: str, again: bool) -> None:
    async with openai_server() as server:
        server.plan(refuses(status, "Kryptonit"))
        async with embeddings(server) as one:
            with pytest.raises(ProviderError, match=says) as caught:
                await one.embed(["Kryptonit"])
            assert caught.value.retryable is again
            assert "Kryptonit" not in str(caught.value)


async def test_a_server_that_is_not_there_is_said_so() -> None:
    one = OpenAiEmbeddings(EmbeddingSettings(base_url="http://127.0.0.1:9/v1"), {})
    with pytest.raises(ProviderError, match="not running"):
        await one.embed(["one"])
    async with trio.open_nursery() as nursery:
        await nursery.start(one.run)
        with pytest.raises(ProviderError, match="connection failed"):
            await one.embed(["one"])
        nursery.cancel_scope.cancel()


async def test_without_a_usable_key_it_does_not_begin(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("two\nlines")
    for settings in (EmbeddingSettings(), EmbeddingSettings(api_key_file=str(tmp_path / "key"))):
        with pytest.raises(ProviderError, match="key"):
            await OpenAiEmbeddings(settings, {}).run()

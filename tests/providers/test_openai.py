"""The openai provider against a real HTTP server: what it asks, what it passes on, how it breaks, how it stops."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from providers.llm.openai import OpenAiLlm, OpenAiSettings
from providers.ports import (
    ChatMessage,
    Prompt,
    ProviderError,
    Text,
    Token,
    ToolCall,
    ToolCallDelta,
    ToolSpec,
    single_error,
)
from tests.providers.openai_server import Exchange, OpenAiServer, Reply, openai_server, refuses, says

KEY = "sk-secret-0123456789"
QUESTION = "what is the secret of the pharaoh"
PROMPT = Prompt(
    messages=(ChatMessage(role="system", content="be brief"), ChatMessage(role="user", content=QUESTION)), session="s1"
)
SOON = 0.5
"""Seconds within which things that happen at once have happened, on a busy machine."""


@asynccontextmanager
async def running(server: OpenAiServer, **changes: Any) -> AsyncIterator[OpenAiLlm]:
    """The provider, started; tests of silence make its timeouts short."""
    patient = OpenAiSettings(base_url=server.base_url, model="m")
    llm = OpenAiLlm(attrs.evolve(patient, **changes), {"OPENAI_API_KEY": KEY})
    async with trio.open_nursery() as nursery:
        await nursery.start(llm.run)
        yield llm
        nursery.cancel_scope.cancel()


@pytest.fixture
async def server() -> AsyncIterator[OpenAiServer]:
    """A fresh server."""
    async with openai_server() as started:
        yield started


async def ask(llm: OpenAiLlm, prompt: Prompt = PROMPT, into: list[Token] | None = None) -> list[Token]:
    """All tokens of one answer."""
    tokens = [] if into is None else into
    async with llm.stream(prompt) as channel:
        async for token in channel:
            tokens.append(token)
    return tokens


def text_of(tokens: list[Token]) -> str:
    """The text of an answer."""
    return "".join(token.text for token in tokens if isinstance(token, Text))


# --- what is asked and what comes -------------------------------------------------------------------------------------


@pytest.mark.req("CH-26")
async def test_streams_the_words(server: OpenAiServer) -> None:
    """Every piece is a token of its own, the word `content` too, and empty pieces are none."""
    server.plan(says("Hello", ", ", "content", " 你好", "!"))
    async with running(server) as llm:
        assert await ask(llm) == [Text("Hello"), Text(", "), Text("content"), Text(" 你好"), Text("!")]


async def test_the_request_says_what_the_settings_say(server: OpenAiServer) -> None:
    """Model, messages, sampling and key; what is not set is not sent."""
    server.plan(says("ok"))
    async with running(server) as llm:
        await ask(llm)
    async with running(server, temperature=0.2, top_p=0.9, max_tokens=300, extra={"enable_thinking": False}) as llm:
        await ask(llm, attrs.evolve(PROMPT, max_tokens=40))
        await ask(llm)
    plain, tuned, _ = server.exchanges
    assert plain.path == "/v1/chat/completions"
    assert plain.headers["authorization"] == f"Bearer {KEY}"
    messages = [{"role": "system", "content": "be brief"}, {"role": "user", "content": QUESTION}]
    counted = {"stream_options": {"include_usage": True}}
    assert plain.body == {"model": "m", "stream": True, "messages": messages, **counted}
    assert tuned.body == {
        **plain.body, "temperature": 0.2, "top_p": 0.9, "max_tokens": 40, "enable_thinking": False
    }  # fmt: skip
    assert server.exchanges[2].body["max_tokens"] == 300


async def test_tools_are_offered(server: OpenAiServer) -> None:
    """In the form of the API."""
    server.plan(says("ok"))
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    async with running(server) as llm:
        await ask(llm, attrs.evolve(PROMPT, tools=(ToolSpec("weather", "Tells the weather", schema),)))
    function = {"name": "weather", "description": "Tells the weather", "parameters": schema}
    assert server.exchanges[0].body["tools"] == [{"type": "function", "function": function}]


async def test_calls_and_their_results_are_told(server: OpenAiServer) -> None:
    """An assistant that has called something, and what came of it; next to calls an empty text is none."""
    server.plan(says("Sunny."))
    calls = (ToolCall(id="c1", name="weather", arguments='{"city": "Bonn"}'), ToolCall(id="c2", name="time"))
    messages = (
        *PROMPT.messages,
        ChatMessage(role="assistant", content="", calls=calls),
        ChatMessage(role="tool", content="sunny", call="c1"),
        ChatMessage(role="tool", content="noon", call="c2"),
        ChatMessage(role="assistant", content="Wait.", calls=calls[:1]),
    )
    async with running(server) as llm:
        await ask(llm, attrs.evolve(PROMPT, messages=messages))
    asked, weather, time, both = server.exchanges[0].body["messages"][2:]
    first = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Bonn"}'}}
    second = {"id": "c2", "type": "function", "function": {"name": "time", "arguments": "{}"}}
    assert asked == {"role": "assistant", "content": None, "tool_calls": [first, second]}
    assert weather == {"role": "tool", "content": "sunny", "tool_call_id": "c1"}
    assert time == {"role": "tool", "content": "noon", "tool_call_id": "c2"}
    assert both == {"role": "assistant", "content": "Wait.", "tool_calls": [first]}


def call(index: int | None, **fields: Any) -> dict[str, Any]:
    """A piece of a tool call as the API has it."""
    piece = {"id": fields.get("id"), "type": "function"}
    piece["function"] = {key: fields[key] for key in ("name", "arguments") if key in fields}
    return piece if index is None else {"index": index, **piece}


@pytest.mark.req("CH-7", "CH-8")
async def test_tool_calls_keep_their_index(server: OpenAiServer) -> None:
    """Two calls in turn, their arguments in pieces."""

    async def reply(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.chunk(tool_calls=[call(0, id="a", name="weather", arguments="")])
        await exchange.chunk(tool_calls=[call(0, arguments='{"city":')])
        await exchange.chunk(tool_calls=[call(1, id="b", name="clock", arguments="{}"), call(0, arguments='"X"}')])
        await exchange.done("tool_calls")

    server.plan(reply)
    async with running(server) as llm:
        assert await ask(llm) == [
            ToolCallDelta(index=0, id="a", name="weather"),
            ToolCallDelta(index=0, arguments='{"city":'),
            ToolCallDelta(index=1, id="b", name="clock", arguments="{}"),
            ToolCallDelta(index=0, arguments='"X"}'),
        ]


@pytest.mark.req("CH-8")
async def test_calls_without_an_index_get_one_each(server: OpenAiServer) -> None:
    """Some servers send whole calls and no index; two of them must not become one."""

    async def reply(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.chunk(tool_calls=[call(None, id="a", name="weather", arguments="{}")])
        await exchange.chunk(tool_calls=[call(None, id="b", name="clock", arguments="{}")])
        await exchange.done("tool_calls")

    server.plan(reply)
    async with running(server) as llm:
        tokens = await ask(llm)
    assert [(t.index, t.id) for t in tokens if isinstance(t, ToolCallDelta)] == [(0, "a"), (1, "b")]


async def test_connections_are_used_again(server: OpenAiServer) -> None:
    """The second question saves the handshake."""
    server.plan(says("one"))
    async with running(server) as llm:
        await ask(llm)
        await ask(llm)
    assert len(server.exchanges) == 2
    assert server.connections == 1


async def test_requests_run_side_by_side(server: OpenAiServer) -> None:
    """One stalled answer holds up nobody else."""
    server.plan(stalls("slow "), says("quick"))
    async with running(server) as llm, llm.stream(PROMPT) as slow:
        assert await slow.receive() == Text("slow ")
        assert text_of(await ask(llm)) == "quick"


# --- leaving ----------------------------------------------------------------------------------------------------------


def stalls(*words: str) -> Reply:
    """Says the words, then nothing more."""

    async def reply(exchange: Exchange) -> None:
        if words:
            await exchange.head()
            await exchange.words(*words)
        await trio.sleep_forever()

    return reply


def talks_forever() -> Reply:
    """Never stops."""

    async def reply(exchange: Exchange) -> None:
        await exchange.head()
        while True:
            await exchange.words("and so on ")

    return reply


@pytest.mark.parametrize("received", [0, 1, 3])
@pytest.mark.parametrize("reply", [stalls("a", "b", "c"), talks_forever()], ids=["stalled", "busy"])
async def test_leaving_closes_the_response_at_once(server: OpenAiServer, reply: Reply, received: int) -> None:
    """Wherever the receiver leaves, the server sees the disconnect, and the next question finds all well."""
    server.plan(reply, says("next"))
    async with running(server) as llm:
        async with llm.stream(PROMPT) as tokens:
            await server.asked.wait()
            for _ in range(received):
                await tokens.receive()
        with trio.fail_after(SOON):
            await server.exchanges[0].gone.wait()
        assert text_of(await ask(llm)) == "next"


async def test_leaving_before_the_headers(server: OpenAiServer) -> None:
    """The request that nobody answers yet is closed too."""
    server.plan(stalls())
    async with running(server) as llm:
        async with llm.stream(PROMPT):
            await server.asked.wait()
        with trio.fail_after(SOON):
            await server.exchanges[0].gone.wait()


@pytest.mark.parametrize("after", [0, 0.001, 0.003, 0.01, 0.03, 0.1])
async def test_cancelled_at_any_moment(server: OpenAiServer, after: float) -> None:
    """A barge-in cancels the whole turn from outside; nothing is left behind, nothing is swallowed."""
    server.plan(talks_forever(), says("next"))
    async with running(server) as llm:
        with trio.move_on_after(after) as scope:
            await ask(llm)
        assert scope.cancelled_caught
        for exchange in list(server.exchanges):
            with trio.fail_after(SOON):
                await exchange.gone.wait()
        server.plan(says("next"))
        assert text_of(await ask(llm)) == "next"


async def test_the_provider_stops_under_a_request(server: OpenAiServer) -> None:
    """Shutdown cancels provider and requests together, in no time."""
    server.plan(stalls("a"))
    with trio.fail_after(2):
        async with running(server) as llm, trio.open_nursery() as nursery:
            nursery.start_soon(ask, llm)
            await server.asked.wait()
            nursery.cancel_scope.cancel()
    with pytest.raises(ProviderError, match="not running"):
        await ask(llm)


async def test_an_error_of_the_receiver_stays_its_own(server: OpenAiServer) -> None:
    """What goes wrong outside is not blamed on the provider."""
    server.plan(stalls("a"))
    async with running(server) as llm:

        async def give_up() -> None:
            async with llm.stream(PROMPT) as tokens:
                await tokens.receive()
                raise trio.TooSlowError

        with pytest.raises(trio.TooSlowError), single_error():
            await give_up()


async def test_a_slow_receiver_is_no_slow_server(server: OpenAiServer) -> None:
    """The time between tokens is the server's, not ours; the queue holds the server up."""
    words = [f"{n} " for n in range(60)]
    server.plan(says(*words))
    async with running(server, token_timeout_s=0.15) as llm, llm.stream(PROMPT) as tokens:
        first = await tokens.receive()
        await trio.sleep(0.4)
        assert [first, *[token async for token in tokens]] == [Text(word) for word in words]


# --- breaking ---------------------------------------------------------------------------------------------------------


def breaks(*words: str, how: str) -> Reply:
    """Says the words, then something goes wrong."""

    async def reply(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.words(*words)
        await BREAKS[how](exchange)

    return reply


async def _garbage(exchange: Exchange) -> None:
    await exchange.data("data: {not json\n\n")
    await exchange.done()


async def _binary(exchange: Exchange) -> None:
    await exchange.raw(b"a\r\ndata: \xff\xfe\n\n\r\n")
    await exchange.done()


async def _bad_framing(exchange: Exchange) -> None:
    await exchange.raw(b"zz\r\nthis is no chunk\r\n")
    await trio.sleep_forever()


async def _truncated(exchange: Exchange) -> None:
    await exchange.raw(b"400\r\ndata: {")
    await exchange.reset()


async def _cut(exchange: Exchange) -> None:
    await exchange.raw(b"0\r\n\r\n")


async def _not_a_chunk(exchange: Exchange) -> None:
    await exchange.event(["no", "chunk"])
    await exchange.done()


async def _wrong_types(exchange: Exchange) -> None:
    await exchange.event({"choices": [{"delta": {"content": 5}}]})
    await exchange.done()


async def _deep(exchange: Exchange) -> None:
    await exchange.data("data: " + "[" * 200_000 + "\n\n")
    await exchange.done()


async def _error_object(exchange: Exchange) -> None:
    await exchange.event({"error": {"message": f"{KEY} {QUESTION}", "type": "server_error", "code": QUESTION}})
    await exchange.end()


async def _error_text(exchange: Exchange) -> None:
    await exchange.event({"error": f"overloaded: {QUESTION}"})
    await exchange.end()


BREAKS = {
    "reset": Exchange.reset,
    "truncated chunk": _truncated,
    "bad framing": _bad_framing,
    "cut without a finish": _cut,
    "garbage": _garbage,
    "not UTF-8": _binary,
    "a list": _not_a_chunk,
    "wrong types": _wrong_types,
    "bottomless": _deep,
    "error object": _error_object,
    "error text": _error_text,
}


def check_discreet(error: ProviderError) -> None:
    """Nothing of key, question and answer is in the message."""
    assert not any(secret in str(error) for secret in (KEY, QUESTION, "pharaoh", "Once"))
    assert error.__cause__ is None
    assert error.__context__ is None


@pytest.mark.req("AV-15", "CH-25", "DG-1")
@pytest.mark.parametrize("how", BREAKS)
async def test_a_break_in_the_middle(server: OpenAiServer, how: str) -> None:
    """What came is delivered, then the error; the answer is not asked for again, since its beginning was spoken."""
    server.plan(breaks("Once ", "upon ", how=how), says("next"))
    tokens: list[Token] = []
    async with running(server) as llm:
        with trio.fail_after(2):
            with pytest.raises(ProviderError) as caught:
                await ask(llm, into=tokens)
            assert text_of(await ask(llm)) == "next"
    assert text_of(tokens) == "Once upon "
    assert caught.value.retryable
    assert len(server.exchanges) == 2
    check_discreet(caught.value)


@pytest.mark.req("AV-15", "DG-1")
@pytest.mark.parametrize("words", [(), ("Once ",)], ids=["before", "between"])
async def test_a_stall(server: OpenAiServer, words: tuple[str, ...]) -> None:
    """Silence before the first or the next token ends the request when the time is over, not earlier."""
    server.plan(stalls(*words))
    async with running(server, first_token_timeout_s=0.4, token_timeout_s=0.2) as llm:
        start = trio.current_time()
        with pytest.raises(ProviderError) as caught:
            await ask(llm)
        took = trio.current_time() - start
    assert (0.2 if words else 0.4) <= took < 0.4 + SOON
    assert ("in the middle" if words else "did not begin") in caught.value.detail
    assert caught.value.retryable
    with trio.fail_after(SOON):
        await server.exchanges[0].gone.wait()


@pytest.mark.req("AV-15")
async def test_signs_of_life_are_no_words(server: OpenAiServer) -> None:
    """Keep-alive comments and empty pieces do not extend the wait for the first token."""

    async def reply(exchange: Exchange) -> None:
        await exchange.head()
        while True:
            await exchange.data(": ping\n\n")
            await exchange.chunk(role="assistant", content="")
            await trio.sleep(0.05)

    server.plan(reply)
    async with running(server, first_token_timeout_s=0.4) as llm:
        with trio.fail_after(0.4 + SOON), pytest.raises(ProviderError, match="did not begin"):
            await ask(llm)


async def _nothing(exchange: Exchange) -> None:
    await exchange.head()
    await exchange.done()


async def _filtered(exchange: Exchange) -> None:
    await exchange.head()
    await exchange.done("content_filter")


async def _page(exchange: Exchange) -> None:
    await exchange.head(200, {"content-type": "text/html"})
    await exchange.data("<html>welcome</html>")
    await exchange.end()


@pytest.mark.req("DG-1")
@pytest.mark.parametrize(
    ("reply", "words", "requests"),
    [(_nothing, "empty", 2), (_filtered, "content filter", 1), (_page, "empty", 2)],
    ids=["nothing", "filtered", "page"],
)
async def test_an_answer_without_words(server: OpenAiServer, reply: Reply, words: str, requests: int) -> None:
    """A finish without content is an error, asked again where that may help."""
    server.plan(reply)
    async with running(server) as llm:
        with pytest.raises(ProviderError, match=words) as caught:
            await ask(llm)
    assert len(server.exchanges) == requests
    check_discreet(caught.value)


# --- refusing, and asking again ---------------------------------------------------------------------------------------


@pytest.mark.req("DG-1", "DG-5")
@pytest.mark.parametrize(
    ("status", "retryable"),
    [(status, False) for status in (400, 401, 402, 403, 404, 405, 413, 418, 422)]
    + [(status, True) for status in (408, 409, 429, 500, 502, 503, 529)],
)
async def test_refusals(server: OpenAiServer, status: int, *, retryable: bool) -> None:
    """Client errors are final, the others are asked once more; the server's text is kept out of ours."""
    server.plan(refuses(status, f"{KEY} may not ask {QUESTION}"))
    async with running(server) as llm:
        with pytest.raises(ProviderError) as caught:
            await ask(llm)
    assert caught.value.retryable is retryable
    assert f"HTTP {status}" in caught.value.detail
    again = retryable or status in (400, 422)  # these may have meant a field that can be left out
    assert len(server.exchanges) == (2 if again else 1)
    check_discreet(caught.value)


async def test_a_refused_key_names_the_variable(server: OpenAiServer) -> None:
    """The operator is told where to look."""
    server.plan(refuses(401))
    async with running(server) as llm:
        with pytest.raises(ProviderError) as caught:
            await ask(llm)
    assert "OPENAI_API_KEY" in caught.value.remedy


@pytest.mark.parametrize(
    "reply", [refuses(500), breaks(how="reset"), breaks(how="garbage"), breaks(how="error object")]
)
async def test_the_second_attempt_may_succeed(server: OpenAiServer, reply: Reply) -> None:
    """A failure before the first word is mended without anybody noticing."""
    server.plan(reply, says("fine"))
    async with running(server) as llm:
        assert text_of(await ask(llm)) == "fine"


async def _hangs(exchange: Exchange) -> None:
    await trio.sleep_forever()


@pytest.mark.parametrize("after", [_hangs, Exchange.reset, Exchange.end])
async def test_a_finished_answer_needs_no_goodbye(server: OpenAiServer, after: Reply) -> None:
    """A server that says `stop` and then neither [DONE] nor anything else holds up nobody; the words till then count."""

    async def reply(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.words("all ")
        await exchange.chunk(finish="stop", content="said")
        await exchange.words(" and done")
        await after(exchange)

    server.plan(reply)
    async with running(server, token_timeout_s=10) as llm:
        with trio.fail_after(0.25 + SOON):
            assert text_of(await ask(llm)) == "all said and done"


async def test_without_retry(server: OpenAiServer) -> None:
    """It can be switched off."""
    server.plan(refuses(500), says("fine"))
    async with running(server, retry=False) as llm:
        with pytest.raises(ProviderError):
            await ask(llm)


@pytest.mark.req("AV-15", "DG-5")
async def test_the_server_may_ask_for_a_pause(server: OpenAiServer) -> None:
    """It is kept when it fits into the time for the first token, else the request fails at once."""
    server.plan(refuses(429, headers={"retry-after": "0.3"}), says("fine"))
    async with running(server, first_token_timeout_s=2) as llm:
        start = trio.current_time()
        assert text_of(await ask(llm)) == "fine"
        assert 0.3 <= trio.current_time() - start < 0.3 + SOON
        server.plan(refuses(429, headers={"retry-after": "20"}), says("fine"))
        with trio.fail_after(SOON), pytest.raises(ProviderError, match="429"):
            await ask(llm)
    server.plan(refuses(429, headers={"retry-after": "1.5"}), says("fine"))  # there is time, but somebody waits
    async with running(server) as llm:
        with pytest.raises(ProviderError, match="429"):
            await ask(llm)


@pytest.mark.req("AV-15")
async def test_both_attempts_share_the_time(server: OpenAiServer) -> None:
    """The user does not wait twice."""
    server.plan(refuses(500), stalls())
    async with running(server, first_token_timeout_s=0.4) as llm:
        with trio.fail_after(0.4 + SOON), pytest.raises(ProviderError, match="did not begin"):
            await ask(llm)


@pytest.mark.req("DG-4")
async def test_nobody_listens() -> None:
    """A server that is not there is a retryable error that says what to check."""
    async with openai_server() as server:
        pass
    async with running(server) as llm:
        with pytest.raises(ProviderError, match="ConnectError") as caught:
            await ask(llm)
    assert caught.value.retryable
    assert "base_url" in caught.value.remedy


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        ({"type": "invalid_request_error", "message": "no"}, False),
        ({"code": "context_length_exceeded", "message": "no"}, False),
        ({"code": 429, "message": "no"}, True),
        ({"code": "401", "message": "no"}, False),
        ({"type": "overloaded_error"}, True),
        ({"message": "no"}, True),
    ],
    ids=str,
)
async def test_errors_inside_the_stream(server: OpenAiServer, error: dict[str, Any], *, retryable: bool) -> None:
    """Their code decides whether the same request may succeed."""

    async def reply(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.event({"error": error})
        await exchange.end()

    server.plan(reply)
    async with running(server) as llm:
        with pytest.raises(ProviderError) as caught:
            await ask(llm)
    assert caught.value.retryable is retryable


# --- keys -------------------------------------------------------------------------------------------------------------


async def start(settings: OpenAiSettings, environment: dict[str, str]) -> OpenAiLlm:
    """Start and stop; raises what `run` raises."""
    llm = OpenAiLlm(settings, environment)
    with single_error():
        async with trio.open_nursery() as nursery:
            await nursery.start(llm.run)
            nursery.cancel_scope.cancel()
    return llm


async def test_no_key_says_which_variable() -> None:
    """It fails at the start, not at the first question."""
    with pytest.raises(ProviderError) as caught:
        await start(OpenAiSettings(api_key_env="MY_KEY"), {"OPENAI_API_KEY": KEY})
    assert "MY_KEY" in caught.value.remedy
    assert not caught.value.retryable


async def test_the_official_server_with_a_key() -> None:
    """Starting needs no network."""
    assert (await start(OpenAiSettings(), {"OPENAI_API_KEY": KEY})).name == "openai (gpt-4o-mini at api.openai.com)"


async def test_a_server_of_ones_own_needs_no_key(server: OpenAiServer) -> None:
    """And does not get the key of somebody else when another variable is named."""
    server.plan(says("ok"))
    async with running(server, api_key_env="MY_KEY") as llm:
        assert text_of(await ask(llm)) == "ok"
    assert server.exchanges[0].headers["authorization"] == "Bearer none"


async def test_the_key_file_goes_first(server: OpenAiServer, tmp_path: Path) -> None:
    """Line ends around the key do not matter."""
    path = tmp_path / "key"
    path.write_text("sk-from-file\n")
    server.plan(says("ok"))
    async with running(server, api_key_file=str(path)) as llm:
        await ask(llm)
    assert server.exchanges[0].headers["authorization"] == "Bearer sk-from-file"


@pytest.mark.parametrize("content", [None, b"\xff\xfe\xfa", "sk-ключ".encode(), b"sk-a b"])
async def test_a_bad_key_file(tmp_path: Path, content: bytes | None) -> None:
    """Missing, not text, or with characters that would break the header: said without showing it."""
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ProviderError) as caught:
        await start(OpenAiSettings(api_key_file=str(path)), {})
    assert str(path) in str(caught.value)
    assert "sk-" not in str(caught.value)


@pytest.mark.parametrize("base_url", ["localhost:11434", "ftp://x/v1", "http://"])
def test_addresses_are_checked(base_url: str) -> None:
    """A wrong address is found when the settings are read."""
    with pytest.raises(ValueError, match="http"):
        OpenAiSettings(base_url=base_url)


def test_the_defaults_are_the_required_ones() -> None:
    """10 s to the first token and between tokens."""
    assert OpenAiSettings().first_token_timeout_s == OpenAiSettings().token_timeout_s == 10.0

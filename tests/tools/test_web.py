"""Tools that ask HTTP services: a real server on a real socket, which may be slow, broken or hostile."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from badge.config.file import ConfigError, load
from badge.config.tools import SearchSettings, WeatherSettings
from badge.tools import web
from tests.providers.openai_server import Exchange, OpenAiServer, openai_server
from tests.tools.counter import opened

Reply = Callable[[Exchange], Awaitable[None]]


def gives(body: Any, status: int = 200, **headers: str) -> Reply:
    """A whole answer: text as it is, anything else as JSON."""
    text = body if isinstance(body, str) else json.dumps(body)

    async def reply(exchange: Exchange) -> None:
        await exchange.head(status, {"content-type": "text/plain", **headers})
        await exchange.data(text)
        await exchange.end()

    return reply


async def never(exchange: Exchange) -> None:
    await trio.sleep_forever()


async def drips(exchange: Exchange) -> None:
    await exchange.head()
    while True:
        await exchange.data("x")
        await trio.sleep(0.05)


async def floods(exchange: Exchange) -> None:
    await exchange.head()
    while True:
        await exchange.data("x" * 100_000)


async def raw(exchange: Exchange) -> None:
    await exchange.raw(b"\x00\xff this is no HTTP\r\n\r\n")
    await exchange.reset()


async def reset(exchange: Exchange) -> None:
    await exchange.reset()


HOSTILE: dict[str, tuple[Reply, str]] = {
    "slow": (never, "it did not answer within 0.5 s"),
    "dripping": (drips, "it did not answer within 0.5 s"),
    "error": (gives("boom", 500), "it answered with status 500"),
    "elsewhere": (gives("", 302, location="http://169.254.169.254/"), "it answered with status 302"),
    "rubbish": (raw, "it cannot be reached (RemoteProtocolError)"),
    "reset": (reset, "it cannot be reached (ReadError)"),
}


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "PATIENCE", 0.5)


@pytest.mark.parametrize("how", HOSTILE)
@pytest.mark.parametrize("name", ["get_weather", "search_web"])
@pytest.mark.req("PL-3")
async def test_a_service_that_does_not_answer_properly_is_explained(name: str, how: str, patience: None) -> None:
    reply, reason = HOSTILE[how]
    async with openai_server() as server:
        server.plan(reply)
        address = f"{server.base_url}/?q="
        async with opened(
            weather=WeatherSettings(url=address + "{place}"),
            search=SearchSettings(url=address + "{query}"),
        ) as counter:
            told = await counter.text(name, **({"place": "Rome"} if name == "get_weather" else {"query": "Rome"}))
            assert told.endswith(f"is unavailable right now: {reason}.")
            assert "127.0.0.1" not in told


def weather(server: OpenAiServer, **more: str) -> Any:
    settings = {"url": f"{server.base_url}/w/{{place}}?format=3", **more}
    return opened(weather=WeatherSettings(**settings))


@pytest.mark.req("PL-3")
async def test_the_weather_is_told_by_a_service_of_texts() -> None:
    async with openai_server() as server, weather(server, home="Graz") as counter:
        server.plan(gives("sunny ☀️ +21°C\n", **{"content-type": "text/plain; charset=utf-8"}))
        assert await counter.text("get_weather", place="São Paulo/../x?y=#1") == "São Paulo/../x?y=#1: sunny ☀️ +21°C"
        assert server.exchanges[-1].path == "/v1/w/S%C3%A3o%20Paulo%2F..%2Fx%3Fy%3D%231?format=3"
        assert await counter.text("get_weather") == "Graz: sunny ☀️ +21°C"
        assert server.connections == 1  # it is kept open


@pytest.mark.req("PL-3")
async def test_the_weather_is_told_by_a_service_of_coordinates() -> None:
    """As open-meteo has it."""
    place = {"results": [{"name": "Graz", "latitude": 47.07, "longitude": 15.42, "country": "Austria"}]}
    async with openai_server() as server:
        url = f"{server.base_url}/forecast?latitude={{latitude}}&longitude={{longitude}}"
        async with weather(server, url=url, place_url=f"{server.base_url}/find?name={{place}}") as counter:
            server.plan(gives(place), gives({"current": {"temperature_2m": 3.5}}))
            assert await counter.text("get_weather", place="graz") == (
                'Graz, Austria: {"current": {"temperature_2m": 3.5}}'
            )
            paths = [exchange.path for exchange in server.exchanges]
            assert paths == ["/v1/find?name=graz", "/v1/forecast?latitude=47.07&longitude=15.42"]
            for odd in ({"results": []}, {}, [], 5, "rubbish", {"results": [{"latitude": "a", "longitude": 1}]}):
                server.plan(gives(odd))
                assert "it does not know this place" in (told := await counter.text("get_weather", place="x")) or (
                    "it answered with something that is no JSON" in told
                )


async def test_megabytes_are_left_unread() -> None:
    async with openai_server() as server, weather(server) as counter:
        server.plan(floods)
        with trio.fail_after(5):
            text = await counter.text("get_weather", place="Rome")
        assert len(text) < 5000
        assert "cut off" in text
        with trio.fail_after(5):
            await server.exchanges[-1].gone.wait()  # the connection was closed


@pytest.mark.parametrize("charset", ["punycode", "idna", "undefined", "unicode_escape", "hex", "nonsense"])
async def test_no_name_of_a_charset_holds_the_server_up(charset: str) -> None:
    """Decoding a page as `punycode` takes minutes."""
    async with openai_server() as server, weather(server) as counter:
        server.plan(gives("a-" + "9" * 1000, **{"content-type": f"text/plain; charset={charset}"}))
        assert (await counter.text("get_weather", place="Rome")).startswith("Rome: a-99")


@pytest.mark.parametrize(
    ("charset", "word"), [("gbk", "晴天"), ("latin-1", "café"), ("UTF-8", "晴☀️"), ("Big5", "晴天")]
)
async def test_texts_come_in_charsets_of_texts(charset: str, word: str) -> None:
    async def reply(exchange: Exchange) -> None:
        await exchange.head(200, {"content-type": f"text/plain; charset={charset}"})
        await exchange.data(word.encode(charset))
        await exchange.end()

    async with openai_server() as server, weather(server) as counter:
        server.plan(reply)
        assert await counter.text("get_weather", place="Rome") == f"Rome: {word}"


@pytest.mark.req("PL-3")
async def test_the_web_is_searched() -> None:
    results = [{"title": f"T{n}", "url": f"http://x/{n}", "content": "c" * 1000} for n in range(9)] + [5, {}]
    async with openai_server() as server:
        settings = SearchSettings(url=f"{server.base_url}/?format=json&q={{query}}", results=2)
        async with opened(search=settings) as counter:
            server.plan(gives({"results": results}))
            assert await counter.text("search_web", query="a & b\n c") == (
                f"1. T0 | http://x/0 | {'c' * 500}\n2. T1 | http://x/1 | {'c' * 500}"
            )
            assert server.exchanges[-1].path == "/v1/?format=json&q=a%20%26%20b%20c"
            server.plan(gives({"results": []}), gives("plain words"), gives("[" * 50_000), gives(""))
            assert await counter.text("search_web", query="x") == "Nothing was found."
            assert await counter.text("search_web", query="x") == "plain words"
            assert (await counter.text("search_web", query="x")).startswith("[[[")
            assert await counter.text("search_web", query="x") == "Nothing was found."
            assert await counter.text("search_web", query=" ") == "query: must not be empty."


async def test_without_an_address_there_is_no_such_tool() -> None:
    async with opened() as counter:
        assert not {"get_weather", "search_web", "control_home", "read_home"} & set(await counter.names())


async def test_a_service_that_is_not_there_is_explained() -> None:
    async with opened(weather=WeatherSettings(url="http://127.0.0.1:1/{place}")) as counter:
        assert "it cannot be reached (ConnectError)" in await counter.text("get_weather", place="x")


def wrong(tmp_path: Path, text: str) -> str:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as info:
        load(path, {})
    return "\n".join(info.value.lines)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[tools.weather]\nurl = "http://x/"',
            "must be empty or an http address with {latitude} or {longitude} or {place}",
        ),
        ('[tools.weather]\nurl = "ftp://x/{place}"', "must be empty or an http address"),
        ('[tools.weather]\nurl = "http://x/{city}"', "and no other braces"),
        ('[tools.weather]\nurl = "http://x/{latitude}"', "tools.weather.place_url"),
        ('[tools.home]\nurl = "http://x"', "tools.home.token"),
        ('[tools]\nzone = "Nowhere"', "must be empty or a time zone"),
        ('[tools]\ndigests = { a = "12" }', "must be a SHA-256 in hexadecimal"),
        ("[tools]\nplugin_mb = 1", "must be between 8 and 100000"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, text: str, said: str) -> None:
    assert said in wrong(tmp_path, text)


def test_the_token_comes_from_the_environment_and_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[tools.home]\nurl = "http://x"\n[tools.plugin.a]\nkey = "hush"\n')
    settings = load(path, {"BADGE_HOME_TOKEN": "s3cret"})
    assert settings.tools.home.token == "s3cret"
    assert "s3cret" not in repr(settings)
    assert "hush" not in repr(settings)
    assert settings.tools.plugin == {"a": {"key": "hush"}}

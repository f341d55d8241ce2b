"""A configuration that is read again: all of it, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio

from badge.config.file import load
from badge.config.llm import Purpose
from badge.llms.plan import plan_of
from badge.reloading import Reloading
from providers.ports import ProviderError
from tests.llms.stage import Set, answer, live, settle

FIRST = "[llm.default]\nuse = 'openai'\n[llm.default.openai]\nmodel = 'd'\napi_key = 'sk-geheim'\n"
SECOND = FIRST.replace("'d'", "'e'") + "[llm.big]\nuse = 'openai'\n[llm.big.openai]\nmodel = 'b'\n"


class Server:
    """Live models that are configured by a file."""

    def __init__(self, one: Set, file: Path, reloading: Reloading) -> None:
        self.one = one
        self._file = file
        self._reloading = reloading

    async def reload(self, text: str | bytes) -> list[Any]:
        """Read this; gives what was said about it."""
        self._file.write_bytes(text if isinstance(text, bytes) else text.encode())
        with structlog.testing.capture_logs() as lines:
            await self._reloading.reload()
        assert "geheim" not in str(lines)
        return [line for line in lines if line["event"] != "component ready"]


async def served(folder: Path, test: Callable[[Server], Any]) -> None:
    """Run a test with models as the first file says."""
    file = folder / "config.toml"
    file.write_text(FIRST)
    settings = load(file, {})
    async with live(plan_of(settings.llm, settings.llm_by_purpose, settle)) as one:
        reloading = Reloading(settings, lambda: load(file, {}), settle, one.llms)
        await test(Server(one, file, reloading))


@pytest.mark.req("LM-11", "LM-13", "B-82", "B-86", "CF-4")
async def test_models_change_from_the_next_turn_on(tmp_path: Path) -> None:
    async def test(server: Server) -> None:
        assert await answer(server.one) == "d"
        lines = await server.reload(SECOND + "[llm_by_purpose]\nmeeting = 'big'\nchat = 'default'\n")
        assert [await answer(server.one, purpose) for purpose in (Purpose.CHAT, Purpose.MEETING)] == ["e", "b"]
        assert lines[-1]["event"] == "the configuration was read again"
        assert lines[-1]["models"] == ["big", "default"]
        await server.reload(FIRST)
        assert await answer(server.one, Purpose.MEETING) == "d"

    await served(tmp_path, test)


@pytest.mark.req("LM-12", "B-81")
async def test_a_new_key_is_used(tmp_path: Path) -> None:
    async def test(server: Server) -> None:
        await answer(server.one)
        await server.reload(FIRST.replace("sk-geheim", "sk-neu"))
        await answer(server.one)
        assert [made.settings.openai.api_key for made in server.one.works.made] == ["sk-geheim", "sk-neu"]

    await served(tmp_path, test)


@pytest.mark.req("CF-4")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SECOND + "[llm_by_purpose]\nchat = 'gone'\n", ['config.toml: llm_by_purpose.chat = "gone": must be one of']),
        (
            SECOND.replace("'b'", "5") + "[lmm]\n",
            ["llm.big.openai.model = 5: must be a string", "lmm = {}: is not known"],
        ),
        (SECOND.replace("'sk-geheim'", "7"), ["llm.default.openai.api_key = ***: must be a string"]),
        ("[llm", ["is not TOML"]),
        (b"\xff", ["is not UTF-8"]),
        ("[llm.other]\n", ["must have a table [llm.default]"]),
        (SECOND + "[server]\nport = 99999\n", ["server.port = 99999: must be between 0 and 65535"]),
    ],
)
async def test_a_mistake_leaves_everything_as_it_was(tmp_path: Path, text: str | bytes, said: list[str]) -> None:
    """Also what was right in it; each mistake is one line."""

    async def test(server: Server) -> None:
        lines = await server.reload(text)
        assert [line["event"] for line in lines] == ["the configuration stays as it was"] * len(said)
        for line, what in zip(lines, said, strict=True):
            assert what in line["reason"]
            assert "\n" not in line["reason"]
        assert await answer(server.one) == "d"
        assert len(server.one.works.made) == 1
        await server.reload(SECOND)
        assert await answer(server.one) == "e"

    await served(tmp_path, test)


@pytest.mark.req("CF-4", "B-85")
async def test_a_model_that_does_not_start_leaves_everything_as_it_was(tmp_path: Path) -> None:
    """As one without a key does."""

    async def test(server: Server) -> None:
        server.one.works.scripts["e"] = {"broken": ProviderError("e", "there is no API key.")}
        lines = await server.reload(SECOND)
        stays = [line["reason"] for line in lines if line["event"] == "the configuration stays as it was"]
        assert stays == ["llm.default: e: there is no API key."]
        assert await answer(server.one) == "d"
        del server.one.works.scripts["e"]
        await server.reload(SECOND)
        assert await answer(server.one) == "e"

    await served(tmp_path, test)


async def test_what_needs_a_restart_is_named(tmp_path: Path) -> None:
    async def test(server: Server) -> None:
        lines = await server.reload(SECOND + "[chat]\nhistory = 3\n[server]\nport = 9\n[llm_breaker]\nfailures = 9\n")
        assert lines[-1]["event"] == "some settings take effect when the server is restarted"
        assert lines[-1]["tables"] == ["chat", "llm_breaker", "server"]
        assert await answer(server.one) == "e"

    await served(tmp_path, test)


async def test_an_unforeseen_error_changes_nothing(tmp_path: Path) -> None:
    async def test(server: Server) -> None:
        def broken() -> Any:
            raise RuntimeError("sk-geheim")

        settings = load(tmp_path / "config.toml", {})
        with structlog.testing.capture_logs() as lines:
            await Reloading(settings, broken, settle, server.one.llms).reload()
        assert [line["event"] for line in lines] == ["failed"]
        assert await answer(server.one) == "d"

    await served(tmp_path, test)


@pytest.mark.req("I-13", "B-86")
async def test_many_reloads_during_many_turns(tmp_path: Path) -> None:
    """Every turn is whole, and in the end one client is left."""

    async def test(server: Server) -> None:
        heard: list[str] = []

        async def talk() -> None:
            for _ in range(20):
                word = await answer(server.one)
                heard.append(word)

        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(talk)
            for number in range(20):
                await server.reload(FIRST.replace("'d'", f"'d{number}'"))
        assert len(heard) == 200
        assert set(heard) <= {"d", *(f"d{number}" for number in range(20))}
        await trio.testing.wait_all_tasks_blocked()
        assert len(server.one.pool) == 1

    await served(tmp_path, test)

"""Chains of real clients and real HTTP servers."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from badge.app import live_llms
from badge.choice import choose_llm, workshop
from badge.clock import SystemClock
from badge.config.llm import LlmSettings, PurposeSettings
from badge.config.settings import Settings
from badge.llms import Purpose
from badge.llms.ledger import Ledger
from badge.llms.live import LiveLlms
from badge.metrics import Metrics
from providers.llm.openai_settings import OpenAiSettings
from providers.openai_failures import PAUSE, by_status
from providers.ports import ProviderError
from tests.llms.stage import said
from tests.providers.openai_server import Exchange, OpenAiServer, openai_server, refuses, says


@asynccontextmanager
async def two(
    here: Mapping[str, Any] | None = None, **purposes: Any
) -> AsyncIterator[tuple[LiveLlms, OpenAiServer, OpenAiServer]]:
    """Models of a server as it is put together, with two HTTP servers behind them; only the first one answers where its
    settings are given (`here`)."""
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(openai_server()) for _ in range(2)]
        second.plan(says("second"))
        models = {
            "default": LlmSettings(
                openai=OpenAiSettings(base_url=first.base_url, model="m", **(here or {})),
                fallback=[] if here else ["other"],
            ),
            "other": LlmSettings(openai=OpenAiSettings(base_url=second.base_url, model="m")),
        }
        settings = Settings(llm=models, llm_by_purpose=PurposeSettings(**purposes))
        clock = SystemClock()
        llms = live_llms(settings, workshop({}, clock), Ledger(Metrics()), clock)
        nursery = await stack.enter_async_context(trio.open_nursery())
        nursery.start_soon(llms.run)
        yield llms, first, second
        nursery.cancel_scope.cancel()


async def answer(llms: LiveLlms, patience: float = 10.0, purpose: Purpose = Purpose.CHAT) -> str:
    """One turn."""
    return await said(await llms.of(purpose).ready(), patience=patience)


@pytest.mark.req("DG-5")
@pytest.mark.parametrize(
    "headers",
    [
        {"retry-after": "60"},
        {"retry-after": "Wed, 21 Oct 2026 07:29:00 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"},
    ],
    ids=["seconds", "date"],
)
async def test_a_rate_limit_goes_to_the_next_at_once_and_is_heeded(headers: dict[str, str]) -> None:
    """The server wants a minute: it gets that, and nobody waits."""
    async with two() as (llms, first, second):
        first.plan(refuses(429, headers=headers))
        assert await answer(llms) == "second"
        began = trio.current_time()
        for _ in range(3):
            assert await answer(llms) == "second"
        assert trio.current_time() - began < 2
        assert len(first.exchanges) == 1
        assert len(second.exchanges) == 4


@pytest.mark.req("DG-5", "DG-1")
async def test_a_server_that_hangs_leaves_time_for_the_next() -> None:
    async def hang(exchange: Exchange) -> None:
        await trio.sleep_forever()

    async with two() as (llms, first, _):
        first.plan(says("first"))
        assert await answer(llms) == "first"
        first.plan(hang)
        began = trio.current_time()
        assert await answer(llms, patience=2.0) == "second"
        assert 0.9 < trio.current_time() - began < 1.8
        with trio.fail_after(2):
            await first.exchanges[-1].gone.wait()


async def test_one_client_and_few_connections_for_all() -> None:
    """Purposes that say the same use the same connections."""
    async with two(coding="default", meeting="other") as (llms, first, second):
        first.plan(says("first"))
        heard = [await answer(llms, purpose=purpose) for purpose in Purpose]
        assert heard == ["first", "second", "first", "first", "first", "first"]
        assert (first.connections, second.connections) == (1, 1)


async def test_a_break_in_the_middle_is_the_end_of_the_answer() -> None:
    async def breaks(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.words("I am ")
        await exchange.reset()

    async with two() as (llms, first, second):
        first.plan(breaks)
        with pytest.raises(ProviderError, match=r"broke|failed"):
            await answer(llms)
        assert second.exchanges == []


async def test_a_refused_key_is_looked_for_where_it_is_from(tmp_path: Path) -> None:
    """It goes before a file, and a file before a variable."""
    file = tmp_path / "key"
    file.write_text("sk-file")
    for given, where in (({"api_key": "sk-given"}, "api_key"), ({}, f"the file {file}")):
        async with two(here={"api_key_file": str(file), **given}) as (llms, first, _):
            first.plan(refuses(401))
            with pytest.raises(ProviderError, match=rf"Check the key in {re.escape(where)}\."):
                await answer(llms, purpose=Purpose.MEETING)
            assert first.exchanges[0].headers["authorization"] == f"Bearer {given.get('api_key', 'sk-file')}"


@pytest.mark.req("DG-5")
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"retry-after": ""},
        {"retry-after": "soon"},
        {"retry-after": "nan"},
        {"retry-after": "inf"},
        {"retry-after": "-5"},
        {"retry-after": "Wed, 21 Oct 2026 07:29:00 GMT"},
        {"retry-after": "Wed, 21 Oct 2026 07:29:00 GMT", "date": "today"},
        {"retry-after": "Wed, 21 Oct 2026 07:29:00 GMT", "date": "Wed, 21 Oct 2026 07:30:00 GMT"},
        {"retry-after": "Wed, 21 Oct 99999999 07:29:00 GMT", "date": "Wed, 21 Oct 2026 07:30:00 GMT"},
    ],
    ids=str,
)
def test_a_pause_that_makes_no_sense_is_the_usual_one(headers: dict[str, str]) -> None:
    assert by_status("m", 429, headers, "k").pause == PAUSE


def test_a_password_in_an_address_is_not_shown() -> None:
    """Servers behind a proxy may want one; the operator is told where, not how."""
    here = OpenAiSettings(base_url="https://me:geheim@models.example:8443/v1", model="m")
    choice = choose_llm(LlmSettings(openai=here), {}, SystemClock())
    assert choice.why == "m at https://models.example:8443/v1"
    assert choice.candidates[0].name == "openai (m at models.example)"
    assert choose_llm(LlmSettings(use="openai"), {}, SystemClock()).why == "gpt-4o-mini at api.openai.com"


def test_a_model_is_made_without_reading_its_key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made where it is needed, in the thread of all others; what the file says was settled before."""
    file = tmp_path / "key"
    read: list[Path] = []
    plain = Path.read_text

    def read_text(path: Path, *how: str, **more: str) -> str:
        read.append(path)
        return plain(path, *how, **more)

    monkeypatch.setattr(Path, "read_text", read_text)
    works = workshop({}, SystemClock())
    settings = works.settle(LlmSettings(openai=OpenAiSettings(api_key_file=str(file))))
    assert (settings.use, read.count(file)) == ("openai", 1)
    assert works.make(settings).name == "openai (gpt-4o-mini at api.openai.com)"
    assert read.count(file) == 1

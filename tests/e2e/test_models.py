"""The program as it is put together, with a real server of language models: what the operator sees of it."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
import trio

from badge.app import Running, assemble, choose
from badge.clock import Ids, SystemClock
from badge.commands.check import check
from badge.config.llm import LlmSettings, PurposeSettings
from badge.edge.control import ask
from providers.llm.openai_settings import OpenAiSettings
from tests.e2e.running import LOCAL, client, running
from tests.house import changed
from tests.providers.openai_server import openai_server, refuses, says
from tests.providers.test_openai_forms import counts

QUIET = changed(
    vad={"use": "none"},
    asr={"use": "none"},
    tts={"use": "none"},
    memory={"use": "none"},
    store={"use": "memory"},
    server=LOCAL,
)
"""A server that only reads and writes."""


async def monitored(server: Running) -> dict[str, float]:
    """What monitoring reads."""
    stream = await trio.open_tcp_stream("127.0.0.1", server.http_port)
    async with stream:
        await stream.send_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        body = b"".join([piece async for piece in stream]).decode()
    lines = [line.rpartition(" ") for line in body.splitlines() if line.startswith("badge_llm")]
    return {name: float(value) for name, _, value in lines}


@pytest.mark.req("LM-3")
async def test_the_operator_sees_what_a_turn_has_cost(tmp_path: Path) -> None:
    """At /metrics and by the command, from the same turn."""
    async with openai_server() as models:
        models.plan(counts("Yes.", prompt_tokens=40, completion_tokens=2))
        here = OpenAiSettings(base_url=models.base_url, model="m")
        settings = attrs.evolve(
            QUIET,
            llm={"default": LlmSettings(openai=here, prompt_price=1000.0)},
            store=attrs.evolve(QUIET.store, use="sqlite", file=str(tmp_path / "badge.db")),
        )
        clock = SystemClock()
        async with running(assemble(settings, choose(settings, {}, clock), clock, Ids())) as server:
            async with client(server, device_id="aa:bb") as badge:
                await badge.tell(type="listen", state="detect", text="well")
                await badge.until("tts", "stop")
            seen = await monitored(server)
            told = await ask(tmp_path / "badge.db.sock", {"command": "usage"})
        assert seen['badge_llm_requests_total{model="default",purpose="chat"}'] == 1
        assert seen['badge_llm_tokens_total{kind="prompt",model="default",purpose="chat"}'] == 40
        assert seen['badge_llm_cost_total{model="default",purpose="chat"}'] == 0.04
        assert seen['badge_llm_breaker{model="default"}'] == 0
        assert told["devices"]["aa:bb"] == {"chat": {"answers": 1, "prompt": 40, "answer": 2, "cost": 0.04}}


@pytest.mark.req("SU-6")
async def test_check_asks_those_that_step_in_and_those_for_other_purposes() -> None:
    """The conversation is served when one of its models answers; no key is shown."""
    async with openai_server() as models:
        models.plan(says("hi"))
        here = OpenAiSettings(base_url=models.base_url, model="m", api_key="sk-geheim")
        gone = attrs.evolve(here, base_url="http://127.0.0.1:9/v1")
        settings = attrs.evolve(
            QUIET,
            llm={
                "default": LlmSettings(openai=gone, fallback=["spare"]),
                "spare": LlmSettings(openai=here),
                "big": LlmSettings(openai=attrs.evolve(gone, model="big")),
            },
            llm_by_purpose=PurposeSettings(chat="default", meeting="big"),
        )
        told: list[str] = []
        assert await check(settings, {}, SystemClock(), told.append) == 0
        lines = [" ".join(line.split()) for line in told[told.index("the configured set:") :]]
        models.plan(refuses(401))
        assert await check(settings, {}, SystemClock(), told.append) == 1
    verdicts = [line for line in lines if line.split()[1] == "llm"]
    assert [line.partition(":")[0] for line in verdicts] == [
        "missing llm openai (m at 127.0.0.1)",
        "ok llm openai (m at 127.0.0.1)",
        "missing llm big openai (big at 127.0.0.1)",
    ]
    assert "geheim" not in "".join(told)

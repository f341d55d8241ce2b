"""The program as it is put together, with a real server of language models: what the operator sees of it."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
import trio

from badge.app import Running, assemble, choose
from badge.clock import Ids, SystemClock
from badge.config.llm import LlmSettings
from badge.config.settings import Settings
from badge.edge.control import ask
from providers.llm.openai_settings import OpenAiSettings
from tests.e2e.running import client, local, running
from tests.providers.openai_server import openai_server
from tests.providers.test_openai_forms import counts


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
            local(Settings(store=attrs.evolve(Settings().store, file=str(tmp_path / "badge.db")))),
            llm={"default": LlmSettings(openai=here, prompt_price=1000.0)},
            asr=attrs.evolve(Settings().asr, use="none"),
            vad=attrs.evolve(Settings().vad, use="none"),
            tts=attrs.evolve(Settings().tts, use="none"),
            memory=attrs.evolve(Settings().memory, use="none"),
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

"""How many clients many devices need, what a lease costs, how much memory a client takes, and what a warm connection gains.

Run it with `python -m tests.bench.llms`.
"""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psutil
import trio
import trustme

from badge.app import live_llms
from badge.choice import workshop
from badge.clock import SystemClock
from badge.config.llm import LlmSettings, Purpose, PurposeSettings
from badge.config.settings import Settings
from badge.llms.ledger import Ledger
from badge.llms.live import LiveLlms
from badge.metrics import Metrics
from providers.llm.openai import OpenAiLlm, OpenAiSettings
from tests.llms.far import far_server, models_or_words
from tests.llms.stage import said
from tests.providers.openai_server import openai_server, says

DEVICES = 100
PRIVATE = 25
"""Devices with a model of their own; four each share one."""

TURNS = 300
ROUND_TRIP = 0.05


def openai(base_url: str, **changes: Any) -> LlmSettings:
    """A model of the local server."""
    return LlmSettings(openai=OpenAiSettings(base_url=base_url, model="m", **changes))


def configured(base_url: str) -> Settings:
    """Six purposes with three different settings."""
    purposes = PurposeSettings(
        chat="default",
        working="default",
        meeting="big",
        memory="big",
        coding={"llm": "big", "temperature": 0.1},
        intent={"temperature": 0.1, "llm": "big"},
    )
    return Settings(llm={"default": openai(base_url), "big": openai(base_url, max_tokens=9)}, llm_by_purpose=purposes)


async def turns(llms: LiveLlms) -> None:
    """Every device asks for ten things at once: six of the server, four of its own where it has one."""
    for number in range(PRIVATE):
        settings = openai("http://127.0.0.1:9/v1", api_key=f"k{number % (PRIVATE // 4 + 1)}")
        llms.assign(f"own-{number}", {"chat": llms.admit(settings)})

    async def look(purpose: Purpose, device: str) -> None:
        line = await llms.of(purpose, device=device).ready()
        for endpoint in line._chain:  # type: ignore[attr-defined]
            async with llms._means.pool.lease(endpoint.key, 120.0):
                await trio.sleep(0.1)

    async with trio.open_nursery() as nursery:
        for device in range(DEVICES):
            own = f"own-{device}" if device < PRIVATE else ""
            for number in range(10):
                nursery.start_soon(look, list(Purpose)[number % 6], "" if number < 6 else own)


async def lease_cost(llms: LiveLlms) -> tuple[float, float]:
    """µs of a lease, and of finding the model of a purpose."""
    endpoint = llms._plan.chains[Purpose.CHAT][0]
    rounds = 20_000
    began = time.perf_counter()
    for _ in range(rounds):
        async with llms._means.pool.lease(endpoint.key):
            pass
    middle = time.perf_counter()
    for _ in range(rounds):
        llms.of(Purpose.CHAT, device="aa")
    end = time.perf_counter()
    return (middle - began) / rounds * 1e6, (end - middle) / rounds * 1e6


async def overhead(llms: LiveLlms, direct: OpenAiLlm) -> tuple[float, float]:
    """ms of a short answer of a server nearby, from the client itself and through its line."""
    figures = []
    for kind in ("direct", "line", "direct", "line"):
        began = time.perf_counter()
        for _ in range(TURNS):
            await said(direct if kind == "direct" else await llms.of(Purpose.CHAT).ready())
        figures.append((time.perf_counter() - began) / TURNS * 1000)
    return min(figures[0], figures[2]), min(figures[1], figures[3])


async def memory(count: int = 200) -> float:
    """KiB of one more client."""
    process = psutil.Process(os.getpid())
    async with trio.open_nursery() as nursery:
        first = OpenAiLlm(OpenAiSettings(base_url="http://127.0.0.1:9/v1", model="m"), {})
        await nursery.start(first.run)
        before = process.memory_info().rss
        for number in range(count):
            one = OpenAiLlm(OpenAiSettings(base_url="http://127.0.0.1:9/v1", model=f"m{number}"), {})
            await nursery.start(one.run)
        grown = process.memory_info().rss - before
        nursery.cancel_scope.cancel()
    return grown / count / 1024


async def warmth() -> tuple[float, float]:
    """ms to a first answer from a server with TLS, cold and warm."""
    authority = trustme.CA()
    with tempfile.TemporaryDirectory() as folder:
        authority.cert_pem.write_to_path(str(Path(folder) / "ca.pem"))
        os.environ["SSL_CERT_FILE"] = str(Path(folder) / "ca.pem")
        async with far_server(authority, ROUND_TRIP) as server:
            server.plan(models_or_words)
            figures: list[float] = []
            for warm in (False, True) * 3:
                async with trio.open_nursery() as nursery:
                    llm = OpenAiLlm(OpenAiSettings(base_url=server.base_url, model="m"), {})
                    await nursery.start(llm.run)
                    if warm:
                        await llm.warm()
                    began = time.perf_counter()
                    await said(llm)
                    figures.append((time.perf_counter() - began) * 1000)
                    nursery.cancel_scope.cancel()
    return min(figures[::2]), min(figures[1::2])


async def main() -> None:
    """Print the figures."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(openai_server())
        server.plan(says("yes"))
        settings, clock = configured(server.base_url), SystemClock()
        llms = live_llms(settings, workshop({}, clock), Ledger(Metrics()), clock)
        nursery = await stack.enter_async_context(trio.open_nursery())
        nursery.start_soon(llms.run)
        await turns(llms)
        expected = 3 + PRIVATE // 4 + 1
        print(f"clients: {len(llms._means.pool)} for {DEVICES} devices x 10 questions at once, expected {expected}")
        lease, find = await lease_cost(llms)
        print(f"a lease: {lease:.1f} µs; finding the model of a purpose: {find:.1f} µs")
        direct = OpenAiLlm(OpenAiSettings(base_url=server.base_url, model="m"), {})
        await nursery.start(direct.run)
        alone, through = await overhead(llms, direct)
        print(f"a short answer: {alone:.2f} ms from the client, {through:.2f} ms through the chain")
        nursery.cancel_scope.cancel()
    print(f"memory: {await memory():.0f} KiB for each client")
    cold, warm = await warmth()
    print(f"first answer over TLS, {ROUND_TRIP * 1000:.0f} ms away: {cold:.0f} ms cold, {warm:.0f} ms warm")


if __name__ == "__main__":
    trio.run(main)

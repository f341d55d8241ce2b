"""Memory of the real program: through kill -9 and a restart, with a language model over HTTP, never mixed, and erasable."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from badge.client.device import Introduction, connect
from badge.storage.reading import read_only
from tests.e2e.test_program import NOTHING, QUIET, ROOT, Program, badge, program
from tests.providers.openai_server import Exchange, OpenAiServer, openai_server, says

FIRST, SECOND = "aa:bb:cc:00:00:01", "aa:bb:cc:00:00:02"
NOTES = "You keep the notes"


async def model(exchange: Exchange) -> None:
    """Answers everything with Yes; of a conversation it notes each thing that the user said; of a text it gives a vector."""
    if exchange.path.endswith("/embeddings"):
        texts = exchange.body["input"]
        data = [{"index": at, "embedding": meaning(text)} for at, text in enumerate(texts)]
        await exchange.plain(200, {"data": data[::-1]})
        return
    messages = exchange.body["messages"]
    if messages[0]["content"].startswith(NOTES):
        said = [one["user"] for one in json.loads(messages[1]["content"])["conversation"]]
        facts = [{"text": f"Said: {text}", "replaces": []} for text in said if text.startswith("I ")]
        await says(json.dumps({"facts": facts, "summary": ""}))(exchange)
    else:
        await says("Yes, ", "I see. ")(exchange)


def meaning(text: str) -> list[float]:
    """Drinks are near to drinks."""
    return [1.0, 0.1 * len(text) % 1] if any(word in text for word in ("tea", "beverage")) else [-1.0, 0.5]


def settings(folder: Path, server: OpenAiServer, more: str = "") -> str:
    return (
        f"{NOTHING}[store]\nfile = '{folder / 'badge.db'}'\n"
        f"[llm.default]\nuse = 'openai'\n[llm.default.openai]\nbase_url = '{server.base_url}'\n{more}"
    )


def asked(server: OpenAiServer) -> list[list[dict[str, Any]]]:
    """The dialogues that the model was shown, in order."""
    shown = [one.body["messages"] for one in server.exchanges if one.path.endswith("/completions")]
    return [one for one in shown if not one[0]["content"].startswith(NOTES)]


async def talk(program: Program, device: str, *words: str, killed_with: Path | None = None) -> None:
    """Say something, and hear every answer to its end; the server may be killed as soon as it is in the store there."""
    url = f"ws://127.0.0.1:{program.ws_port}/xiaozhi/v1/"
    async with connect(url, Introduction(device=device, client="c")) as one:
        for text in words:
            await one.tell(type="listen", state="detect", text=text)
            await one.until("tts", state="stop")
        if killed_with is not None:
            await until(lambda: _kept(killed_with, device, len(words)))
            program.process.kill()
            program.process.wait()


async def known(folder: Path, device: str) -> list[str]:
    with read_only(folder / "badge.db") as stores:
        return [fact.text for fact in await stores.recall.facts(device)]


async def until(condition: Callable[[], Any]) -> None:
    while not await condition():
        await trio.sleep(0.05)


async def command(*arguments: str | Path) -> tuple[int, str]:
    done = await trio.run_process(
        [sys.executable, "-m", "badge", *map(str, arguments)],
        env={**os.environ, **QUIET},
        cwd=ROOT,
        capture_stdout=True,
        check=False,
    )
    return done.returncode, done.stdout.decode()


@pytest.mark.req("ME-3", "ME-4", "ME-5", "ME-6", "RG-7", "B-15", "B-75", "B-76", "CH-2")
async def test_a_conversation_goes_on_after_kill_9_and_what_was_said_is_learned_then(tmp_path: Path) -> None:
    with trio.fail_after(300):
        async with openai_server() as server:
            server.plan(model)
            with program(tmp_path, settings(tmp_path, server)) as first:
                await talk(first, SECOND, "I like coffee")
                await until(lambda: _learned(tmp_path, SECOND, 1))
                await talk(first, FIRST, "I like oolong tea", "and so on", killed_with=tmp_path)
            assert await known(tmp_path, FIRST) == [], "there was no time for it"
            with program(tmp_path, settings(tmp_path, server)) as second:
                await talk(second, FIRST, "what do I like to drink, tea perhaps")
                (system, *dialogue) = asked(server)[-1]
                assert [one["content"] for one in dialogue][:3] == ["I like oolong tea", "Yes, I see. ", "and so on"]
                assert "coffee" not in json.dumps(asked(server)[-1])
                await until(lambda: _learned(tmp_path, FIRST, 1))
                assert await known(tmp_path, FIRST) == ["Said: I like oolong tea"]
                await talk(second, FIRST, "tea again")
                (system, *dialogue) = asked(server)[-1]
                assert "Said: I like oolong tea" in system["content"]
                await talk(second, SECOND, "and I, which drink do I like")
                (system, *dialogue) = asked(server)[-1]
                assert "Said: I like coffee" in system["content"]
                assert dialogue[0]["content"] == "I like coffee"
                assert "oolong" not in json.dumps(asked(server)[-1])
                second.process.terminate()
                second.process.wait(30)
                assert "Traceback" not in second.log()
                assert "oolong" not in second.log()


@pytest.mark.req("ME-4", "B-76")
async def test_a_model_that_hangs_holds_the_end_of_the_server_up_for_a_bounded_time_and_is_told_of(
    tmp_path: Path,
) -> None:
    async def mute(exchange: Exchange) -> None:
        if exchange.body["messages"][0]["content"].startswith(NOTES):
            await exchange.gone.wait()
        else:
            await model(exchange)

    with trio.fail_after(200):
        async with openai_server() as server:
            server.plan(mute)
            patient = "first_token_timeout_s = 60\n"  # nobody else gives it up
            with program(tmp_path, settings(tmp_path, server, patient)) as one:
                await talk(one, FIRST, "I like tea")
                await until(lambda: _noting(server))
                one.process.terminate()
                await trio.to_thread.run_sync(lambda: one.process.wait(30))
                assert one.process.returncode == 0
                assert "memory not finished" in one.log()
                assert "to_be_worked_out_after_the_next_start=1" in one.log()
            server.plan(model)
            with program(tmp_path, settings(tmp_path, server)):
                await until(lambda: _learned(tmp_path, FIRST, 1))


async def _noting(server: OpenAiServer) -> bool:
    asked = [one for one in server.exchanges if one.path.endswith("/completions")]
    await trio.lowlevel.checkpoint()
    return any(one.body["messages"][0]["content"].startswith(NOTES) for one in asked)


async def _kept(folder: Path, device: str, number: int) -> bool:
    with read_only(folder / "badge.db") as stores:
        return len(await stores.recall.exchanges(device)) >= number


async def _learned(folder: Path, device: str, number: int) -> bool:
    return len(await known(folder, device)) >= number


async def test_what_means_the_same_is_found_and_a_server_for_it_that_is_down_is_no_harm(tmp_path: Path) -> None:
    with trio.fail_after(300):
        async with openai_server() as server:
            server.plan(model)
            embeddings = (
                f"[memory]\nresume_within_s = 0\n[memory.embeddings]\nuse = 'openai'\nbase_url = '{server.base_url}'\n"
            )
            with program(tmp_path, settings(tmp_path, server, embeddings)) as one:
                await talk(one, FIRST, "I own a red bicycle", "I adore oolong tea")
                await until(lambda: _learned(tmp_path, FIRST, 2))
                await talk(one, FIRST, "propose some beverage")
                notes = asked(server)[-1][0]["content"]
                assert notes.index("oolong") < notes.index("bicycle")
                (request,) = [e for e in server.exchanges if e.body.get("input") == ["propose some beverage"]]
                assert request.body["model"] == "text-embedding-3-small"
            down = embeddings.replace(server.base_url, "http://127.0.0.1:9/v1")
            with program(tmp_path, settings(tmp_path, server, down)) as two:
                await talk(two, FIRST, "where is the bicycle")
                notes = asked(server)[-1][0]["content"]
                assert notes.index("bicycle") < notes.index("oolong")


@pytest.mark.req("CL-5", "ME-5")
async def test_the_operator_sees_what_is_remembered_and_erases_it(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    memory = partial(command, "memory")
    at = "--config", str(config)
    with trio.fail_after(300):
        async with openai_server() as server:
            server.plan(model)
            with program(tmp_path, settings(tmp_path, server)) as one:
                assert await memory("list", *at) == (0, "nothing is remembered of any badge\n")
                await talk(one, FIRST, "I like Kryptonit", "I hate mondays")
                await talk(one, SECOND, "I like coffee")
                await until(lambda: _learned(tmp_path, FIRST, 2))
                await until(lambda: _learned(tmp_path, SECOND, 1))
                status, listed = await memory("list", *at)
                assert status == 0
                assert [line.split()[:5] for line in listed.splitlines()] == [
                    [FIRST, "2", "facts", "2", "exchanges"],
                    [SECOND, "1", "facts", "1", "exchanges"],
                ]
                status, shown = await memory("show", FIRST.upper(), *at)
                assert (status, "Said: I like Kryptonit" in shown, "coffee" in shown) == (0, True, False)
                _, text = await memory("show", FIRST, "--json", *at)
                whole = json.loads(text)
                assert [one["user"] for one in whole["exchanges"]] == ["I like Kryptonit", "I hate mondays"]
                number = next(fact["id"] for fact in whole["facts"] if "mondays" in fact["text"])
                status, said = await memory("show", "nobody", *at)
                assert (status, said) == (
                    2,
                    f"nobody: nothing is remembered of this badge; of these there is: {FIRST}, {SECOND}\n",
                )
                assert (await memory("forget", FIRST, "--fact", "x", *at))[0] == 2
                assert (await memory("forget", FIRST, "--fact", number, *at))[0] == 0
                assert await known(tmp_path, FIRST) == ["Said: I like Kryptonit"]
                assert "kryptonit" in text_of_files(tmp_path)
                status, said = await memory("forget", FIRST, "--all", *at)
                assert (status, said.split(".")[0]) == (0, f"{FIRST}: 3 exchanges and facts erased")
                assert "kryptonit" not in text_of_files(tmp_path)
                assert await known(tmp_path, SECOND) == ["Said: I like coffee"]
                one.process.kill()
                one.process.wait()
            assert (tmp_path / "badge.db.sock").exists(), "a dead server's door is no obstacle"
            status, said = await memory("forget", SECOND, "--exchanges", *at)
            assert (status, said.split(".")[0]) == (0, f"{SECOND}: 1 exchanges and facts erased")
            status, said = await memory("forget", FIRST, "--all", *at)
            assert (status, said) == (
                2,
                f"{FIRST}: nothing is remembered of this badge; of these there is: {SECOND}\n",
            )
            assert await known(tmp_path, SECOND) == ["Said: I like coffee"]


def text_of_files(folder: Path) -> str:
    """The bytes of the store, its log included."""
    files = [file for file in folder.glob("badge.db*") if file.is_file()]
    return b"".join(file.read_bytes() for file in files).decode("latin-1").lower()


def test_where_there_is_no_store_it_says_so(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f"[store]\nfile = '{tmp_path / 'none.db'}'\n")
    for arguments in (["list"], ["show", "x"], ["forget", "x", "--all"]):
        done = badge("memory", *arguments, "--config", config)
        assert (done.returncode, "A server makes it when it starts" in done.stdout) == (2, True), done
    config.write_text("[store]\nuse = 'memory'\n")
    done = badge("memory", "list", "--config", config)
    assert (done.returncode, "store.use is memory" in done.stdout) == (2, True)

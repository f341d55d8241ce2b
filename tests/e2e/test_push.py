"""Words of the operator, from one terminal through the running program to a badge."""

from __future__ import annotations

import os
import socket
import stat
import sys
from pathlib import Path

import trio

from badge.client.device import Introduction, connect
from tests.e2e.test_program import NOTHING, QUIET, ROOT, badge, program


def push(config: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "badge", "push", *arguments, "--config", str(config)]


def test_push_speaks_through_the_running_server_and_leaves_messages(tmp_path: Path) -> None:
    store = tmp_path / "team.db"
    with program(tmp_path, f"{NOTHING}[store]\nfile = '{store}'\n") as server:
        config = tmp_path / "config.toml"
        door = tmp_path / "team.db.sock"
        assert stat.S_IMODE(door.stat().st_mode) == 0o600

        async def told(*arguments: str) -> str:
            done = await trio.run_process(
                push(config, *arguments), env={**os.environ, **QUIET}, cwd=ROOT, capture_stdout=True, check=False
            )
            return f"{done.returncode} {done.stdout.decode().strip()}"

        async def live() -> None:
            url = f"ws://127.0.0.1:{server.ws_port}/xiaozhi/v1/"
            with trio.fail_after(100):
                assert (
                    await told("b1", "hello") == "1 b1 is not online; nobody is online; --queue leaves it as a message"
                )
                assert await told("b1", "First.", "--queue") == "0 b1 gets it as a message when it comes"
                async with connect(url, Introduction(device="b1", client="c")) as one:
                    said = ""
                    while "First." not in said:
                        said += (await one.until("tts", state="sentence_start"))["text"]
                    assert said.startswith("Message from the operator:")
                    await one.until("tts", state="stop")
                    assert await told("B1", "Second.") == "0 B1 says it as soon as it is free"
                    assert (await one.until("tts", state="sentence_start"))["text"] == "Second."

        trio.run(live)
        server.process.terminate()
        server.process.wait(30)
        assert not door.exists()
    assert "no server runs with this store" in badge("push", "b1", "x", "--config", config).stdout


def test_a_server_whose_door_belongs_to_another_says_so_and_does_not_start(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "team.db.sock"))
        other.listen()
        config = tmp_path / "config.toml"
        config.write_text(
            f"[server]\nhost = '127.0.0.1'\nport = 0\nhttp_port = 0\n{NOTHING}[store]\nfile = '{tmp_path / 'team.db'}'\n",
            encoding="utf-8",
        )
        done = badge("serve", "--config", config)
    assert done.returncode == 1
    assert "another server takes commands at" in done.stderr
    assert "Traceback" not in done.stderr

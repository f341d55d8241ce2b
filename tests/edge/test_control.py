"""The operator's door: who gets in, what is answered, and what is left behind."""

from __future__ import annotations

import argparse
import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio

from badge.commands import push, usage
from badge.config.team import StoreSettings
from badge.desk import RefusedError
from badge.edge.control import (
    CALLERS,
    LONGEST_LINE,
    LONGEST_PATH,
    REQUEST_WITHIN,
    ControlError,
    ask,
    control_path,
    open_control,
)
from badge.llms import Purpose
from badge.llms.ledger import MOST_DEVICES, Ledger
from badge.metrics import Metrics
from badge.offices import operating
from badge.offices.operating import operator_commands
from protocol.identity import MAX_ID
from providers.ports import Usage
from tests.offices.street import Street

ROOT = Path(__file__).parents[2]


async def echo(request: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"said": request.get("text")}


async def refuse(_: Mapping[str, Any]) -> Mapping[str, Any]:
    raise RefusedError("no", "not today")


async def break_down(_: Mapping[str, Any]) -> Mapping[str, Any]:
    raise RuntimeError("a secret")


COMMANDS = {"echo": echo, "refuse": refuse, "break": break_down}


@asynccontextmanager
async def door(path: Path, commands: Any = COMMANDS) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        await nursery.start(open_control, path, commands)
        yield
        nursery.cancel_scope.cancel()


async def raw(path: Path, data: bytes, *, finish: bool = True) -> bytes:
    async with await trio.open_unix_socket(str(path)) as stream:
        await stream.send_all(data)
        if finish:
            await stream.send_eof()
        answer = b""
        with trio.fail_after(20):
            while piece := await stream.receive_some():
                answer += piece
        return answer


# --- commands ---------------------------------------------------------------------------------------------------------------


async def test_a_command_is_answered_and_only_its_owner_can_give_one(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    async with door(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert await ask(path, {"command": "echo", "text": "你好"}) == {"ok": True, "said": "你好"}
        assert await ask(path, {"command": "refuse"}) == {"ok": False, "code": "no", "message": "not today"}
        unknown = await ask(path, {"command": "format"})
        assert unknown == {"ok": False, "code": "unknown-command", "message": "there are: break, echo, refuse"}
    assert not path.exists()
    with pytest.raises(ControlError, match="no server runs with this store"):
        await ask(path, {"command": "echo"})


async def test_a_command_that_fails_is_answered_logged_and_harms_nobody(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    async with door(path):
        with structlog.testing.capture_logs() as logs:
            answer = await ask(path, {"command": "break"})
        assert answer["code"] == "failed"
        assert "secret" not in json.dumps(answer)
        assert [line["event"] for line in logs] == ["failed"]
        assert (await ask(path, {"command": "echo"}))["ok"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"\xff\xfe\n",
        b"null\n",
        b"[1]\n",
        b"{\n",
        b"[" * 60_000 + b"\n",
        b'{"command":' + b"9" * 50_000 + b"}\n",
        b"x" * (LONGEST_LINE * 4),
        b'{"command": ["echo"]}\n',
        b'{"command": {"a": 1}}',
    ],
    ids=lambda data: f"{data[:12]!r} {len(data)}",
)
async def test_nonsense_is_answered_and_the_next_caller_is_served(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "s.sock"
    async with door(path):
        try:
            answer = json.loads(await raw(path, data))
        except (trio.BrokenResourceError, json.JSONDecodeError):
            assert len(data) > LONGEST_LINE, "only who goes on sending is cut off"
        else:
            assert answer["ok"] is False
            assert answer["code"] in ("bad-request", "unknown-command")
        assert (await ask(path, {"command": "echo"}))["ok"]


async def test_half_characters_come_back_as_escapes(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    async with door(path):
        answer = await raw(path, b'{"command": "echo", "text": "\\ud800"}\n')
    assert json.loads(answer)["said"] == "\ud800"


async def test_who_says_nothing_is_sent_away_and_keeps_nobody_out(tmp_path: Path, mock_clock: Any) -> None:
    path = tmp_path / "s.sock"
    async with door(path), trio.open_nursery() as nursery:
        answers = []

        async def silent() -> None:
            answers.append(await raw(path, b'{"command"', finish=False))

        for _ in range(CALLERS):
            nursery.start_soon(silent)
        await trio.testing.wait_all_tasks_blocked(0.01)
        mock_clock.jump(REQUEST_WITHIN + 0.1)
        assert (await ask(path, {"command": "echo"}))["ok"]
    assert answers == [b""] * CALLERS


# --- the socket file ----------------------------------------------------------------------------------------------------------


async def test_what_a_killed_server_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with door(path):
        assert (await ask(path, {"command": "echo"}))["ok"]


async def test_the_door_of_another_server_stays_its_own(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    async with door(path):
        with pytest.raises(BaseExceptionGroup) as group:
            async with door(path):
                raise AssertionError
        assert group.group_contains(ControlError, match="another server takes commands at")
        assert (await ask(path, {"command": "echo"}))["ok"]


async def test_only_the_own_socket_is_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    async with door(path):
        path.unlink()
        path.write_text("somebody else's", encoding="utf-8")
    assert path.read_text(encoding="utf-8") == "somebody else's"


@pytest.mark.parametrize("case", ["long", "file", "folder", "shared", "missing"])
async def test_where_nothing_can_be_put_safely_the_door_stays_closed(tmp_path: Path, case: str) -> None:
    path, says = tmp_path / "s.sock", ""
    if case == "long":
        path, says = tmp_path / ("x" * LONGEST_PATH), "shorter path"
    elif case == "file":
        path.write_text("precious", encoding="utf-8")
        says = "move it away"
    elif case == "folder":
        path.mkdir()
        says = "move it away"
    elif case == "shared":
        os.chmod(tmp_path, 0o777)  # noqa: PTH101
        says = "chmod 700"
    else:
        path, says = tmp_path / "no" / "s.sock", "No such file"
    with structlog.testing.capture_logs() as logs:
        async with door(path):
            pass
    assert [line["log_level"] for line in logs] == ["warning"]
    assert says in logs[0]["reason"]
    assert case != "file" or path.read_text(encoding="utf-8") == "precious"


async def test_a_shared_folder_where_nobody_can_replace_our_files_will_do(tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o1777)  # noqa: PTH101
    async with door(tmp_path / "s.sock"):
        assert (await ask(tmp_path / "s.sock", {"command": "echo"}))["ok"]


# --- who calls ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [b"", b"null\n", b"[]\n", b"{\n", b"\xff\n"])
async def test_what_is_no_server_is_named(tmp_path: Path, answer: bytes) -> None:
    path = tmp_path / "s.sock"

    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(answer)
        await stream.aclose()

    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        async with trio.open_nursery() as nursery:
            listener = trio.SocketListener(trio.socket.from_stdlib_socket(other))
            nursery.start_soon(trio.serve_listeners, serve, [listener])
            with pytest.raises(ControlError, match="did not answer as a server does"):
                await ask(path, {"command": "echo"})
            nursery.cancel_scope.cancel()


async def test_a_path_that_no_socket_can_have_is_named(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="shorter path"):
        await ask(tmp_path / ("x" * LONGEST_PATH), {})


def test_the_door_is_beside_the_store() -> None:
    assert control_path(StoreSettings(file="/var/badge/team.db")) == Path("/var/badge/team.db.sock")
    assert control_path(StoreSettings(file="badge.db")) == Path.cwd() / "badge.db.sock"
    assert control_path(StoreSettings(use="memory")) is None


# --- the operator's commands ------------------------------------------------------------------------------------------------------


async def test_push_speaks_leaves_a_message_or_says_who_is_here(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    async with trio.open_nursery() as nursery:
        street = await Street(nursery).open()
        async with door(path, operator_commands(street.office, street.presence, Ledger(Metrics()))):
            assert (await ask(path, {"command": "status"})) == {"ok": True, "count": 0, "online": []}
            answer = await ask(path, {"command": "push", "device": "b", "text": "hello"})
            assert (answer["code"], answer["message"]) == ("offline", "b is not online; nobody is online")
            b, c = street.enter("b"), street.enter("c", announces=False)
            answer = await ask(path, {"command": "push", "device": "x", "text": "hello"})
            assert answer["message"] == "x is not online; online: b, c"
            assert await ask(path, {"command": "push", "device": "B", "text": "hello"}) == {"ok": True, "fate": "sent"}
            assert b.said == ["hello"]
            answer = await ask(path, {"command": "push", "device": "c", "text": "hello"})
            assert answer["code"] == "not-announced"
            answer = await ask(path, {"command": "push", "device": "c", "text": "hello", "queue": True})
            assert answer["fate"] == "sent"
            answer = await ask(path, {"command": "push", "device": "y", "text": "hello", "queue": True})
            assert answer == {"ok": True, "fate": "queued"}
            for bad in ({"device": "b"}, {"text": "x"}, {"device": 5, "text": "x"}, {"device": "b", "text": None}):
                assert (await ask(path, {"command": "push", **bad}))["code"] == "bad-request"
            answer = await ask(path, {"command": "push", "device": "b\ud800", "text": "x", "queue": True})
            assert answer["code"] == "bad-target"
            assert (await ask(path, {"command": "push", "device": "\"'" * 10_000, "text": "x"}))["ok"] is False
            await street.quiet()
            assert c.letters == [("server", c.of("message")[0]["id"])]
            assert (await ask(path, {"command": "status"}))["online"] == ["b", "c"]
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("arguments", "online", "status", "says"),
    [
        (["b", "hello"], ["b"], 0, "b says it as soon as it is free"),
        (["b", "hello"], [], 1, "b is not online; nobody is online; --queue leaves it as a message"),
        (["b", "hello", "--queue"], [], 0, "b gets it as a message when it comes"),
        (["b", " "], ["b"], 1, "a text has 1 to 4000 whole characters"),
    ],
)
async def test_the_command_line_says_what_becomes_of_it(
    tmp_path: Path, arguments: list[str], online: list[str], status: int, says: str
) -> None:
    settings = StoreSettings(file=str(tmp_path / "t.db"))
    path = control_path(settings)
    assert path is not None
    parser = argparse.ArgumentParser()
    push.add_arguments(parser)
    written: list[str] = []
    async with trio.open_nursery() as nursery:
        street = await Street(nursery).open()
        for device in online:
            street.enter(device)
        async with door(path, operator_commands(street.office, street.presence, Ledger(Metrics()))):
            args = parser.parse_args(arguments)
            assert await trio.to_thread.run_sync(push.run, args, settings, written.append) == status
        nursery.cancel_scope.cancel()
    assert written == [says]


@pytest.mark.parametrize(
    ("text", "says"), [("file = 't.db'", "no server runs with this store"), ("use = 'memory'", "takes no commands")]
)
def test_without_a_server_the_program_says_so(tmp_path: Path, text: str, says: str) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f"[store]\n{text}\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "badge", "push", "b", "hello", "--config", str(config)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert says in done.stdout


async def test_the_operator_sees_what_models_have_cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By device and purpose, the latest first; what is too much to show is one sum, and nothing is lost."""
    monkeypatch.setattr(operating, "MOST_BILLED", 2)
    path = tmp_path / "s.sock"
    ledger = Ledger(Metrics())
    for device in ("a", "b", "c", ""):
        ledger.answered(Purpose.CHAT, device)
        ledger.used(Purpose.CHAT, "default", device, Usage(prompt=100, answer=10), 0.25)
    ledger.used(Purpose.MEMORY, "default", "c", Usage(prompt=7, answer=1))
    async with trio.open_nursery() as nursery:
        street = await Street(nursery).open()
        async with door(path, operator_commands(street.office, street.presence, ledger)):
            devices = (await ask(path, {"command": "usage"}))["devices"]
        nursery.cancel_scope.cancel()
    chat = {"answers": 1, "prompt": 100, "answer": 10, "cost": 0.25}
    assert devices == {
        "c": {"chat": chat, "memory": {"answers": 0, "prompt": 7, "answer": 1, "cost": 0.0}},
        "b": {"chat": chat},
        "": {"chat": {"answers": 2, "prompt": 200, "answer": 20, "cost": 0.5}},
    }
    assert [line.split() for line in usage.table(devices)] == [
        ["device", "purpose", "answers", "tokens", "in", "tokens", "out", "cost"],
        ["c", "chat", "1", "100", "10", "0.2500"],
        ["c", "memory", "0", "7", "1", "0.0000"],
        ["b", "chat", "1", "100", "10", "0.2500"],
        ["(others)", "chat", "2", "200", "20", "0.5000"],
        ["all", "4", "407", "41", "1.0000"],
    ]


def test_without_prices_no_cost_is_shown() -> None:
    spent = {"answers": 1, "prompt": 100, "answer": 10, "cost": 0.0}
    assert "cost" not in usage.table({"a": {"chat": spent}})[0]
    assert [line.split() for line in usage.table({"": {}})][1:] == [["all", "0", "0", "0"]]


async def test_costs_of_any_number_of_devices_fit_into_an_answer(tmp_path: Path) -> None:
    """Whoever connects under ever new names, as long as names can be."""
    path = tmp_path / "s.sock"
    ledger = Ledger(Metrics())
    for number in range(MOST_DEVICES + 10):
        device = f"{number:05}" + "\U0001f9ff" * (MAX_ID - 5)
        for purpose in Purpose if number > MOST_DEVICES - operating.MOST_BILLED else (Purpose.CHAT,):
            ledger.answered(purpose, device)
            ledger.used(purpose, "default", device, Usage(prompt=1 << 31, answer=1 << 31), 1e6 / 3)
    async with trio.open_nursery() as nursery:
        street = await Street(nursery).open()
        async with door(path, operator_commands(street.office, street.presence, ledger)):
            devices = (await ask(path, {"command": "usage"}))["devices"]
        nursery.cancel_scope.cancel()
    assert len(devices) == operating.MOST_BILLED + 1
    assert sum(spent["chat"]["answers"] for spent in devices.values()) == MOST_DEVICES + 10

"""The program as an operator runs it: start, stop, errors, and the commands beside it."""

from __future__ import annotations

import logging
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import attrs
import pytest
import structlog
import trio
import trio.testing
import trio_websocket

from badge import texts
from badge.__main__ import greeting, main
from badge.app import CannotListenError, Running, choose, serve
from badge.client.device import Introduction
from badge.client.shown import shown
from badge.clock import SystemClock
from badge.commands.say import Order, say
from badge.config.settings import Settings
from badge.edge.console import HELP, execute, read_commands
from badge.link import Goodbye
from badge.peers.presence import Presence
from providers.scripted import ScriptedTts, Utterance
from tests.e2e.running import client, local, masked, reset, scripted_server, upgraded
from tests.house import House, changed

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "speech"
NOTHING = "[vad]\nuse = 'none'\n[asr]\nuse = 'none'\n[tts]\nuse = 'none'\n"
QUIET = {"PYTHONPATH": str(ROOT), "BADGE_MODELS": "/nonexistent", "OPENAI_API_KEY": ""}


def config(folder: Path, text: str = "") -> Path:
    path = folder / "config.toml"
    path.write_text(f"[server]\nhost = '127.0.0.1'\nport = 0\nhttp_port = 0\n{text}", encoding="utf-8")
    return path


def badge(*arguments: str | Path, cwd: Path = ROOT, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "badge", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **QUIET},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


class Program:
    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process = process
        self._folder = folder
        self.ws_port, self.http_port = self._ports()

    def out(self) -> str:
        return (self._folder / "out").read_text(encoding="utf-8")

    def log(self) -> str:
        return (self._folder / "log").read_text(encoding="utf-8")

    def _ports(self) -> tuple[int, int]:
        deadline = time.perf_counter() + 30
        while "Try it" not in self.out():
            assert self.process.poll() is None, self.log()
            assert time.perf_counter() < deadline, self.log()
            os.sched_yield()
        ports = re.findall(r"127\.0\.0\.1:(\d+)/", self.out())
        return int(ports[0]), int(ports[1])


@contextmanager
def program(folder: Path, text: str = "", stdin: int = subprocess.DEVNULL, *, named: bool = True) -> Iterator[Program]:
    """The server as a process of its own; its configuration is named, or lies where it is started."""
    configured = config(folder, text)
    with (folder / "out").open("w") as out, (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "badge", *(("--config", str(configured)) if named else ())],
            cwd=ROOT if named else folder,
            env={**os.environ, **QUIET},
            stdin=stdin,
            stdout=out,
            stderr=log,
            text=True,
        )
        try:
            yield Program(process, folder)
        finally:
            process.kill()
            process.wait()
            if process.stdin:
                process.stdin.close()


def children(pid: int) -> list[int]:
    return [
        int(p)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for p in (task / "children").read_text(encoding="ascii").split()
    ]


def exists(pid: int) -> bool:
    try:
        return "zombie" not in Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return False


# --- start ------------------------------------------------------------------------------------------------------------


@pytest.mark.req("SU-5", "SU-6")
def test_what_an_operator_reads_on_start(tmp_path: Path) -> None:
    with program(tmp_path) as server:
        lines = server.out().splitlines()
        assert len(lines) <= 10
        assert lines[0] == f"Badge is ready. Badges connect to ws://127.0.0.1:{server.ws_port}/xiaozhi/v1/"
        assert f"http://127.0.0.1:{server.http_port}/xiaozhi/ota/" in lines[1]
        assert "pocketsphinx" in lines[2]
        assert "offline assistant" in lines[3]
        assert "espeak" in lines[4]
        assert any("python -m badge models vosk-model-small-en-us-0.15" in line for line in lines)
        assert any("OPENAI_API_KEY" in line for line in lines)
        assert lines[-1].endswith(
            f'-m badge say --url ws://127.0.0.1:{server.ws_port}/xiaozhi/v1/ --text "what can you do"'
        )
        deadline = time.perf_counter() + 20
        while "component ready" not in server.log():
            assert time.perf_counter() < deadline
        assert (
            f"WebSocketServer started on 127.0.0.1:{server.ws_port}, online_count=0, online=[]; server.stats broadcasting enabled"
            in server.log()
        )


@pytest.mark.req("SU-2", "SU-3", "SU-4", "B-90")
@pytest.mark.parametrize("taken", ["port", "http_port"])
def test_a_port_in_use_stops_the_start_with_a_clear_error(tmp_path: Path, taken: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        text = "[server]\nhost = '127.0.0.1'\nport = 0\nhttp_port = 0\n".replace(
            f"\n{taken} = 0", f"\n{taken} = {port}"
        )
        (tmp_path / "config.toml").write_text(text, encoding="utf-8")
        result = badge("--config", tmp_path / "config.toml")
    assert result.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}: " in result.stderr
    assert "可能原因：端口被占用/权限不足/host非法。请确认无旧进程占用端口或调整 server.port。" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.req("SU-3")
async def test_serve_reports_its_ports_or_raises() -> None:
    async with scripted_server() as (server, house):
        assert server.port != server.http_port
        async with trio.open_nursery() as nursery:
            taken = attrs.evolve(house.settings, server=attrs.evolve(house.settings.server, port=server.port))
            second = House(nursery, settings=taken, start=False)
            with pytest.raises(ExceptionGroup) as info:
                await nursery.start(serve, second.server)
            assert info.group_contains(CannotListenError, match=str(server.port))


@pytest.mark.req("SU-1", "SU-4", "B-90")
async def test_any_address_family() -> None:
    settings = attrs.evolve(Settings(), server=attrs.evolve(Settings().server, host="::1", port=0, http_port=0))
    async with trio.open_nursery() as nursery:
        house = House(nursery, settings=local(settings), start=False)
        house.services = attrs.evolve(house.services, settings=settings)
        try:
            server: Running = await nursery.start(serve, house.server)
        except* CannotListenError:
            pytest.skip("this machine has no IPv6")
        stream = await trio.open_tcp_stream("::1", server.port)
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
        await stream.aclose()
        nursery.cancel_scope.cancel()


@pytest.mark.req("SU-7")
async def test_a_service_that_fails_stops_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("badge.app.broadcast_stats", broken)
    async with trio.open_nursery() as nursery:
        house = House(nursery, settings=local(Settings()), start=False)
        with pytest.raises(ExceptionGroup) as info:
            await serve(house.server)
        assert info.group_contains(ZeroDivisionError)
        nursery.cancel_scope.cancel()


def test_a_wrong_configuration_is_explained(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[server]\nport = 'x'\nprot = 1\n", encoding="utf-8")
    result = badge("--config", tmp_path / "config.toml")
    assert result.returncode == 2
    assert 'server.port = "x": must be a whole number' in result.stderr
    assert "server.prot = 1: is not known here" in result.stderr
    assert "Traceback" not in result.stderr


def test_greeting_names_what_could_be_better() -> None:
    settings = changed(asr={"language": "zh"})
    choices = choose(
        attrs.evolve(settings, models=attrs.evolve(settings.models, folder="/nonexistent")), {}, SystemClock()
    )
    running = Running(host="0.0.0.0", port=1, http_port=2, stop=lambda: None)
    lines = greeting(settings, choices, running, "/a/config.toml", "192.0.2.7")
    assert "ws://192.0.2.7:1/xiaozhi/v1/" in lines[0]
    assert "http://192.0.2.7:2/xiaozhi/ota/" in lines[1]
    assert "ws://localhost:1/xiaozhi/v1/" in lines[-1]
    assert any("/a/config.toml" in line for line in lines)
    assert any("will not understand Mandarin" in line for line in lines)
    assert any("python -m badge models vosk-model-small-cn-0.22" in line for line in lines)


def test_greeting_tells_what_is_configured_and_missing() -> None:
    settings = changed(asr={"use": "vosk"}, tts={"use": "piper"}, models={"folder": "/nonexistent"})
    running = Running(host="::1", port=1, http_port=2, stop=lambda: None)
    lines = "\n".join(greeting(settings, choose(settings, {}, SystemClock()), running, "", "localhost"))
    assert "Vosk is configured, and has no model" in lines
    assert "Piper is configured, and has no voice" in lines
    assert "models vosk-model-small-en-us-0.15" in lines
    assert "models en_US-lessac-medium" in lines
    assert "ws://[::1]:1/" in lines


def test_greeting_says_that_sessions_are_recorded() -> None:
    settings = changed(recording={"use": "all", "folder": "/var/badge"})
    running = Running(host="0.0.0.0", port=1, http_port=2, stop=lambda: None)
    lines = greeting(settings, choose(settings, {}, SystemClock()), running, "", "localhost")
    assert "  records                all sessions into /var/badge" in lines
    assert not any(
        "records" in line for line in greeting(Settings(), choose(settings, {}, SystemClock()), running, "", "")
    )


def test_a_configuration_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    for arguments in (["--config", "nowhere.toml"], ["check", "--config", "nowhere.toml"]):
        result = badge(*arguments, cwd=tmp_path)
        assert result.returncode == 2
        assert "nowhere.toml: does not exist" in result.stderr


# --- stop -------------------------------------------------------------------------------------------------------------


@pytest.mark.req("SU-6", "RS-2")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_everything(tmp_path: Path, number: signal.Signals) -> None:
    with program(tmp_path) as server:
        deadline = time.perf_counter() + 20
        while server.log().count("component ready") < 4:
            assert time.perf_counter() < deadline
        workers = children(server.process.pid)
        assert workers
        server.process.send_signal(number)
        assert server.process.wait(timeout=10) == 0
        deadline = time.perf_counter() + 5
        while any(exists(pid) for pid in workers):
            assert time.perf_counter() < deadline, "a worker process was left behind"
        assert "Traceback" not in server.log()


@pytest.mark.req("SU-6", "CL-3")
@pytest.mark.parametrize("signals", [1, 2])
def test_an_answer_that_goes_on_for_long_does_not_hold_up_the_stop(tmp_path: Path, signals: int) -> None:
    with program(tmp_path, "[timeouts]\nshutdown_s = 0.5\n") as server:
        url = f"ws://127.0.0.1:{server.ws_port}/"
        text = "please repeat after me: " + "one and two and three and four and five and six and seven " * 5
        say = subprocess.Popen(
            [sys.executable, "-m", "badge", "say", "--url", url, "--text", f"[device_call]{text}"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert say.stdout is not None
        while not say.stdout.readline().startswith("badge"):
            assert say.poll() is None
        begun = time.perf_counter()
        for _ in range(signals):
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.05)  # noqa: TID251 - two signals at once are one
        assert server.process.wait(timeout=10) == 0
        assert time.perf_counter() - begun < 4
        out, _ = say.communicate(timeout=10)
        assert "the server closed the connection" in out
        assert say.returncode == 1


def test_a_server_in_the_background_leaves_the_terminal_to_others(tmp_path: Path) -> None:
    """Reading a terminal that belongs to another job would suspend the whole server."""
    child, terminal = pty.fork()
    if child == 0:
        os.execvp("bash", ["bash", "--norc", "-i"])
    try:
        os.set_blocking(terminal, False)
        seen = ""

        def until(word: str) -> None:
            nonlocal seen
            deadline = time.perf_counter() + 30
            while word not in seen:
                assert time.perf_counter() < deadline, seen
                with suppress(BlockingIOError):
                    seen += os.read(terminal, 4096).decode(errors="replace")
            seen = seen.split(word, 1)[1]

        def typed(line: str) -> None:
            os.write(terminal, line.encode() + b"\n")

        typed(f"cd {ROOT}; {sys.executable} -m badge --config {config(tmp_path, NOTHING)} 2>/dev/null &")
        until("Try it")
        typed("echo one")
        typed("sleep 2; echo state $(jobs -r | wc -l)")
        until("state 1")
        typed("fg")
        until("badge --config")
        typed("status")
        until("0 online")
        typed("quit")
        until("stopping")
    finally:
        os.write(terminal, b"\x03\nkill -9 %1; exit\n")
        os.close(terminal)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@pytest.mark.req("SU-6")
def test_the_console_stops_it_too(tmp_path: Path) -> None:
    with program(tmp_path, stdin=subprocess.PIPE) as server:
        assert server.process.stdin is not None
        server.process.stdin.write("status\nhelp\nquit\n")
        server.process.stdin.flush()
        assert server.process.wait(timeout=10) == 0
        assert "0 online" in server.out()
        assert HELP in server.out()


async def test_console_commands() -> None:
    told: list[str] = []
    stopped: list[bool] = []
    reader, writer = os.pipe()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(read_commands, reader, Presence(1), told.append, lambda: stopped.append(True))
        os.write(writer, b"sta")
        await trio.testing.wait_all_tasks_blocked()
        os.write(writer, b"tus\n\nwhat\n" + b"x" * 5000)
        os.close(writer)
    os.close(reader)
    assert told == ["0 online", HELP]
    execute("quit", Presence(1), told.append, lambda: stopped.append(True))
    assert stopped == [True]
    nothing = os.open(os.devnull, os.O_RDONLY)
    await read_commands(nothing, Presence(1), told.append, lambda: None)
    os.close(nothing)


@pytest.mark.req("HS-16", "CL-1", "RS-2")
async def test_stopping_says_goodbye_to_every_badge() -> None:
    async with trio.open_nursery() as nursery:
        house = House(
            nursery,
            settings=attrs.evolve(local(Settings()), timeouts=changed(timeouts={"shutdown_s": 2.0}).timeouts),
            start=False,
        )
        server: Running = await nursery.start(serve, house.server)
        async with client(server, device_id="a") as a, client(server, device_id="b") as b:
            server.stop()
            assert await a.closed() == 1001
            assert await b.closed() == 1001
        with pytest.raises(OSError, match="all attempts to connect"):
            await trio.open_tcp_stream("127.0.0.1", server.port)


async def test_stopping_does_not_wait_for_a_badge_that_does_not_answer() -> None:
    async with trio.open_nursery() as nursery:
        house = House(nursery, settings=local(Settings()), start=False)
        server: Running = await nursery.start(serve, house.server)
        stream = await upgraded(server.port, b"Device-Id: mute")
        begun = trio.current_time()
        server.stop()
        while house.services.presence.online():
            await trio.sleep(0.05)
        assert trio.current_time() - begun < 1
        await stream.aclose()


# --- bad clients --------------------------------------------------------------------------------------------------------


@pytest.mark.req("LG-4", "CR-1", "B-101")
@pytest.mark.parametrize("doing", ["receive", "send", "close"])
async def test_a_reset_is_an_ordinary_end(doing: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the server does at that moment: nothing worse than a warning, no traceback, and nothing is left."""
    tts = ScriptedTts(lambda _: Utterance(duration=60))
    with structlog.testing.capture_logs() as logs:
        async with scripted_server(tts=tts) as (server, house), client(server, device_id="good") as good:
            tasks = trio.lowlevel.current_statistics().tasks_living
            for _ in range(5):
                stream = await upgraded(server.port, b"Device-Id: v")
                if doing == "send":
                    await stream.send_all(masked('{"type":"listen","state":"detect","text":"hello"}'))
                    while b"sentence_start" not in await stream.receive_some():
                        pass
                elif doing == "close":
                    mailbox = house.services.presence.find("v")
                    assert mailbox is not None
                    mailbox.retire(Goodbye.SHUTDOWN)
                    while b"server going away" not in await stream.receive_some():
                        pass
                await reset(stream)
                with trio.fail_after(10):
                    while trio.lowlevel.current_statistics().tasks_living > tasks:
                        await trio.sleep(0.01)
                assert house.services.presence.online() == ["good"]
            await good.alive()
    assert [line["event"] for line in logs].count(texts.LOG_RELEASED) == 6
    assert {line["log_level"] for line in logs if line.get("device") != "good"} <= {"debug", "info", "warning"}
    assert not [line for line in logs if "exc_info" in line]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.req("LG-4", "CR-1", "UM-14")
async def test_clients_that_vanish_or_never_read_harm_nobody() -> None:
    with structlog.testing.capture_logs() as logs:
        async with (
            scripted_server(settings=changed(timeouts={"stall_s": 1.0})) as (server, house),
            client(server, device_id="good") as good,
        ):
            for number in range(5):
                async with trio.open_nursery() as nursery, client(server, device_id=f"v{number}") as badge_:
                    await badge_.tell(type="listen", state="detect", text="hello")
                    await badge_.until("tts", "start")
                    await trio.sleep(0.05 * number)
                    await reset(badge_.socket._stream)
                    nursery.cancel_scope.cancel()
            await good.alive()
            stream = await trio.open_tcp_stream("127.0.0.1", server.port)
            await stream.send_all(b"GET / HT")
            await stream.aclose()
            with trio.fail_after(10):
                while house.services.presence.online() != ["good"]:
                    await trio.sleep(0.02)
            await good.alive()
    assert not [line for line in logs if line["log_level"] in ("error", "critical")]


async def test_a_client_that_never_reads_is_given_up() -> None:
    settings = changed(timeouts={"stall_s": 1.0})
    async with scripted_server(settings=settings) as (server, house), client(server, device_id="good") as good:
        stream = await upgraded(server.port, b"Device-Id: deaf")
        echo = b"x" * 1000
        frame = bytes([0x81, 0x80 | 126]) + len(echo).to_bytes(2, "big") + bytes(4) + echo
        async with stream:
            with trio.fail_after(20), suppress(trio.BrokenResourceError):
                while "deaf" in house.services.presence.online():
                    await stream.send_all(frame * 50)
                    await good.alive()
            with trio.fail_after(5):
                while "deaf" in house.services.presence.online():
                    await trio.sleep(0.05)
            await good.alive()


# --- the other commands ---------------------------------------------------------------------------------------------------


def test_diagram_and_config_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagram"]) == 0
    assert "stateDiagram-v2" in capsys.readouterr().out
    assert main(["config"]) == 0
    assert capsys.readouterr().out == (ROOT / "config.toml").read_text(encoding="utf-8")


@pytest.mark.req("SU-6")
def test_check_tries_every_provider_for_real(tmp_path: Path) -> None:
    result = badge("--config", config(tmp_path), "check")
    assert result.returncode == 0, result.stdout + result.stderr
    verdicts = {
        tuple(line.split()[1:3]): line.split()[0]
        for line in result.stdout.splitlines()
        if line[:2] == "  " and line.split()[0] in ("ok", "missing")
    }
    assert verdicts[("sound", "files")] == "ok"
    assert verdicts[("vad", "silero")] == "ok"
    assert verdicts[("asr", "pocketsphinx")] == "ok"
    assert verdicts[("asr", "vosk")] == "missing"
    assert verdicts[("asr", "openai")] == "missing"
    assert verdicts[("asr", "funasr")] == "missing"
    assert verdicts[("tts", "openai")] == "missing"
    assert verdicts[("llm", "offline")] == "ok"
    assert verdicts[("llm", "openai")] == "missing"
    assert verdicts[("tts", "espeak")] == "ok"
    assert verdicts[("tts", "piper")] == "missing"
    assert "python -m badge models" in result.stdout
    assert "OPENAI_API_KEY" in result.stdout
    assert result.stdout.splitlines()[-1] == "ready to serve"


@pytest.mark.parametrize(
    ("text", "missing"), [("[asr]\nuse = 'vosk'", "vosk"), ("[llm.default]\nuse = 'openai'", "OPENAI_API_KEY")]
)
def test_check_fails_when_the_configured_set_cannot_serve(tmp_path: Path, text: str, missing: str) -> None:
    result = badge("--config", config(tmp_path, text), "check")
    assert result.returncode == 1
    assert missing in result.stdout
    assert result.stdout.splitlines()[-1].startswith("cannot serve")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["say", "--url", "ws://127.0.0.1:1/", "--text", "hi"], "Is the server running?"),
        (["say", "--url", "http://127.0.0.1/", "--text", "hi"], "it should look like ws://"),
        (["say", "/nonexistent.wav"], "/nonexistent.wav does not exist"),
        (["say", str(ROOT / "README.md")], "cannot be read as audio"),
        (["say", "--text", "  "], "there is nothing to say"),
        (["say", "--url", "ws://localhost:99999/", "--text", "hi"], "it should look like ws://"),
        (["say", "--url", "ws://localhost:abc/", "--text", "hi"], "it should look like ws://"),
        (["say", "--text", "hi", "--out", str(ROOT / "README.md" / "x.wav")], "x.wav: this file cannot be"),
        (["say", "--text", "hi", "--token", "a\nb"], "Authorization must be printable ASCII"),
        (["say"], "there is nothing to say: name a recording, or use --text, --send, --enter or --stay"),
        (["say", "--send", "{type: ping}"], "--send {type: ping}: this is no JSON (Expecting property name"),
        (["say", "--send", "[1]"], '--send [1]: a message is a JSON object with a type, such as {"type":"peer"'),
    ],
)
def test_say_explains_what_is_wrong(tmp_path: Path, arguments: list[str], says: str) -> None:
    result = badge("--config", config(tmp_path), *arguments)
    assert result.returncode == 1
    assert says in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


async def test_say_tells_why_a_server_does_not_want_it() -> None:
    async def told(port: int, **me: str) -> list[str]:
        lines: list[str] = []
        introduction = Introduction(**{"device": "d", "client": "c", **me})
        order = Order(url=f"ws://127.0.0.1:{port}/", texts=["hi"], me=introduction)
        assert await say(order, Settings(), {}, lines.append) == 1
        return lines

    async with scripted_server(settings=changed(auth={"enabled": True})) as (server, _):
        assert any("HTTP 401 (a valid token is needed" in line for line in await told(server.port))
        assert any("refused the connection: HTTP 403" in line for line in await told(server.http_port))
    async with scripted_server(settings=changed(limits={"connections": 1})) as (server, _), client(server):
        assert any("closed the connection: " in line for line in await told(server.port))


async def test_say_understands_servers_with_habits_of_their_own() -> None:
    """One hello instead of two, and texts that are no message."""

    async def talk(request: trio_websocket.WebSocketRequest) -> None:
        socket = await request.accept()
        await socket.get_message()
        for text in ("welcome!", "[1]", "7"):
            await socket.send_message(text)
        await socket.send_message('{"type":"hello","session_id":"s","audio_params":{"sample_rate":24000}}')
        await socket.get_message()
        await socket.send_message('{"type":"tts","state":"sentence_start","text":"Hi yourself."}')
        await socket.send_message('{"type":"tts","state":"stop"}')
        with suppress(trio_websocket.ConnectionClosed):
            await socket.get_message()

    lines: list[str] = []
    async with trio.open_nursery() as nursery:
        serve_it = partial(trio_websocket.serve_websocket, talk, "127.0.0.1", 0, ssl_context=None)
        server = await nursery.start(serve_it)
        order = Order(url=f"ws://127.0.0.1:{server.port}/", texts=["hi"], me=Introduction(device="d", client="c"))
        assert await say(order, Settings(), {}, lines.append) == 0
        nursery.cancel_scope.cancel()
    assert "badge     Hi yourself." in lines


def test_say_shows_a_takeover() -> None:
    assert shown({"type": "system", "message": "another connection took over"}) == [
        "server    another connection took over"
    ]


def test_ctrl_c_is_quiet(tmp_path: Path) -> None:
    for command in (["check"], ["say", "--mode", "manual", "--text", "what can you do", "--stay", "60"]):
        process = subprocess.Popen(
            [sys.executable, "-m", "badge", "--config", str(config(tmp_path)), *command],
            cwd=ROOT,
            env={**os.environ, **QUIET},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        assert process.returncode == 130
        assert "Traceback" not in errors


def test_output_may_be_cut_off_and_in_any_encoding(tmp_path: Path) -> None:
    environment = {**os.environ, **QUIET, "PYTHONIOENCODING": "ascii"}
    line = f"{sys.executable} -m badge config | head -1; exit ${{PIPESTATUS[0]}}"
    result = subprocess.run(
        ["bash", "-c", line], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in result.stderr
    assert "Exception ignored" not in result.stderr
    assert result.stdout.startswith("# Settings of Badge")


def test_models_are_listed_where_the_server_looks_for_them(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    environment = {key: value for key, value in os.environ.items() if key != "BADGE_MODELS"}
    result = subprocess.run(
        [sys.executable, "-m", "badge", "models", "--config", str(config(tmp_path, f"[models]\nfolder = '{folder}'"))],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout.startswith(f"Models in {folder}:")


def test_check_asks_the_language_model_something(tmp_path: Path) -> None:
    text = "[llm.default]\nuse = 'openai'\n[llm.default.openai]\nbase_url = 'http://127.0.0.1:9/v1'\n"
    result = badge("--config", config(tmp_path, text), "check")
    assert result.returncode == 1
    assert re.search(r"missing +llm +.*cannot reach|missing +llm ", result.stdout)
    assert result.stdout.splitlines()[-1].startswith("cannot serve")


def until(server: Program, words: str, count: int = 1) -> None:
    """Wait until its log has these words so many times."""
    deadline = time.perf_counter() + 20
    while server.log().count(words) < count:
        assert server.process.poll() is None, server.log()
        assert time.perf_counter() < deadline, server.log()
        time.sleep(0.02)  # noqa: TID251 - another process is looked at


@pytest.mark.req("CF-4")
def test_a_configuration_that_has_gone_is_not_given_up_for_the_defaults(tmp_path: Path) -> None:
    """As while an editor writes the file anew."""
    with program(tmp_path, NOTHING, named=False) as server:
        until(server, "offline assistant")
        (tmp_path / "config.toml").unlink()
        server.process.send_signal(signal.SIGHUP)
        until(server, "the configuration stays as it was")
        assert "config.toml: does not exist" in server.log()
        config(tmp_path, NOTHING)
        server.process.send_signal(signal.SIGHUP)
        until(server, "the configuration was read again")


@pytest.mark.req("LM-11", "B-82", "CF-4", "B-85")
def test_models_are_configured_anew_while_the_server_runs(tmp_path: Path) -> None:
    """A signal, as for other servers; a mistake in the file changes nothing, and ends nothing. Nor does a model that does not
    start."""

    def reconfigure(server: Program, text: str) -> None:
        config(tmp_path, NOTHING + text)
        server.process.send_signal(signal.SIGHUP)

    with program(tmp_path, NOTHING) as server:
        until(server, "offline assistant")
        reconfigure(server, "[llm.default]\nuse = 'openai'\n[llm.default.openai]\nbase_url = 'http://127.0.0.1:9/v1'\n")
        until(server, "the configuration was read again")
        until(server, "openai (gpt-4o-mini at 127.0.0.1)")
        reconfigure(server, "[llm.default]\nuse = 'magic'\n[llm.default.openai]\napi_key = 5\n")
        until(server, "the configuration stays as it was", count=2)
        assert "***: must be a string" in server.log()
        reconfigure(server, "[llm.default]\nuse = 'openai'\n")
        until(server, "the configuration stays as it was", count=3)
        assert "llm.default: openai (gpt-4o-mini at api.openai.com): there is no API key" in server.log()
        reconfigure(server, "[chat]\nhistory = 3\n")
        until(server, "some settings take effect when the server is restarted")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=10) == 0
        assert "Traceback" not in server.log()

"""Plugins that are not trusted: real processes, and all that they may do wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import trio

from badge.config.tools import ToolSettings
from tests.providers.speech import alive, eventually
from tests.tools.counter import DEVICE, Counter, logged, opened, sandboxes, write

NASTY = '''
import os, subprocess, sys, time

_kept = []
_count = 0

@tool
def add(a: int, b: int = 1) -> str:
    """Add two numbers."""
    return str(a + b)

@tool
def allocate(megabytes: int, keep: bool = False) -> str:
    block = bytearray(megabytes << 20)
    if keep: _kept.append(block)
    return f"{len(block) >> 20} MB"

@tool
def loop() -> str:
    while True: pass

@tool(seconds=0.5)
def doze() -> str:
    time.sleep(60)

@tool
def hog() -> str:
    return str(sum(iter(int, 1)))  # for ever, and no other thread runs meanwhile

@tool(effects=True)
def count() -> int:
    global _count
    _count += 1
    return _count

@tool
def shout() -> str:
    print("garbage" * 100_000, flush=True)
    os.write(1, b"garbage")
    os.write(2, b"garbage")
    return "quiet"

@tool
def blurt(end: bool = False) -> str:
    print("a secret word", flush=True)
    print("a secret word", file=sys.stderr)
    os.write(1, b"a secret word")
    os.write(2, b"a secret word")
    subprocess.run(["echo", "a secret word"])
    if end: os._exit(3)
    return "said nothing"

@tool
def scribble() -> str:
    for number in range(3, 20):
        try: os.write(number, b"\\x00\\x00\\x00\\x05\\x93\\xa4gar")
        except OSError: pass
    time.sleep(60)

@tool
def fork() -> str:
    if os.fork() == 0:
        return "the child"
    return "the parent"

@tool
def spawn() -> str:
    return str(subprocess.Popen(["sleep", "300"]).pid)

@tool
def leave(how: str) -> str:
    if how == "raise": raise KeyError("a secret word")
    if how == "exit": sys.exit(3)
    if how == "hard": os._exit(3)
    if how == "signal": os.kill(os.getpid(), 9)
    if how == "interrupt": raise KeyboardInterrupt
    if how == "own": raise type("Own", (BaseException,), {})
    if how == "deep":
        def again(): return again()
        again()
    return "still here"

@tool
def give(what: str) -> object:
    return {"megabytes": "x" * 5_000_000, "object": object(), "none": None, "dict": {"a": [1, "好"]}, "nan": float("nan"),
            "surrogate": "\\ud800", "set": {1}, "spoken": Spoken("hello"), "silent": Silent(), "bytes": b"1"}[what]

@tool
def look(context: Context, name: str) -> str:
    return repr({"environment": dict(os.environ), "folder": os.getcwd(), "settings": context.settings,
                 "device": context.device, "now": context.now.isoformat()}[name])

@tool
def ask(context: Context) -> str:
    return str(context.tasks)

@tool
async def later() -> str:
    import trio
    await trio.sleep(0.01)
    return "later"
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "plugins", {"nasty": NASTY})


def nasty(folder: Path, **settings: Any) -> Any:
    return opened(plugins=str(folder), use="all", **{"plugin_s": 2.0, **settings})


async def is_well(counter: Counter) -> None:
    """The server lives, and the plugin can be called."""
    assert await counter.text("add", a=2) == "3"
    assert (await counter.text("calculate", expression="1+1")) == "2"


@pytest.mark.req("PL-4", "B-114")
def test_the_limits_are_100_megabytes_and_5_seconds() -> None:
    assert (ToolSettings().plugin_mb, ToolSettings().plugin_s) == (100, 5)


@pytest.mark.req("PL-4", "B-114")
async def test_a_plugin_that_takes_too_much_memory_fails_and_the_server_lives(folder: Path) -> None:
    """With the limit that is configured unless the operator says otherwise."""
    server = psutil.Process()
    async with nasty(folder) as counter:
        await is_well(counter)
        before = server.memory_info().rss
        assert await counter.text("allocate", megabytes=60) == "60 MB"
        with logged() as lines:
            result = await counter.call("allocate", megabytes=200)
        assert (result.kind, result.text) == ("failed", "The tool allocate did not work.")
        assert [line["reason"] for line in lines if line["event"] == "a plugin failed"] == ["MemoryError in line 15"]
        await is_well(counter)
        assert server.memory_info().rss - before < 50 << 20
    block = bytearray(200 << 20)  # the server itself is not limited
    assert len(block) == 200 << 20


@pytest.mark.req("PL-4")
async def test_memory_that_a_plugin_keeps_is_given_back_when_it_has_no_more(folder: Path) -> None:
    async with nasty(folder) as counter:
        assert await counter.text("allocate", megabytes=70, keep=True) == "70 MB"
        assert (await counter.call("allocate", megabytes=70, keep=True)).kind == "failed"
        assert await counter.text("allocate", megabytes=70, keep=True) == "70 MB"


@pytest.mark.req("PL-4")
async def test_a_plugin_that_never_ends_is_killed_after_its_5_seconds(folder: Path) -> None:
    async with nasty(folder, plugin_s=5.0) as counter:
        pid = await process_of(counter)
        begun = trio.current_time()
        with logged() as lines:
            result = await counter.call("loop")
        assert (result.kind, result.text) == ("failed", "The tool loop took too long.")
        assert 4.9 < trio.current_time() - begun < 7
        assert {"plugin": "nasty", "tool": "loop", "reason": "it took too long"}.items() <= lines[0].items()
        await eventually(lambda: not alive(pid))
        await is_well(counter)


async def process_of(counter: Counter) -> int:
    await counter.text("add", a=1)
    (child,) = sandboxes()
    return child.pid


@pytest.mark.parametrize("how", ["raise", "exit", "hard", "signal", "interrupt", "own", "deep"])
@pytest.mark.req("PL-4", "B-114")
async def test_a_plugin_that_ends_itself_fails_and_nothing_it_said_is_logged(folder: Path, how: str) -> None:
    async with nasty(folder) as counter:
        with logged() as lines:
            result = await counter.call("leave", how=how)
        assert (result.kind, result.text) == ("failed", "The tool leave did not work.")
        assert "a plugin failed" in [line["event"] for line in lines]
        assert "secret" not in repr(lines)
        await is_well(counter)


@pytest.mark.req("PL-4")
async def test_what_a_plugin_prints_harms_nobody(folder: Path) -> None:
    async with nasty(folder) as counter:
        assert await counter.text("shout") == "quiet"
        with logged():
            assert (await counter.call("scribble")).kind == "failed"  # into the pipe to the server itself
        await is_well(counter)


@pytest.mark.req("PL-4")
async def test_what_a_plugin_prints_is_nowhere_to_be_read(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Not even as the last words of a process that died; words of a user may be among them."""
    async with nasty(folder) as counter:
        with logged() as lines:
            assert await counter.text("blurt") == "said nothing"
            assert await counter.text("add", a=2) == "3"
            assert (await counter.call("blurt", end=True)).kind == "failed"
        assert "a plugin failed" in [line["event"] for line in lines]
        assert "secret" not in repr(lines)
        await is_well(counter)
    assert "secret" not in "".join(capfd.readouterr())


@pytest.mark.req("PL-4")
async def test_a_plugin_does_not_multiply(folder: Path) -> None:
    async with nasty(folder) as counter:
        assert [await counter.text("fork") for _ in range(3)] == ["the parent"] * 3
        pid = int(await counter.text("spawn"))
        assert alive(pid)
        with logged():
            await counter.call("loop")
        await eventually(lambda: not alive(pid))  # it dies with the process that has started it
        await is_well(counter)
    await eventually(lambda: not sandboxes())


NOTE = "\n(cut off: there were 5000000 characters)"


@pytest.mark.req("PL-4")
@pytest.mark.parametrize(
    ("what", "kind", "text"),
    [
        ("megabytes", "answer", "x" * (16_000 - len(NOTE)) + NOTE),
        ("object", "failed", "The tool give did not work."),
        ("set", "failed", "The tool give did not work."),
        ("bytes", "failed", "The tool give did not work."),
        ("none", "answer", "Done."),
        ("dict", "answer", '{"a": [1, "好"]}'),
        ("surrogate", "answer", "\ufffd"),
        ("spoken", "spoken", "hello"),
        ("silent", "silent", ""),
        ("what", "failed", "The tool give did not work."),
    ],
)
async def test_whatever_a_plugin_gives_is_a_result(folder: Path, what: str, kind: str, text: str) -> None:
    async with nasty(folder) as counter:
        result = await counter.call("give", what=what)
        assert (result.kind, result.text) == (kind, text)


@pytest.mark.req("PL-4")
async def test_a_plugin_sees_its_own_settings_and_no_secret_of_the_server(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    async with nasty(folder, plugin={"nasty": {"sides": 6}, "other": {"key": "hush"}}) as counter:
        environment = await counter.text("look", name="environment")
        assert "sk-secret" not in environment
        assert set(eval(environment)) - {"LC_CTYPE"} <= {
            "PATH", "LANG", "LC_ALL", "TZ", "HOME", "TMPDIR", "PYTHONPATH", "PYTHONUTF8", "PYTHONDONTWRITEBYTECODE",
            "MALLOC_ARENA_MAX", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
        }  # fmt: skip
        assert await counter.text("look", name="settings") == "{'sides': 6}"
        assert await counter.text("look", name="device") == repr(DEVICE)
        assert "2026-11-21T09:30" in await counter.text("look", name="now")
        own = eval(await counter.text("look", name="folder"))
        assert own != str(Path.cwd())
        assert "badge-plugins-" in own
        with logged() as lines:
            assert (await counter.call("ask")).kind == "failed"  # offices are for those who are trusted
        assert "NotAvailableError" in repr(lines)
        assert await counter.text("later") == "later"
    assert not os.path.exists(own)  # noqa: ASYNC240, PTH110


@pytest.mark.req("PL-4", "MC-5")
async def test_wrong_arguments_are_told_by_the_process(folder: Path) -> None:
    async with nasty(folder) as counter:
        assert await counter.text("add", a="two") == "a: must be a whole number, not 'two'."
        assert await counter.text("add", a=10**30, b=-1) == str(10**30 - 1)
        assert await counter.text("leave", how="\ud800") == "how: must be a string, not '\ufffd'."
        assert (await counter.call("leave", how="x" * 3_000_000)).kind == "failed"  # more than a frame holds
        await is_well(counter)


@pytest.mark.req("PL-4")
async def test_a_process_ends_when_it_is_idle_and_is_started_again_on_demand(folder: Path) -> None:
    async with nasty(folder, plugin_idle_s=1.0) as counter:
        first = await process_of(counter)
        assert await counter.text("count") == "1"
        assert await counter.text("count") == "2"
        await eventually(lambda: not alive(first))
        assert not sandboxes()
        assert await counter.text("count") == "1"
        assert await process_of(counter) != first


@pytest.mark.req("PL-4")
async def test_whoever_does_not_wait_for_a_plugin_leaves_nothing_behind(folder: Path) -> None:
    async with nasty(folder, plugin_s=60.0) as counter:
        pid = await process_of(counter)
        with trio.move_on_after(0.3):
            await counter.call("loop")
        begun = trio.current_time()
        await is_well(counter)  # it does not wait behind the loop
        assert trio.current_time() - begun < 5
        assert not alive(pid)


@pytest.mark.req("PL-4")
async def test_a_tool_may_have_less_time_than_any(folder: Path) -> None:
    async with nasty(folder, plugin_s=30.0) as counter:
        begun = trio.current_time()
        with logged():
            assert (await counter.call("doze")).text == "The tool doze took too long."
        assert trio.current_time() - begun < 10
        await is_well(counter)


SERVER = """
import sys, trio
from tests.tools.counter import opened, sandboxes

async def main():
    async with opened(plugins=sys.argv[1], use="all", plugin_s=1.5) as counter:
        print(await counter.text("spawn"), sandboxes()[0].pid, file=sys.stderr, flush=True)
        await counter.call(sys.argv[2])

trio.run(main)
"""


@pytest.mark.req("PL-4")
@pytest.mark.parametrize("tool", ["hog", "loop"])
async def test_when_the_server_is_killed_nothing_of_a_plugin_goes_on(folder: Path, tool: str) -> None:
    """Neither what it has started, nor the process itself, not even one that lets none of its threads notice."""
    command = [sys.executable, "-c", SERVER, str(folder), tool]
    server = await trio.lowlevel.open_process(command, stderr=subprocess.PIPE, cwd=Path(__file__).parents[2])
    try:
        assert server.stderr is not None
        text = b""
        while not text.endswith(b"\n"):
            text += await server.stderr.receive_some() or b"it ended\n"
        spawned, sandbox = map(int, text.split())
        assert alive(spawned)
        assert alive(sandbox)
    finally:
        server.kill()
        await server.wait()
    await eventually(lambda: not alive(sandbox), within=10)
    if tool == "loop":
        await eventually(lambda: not alive(spawned))
    else:
        os.kill(spawned, 9)


@pytest.mark.req("PL-4")
async def test_one_plugin_does_not_keep_another_waiting(tmp_path: Path) -> None:
    slow = "@tool\ndef slow() -> str:\n    while True: pass\n"
    quick = "@tool\ndef quick() -> str:\n    return 'quick'\n"
    folder = write(tmp_path / "plugins", {"slow": slow, "quick": quick})
    async with opened(plugins=str(folder), plugin_s=3.0) as counter, trio.open_nursery() as nursery:
        nursery.start_soon(counter.call, "slow")
        await trio.sleep(0.1)
        with trio.fail_after(2):
            assert await counter.text("quick") == "quick"
        nursery.cancel_scope.cancel()


LIAR = """
import __main__ as sandbox_child
described = {described}
sandbox_child._Tools.describe = lambda self: described

@tool
def one() -> str:
    return "one"
"""


@pytest.mark.parametrize(
    "described",
    [
        5,
        None,
        [5],
        [{}],
        [{"name": "one", "description": "", "parameters": "{}", "effects": False, "seconds": None}],
        [{"name": "one", "description": "", "parameters": "[" * 5000, "effects": False, "seconds": None}],
        [
            {
                "name": "o n e",
                "description": "",
                "parameters": '{"type": "object", "properties": {}}',
                "effects": False,
                "seconds": None,
            }
        ],
        [
            {
                "name": "one",
                "description": 1,
                "parameters": '{"type": "object", "properties": {}}',
                "effects": False,
                "seconds": None,
            }
        ],
        [
            {
                "name": "one",
                "description": "",
                "parameters": '{"type": "object", "properties": {}' + " " * 20_000 + "}",
                "effects": False,
                "seconds": None,
            }
        ],
        [
            {
                "name": "one",
                "description": "",
                "parameters": '{"type": "object", "properties": {"a": {"maximum": Infinity}}}',
                "effects": False,
                "seconds": None,
            }
        ],
        [
            {
                "name": "one",
                "description": "",
                "parameters": '{"type": "object", "properties": {}}',
                "effects": False,
                "seconds": None,
            }
        ]
        * 33,
    ],
)
async def test_a_plugin_that_lies_about_its_tools_is_left_out(tmp_path: Path, described: object) -> None:
    folder = write(tmp_path / "plugins", {"liar": LIAR.replace("{described}", repr(described))})
    with logged() as lines:
        async with opened(plugins=str(folder), use="all") as counter:
            assert "one" not in await counter.names()
            assert await counter.text("calculate", expression="1+1") == "2"
    (line,) = [line for line in lines if line["event"] == "a plugin is not loaded"]
    assert line["file"] == str(folder / "liar.py")


async def test_what_a_plugin_says_of_itself_can_be_sent_on(tmp_path: Path) -> None:
    described = {
        "name": "one",
        "description": "x" * 5000,
        "parameters": '{"type": "object", "properties": {"a": {"default": "\\ud800"}}}',
        "effects": False,
        "seconds": -1.0,
    }
    folder = write(tmp_path / "plugins", {"liar": LIAR.replace("{described}", repr([described]))})
    async with opened(plugins=str(folder), use="all") as counter:
        (spec,) = [tool.spec for tool in await counter.office.offered(DEVICE) if tool.spec.name == "one"]
        assert spec.parameters["properties"] == {"a": {"default": "\ufffd"}}
        assert len(spec.description) < 2000
        assert await counter.text("one") == "one"


FRAMES = {
    "twice ready": 'pack("ready", 0) * 3',
    "refused after all": 'pack("ready", 0) + pack("refused", 0, 5)',
    "no failure": 'pack("failed", 1, 5)',
    "no number": 'b"\\x00\\x00\\x00\\x09\\x93\\xa5reply\\x90\\xc0"',
    "no kind": 'b"\\x00\\x00\\x00\\x04\\x93\\x90\\x01\\xc0"',
    "many replies": 'b"".join(pack("reply", n % 9, "x" * 100_000) for n in range(300))',
    "endless": 'b"\\xff" * 3_000_000',
}


@pytest.mark.parametrize("frames", FRAMES.values(), ids=FRAMES)
@pytest.mark.req("PL-4")
async def test_a_plugin_that_speaks_for_its_process_cannot_harm_the_server(tmp_path: Path, frames: str) -> None:
    text = f"""
        import os, time
        from providers.framing import pack

        @tool
        def speak() -> str:
            out = next(n for n in range(20, 2, -1) if _is_pipe(n))
            os.write(out, {frames})
            time.sleep(0.5)
            return "spoke"

        def _is_pipe(number):
            try: return os.readlink(f"/proc/self/fd/{{number}}").startswith("pipe")
            except OSError: return False

        @tool
        def fine() -> str:
            return "fine"
        """
    folder = write(tmp_path / "plugins", {"speaker": text})
    with logged():
        async with opened(plugins=str(folder), use="all", plugin_s=3.0) as counter:
            assert (await counter.call("speak")).kind in ("failed", "answer")
            assert await counter.text("fine") == "fine"
            assert os.getpid() == psutil.Process().pid

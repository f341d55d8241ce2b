"""Plugins of the folder and installed ones: found, loaded, and left out."""

from __future__ import annotations

import hashlib
import sys
from importlib import metadata
from pathlib import Path

import pytest
import trio

from badge.tools import discovery, plugins
from tests.tools.counter import DEVICE, logged, opened, write

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "plugins"


def hello(text: str = "hello", name: str = "hello") -> str:
    return f'@tool\ndef {name}() -> str:\n    """Say hello."""\n    return "{text}"\n'


@pytest.mark.req("PL-1", "PL-2", "PL-3")
async def test_the_example_of_the_documentation_is_a_plugin() -> None:
    async with opened(plugins=str(EXAMPLES), plugin={"music": {"albums": {"Blue": ["One", "Two"]}}}) as counter:
        assert {"throw_dice", "play_music", "stop_music"} <= set(await counter.names())
        assert int(await counter.text("throw_dice", sides=1)) == 1
        assert await counter.text("throw_dice", sides=1, count=3) == "1, 1, 1 (together 3)"
        assert await counter.text("throw_dice", sides=0) == "sides: must be an integer from 1 to 1000, not 0."
        played = await counter.call("play_music", album="blue")
        assert (played.kind, played.text) == ("spoken", "Playing Blue: One, Two.")
        assert "There is no album Red" in await counter.text("play_music", album="Red")
        assert (await counter.call("stop_music")).kind == "silent"


@pytest.mark.req("PL-1")
async def test_a_plugin_that_cannot_be_loaded_disables_only_itself(tmp_path: Path) -> None:
    texts = {
        "broken": "import nowhere_to_be_found",
        "crash": "raise RuntimeError('no')",
        "empty": "x = 5",
        "ends": "import sys; sys.exit(0)",
        "fine": hello(),
        "hint": "@tool\ndef odd(x: bytes) -> str: ...",
        "syntax": "def (",
    }
    for trusted in ([], list(texts)):
        folder = write(tmp_path / "plugins", texts)
        with logged() as lines:
            async with opened(plugins=str(folder), trusted=trusted) as counter:
                assert await counter.text("hello") == "hello"
        reasons = {line["plugin"]: line["reason"] for line in lines if line["event"] == "a plugin is not loaded"}
        assert set(reasons) == set(texts) - {"fine"}
        assert reasons["broken"] == "ModuleNotFoundError: No module named 'nowhere_to_be_found' (line 2)"
        assert reasons["crash"] == "RuntimeError: no (line 2)"
        assert reasons["empty"] == "it has no function with @tool"
        assert "(line 2)" in reasons["syntax"]
        assert reasons["hint"].startswith("odd: parameter x: <class 'bytes'> cannot be described")
        files = {line["file"] for line in lines if line["event"] == "a plugin is not loaded"}
        assert str(folder / "broken.py") in files


@pytest.mark.req("PL-1")
async def test_of_two_tools_with_one_name_the_first_is_kept(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "plugins",
        {"b": hello("second") + hello("b", "own"), "a": hello("first"), "c": hello("mine", "calculate")},
    )
    with logged() as lines:
        async with opened(plugins=str(folder)) as counter:
            names = await counter.names()
            assert (await counter.text("hello"), await counter.text("own")) == ("first", "b")
            assert await counter.text("calculate", expression="2") == "2"  # what is shipped is not replaced
    assert names.count("hello") == names.count("calculate") == 1
    (line,) = [line for line in lines if "one name" in line["event"]]
    assert (line["kept"], line["left_out"]) == (str(folder / "a.py"), str(folder / "b.py"))


@pytest.mark.req("PL-4")
async def test_only_plugins_that_the_operator_has_signed_are_loaded(tmp_path: Path) -> None:
    folder = write(tmp_path / "plugins", {"good": hello("good", "good"), "bad": hello("bad", "bad"), "new": hello()})
    digests = {"good": hashlib.sha256((folder / "good.py").read_bytes()).hexdigest().upper(), "bad": "0" * 64}
    for only, expected in ((False, {"good", "hello"}), (True, {"good"})):
        with logged() as lines:
            async with opened(plugins=str(folder), digests=digests, digests_only=only) as counter:
                assert {"good", "bad", "hello"} & set(await counter.names()) == expected
        assert "its SHA-256 is not the one in tools.digests" in repr(lines)


async def test_a_file_that_changes_is_the_same_plugin_until_the_server_starts_again(tmp_path: Path) -> None:
    folder = write(tmp_path / "plugins", {"a": hello("old")})
    async with opened(plugins=str(folder), plugin_idle_s=1.0) as counter:
        write(folder, {"a": hello("new")})
        await trio.sleep(1.5)  # its process has ended meanwhile
        assert await counter.text("hello") == "old"


async def test_files_that_cannot_be_plugins_are_left_out(tmp_path: Path) -> None:
    folder = write(tmp_path / "plugins", {"a": hello()})
    (folder / "huge.py").write_text("#" * 600_000)
    (folder / "latin.py").write_bytes(b"x = '\xe9'")
    (folder / "folder.py").mkdir()
    (folder / "gone.py").symlink_to(folder / "nowhere")
    (folder / "readme.txt").write_text("no plugin")
    with logged() as lines:
        async with opened(plugins=str(folder)) as counter:
            assert await counter.text("hello") == "hello"
    left_out = [line["plugin"] for line in lines if line["event"] == "a plugin is not loaded"]
    assert left_out == ["folder", "gone", "huge", "latin"]


@pytest.mark.req("PL-1")
async def test_installed_plugins_are_trusted_unless_the_operator_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a real package on the path, found by its metadata."""
    package = tmp_path / "site"
    info = package / "badge_dice-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: badge-dice\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[badge.plugins]\ndice = badge_dice_plugin\n")
    (package / "badge_dice_plugin.py").write_text(
        "import os\nfrom badge.plugin import Context, tool\n"
        "@tool\ndef where(context: Context) -> str:\n    return f'{os.getpid()} {context.settings}'\n"
    )
    monkeypatch.syspath_prepend(str(package))
    monkeypatch.setenv("PYTHONPATH", str(package))
    discovery._entry_points.cache_clear()
    try:
        assert [entry.name for entry in metadata.entry_points(group="badge.plugins")] == ["dice"]
        import os

        async with opened(plugin={"dice": {"sides": 6}}) as counter:
            assert await counter.text("where") == f"{os.getpid()} {{'sides': 6}}"
        async with opened(use="shipped") as counter:
            assert "where" not in await counter.names()
        async with opened(untrusted=["dice"]) as counter:
            assert not (await counter.text("where")).startswith(f"{os.getpid()} ")
    finally:
        discovery._entry_points.cache_clear()
        sys.modules.pop("badge_dice_plugin", None)


async def test_a_plugin_that_does_not_get_ready_does_not_keep_the_server_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugins, "LOAD_WITHIN", 2.0)
    folder = write(tmp_path / "plugins", {"a": "while True: pass\n", "b": hello()})
    with logged() as lines, trio.fail_after(10):
        async with opened(plugins=str(folder)) as counter:
            assert await counter.text("hello") == "hello"
    assert [line["plugins"] for line in lines if line["event"] == "plugins are left out"] == [["a"]]


TRUSTED = """
import sys, threading, time
import trio

@tool
def thread() -> str:
    return threading.current_thread().name

@tool
async def task(context: Context) -> str:
    await trio.sleep(0)
    return f"{threading.current_thread().name} {len(await context.tasks.of(context.device))}"

@tool
def asks(context: Context) -> str:
    return str(len(trio.from_thread.run(context.tasks.of, context.device)))

@tool(seconds=0.2)
def sleeps() -> str:
    time.sleep(1)

@tool
def ends() -> str:
    sys.exit(5)

@tool
async def ends_too() -> str:
    sys.exit(5)

@tool
def fails() -> str:
    raise ValueError("a secret word")

@tool
def refuses(context: Context) -> str:
    trio.from_thread.run(context.reminders.remind, context.device, "tea", 5)
"""


async def test_trusted_plugins_run_in_threads_or_on_trio_and_ask_offices(tmp_path: Path) -> None:
    folder = write(tmp_path / "plugins", {"t": TRUSTED})
    async with opened(plugins=str(folder), trusted=["t"]) as counter:
        assert await counter.text("thread") != "MainThread"
        assert await counter.text("task") == "MainThread 0"
        assert await counter.text("asks") == "0"
        assert await counter.text("refuses") == "This time is over. Give a later one."
        with logged() as lines:
            for name in ("ends", "ends_too", "fails", "sleeps"):
                assert (await counter.call(name)).kind == "failed"
        assert "secret" not in repr([{**line, "exc_info": ""} for line in lines])
        assert await counter.office.call(DEVICE, "k", "asks", {}) is not None

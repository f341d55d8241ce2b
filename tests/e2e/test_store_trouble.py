"""What disks, files and operators can do to the store of a server: it is said in words, nothing is damaged, and a server that
runs goes on."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from badge.__main__ import main
from badge.storage.schema import VERSION
from tests.e2e.running import client
from tests.e2e.test_program import NOTHING, badge, config, program
from tests.e2e.test_team_input import answer, team


def store(file: Path) -> str:
    return f"{NOTHING}[store]\nfile = '{file}'\n"


def refused(folder: Path, file: Path) -> str:
    """What the program says that cannot use a file."""
    result = badge("--config", config(folder, store(file)), timeout=60)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    return result.stderr


def garbage(file: Path) -> None:
    file.write_bytes(b"these are my notes, not a database\n" * 100)


def test_a_file_that_is_no_store_of_this_program_stops_the_start_and_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "badge.db"
    garbage(file)
    before = file.read_bytes()
    said = refused(tmp_path, file)
    assert f"this is no database: {file}" in said
    assert "Move it away, or let store.file name another file" in said
    assert file.read_bytes() == before
    assert not list(tmp_path.glob("badge.db-*"))


def test_a_store_of_a_newer_program_or_a_damaged_one_stops_the_start_and_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "badge.db"
    with program(tmp_path, store(file)) as server:
        server.process.terminate()
        assert server.process.wait(timeout=20) == 0
    whole = file.read_bytes()
    connection = sqlite3.connect(file)
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    newer = file.read_bytes()
    said = refused(tmp_path, file)
    assert f"{file} was written by a newer version of this program ({VERSION + 1}; this one knows {VERSION})" in said
    assert "Use that version, or let store.file name another file" in said
    assert file.read_bytes() == newer
    damaged = whole[:4096] + b"\xaa" * (len(whole) - 4096)
    file.write_bytes(damaged)
    said = refused(tmp_path, file)
    assert f"this database is damaged: {file}" in said
    assert "put a backup in its place, or move it away" in said
    assert file.read_bytes() == damaged


def test_a_second_server_on_a_store_and_wrong_wishes_of_the_operator(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "badge.db"
    settings = str(config(tmp_path, store(file)))

    def push(*arguments: str) -> tuple[int, str]:
        status = main(["push", "--config", settings, *arguments])
        said = capsys.readouterr()
        assert said.err == ""
        return status, said.out

    status, said = push("a", "hello")
    assert status == 1
    assert f"no server runs with this store: there is nobody at {file}.sock" in said
    assert "Start one, or name its configuration with --config" in said
    (tmp_path / "first").mkdir()
    with program(tmp_path / "first", store(file)) as server:
        said = refused(tmp_path, file)
        assert f"{file} is in use by another server (process {server.process.pid})" in said
        assert "Stop it, or let store.file name another file" in said
        for arguments, words in (
            (("nobody", "hello"), "nobody is not online; nobody is online; --queue leaves it as a message"),
            (("", "hello"), "name a device"),
            (("a", ""), "a text has 1 to"),
            (("\x1b[31m" * 100, "hello"), "online"),
        ):
            status, said = push(*arguments)
            assert status == 1
            assert words in said
        assert push("--queue", "nobody", "hello") == (0, "nobody gets it as a message when it comes\n")
        assert "Traceback" not in server.log()


@pytest.mark.skipif(os.geteuid() == 0, reason="to root every folder is writable")
def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    said = refused(tmp_path, folder / "badge.db")
    assert f"{folder} cannot be written to: Permission denied" in said
    assert "Make it writable for the server, or let store.file name a file in another folder" in said


def test_a_disk_that_cannot_be_written_to(tmp_path: Path, small_disk: Callable[[str], Path]) -> None:
    """Not even by root."""
    disk = small_disk("1m")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    said = refused(tmp_path, disk / "badge.db")
    assert f"{disk} cannot be written to: Read-only file system" in said
    assert "let store.file name a file in another folder" in said


def fill(file: Path) -> None:
    """Let a file take all the room that there is."""
    with suppress(OSError), file.open("wb", buffering=0) as stuff:
        while stuff.write(bytes(1024)):
            pass


async def test_a_disk_that_fills_up_while_clients_are_served(small_disk: Callable[[str], Path]) -> None:
    disk = small_disk("2m")
    stuff = disk / "stuff"
    async with (
        team(store={"file": str(disk / "badge.db")}) as server,
        client(server, device_id="a") as anna,
        client(server, device_id="b") as bert,
    ):
        assert (await answer(anna, "workflow", event="create", tasks=[{"id": "1", "title": "x"}]))["status"] == "ok"
        fill(stuff)
        for _ in range(100):  # what room there was in files that exist is used up
            found = await answer(anna, "workflow", event="create", tasks=[{"title": "x" * 500} for _ in range(100)])
            if found["status"] == "error":
                break
        assert found["message"] == "The tasks could not be stored. Try again later."
        found = await answer(anna, "peer", to=["b"], payload={"text": "x" * 10_000})
        assert (found["status"], found["code"]) == ("error", "not-kept")
        assert "send it again" in found["message"]
        found = await answer(anna, "mode", state="start", mode="meeting")
        assert found["status"] == "error"
        assert "The meeting cannot be stored, so it does not begin; try again later." in found["message"]
        await anna.tell(type="listen", state="detect", text="remind me in 5 hours to make room")
        with trio.fail_after(10):
            while not anna.of("tts", "sentence_start"):
                await trio.sleep(0.01)
        assert "remind" not in anna.of("tts", "sentence_start")[0]["text"]
        await bert.alive()
        stuff.unlink()
        assert (await answer(anna, "workflow", event="create", tasks=[{"id": "2", "title": "x"}]))["status"] == "ok"
        assert (await answer(anna, "peer", to=["b"], payload={"text": "there is room"}))["status"] == "ok"
        assert (await bert.until("peer"))["payload"] == {"text": "there is room"}
        assert (await answer(anna, "mode", state="start", mode="meeting"))["status"] == "ok"

"""Copies, made while a server writes; and looking into a file that a server may be using."""

from __future__ import annotations

import datetime
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from badge.__main__ import main
from badge.storage import backup as backup_module
from badge.storage.backup import backup, place
from badge.storage.ports import StoreError
from badge.storage.reading import read_only
from badge.storage.schema import VERSION
from badge.storage.tables import Tables
from badge.storage.tasks import Create, Draft
from tests.house import FrozenClock
from tests.storage.stores import load, meeting, save, sqlite


def ignore(_: int, __: int) -> None:
    pass


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A store with something in it, that nobody uses."""

    async def make() -> None:
        async with sqlite(tmp_path / "store") as store:
            await store.meetings.begin(meeting("m", started=1))
            await store.meetings.add("m", ts=1, text="text")
            for number in range(200):
                await save(store, f"d{number}", "x" * 2000)

    trio.run(make)
    return tmp_path / "store" / "badge.db"


def names_in(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


# --- backup -----------------------------------------------------------------------------------------------------------


async def test_a_copy_is_of_one_moment_whatever_is_written_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_module, "PAGES", 3)
    told: list[tuple[int, int]] = []
    done = trio.Event()

    async def write(store: Tables) -> int:
        number = 0
        while not done.is_set():
            number += 1
            drafts = (Draft(id=f"{number}", title="t"), Draft(id=f"also {number}", title="t"))
            await store.tasks.carry_out(f"g{number // 100}", Create(device="a", at=1, drafts=drafts))
            await save(store, f"d{number}", "x" * 3000)
        return number

    async with sqlite(tmp_path) as store:
        for number in range(300):
            await save(store, f"before {number}", "x" * 3000)

        def progress(copied: int, pages: int) -> None:
            told.append((copied, pages))
            assert len(told) < 10_000, "it begins anew all the time"
            if len(told) % 10 == 0:  # the server writes while we are in the middle of it
                trio.from_thread.run(save, store, f"meanwhile {copied}", "x" * 3000)

        async def copy() -> None:
            await trio.to_thread.run_sync(backup, tmp_path / "badge.db", tmp_path / "copy.db", progress)
            done.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(copy)
            written = await write(store)
        assert await load(store, "meanwhile 30") != ""
    assert written > 10
    assert len(told) > 100
    assert [copied for copied, _ in told] == sorted({copied for copied, _ in told})
    assert told[-1][0] == told[-1][1]
    with read_only(tmp_path / "copy.db") as copied:
        assert await load(copied, "before 299") != ""
        assert await load(copied, "meanwhile 30") == ""
        for group in range(written // 100 + 1):
            snapshot = await copied.tasks.snapshot(f"g{group}")
            assert len(snapshot.tasks) == 2 * snapshot.revision


async def test_a_copy_can_be_used_in_place_of_the_file(file: Path, tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    copy = tmp_path / "again" / "badge.db"
    old = os.umask(0)
    try:
        backup(file, copy, ignore)
    finally:
        os.umask(old)
    assert names_in(copy.parent) == ["badge.db"]
    assert copy.read_bytes()[18:20] == b"\x01\x01"  # readable where nothing can be written: no log is needed
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    async with sqlite(tmp_path / "again") as store:
        assert await store.meetings.get("m") == meeting("m", started=1, segments=1)
        assert await load(store, "d199") == "x" * 2000
        await save(store, "d199", "new")
    with read_only(file) as original:
        assert await load(original, "d199") == "x" * 2000


def refused(source: Path, target: Path) -> str:
    with pytest.raises(StoreError) as caught:
        backup(source, target, ignore)
    assert caught.value.remedy
    return caught.value.detail


def test_nothing_is_overwritten(file: Path, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("precious")
    assert refused(file, target) == f"{target} exists already."
    assert target.read_text() == "precious"
    before = file.read_bytes()
    assert refused(file, file) == f"{file} exists already."
    assert file.read_bytes() == before
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    assert refused(file, tmp_path / "link") == f"{tmp_path}/link exists already."
    assert not (tmp_path / "nothing").exists()


def test_a_copy_that_cannot_be_made_leaves_nothing_behind(file: Path, tmp_path: Path) -> None:
    assert refused(tmp_path / "nothing.db", tmp_path / "copy.db") == f"there is no {tmp_path}/nothing.db."
    assert refused(file, tmp_path / "no folder" / "copy.db").startswith(
        f"{tmp_path}/no folder/copy.db cannot be made: "
    )
    (tmp_path / "notes.db").write_text("no database " * 100)
    assert refused(tmp_path / "notes.db", tmp_path / "copy.db").startswith(f"this is no database: {tmp_path}/notes.db")
    content = bytearray(file.read_bytes())
    content[4096 * 30 : 4096 * 40] = b"\xaa" * (4096 * 10)
    (tmp_path / "damaged.db").write_bytes(content)
    assert refused(tmp_path / "damaged.db", tmp_path / "copy.db").startswith("this database is damaged: ")
    left = [name for name in names_in(tmp_path) if not name.endswith(("-shm", "-wal"))]
    assert left == ["damaged.db", "notes.db", "store"]


def test_a_copy_for_which_there_is_no_room(file: Path, small_disk: Callable[[str], Path]) -> None:
    disk = small_disk("200k")
    assert refused(file, disk / "copy.db").startswith(f"there is no room left to store anything in {disk}/")
    assert names_in(disk) == []


def test_a_folder_gets_files_named_by_the_time(tmp_path: Path) -> None:
    clock = FrozenClock()
    clock.moment = datetime.datetime(2026, 2, 3, 4, 5, 6, tzinfo=datetime.UTC)
    assert place(tmp_path, Path("/var/badge.db"), clock) == tmp_path / "badge-20260203-040506.db"
    assert place(tmp_path / "x.db", Path("/var/badge.db"), clock) == tmp_path / "x.db"


# --- the command ------------------------------------------------------------------------------------------------------


def configured(tmp_path: Path, **values: str) -> list[str]:
    lines = "".join(f'{key} = "{value}"\n' for key, value in values.items())
    (tmp_path / "config.toml").write_text(f"[store]\n{lines}")
    return ["--config", str(tmp_path / "config.toml")]


def test_the_command_copies_what_is_configured(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = configured(tmp_path, file=str(file))
    assert main([*config, "backup"]) == 0
    (copy,) = file.parent.glob("badge-2*.db")
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"{copy}: {copy.stat().st_size} bytes"
    assert said[1].startswith(f"To go back to it: stop the server, move {file}, badge.db-wal")
    assert main(["backup", str(tmp_path / "mine.db"), *config]) == 0
    assert sqlite3.connect(tmp_path / "mine.db").execute("SELECT count(*) FROM exchanges").fetchall() == [(200,)]


def test_the_command_says_what_is_wrong(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*configured(tmp_path, file=str(tmp_path / "none.db")), "backup"]) == 2
    assert capsys.readouterr().out.startswith(f"there is no {tmp_path}/none.db. A server makes it")
    assert main([*configured(tmp_path, use="memory"), "backup"]) == 2
    assert "store.use is memory" in capsys.readouterr().out
    target = tmp_path / "mine.db"
    assert main(["backup", str(target), "--file", str(file), *configured(tmp_path, use="memory")]) == 0
    assert main(["backup", str(target), "--file", str(file), *configured(tmp_path, use="memory")]) == 2
    assert f"{target} exists already. Name a file" in capsys.readouterr().out


# --- looking ----------------------------------------------------------------------------------------------------------


async def test_a_file_can_be_read_whether_or_not_a_server_uses_it(tmp_path: Path) -> None:
    file = tmp_path / "badge.db"
    async with sqlite(tmp_path) as store:
        await store.meetings.begin(meeting("m"))
        with read_only(file) as looking:
            assert await looking.meetings.latest() == (meeting("m"),)
            await store.meetings.add("m", ts=1, text="said meanwhile")
            assert [one.text for one in await looking.meetings.segments("m")] == ["said meanwhile"]
    before = file.read_bytes()
    with read_only(file) as looking:
        assert await looking.meetings.get("m") == meeting("m", segments=1)
        with pytest.raises(StoreError, match="nothing can be written"):
            await looking.meetings.add("m", ts=2, text="not said")
    assert file.read_bytes() == before
    async with sqlite(tmp_path) as store:
        assert await store.meetings.get("m") == meeting("m", segments=1)


def test_a_file_that_cannot_be_read(file: Path, tmp_path: Path) -> None:
    def error(which: Path) -> str:
        with pytest.raises(StoreError) as caught, read_only(which):
            pass
        assert caught.value.remedy
        return caught.value.detail

    assert error(tmp_path / "none.db") == f"there is no {tmp_path}/none.db."
    assert error(tmp_path) == f"there is no {tmp_path}."
    (tmp_path / "notes.db").write_text("no database " * 100)
    assert error(tmp_path / "notes.db").startswith(f"this is no database: {tmp_path}/notes.db")
    for version, word in ((VERSION + 1, "newer"), (VERSION - 1, "older")):
        other = tmp_path / f"{word}.db"
        shutil.copy(file, other)
        connection = sqlite3.connect(other)
        connection.execute(f"PRAGMA user_version = {version}")
        connection.close()
        assert error(other).startswith(f"{other} was written by a{'n' if word == 'older' else ''} {word} version")

"""What was acknowledged stays: through kill -9, a full disk, another server, a new version of the program."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
import trio

from badge.config.team import StoreSettings
from badge.storage.ports import Store, StoreError
from badge.storage.schema import MIGRATIONS, VERSION, migrate, version_of
from badge.storage.sqlite import SqliteStore
from badge.storage.tasks import Create, Draft
from tests.storage.stores import letter, load, meeting, opened, opening_fails, save, sqlite

ROOT = Path(__file__).parents[2]


def start_writing(file: Path, name: str, synchronous: str = "full") -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.storage.writing", str(file), synchronous, name]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def kill_after(process: subprocess.Popen[str], lines: int) -> list[str]:
    """What a program said; it was killed while it went on after so many lines."""
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(lines)]
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read()
    process.wait()
    process.stdout.close()
    assert said[-1], "it ended by itself"
    return [line.strip() for line in (*said, *rest.splitlines(keepends=True)) if line.endswith("\n")]


async def is_there(store: Store, kind: str, name: str, numbers: list[int]) -> bool:
    """Whether everything is stored that was acknowledged."""
    highest = max(numbers)
    if kind == "memory":
        return int(await load(store, name)) >= highest
    if kind == "letter":
        return {str(n) for n in numbers} <= {one.id for one in (await store.mail.waiting(name, now=0)).letters}
    if kind == "segment":
        return [one.number for one in await store.meetings.segments(name)][:highest] == list(range(1, highest + 1))
    snapshot = await store.tasks.snapshot(name)
    there = {task.id for task in snapshot.tasks}
    assert len(there) == 2 * snapshot.revision, "half of a command is stored"
    return {name for n in numbers for name in (str(n), f"also {n}")} <= there


@pytest.mark.parametrize("synchronous", ["full", "normal"])
async def test_whatever_was_acknowledged_survives_kill_9(tmp_path: Path, synchronous: str) -> None:
    file = tmp_path / "badge.db"
    acknowledged: dict[tuple[str, str], list[int]] = {}
    for number, lines in enumerate((1, 2, 17, 400, 3000) if synchronous == "full" else (700,)):
        for line in kill_after(start_writing(file, f"round {number}", synchronous), lines):
            kind, _, rest = line.partition(" ")
            if kind != "open":
                name, _, count = rest.rpartition(" ")
                acknowledged.setdefault((kind, name), []).append(int(count))
        async with sqlite(tmp_path, synchronous=synchronous) as store:
            for (kind, name), numbers in acknowledged.items():
                assert await is_there(store, kind, name, numbers), f"{kind} {name} {numbers[-1]}"
    assert sum(map(len, acknowledged.values())) >= 699


async def test_everything_is_there_after_a_restart_and_for_nobody_else(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        async with sqlite(tmp_path / "made" / "on the way") as store:
            await store.meetings.begin(meeting("m"))
            names = {file.name for file in (tmp_path / "made" / "on the way").iterdir()}
            assert names == {"badge.db", "badge.db-wal", "badge.db-shm", "badge.db.lock"}
            for file in (tmp_path / "made" / "on the way").iterdir():
                assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    finally:
        os.umask(old)
    assert not (tmp_path / "made" / "on the way" / "badge.db-wal").exists()
    async with sqlite(tmp_path / "made" / "on the way") as store:
        assert await store.meetings.get("m") == meeting("m")


async def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    async with sqlite(tmp_path):
        pass
    (tmp_path / "badge.db").chmod(0o644)
    async with sqlite(tmp_path):
        assert stat.S_IMODE((tmp_path / "badge.db").stat().st_mode) == 0o600


async def test_the_settings_reach_the_database(tmp_path: Path) -> None:
    for synchronous, number in (("full", 2), ("normal", 1)):
        async with sqlite(tmp_path, synchronous=synchronous) as store:
            assert await store._carry(lambda db: db.execute("PRAGMA synchronous").fetchone()) == (number,)
            assert await store._carry(lambda db: db.execute("PRAGMA journal_mode").fetchone()) == ("wal",)


async def test_a_store_that_does_not_run_says_so(tmp_path: Path) -> None:
    store = SqliteStore(StoreSettings(file=str(tmp_path / "badge.db")))
    with pytest.raises(StoreError, match="not open"):
        await load(store, "a")
    async with opened(store):
        assert await load(store, "a") == ""
    with pytest.raises(StoreError, match="not open"):
        await load(store, "a")


# --- another server ---------------------------------------------------------------------------------------------------


async def test_a_file_belongs_to_one_server(tmp_path: Path) -> None:
    async with sqlite(tmp_path) as store:
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "badge.db").symlink_to(tmp_path / "badge.db")
        for folder in (tmp_path, tmp_path / "other"):
            error = await opening_fails(folder)
            assert error.detail == f"{tmp_path}/badge.db is in use by another server (process {os.getpid()})."
        await save(store, "a", "still works")
    async with sqlite(tmp_path) as store:
        assert await load(store, "a") == "still works"


async def test_a_server_that_was_killed_leaves_the_file_to_the_next(tmp_path: Path) -> None:
    process = start_writing(tmp_path / "badge.db", "x")
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    error = await opening_fails(tmp_path)
    assert f"(process {process.pid})" in error.detail
    kill_after(process, 1)
    async with sqlite(tmp_path):
        pass


# --- a full disk ------------------------------------------------------------------------------------------------------


async def fill(store: Store) -> int:
    """Write until there is no more room; gives how much was acknowledged."""
    written = 0

    async def write() -> None:
        nonlocal written
        while written < 10_000:
            await store.mail.post(letter(str(written), payload="x" * 2000), bound=100_000)
            written += 1

    with pytest.raises(StoreError, match=r"there is no room left.* Make room"):
        await write()
    return written


async def waiting_in(store: Store) -> list[str]:
    return [one.id for one in (await store.mail.waiting("b", now=0)).letters]


async def test_a_full_disk_is_told_and_the_store_works_again_when_there_is_room(
    small_disk: Callable[[str], Path],
) -> None:
    disk = small_disk("1m")
    stuff = disk / "stuff"
    stuff.write_bytes(bytes(300_000))
    with structlog.testing.capture_logs() as logs:
        async with sqlite(disk) as store:
            written = await fill(store)
            assert written > 5
            assert await waiting_in(store) == [str(number) for number in range(written)]
            answers: list[str] = []

            async def write_and_read(number: int) -> None:
                try:
                    await save(store, f"d{number}", "x" * 9000)
                except StoreError as exc:
                    answers.append(exc.detail)
                assert len(await waiting_in(store)) == written

            async with trio.open_nursery() as nursery:
                for number in range(5):
                    nursery.start_soon(write_and_read, number)
            assert len(answers) == 5
            stuff.unlink()
            await store.mail.post(letter("there is room", payload="x" * 2000), bound=100_000)
    lines = [line["error"] for line in logs if line["log_level"] == "error"]
    assert len(lines) == 1  # for all of this trouble
    async with sqlite(disk) as store:
        assert await waiting_in(store) == [*(str(number) for number in range(written)), "there is room"]


async def test_a_file_that_may_not_grow_is_told_and_works_again_when_it_may(tmp_path: Path) -> None:
    async with sqlite(tmp_path) as store:
        await store._carry(lambda db: db.execute("PRAGMA max_page_count = 60").fetchone())
        written = await fill(store)
        assert await waiting_in(store) == [str(number) for number in range(written)]
        await store._carry(lambda db: db.execute("PRAGMA max_page_count = 6000").fetchone())
        await store.mail.post(letter("there is room", payload="x" * 2000), bound=100_000)
    async with sqlite(tmp_path) as store:
        assert await waiting_in(store) == [*(str(number) for number in range(written)), "there is room"]


# --- versions ---------------------------------------------------------------------------------------------------------


def database(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(file, isolation_level=None)


def test_migrations_happen_in_order_and_once(tmp_path: Path) -> None:
    connection = database(tmp_path / "x.db")
    migrate(connection)
    assert version_of(connection) == VERSION
    connection.execute("INSERT INTO drops VALUES ('a', 5)")
    more = [*MIGRATIONS, ("ALTER TABLE drops ADD COLUMN at INTEGER NOT NULL DEFAULT 7",), ("DELETE FROM groups",)]
    for _ in range(2):
        migrate(connection, more)
        assert version_of(connection) == len(more)
        assert connection.execute("SELECT * FROM drops").fetchall() == [("a", 5, 7)]
    connection.close()


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    connection = database(tmp_path / "x.db")
    migrate(connection)
    connection.execute("INSERT INTO drops VALUES ('a', 5)")
    before = list(connection.iterdump())
    broken = [*MIGRATIONS, ("DELETE FROM drops", "CREATE TABLE more (x)", "INSERT INTO nothing VALUES (1)")]
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, broken)
    assert version_of(connection) == VERSION
    assert list(connection.iterdump()) == before
    assert not connection.in_transaction
    connection.close()


async def test_a_file_whose_making_was_cut_off_is_made(tmp_path: Path) -> None:
    (tmp_path / "badge.db").touch()
    async with sqlite(tmp_path) as store:
        create = Create(device="a", at=1, drafts=(Draft(id="1", title="t"),))
        assert (await store.tasks.carry_out("g", create)).revision == 1


async def test_what_was_cut_off_before_the_log_was_used_is_taken_back(tmp_path: Path) -> None:
    """A transaction with a rollback journal, as there are before a file is in WAL mode: copied while it is under way."""
    made = database(tmp_path / "made.db")
    migrate(made)
    made.execute("INSERT INTO groups VALUES ('a', 5)")
    made.execute("PRAGMA cache_size = 1")
    made.execute("BEGIN")
    made.execute("UPDATE groups SET revision = 6")
    made.executemany("INSERT INTO groups VALUES (?, 1)", [(f"d{n}" + "x" * 1000,) for n in range(200)])
    for end in ("", "-journal"):
        (tmp_path / f"badge.db{end}").write_bytes((tmp_path / f"made.db{end}").read_bytes())
    made.close()
    async with sqlite(tmp_path) as store:
        assert (await store.tasks.snapshot("a")).revision == 5
        assert (await store.tasks.snapshot("d1" + "x" * 1000)).revision == 0

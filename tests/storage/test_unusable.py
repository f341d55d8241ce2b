"""Files that cannot be used: the operator reads which, why and what to do, and nothing is changed."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from badge.storage.opening import inspect
from badge.storage.ports import StoreError
from badge.storage.schema import VERSION
from tests.storage.stores import load, opening_fails, save, sqlite


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    """A store with something in it, whose last words are in the log beside it still."""
    folder = tmp_path / "original"
    async with sqlite(folder) as store:
        for number in range(50):
            await save(store, f"d{number}", "x" * 2000)
        await store._carry(lambda db: db.execute("PRAGMA user_version").fetchone())
    async with sqlite(folder) as store:
        await save(store, "last", "words")
        for end in ("", "-wal"):
            shutil.copy(folder / f"badge.db{end}", tmp_path / f"badge.db{end}")
    return tmp_path / "badge.db"


def garbage(file: Path) -> None:
    file.write_bytes(b"these are my notes, not a database\n" * 100)


def shortened(file: Path) -> None:
    file.with_name("badge.db-wal").unlink()
    os.truncate(file, file.stat().st_size // 2)


def damaged(file: Path) -> None:
    file.with_name("badge.db-wal").unlink()
    content = bytearray(file.read_bytes())
    content[5 * 4096 : 30 * 4096] = b"\xaa" * (25 * 4096)
    file.write_bytes(content)


def changed_by(statement: str) -> Callable[[Path], None]:
    def change(file: Path) -> None:
        connection = sqlite3.connect(file)
        connection.execute(statement)
        connection.commit()
        connection.close()

    return change


def of_another(file: Path) -> None:
    for end in ("", "-wal"):
        file.with_name(f"badge.db{end}").unlink()
    changed_by("CREATE TABLE bookmarks (url)")(file)


@pytest.mark.parametrize(
    ("spoil", "detail", "remedy"),
    [
        (garbage, "this is no database: {file}", "Move it away"),
        (shortened, "this database is damaged: {file}", "put a backup in its place, or move it away"),
        (damaged, "this database is damaged: {file}", "put a backup in its place, or move it away"),
        (
            changed_by(f"PRAGMA user_version = {VERSION + 1}"),
            f"{{file}} was written by a newer version of this program ({VERSION + 1};",
            "Use that version",
        ),
        (changed_by("PRAGMA application_id = 77"), "{file} is the database of another program", "another file"),
        (of_another, "{file} is the database of another program", "another file"),
    ],
)
async def test_a_file_that_cannot_be_used_is_left_as_it_is(
    file: Path, spoil: Callable[[Path], None], detail: str, remedy: str
) -> None:
    inspect(file)
    spoil(file)
    kept = [file, file.with_name("badge.db-wal")]
    before = [one.read_bytes() if one.exists() else b"" for one in kept]
    for _ in range(2):
        error = await opening_fails(file.parent)
        assert error.detail.startswith(detail.format(file=file)), error.detail
        assert remedy in error.remedy
        assert [one.read_bytes() if one.exists() else b"" for one in kept] == before


async def test_a_file_with_a_log_beside_it_is_whole(file: Path) -> None:
    async with sqlite(file.parent) as store:
        assert await load(store, "last") == "words"


async def test_damage_that_is_met_later_is_told_to_who_met_it(tmp_path: Path) -> None:
    async with sqlite(tmp_path) as store:
        for number in range(300):
            await save(store, f"d{number:03}", "x" * 2000)
        await store._carry(lambda db: db.execute("PRAGMA cache_size = 1").fetchall())
    async with sqlite(tmp_path) as store:
        content = bytearray((tmp_path / "badge.db").read_bytes())
        content[4096 * 40 :] = b"\xaa" * (len(content) - 4096 * 40)
        (tmp_path / "badge.db").write_bytes(content)
        failures = []
        for number in range(300):
            try:
                await load(store, f"d{number:03}")
            except StoreError as exc:
                failures.append(exc)
        assert failures
        assert all("damaged" in one.detail and "backup" in one.remedy for one in failures)
        await store.presence.seen("a", "g", now=1)


# --- folders and files that take nothing ------------------------------------------------------------------------------


@pytest.fixture
def nobody() -> Iterator[Path]:
    """A folder of somebody without power over others, who we are meanwhile."""
    folder = Path(tempfile.mkdtemp())
    as_root = os.geteuid() == 0
    if as_root:
        os.chown(folder, 65534, 65534)
        os.setegid(65534)
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if as_root:
            os.seteuid(0)
            os.setegid(0)
        folder.chmod(0o700)
        shutil.rmtree(folder)


async def test_a_folder_that_takes_nothing(nobody: Path) -> None:
    os.chmod(nobody, 0o500)  # noqa: PTH101
    error = await opening_fails(nobody)
    assert error.detail == f"{nobody} cannot be written to: Permission denied."
    error = await opening_fails(nobody / "below")
    assert error.detail == f"{nobody}/below cannot be written to: Permission denied."


async def test_a_file_that_takes_nothing(nobody: Path) -> None:
    async with sqlite(nobody):
        pass
    (nobody / "badge.db").chmod(0o400)
    error = await opening_fails(nobody)
    assert error.detail == f"nothing can be written to {nobody}/badge.db (SQLITE_READONLY)."
    (nobody / "badge.db").chmod(0o000)
    error = await opening_fails(nobody)
    assert f"{nobody}/badge.db" in error.detail
    assert "writable for the server" in error.remedy


async def test_a_folder_instead_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "badge.db").mkdir()
    assert (await opening_fails(tmp_path)).detail == f"{tmp_path}/badge.db is no file."


async def test_a_file_instead_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "folder").touch()
    assert (await opening_fails(tmp_path / "folder")).detail == f"{tmp_path}/folder cannot be written to: File exists."

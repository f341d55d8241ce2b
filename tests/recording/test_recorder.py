"""The recorder: which sessions are recorded, what happens on a bad disk, and that nobody waits for it."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio

from badge.config.settings import RecordingSettings, Settings
from badge.metrics import Metrics
from badge.recording import journal as journal_module
from badge.recording.fileformat import Recording, read
from badge.recording.journal import FLUSH_EVERY, SUFFIX, Archive, Volume
from badge.recording.recorder import Recorder, make_header, session_settings
from badge.recording.records import Kind
from protocol import identify
from tests.e2e.running import Client, client, scripted_server
from tests.house import FrozenClock, House, changed


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{SUFFIX}"))


def lost(metrics: Metrics) -> dict[str, float]:
    lines = metrics.render().decode().splitlines()
    found = [line for line in lines if line.startswith("badge_recordings_lost_total")]
    return {line.partition('"')[2].partition('"')[0]: float(line.rpartition(" ")[2]) for line in found}


async def one_turn(badge: Client) -> None:
    await badge.tell(type="listen", state="detect", text="what time is it")
    await badge.until("tts", "stop")


async def recorded_turn(folder: Path, **settings: Any) -> Recording:
    """What is in the file of one typed turn over a real socket."""
    recording = {"use": "all", "folder": str(folder), **settings}
    async with scripted_server(settings=changed(recording=recording)) as (server, _):
        async with client(server, device_id="aa:bb:cc:00:00:01") as badge:
            await one_turn(badge)
        await trio.sleep(0.1)
    (file,) = files(folder)
    return read(file)


async def test_everything_that_crosses_a_seam_is_in_the_file(tmp_path: Path) -> None:
    recording = await recorded_turn(tmp_path / "made" / "on demand")
    assert not recording.flaw
    kinds = [record.kind for record in recording.records]
    for kind in (Kind.ENTER, Kind.IN, Kind.OUT, Kind.STATE, Kind.LLM_OPEN, Kind.LLM_TOKEN, Kind.TTS_CHUNK, Kind.LOST):
        assert kind in kinds
    assert kinds[-1] is Kind.END
    times = [record.at for record in recording.records]
    assert times == sorted(times)
    assert all(record.after >= 0 for record in recording.records)
    header = recording.header
    assert header["identity"]["device"] == "aa:bb:cc:00:00:01"
    assert {"program", "codec", "started", "seed", "scheduler_seed", "settings", "digest", "components"} <= set(header)
    states = [record.data[1:] for record in recording.records if record.kind is Kind.STATE]
    assert [state for state in states if state[0] == "first_audio"] == [("first_audio", "thinking", "speaking")]
    said = next(record.data for record in recording.records if record.kind is Kind.LLM_OPEN)
    assert said[3][-1] == ["user", "what time is it"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"use": "off"}, 0),
        ({"use": "some", "devices": ["one"]}, 1),
        ({"use": "some", "share": 1.0}, 2),
        ({"use": "some"}, 0),
        ({"use": "all"}, 2),
    ],
)
async def test_the_settings_choose_the_sessions(tmp_path: Path, settings: dict[str, Any], expected: int) -> None:
    asked = changed(recording={"folder": str(tmp_path), **settings})
    async with scripted_server(settings=asked) as (server, _):
        for device in ("one", "two"):
            async with client(server, device_id=device) as badge:
                await one_turn(badge)
    assert len(files(tmp_path)) == expected


async def test_a_folder_that_cannot_be_written_costs_one_warning_and_no_session(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    with structlog.testing.capture_logs() as logs:
        async with scripted_server(settings=changed(recording={"use": "all", "folder": str(blocked)})) as (
            server,
            house,
        ):
            for _ in range(3):
                async with client(server) as badge:
                    await one_turn(badge)
                    await trio.sleep(0.6)
                    await badge.alive()
            metrics = house.services.metrics
    warnings = [line for line in logs if line["event"].startswith("sessions are not recorded")]
    assert len(warnings) == 1
    assert str(blocked) in warnings[0]["reason"]
    assert lost(metrics) == {"disk": 3.0}


async def test_a_full_disk_ends_the_recording_and_leaves_a_file_that_can_be_read(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery
) -> None:
    metrics = Metrics()
    archive = Archive(metrics)
    write, full = Volume.write, [False]

    def until_full(self: Volume, records: list[Any]) -> int:
        if full[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(self, records)

    monkeypatch.setattr(Volume, "write", until_full)
    autojump_clock.autojump_threshold = 0.02  # the writer is a real thread
    nursery.start_soon(archive.run)
    journals = [archive.begin(tmp_path / f"{name}{SUFFIX}", list, {"n": name}, limit=10**6) for name in "ab"]
    with structlog.testing.capture_logs() as logs:
        for journal in journals:
            journal.note(Kind.IN, "kept")
        await trio.sleep(2 * FLUSH_EVERY)
        full[0] = True
        for journal in journals:
            journal.note(Kind.IN, "lost")
        await trio.sleep(2 * FLUSH_EVERY)
        assert not any(journal.open for journal in journals)
        full[0] = False
        journals[0].note(Kind.IN, "after the end")
        later = archive.begin(tmp_path / f"c{SUFFIX}", list, {"n": "c"}, limit=10**6)
        await trio.sleep(2 * FLUSH_EVERY)
        later.end("over")
        await trio.sleep(2 * FLUSH_EVERY)
    assert [line["reason"] for line in logs] == [f"{tmp_path}: No space left on device"]
    assert lost(metrics) == {"disk": 2.0}
    recording = read(tmp_path / f"a{SUFFIX}")
    assert [record.data for record in recording.records] == [("kept",)]
    assert "cut off" in recording.flaw
    assert not read(tmp_path / f"c{SUFFIX}").flaw


async def test_a_disk_that_is_too_slow_ends_recordings_and_keeps_memory_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = Metrics()
    monkeypatch.setattr(journal_module, "BACKLOG", 10_000)
    archive = Archive(metrics)  # and nobody writes
    journal = archive.begin(tmp_path / "x", list, {}, limit=10**6)
    with structlog.testing.capture_logs() as logs:
        for _ in range(1000):
            journal.note(Kind.IN, bytes(1000))
    assert archive.begin(tmp_path / "y", list, {}, limit=10**6) is None
    assert not journal.open
    assert sum(len(raw[-1]) for raw in journal.take()[0][1:]) <= 11_000
    assert lost(metrics) == {"overrun": 2.0}
    assert len(logs) == 1


async def test_everything_that_waits_counts_until_it_is_written(tmp_path: Path) -> None:
    archive = Archive(Metrics())
    journal = archive.begin(tmp_path / "x", list, {"prompt": "p" * 5000}, limit=10**6)
    journal.note(Kind.LLM_OPEN, 1, "llm.default", 0, [["user", "w" * 7000]])
    journal.note(Kind.POST, "f" * 3000, True)
    assert 15_000 < archive._backlog.size < 16_000
    async with trio.open_nursery() as nursery:
        nursery.start_soon(archive.run)
        with trio.fail_after(10):
            while archive._backlog.size:
                await trio.sleep(0.05)
        nursery.cancel_scope.cancel()


async def test_a_file_that_is_taken_away_ends_its_recording(tmp_path: Path) -> None:
    metrics = Metrics()
    archive = Archive(metrics)
    journal = archive.begin(tmp_path / "x", list, {}, limit=10**6)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(archive.run)
        with trio.fail_after(10):
            while not (tmp_path / "x").exists():
                await trio.sleep(0.05)
            assert (tmp_path / "x").stat().st_mode & 0o077 == 0
            (tmp_path / "x").unlink()
            journal.note(Kind.IN, "more")
            while journal.open:
                await trio.sleep(0.05)
        nursery.cancel_scope.cancel()
    assert not (tmp_path / "x").exists()
    assert lost(metrics) == {"disk": 1.0}


async def test_a_record_that_cannot_be_packed_ends_its_recording_only(tmp_path: Path) -> None:
    metrics = Metrics()
    archive = Archive(metrics)
    bad = archive.begin(tmp_path / "bad", list, {}, limit=10**6)
    good = archive.begin(tmp_path / "good", list, {}, limit=10**6)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(archive.run)
        bad.note(Kind.IN, object())
        good.note(Kind.IN, "fine")
        with trio.fail_after(10):
            while bad.open:
                await trio.sleep(0.05)
        good.end("over")
        nursery.cancel_scope.cancel()
    assert lost(metrics) == {"failed": 1.0}
    assert not read(tmp_path / "good").flaw


async def test_a_recording_ends_at_its_size_limit(tmp_path: Path) -> None:
    metrics = Metrics()
    archive = Archive(metrics)
    journal = archive.begin(tmp_path / "x", list, {}, limit=1000)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(archive.run)
        journal.note(Kind.IN, os.urandom(2000))
        with trio.fail_after(10):
            while journal.open:
                await trio.sleep(0.05)
        journal.note(Kind.IN, "too late")
        nursery.cancel_scope.cancel()
    recording = read(tmp_path / "x")
    assert not recording.flaw
    assert recording.records[-1].data == ("size",)
    assert lost(metrics) == {"size": 1.0}


async def test_what_is_noted_last_is_written_when_the_server_stops(tmp_path: Path) -> None:
    archive = Archive(Metrics())
    journal = archive.begin(tmp_path / "x", list, {}, limit=10**6)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(archive.run)
        await trio.testing.wait_all_tasks_blocked()
        journal.note(Kind.IN, "last words")
        journal.end("over")
        nursery.cancel_scope.cancel()
    assert [record.kind for record in read(tmp_path / "x").records] == [Kind.IN, Kind.END]


def kept(folder: Path) -> set[str]:
    return {file.stem.removesuffix("-0123abcd").rpartition("-")[2] for file in files(folder)}


async def test_a_folder_that_cannot_be_made_is_told_at_start(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    settings = RecordingSettings(use="all", folder=str(blocked / "inside"))
    with structlog.testing.capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Recorder(settings, FrozenClock(), Metrics()).run)
            with trio.fail_after(10):
                while not logs:
                    await trio.sleep(0.02)
            nursery.cancel_scope.cancel()
    assert str(blocked) in logs[0]["reason"]


def test_old_files_and_too_many_make_room_for_new_ones(tmp_path: Path) -> None:
    clock = FrozenClock()
    now = clock.moment.timestamp()
    ages = {"today": 0, "yesterday": 1, "day before": 2, "last month": 30}
    capsule = tmp_path / f"capsule-0123abcd{SUFFIX}"
    capsule.write_bytes(bytes(400_000))
    os.utime(capsule, (0, 0))
    for name, days in ages.items():
        file = tmp_path / f"20261121-093000-{name}-0123abcd{SUFFIX}"
        file.write_bytes(bytes(400_000))
        os.utime(file, (now - days * 86400, now - days * 86400))
    (tmp_path / "not ours").write_bytes(bytes(2_000_000))
    settings = RecordingSettings(folder=str(tmp_path), folder_mb=1.0, days=14.0)
    Recorder(settings, clock, Metrics())._make_room(
        frozenset({tmp_path / f"20261121-093000-last month-0123abcd{SUFFIX}"})
    )
    assert kept(tmp_path) == {"today", "yesterday", "last month", "capsule"}
    Recorder(settings, clock, Metrics())._make_room(frozenset())
    assert kept(tmp_path) == {"today", "yesterday", "capsule"}
    assert (tmp_path / "not ours").exists()


async def test_no_secret_is_in_the_header(nursery: trio.Nursery) -> None:
    secrets = changed(auth={"key": "k-e-y", "manager_secret": "s-e-c-r-e-t"}, server={"host": "h-o-s-t"})
    house = House(nursery, settings=secrets)
    identity = identify("/?device-id=d&authorization=Bearer%20t-o-k-e-n", [], lambda: "")
    text = repr(make_header(identity, house.services, seed=1, wall=house.clock.now()))
    for secret in ("k-e-y", "s-e-c-r-e-t", "t-o-k-e-n", "h-o-s-t"):
        assert secret not in text


def test_the_settings_of_a_session_are_all_but_those_of_the_server() -> None:
    names = set(session_settings(Settings()))
    assert {"listen", "vad", "asr", "tts", "chat", "phrases", "timeouts", "limits", "llm", "llm_by_purpose"} <= names
    assert not names & {"server", "auth", "ota", "models", "recording", "log"}


async def test_a_recorder_that_fails_turns_nobody_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Recorder, "_name", lambda *_: 1 / 0)
    async with (
        scripted_server(settings=changed(recording={"use": "all", "folder": str(tmp_path)})) as (server, _),
        client(server) as badge,
    ):
        await one_turn(badge)
    assert not files(tmp_path)

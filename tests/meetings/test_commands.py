"""`python -m badge meetings`, and the page that it shows: beside a server that is in a meeting, and without one."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
import trio

from badge.__main__ import main
from badge.config.team import StoreSettings
from badge.meetings.document import Action, Minutes, Point, dumps
from badge.meetings.markdown import page, plain
from badge.storage.records import Hole, MeetingRecord, Segment
from badge.storage.sqlite import SqliteStore
from tests.meetings.stage import DEVICE, START, Badge, Stage, office

OTHER = "aa:bb:cc:00:00:02"
ZONE = datetime.timezone(datetime.timedelta(hours=8))
MINUTES = Minutes(
    title="Where to ship",
    summary=(Point(text="1. <b>We</b> ship", segments=(1, 2)),),
    decisions=(),
    actions=(Action(text="Write it", owner="Bob", due="2026-12-01", segments=(2,)), Action(text="Read it", segments=())),
    questions=(Point(text="Who?", segments=(3,)),),
    holes=(
        Hole(since=START, until=START + 61_000, reason="disconnected"), Hole(since=START, until=START, reason="odd")
    ),
    method="mixed",
    left_out=("Something.",),
)  # fmt: skip
RECORD = MeetingRecord(id="m1", device=DEVICE, started=START, ended=START + 3_600_000, state="finalised")


async def meetings(stage: Stage) -> list[str]:
    """Two meetings that are over, with two badges, and one that goes on; their ids."""
    ids = []
    for device in (DEVICE, OTHER, DEVICE):
        badge: Badge = stage.badge(device)
        ids.append((await stage.office.open(device, "s")).meeting)
        stage.say("we ship on monday", f"words of {device}", device=device)
        await stage.office.settle()
        if len(ids) < 3:
            await stage.end(device)
            await badge.summary()
            await trio.sleep(0.05)  # meetings that begin at different times have an order
    return ids


def names_in(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


async def run_beside(*arguments: str) -> int:
    """The command, while the server runs."""
    return await trio.to_thread.run_sync(main, ["meetings", *arguments])


async def test_meetings_are_listed_shown_and_exported_while_the_server_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "badge.db"
    store = SqliteStore(StoreSettings(file=str(file)))
    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        async with office(store=store) as stage:
            ids = await meetings(stage)

            assert await run_beside("list", "--file", str(file)) == 0
            lines = capsys.readouterr().out.splitlines()
            assert [line.split()[0] for line in lines] == ids[::-1]
            assert "active" in lines[0]
            assert "2 segments  Plans from 1" in lines[2]
            assert await run_beside("list", "--device", OTHER, "--file", str(file), "--limit", "5") == 0
            assert capsys.readouterr().out.split()[0] == ids[1]

            assert await run_beside("show", "latest", "--file", str(file)) == 0
            shown = capsys.readouterr().out
            assert "The minutes are not written yet." in shown
            assert f" words of {DEVICE}\n" in shown

            assert await run_beside("show", ids[0][:8], "--file", str(file)) == 0
            shown = capsys.readouterr().out
            assert shown.startswith("# Plans from 1\n")
            assert "- [ ] Write plan 2 — Bob, due 2026-12-01 [2]" in shown

            out = tmp_path / "minutes.json"
            assert await run_beside("export", ids[1], "--format", "json", "--out", str(out), "--file", str(file)) == 0
            value: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
            assert (value["meeting"]["id"], value["meeting"]["state"], value["meeting"]["device"]) == (
                ids[1], "finalised", OTHER
            )  # fmt: skip
            assert value["minutes"]["decisions"] == [{"text": "Plan 1 is decided", "segments": [1]}]
            assert [segment["text"] for segment in value["segments"]] == ["we ship on monday", f"words of {OTHER}"]
            assert names_in(tmp_path) >= {"badge.db", "minutes.json"}
            assert "minutes.json.part" not in names_in(tmp_path)
            nursery.cancel_scope.cancel()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A store that nobody uses, with two meetings."""
    settings = StoreSettings(file=str(tmp_path / "badge.db"))

    async def make() -> None:
        store = SqliteStore(settings)
        async with trio.open_nursery() as nursery:
            await nursery.start(store.run)
            for number in (1, 2):
                record = MeetingRecord(id=f"abc{number}", device=DEVICE, started=START + number)
                await store.meetings.begin(record)
                await store.meetings.add(record.id, ts=START, text="你好\x1b[2J")
                await store.meetings.miss(record.id, Hole(since=START, until=START, reason="overload"))
            nursery.cancel_scope.cancel()

    trio.run(make)
    return Path(settings.file)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("abc3", "abc3: there is no such meeting; the nearest are:\nabc"),
        ("zzz", "zzz: there is no such meeting; the latest are:\nabc2"),
        ("abc", "abc: 2 meetings begin like this; among them:\nabc2"),
    ],
)
def test_an_unknown_meeting_is_answered_with_those_that_there_are(
    file: Path, capsys: pytest.CaptureFixture[str], name: str, told: str
) -> None:
    assert main(["meetings", "show", name, "--file", str(file)]) == 2
    assert capsys.readouterr().out.startswith(told)


def test_a_meeting_of_another_badge_is_unknown(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["meetings", "show", "abc1", "--device", OTHER, "--file", str(file)]) == 2
    assert capsys.readouterr().out == f"there are no meetings of {OTHER}\n"
    assert main(["meetings", "list", "--device", OTHER, "--file", str(file)]) == 0
    assert capsys.readouterr().out == f"no meetings of {OTHER}\n"


def test_a_terminal_is_not_moved_by_what_was_said(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["meetings", "export", "latest", "--file", str(file)]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "未记录的时段" in out
    assert "服务器过载" in out


def test_without_a_store_it_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["meetings", "list", "--file", str(tmp_path / "none.db")]) == 2
    assert "there is no" in capsys.readouterr().out
    (tmp_path / "odd.db").write_text("not a database" * 100)
    assert main(["meetings", "list", "--file", str(tmp_path / "odd.db")]) == 2
    assert "no database" in capsys.readouterr().out
    config = tmp_path / "config.toml"
    config.write_text('[store]\nuse = "memory"\n')
    assert main(["--config", str(config), "meetings", "list"]) == 2
    assert "store.use is memory" in capsys.readouterr().out


def test_a_file_that_cannot_be_written_is_named(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "no" / "folder.md"
    assert main(["meetings", "export", "latest", "--out", str(target), "--file", str(file)]) == 2
    assert f"{target}: cannot be written: No such file or directory" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["list", "--limit", "0"], ["list", "--limit", "x"], [], ["export", "x", "--format", "pdf"]]
)
def test_wrong_arguments_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["meetings", *arguments])
    assert ended.value.code == 2


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_has_everything() -> None:
    segments = [Segment(number=1, ts=START, text="# we *ship*"), Segment(number=2, ts=START + 1000, text="soon")]
    assert (
        page(RECORD, MINUTES, segments, zone=ZONE)
        == f"""# Where to ship

2026-11-21 09:30–10:30, badge {DEVICE}, `m1`

*Written by a language model in part; the rest are key sentences.*

## Summary

- 1\\. \\<b\\>We\\</b\\> ship [1, 2]

## Decisions

none

## Action items

- [ ] Write it — Bob, due 2026-12-01 [2]
- [ ] Read it

## Open questions

- Who? [3]

## Not recorded

- 09:30:00–09:31:01: the badge was not connected
- 09:30:00: odd

## Not in these minutes

- Something.

## Transcript

- [1] 09:30:00 \\# we \\*ship\\*
- [2] 09:30:01 soon
"""
    )


def test_the_page_is_in_the_language_of_the_meeting() -> None:
    shown = page(RECORD, MINUTES, [Segment(number=1, ts=START, text="你好")], zone=ZONE)
    for words in ("## 摘要", "## 待办事项", "截止 2026-12-01", "设备未连接", "部分由语言模型撰写"):
        assert words in shown


def test_without_minutes_the_page_has_the_summary_so_far() -> None:
    shown = page(RECORD, None, [], so_far="We met.", holes=MINUTES.holes, zone=ZONE)
    assert "## Summary so far\n\nWe met.\n\n## Not recorded" in shown


@pytest.mark.parametrize(
    ("text", "shown"), [("- x", "\\- x"), ("12) x", "12\\) x"), ("a\n# b", "a \\# b"), ("2.5 is 2", "2.5 is 2"), ("\x07a", "a")]
)  # fmt: skip
def test_words_are_no_markup(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_minutes_are_stored_whole() -> None:
    assert json.loads(dumps(MINUTES))["actions"][0] == {
        "text": "Write it", "segments": [2], "owner": "Bob", "due": "2026-12-01"
    }  # fmt: skip

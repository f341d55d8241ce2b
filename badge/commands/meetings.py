"""`python -m badge meetings`: meetings and their minutes on the command line, whether or not the server runs."""

from __future__ import annotations

import argparse
import datetime
import json
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import trio
from attrs import frozen

from badge.clock import WallClock
from badge.config.team import StoreSettings
from badge.meetings.document import Minutes, document, loads
from badge.meetings.markdown import page, plain
from badge.meetings.rounds import read_checkpoint
from badge.storage.ports import MeetingStore, StoreError
from badge.storage.reading import read_only
from badge.storage.records import Hole, MeetingRecord, Segment

Write = Callable[[str], None]

LATEST = "latest"

SEARCHED = 1000
"""The newest meetings among which one is looked for by the first characters of its id."""

OFFERED = 5
"""Meetings that are named when the one that was asked for is not there."""


class _NotFoundError(Exception):
    """There is no such meeting; the message says which there are."""


@frozen(kw_only=True)
class _Found:
    """One meeting with all that is stored about it."""

    record: MeetingRecord
    segments: Sequence[Segment]
    holes: Sequence[Hole]

    @property
    def minutes(self) -> Minutes | None:
        return loads(self.record.minutes) if self.record.minutes else None

    @property
    def so_far(self) -> str:
        return read_checkpoint(self.record.checkpoint)[1]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `meetings` can be told."""
    actions = parser.add_subparsers(title="what to do", metavar="ACTION", required=True, dest="action")
    listing = actions.add_parser("list", help="the newest meetings")
    listing.add_argument("--limit", type=_count, default=20, metavar="N", help="how many (default: 20)")
    showing = actions.add_parser("show", help="minutes and transcript of one meeting")
    exporting = actions.add_parser("export", help="the same as a file")
    exporting.add_argument("--format", choices=("md", "json"), default="md", help="default: md")
    exporting.add_argument("--out", type=Path, metavar="FILE", help="where to (default: standard output)")
    for one in (showing, exporting):
        one.add_argument("meeting", metavar="ID", help="its id, or the beginning of it, or latest")
    for one in (listing, showing, exporting):
        one.add_argument("--device", metavar="D", help="only meetings of this badge")
        one.add_argument("--file", type=Path, metavar="FILE", help="where they are kept (default: store.file)")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a number from 1, not {text}")
    return int(text)


def run(args: argparse.Namespace, settings: StoreSettings, clock: WallClock, write: Write) -> int:
    """List, show or export; gives the exit status."""
    if args.file is None and settings.use == "memory":
        write("store.use is memory: meetings are forgotten when the server stops. Name a file with --file")
        return 2
    try:
        with read_only(args.file or Path(settings.file)) as stores:
            work = _list if args.action == "list" else _give
            return trio.run(partial(work, args, stores.meetings, clock.now().tzinfo, write))
    except (StoreError, _NotFoundError) as exc:
        write(str(exc))
        return 2


async def _list(args: argparse.Namespace, store: MeetingStore, zone: datetime.tzinfo | None, write: Write) -> int:
    records = await store.latest(device=args.device, limit=args.limit)
    if not records:
        write(f"no meetings of {args.device}" if args.device else "no meetings")
    for record in records:
        write(_line(record, zone))
    return 0


async def _give(args: argparse.Namespace, store: MeetingStore, zone: datetime.tzinfo | None, write: Write) -> int:
    record = await _find(args.meeting, args.device, store, zone)
    found = _Found(record=record, segments=await store.segments(record.id), holes=await store.holes(record.id))
    if args.action == "export" and args.format == "json":
        text = json.dumps(_whole(found), ensure_ascii=False, indent=2) + "\n"
    else:
        text = page(record, found.minutes, found.segments, so_far=found.so_far, holes=found.holes, zone=zone)
    if args.action == "show" or args.out is None:
        write(text.rstrip("\n"))
        return 0
    return _put(args.out, text, write)


def _whole(found: _Found) -> dict[str, Any]:
    """Everything about a meeting, for programs."""
    minutes = found.minutes
    return {
        "meeting": attrs.asdict(found.record, filter=attrs.filters.exclude("checkpoint", "minutes")),
        "minutes": None if minutes is None else document(minutes),
        "summary_so_far": found.so_far,
        "holes": [attrs.asdict(hole) for hole in found.holes],
        "segments": [attrs.asdict(segment) for segment in found.segments],
    }


async def _find(name: str, device: str | None, store: MeetingStore, zone: datetime.tzinfo | None) -> MeetingRecord:
    record = None if name == LATEST else await store.get(name)
    if record is not None and device in (None, record.device):
        return record
    known = await store.latest(device=device, limit=SEARCHED)
    matching = known[:1] if name == LATEST else [one for one in known if one.id.startswith(name)]
    if len(matching) == 1:
        return matching[0]
    whose = f" of {device}" if device else ""
    if not known:
        raise _NotFoundError(f"there are no meetings{whose}")
    if matching:
        offer, what = matching, f"{name}: {len(matching)} meetings{whose} begin like this; among them"
    else:
        near = get_close_matches(name, [one.id for one in known], n=OFFERED)
        offer = [one for one in known if one.id in near] or list(known)
        what = f"{name}: there is no such meeting{whose}; {'the nearest' if near else 'the latest'} are"
    raise _NotFoundError("\n".join([f"{what}:", *(_line(one, zone) for one in offer[:OFFERED])]))


def _line(record: MeetingRecord, zone: datetime.tzinfo | None) -> str:
    """A meeting in a line: id, beginning, minutes that it took, badge, state, size, title."""
    begun = datetime.datetime.fromtimestamp(record.started / 1000, zone)
    lasted = max(0, (record.ended or record.seen) - record.started) // 60_000
    state = "delivered" if record.delivered else record.state
    title = f"  {plain(loads(record.minutes).title)}" if record.minutes else ""
    return (
        f"{record.id}  {begun:%Y-%m-%d %H:%M}  {lasted:4d} min  {plain(record.device)}  {state:<11}  "
        f"{record.segments:5d} segments{title}"
    )


def _put(target: Path, text: str, write: Write) -> int:
    """Write a file as a whole or not at all."""
    beside = target.with_name(f"{target.name}.part")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(target)
    except (OSError, ValueError) as exc:
        write(f"{target}: cannot be written: {getattr(exc, 'strerror', None) or exc}; give another --out")
        return 2
    write(f"{target}: written")
    return 0

"""`python -m badge memory`: what is remembered of each badge, on the command line: to see, and to erase."""

from __future__ import annotations

import argparse
import datetime
import json
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import trio

from badge.boundary import leaves
from badge.clock import WallClock
from badge.config.team import StoreSettings
from badge.desk import RefusedError
from badge.edge.control import ControlError, ask, control_path
from badge.recall.erasing import erase, unknown
from badge.storage.ports import RecallStore, StoreError
from badge.storage.reading import read_only
from badge.storage.recollections import Part
from badge.storage.sqlite import SqliteStore
from protocol.identity import normalise

Write = Callable[[str], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `memory` can be told."""
    actions = parser.add_subparsers(title="what to do", metavar="ACTION", required=True, dest="action")
    listing = actions.add_parser("list", help="the badges of which something is remembered")
    showing = actions.add_parser("show", help="what is remembered of one badge")
    forgetting = actions.add_parser("forget", help="erase what is remembered of one badge")
    for one in (showing, forgetting):
        one.add_argument("device", metavar="DEVICE", help="its id")
    for one in (listing, showing):
        one.add_argument("--json", action="store_true", help="for programs")
        one.add_argument("--file", type=Path, metavar="FILE", help="where it is kept (default: store.file)")
    for one in (listing, showing, forgetting):  # wherever it is given
        one.add_argument("--config", type=Path, default=argparse.SUPPRESS, metavar="FILE", help=argparse.SUPPRESS)
    what = forgetting.add_mutually_exclusive_group()
    what.add_argument("--fact", metavar="ID", help="one fact, by the id that `show` gives")
    what.add_argument("--facts", action="store_true", help="all facts and summaries")
    what.add_argument("--exchanges", action="store_true", help="what was said lately; nothing more is learned of it")
    what.add_argument("--all", action="store_true", help="everything (the default)")


def run(args: argparse.Namespace, settings: StoreSettings, clock: WallClock, write: Write) -> int:
    """List, show or forget; gives the exit status."""
    if settings.use == "memory" and getattr(args, "file", None) is None:
        write("store.use is memory: what is remembered is forgotten when the server stops, and cannot be seen before")
        return 2
    status = 2
    try:
        status = _carry_out(args, settings, clock, write)
    except* (StoreError, RefusedError) as group:
        write(str(next(leaves(group))))
    return status


def _carry_out(args: argparse.Namespace, settings: StoreSettings, clock: WallClock, write: Write) -> int:
    if args.action == "forget":
        return _forget(args, settings, write)
    with read_only(args.file or Path(settings.file)) as stores:
        work = _list if args.action == "list" else _show
        return trio.run(partial(work, args, stores.recall, clock.now().tzinfo, write))


async def _list(args: argparse.Namespace, store: RecallStore, zone: datetime.tzinfo | None, write: Write) -> int:
    known = await store.devices()
    if args.json:
        write(json.dumps([attrs.asdict(one) for one in known], ensure_ascii=False, indent=2))
    elif not known:
        write("nothing is remembered of any badge")
    else:
        for one in known:
            write(f"{one.device}  {one.facts:4d} facts  {one.exchanges:4d} exchanges  last {_minute(one.latest, zone)}")
    return 0


async def _show(args: argparse.Namespace, store: RecallStore, zone: datetime.tzinfo | None, write: Write) -> int:
    device = normalise(args.device) or args.device
    facts, exchanges = await store.facts(device), await store.exchanges(device)
    pauses = await store.pauses(device)
    if not (facts or exchanges or pauses):
        raise RefusedError("unknown-device", unknown(device, await store.devices()))
    if args.json:
        hidden = attrs.filters.exclude("device", "vector")
        whole: dict[str, Any] = {
            "device": device,
            "facts": [attrs.asdict(fact, filter=hidden) for fact in facts],
            "exchanges": [attrs.asdict(one, filter=hidden) for one in exchanges],
            "pauses_s": list(pauses),
        }
        write(json.dumps(whole, ensure_ascii=False, indent=2))
        return 0
    write(f"{len(facts)} facts and summaries")
    for fact in facts:
        write(f"  {fact.id}  {_minute(fact.created, zone)}  {fact.kind:<7}  {_plain(fact.text)}")
    write(f"{len(exchanges)} exchanges")
    for one in exchanges:
        write(f"  {_minute(one.at, zone)}  {'' if one.read else '(not worked out yet)  '}{_plain(one.user)}")
        write(f"                    -> {_plain(one.answer)}")
    if pauses:
        write(f"pauses within sentences: {len(pauses)}, up to {max(pauses):.2f} s")
    return 0


def _forget(args: argparse.Namespace, settings: StoreSettings, write: Write) -> int:
    device = normalise(args.device) or args.device
    part: Part = "exchanges" if args.exchanges else "facts" if args.facts else "all"
    path = control_path(settings)
    if path is not None and path.exists():
        request = {"command": "forget", "device": device, "part": part, "fact": args.fact or ""}
        with suppress(ControlError):  # what a dead server has left there; one that lives holds the file as well
            answer = trio.run(ask, path, request)
            write(str(answer.get("message", "the server refused")))
            return 0 if answer.get("ok") is True else 2
    file = Path(settings.file).expanduser().absolute()
    if not file.is_file():
        raise StoreError(f"there is no {file}.", remedy="A server makes it when it starts; see store.file.")
    write(trio.run(_erase_ourselves, settings, device, part, args.fact or ""))
    return 0


async def _erase_ourselves(settings: StoreSettings, device: str, part: Part, fact: str) -> str:
    """Erase it while no server runs."""
    store = SqliteStore(settings)
    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        said = await erase(store.recall, device, part=part, fact=fact)
        nursery.cancel_scope.cancel("it is erased")
    return said


def _minute(at: int, zone: datetime.tzinfo | None) -> str:
    return f"{datetime.datetime.fromtimestamp(at / 1000, zone):%Y-%m-%d %H:%M}"


def _plain(text: str) -> str:
    """On one line, and without what a terminal would obey."""
    return "".join(character if character.isprintable() else " " for character in " ".join(text.split()))

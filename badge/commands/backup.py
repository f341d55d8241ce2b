"""`python -m badge backup`: copies of the store on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from badge.clock import WallClock
from badge.config.team import StoreSettings
from badge.storage.backup import backup, place
from badge.storage.ports import StoreError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `backup` can be told."""
    parser.add_argument(
        "target",
        nargs="?",
        type=Path,
        metavar="TARGET",
        help="a file that does not exist yet, or a folder for a file named by the time (default: the store's folder)",
    )
    parser.add_argument("--file", type=Path, metavar="FILE", help="what to copy (default: store.file)")


def run(args: argparse.Namespace, settings: StoreSettings, clock: WallClock, write: Callable[[str], None]) -> int:
    """Copy the store, whether or not a server is using it; gives the exit status."""
    if args.file is None and settings.use == "memory":
        write("store.use is memory: there is nothing to copy. Name a file with --file")
        return 2
    source: Path = (args.file or Path(settings.file)).expanduser().absolute()
    target = place((args.target or source.parent).expanduser().absolute(), source, clock)
    try:
        with tqdm(total=None, unit=" pages", leave=False, disable=None, delay=0.5) as bar:

            def show(copied: int, pages: int) -> None:
                bar.total = pages
                bar.update(copied - bar.n)

            backup(source, target, show)
    except StoreError as exc:
        write(str(exc))
        return 2
    write(f"{target}: {target.stat().st_size} bytes")
    write(
        f"To go back to it: stop the server, move {source}, {source.name}-wal and {source.name}-shm away, put it there"
    )
    return 0

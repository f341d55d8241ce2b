"""`python -m badge push`: have a badge say something."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import trio

from badge.config.team import StoreSettings
from badge.edge.control import ControlError, ask, control_path

_OUTCOMES = {
    "sent": "{device} says it as soon as it is free",
    "queued": "{device} gets it as a message when it comes",
    "delivered": "{device} has got it as a message",
    "heard": "{device} has heard it",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `push` can be told."""
    parser.add_argument("device", metavar="DEVICE", help="its id")
    parser.add_argument("text", metavar="TEXT", help="what it shall say")
    parser.add_argument(
        "--queue",
        action="store_true",
        help="leave it as a message when the device is not online, or takes no words now",
    )


def run(args: argparse.Namespace, settings: StoreSettings, write: Callable[[str], None]) -> int:
    """Ask the running server; gives the exit status."""
    path = control_path(settings)
    if path is None:
        write("store.use is memory: a server with such a store takes no commands")
        return 1
    try:
        answer = trio.run(ask, path, {"command": "push", "device": args.device, "text": args.text, "queue": args.queue})
    except ControlError as exc:
        write(str(exc))
        return 1
    if answer.get("ok") is not True:
        message = str(answer.get("message", "the server refused"))
        write(
            message + ("; --queue leaves it as a message" if answer.get("code") in ("offline", "not-announced") else "")
        )
        return 1
    write(_OUTCOMES.get(str(answer.get("fate")), "{device}: done").format(device=args.device))
    return 0

"""`python -m badge devices`: who belongs here, on the command line, whether or not the server runs."""

from __future__ import annotations

import argparse
import datetime
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import trio

from badge.clock import Ids, WallClock, milliseconds
from badge.config.settings import Settings
from badge.desk import RefusedError
from badge.edge.control import ControlError, NobodyThereError, ask, control_path
from badge.offices.operating import device_commands
from badge.offices.registry import Registry
from badge.peers.presence import Presence
from badge.storage.ports import StoreError
from badge.storage.sqlite import SqliteStore

Write = Callable[[str], None]


class _FailedError(Exception):
    """The command could not be carried out; the message says why, and what to do."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `devices` can be told."""
    actions = parser.add_subparsers(title="what to do", metavar="ACTION", required=True, dest="action")
    listing = actions.add_parser("list", help="all devices that are known, with the codes of those that wait")
    listing.add_argument("--json", action="store_true", help="for programs")
    binding = actions.add_parser("bind", help="let a badge in")
    binding.add_argument("device", metavar="CODE_OR_DEVICE", help="the code that it tells, or its id")
    binding.add_argument("--owner", metavar="NAME", help="whom it belongs to, for your own memory")
    unbinding = actions.add_parser("unbind", help="let a badge in no more")
    renaming = actions.add_parser("rename", help="call a badge by a name")
    for one in (unbinding, renaming):
        one.add_argument("device", metavar="DEVICE", help="its id")
    renaming.add_argument("name", metavar="NAME")
    for one in (listing, binding, unbinding, renaming):  # here, too
        one.add_argument("--config", type=Path, default=argparse.SUPPRESS, metavar="FILE", help=argparse.SUPPRESS)


def run(args: argparse.Namespace, settings: Settings, clock: WallClock, write: Write) -> int:
    """Carry out one command; gives the exit status."""
    request = {key: value for key in ("device", "owner", "name") if (value := getattr(args, key, None)) is not None}
    request["command"] = "devices" if args.action == "list" else args.action
    try:
        answer = trio.run(partial(_ask_or_do, request, settings, clock))
    except _FailedError as exc:
        write(str(exc))
        status = 1
    else:
        if args.action == "list":
            _list(answer, args, milliseconds(clock), clock.now().tzinfo, write)
        else:
            write(_outcome(args.action, answer["device"]))
        status = 0
    hint = _WITHOUT_CODES.get(settings.devices.binding)
    if hint is not None and (args.action == "bind" or (args.action == "list" and not args.json)):
        write(hint)
    return status


def _outcome(action: str, device: Mapping[str, Any]) -> str:
    """What has become of a device, in a line."""
    match action:
        case "bind":
            return f"{device['device']} is bound" + ("" if device["seen"] else "; it has not been here yet")
        case "unbind":
            return f"{device['device']} is not bound any more"
        case _:
            return f"{device['device']} " + (
                f"is called {device['name']}" if device["name"] else "has no name any more"
            )


_WITHOUT_CODES = {
    "open": 'every badge is served, bound or not, and none is written down: devices.binding is "open"',
    "console": 'the console decides who is served, as devices.binding is "console": bind badges there',
}


async def _ask_or_do(request: Mapping[str, Any], settings: Settings, clock: WallClock) -> Mapping[str, Any]:
    """Have the running server do it, which knows who is here; without one do it in its store."""
    path = control_path(settings.store)
    if path is None:
        raise _FailedError("store.use is memory: devices are forgotten when the server stops, and cannot be reached")
    try:
        answer = await ask(path, request)
    except NobodyThereError:
        return await _do(request, settings, clock)
    except ControlError as exc:
        raise _FailedError(str(exc)) from None
    if answer.get("ok") is not True:
        raise _FailedError(str(answer.get("message", "the server refused")))
    return answer


async def _do(request: Mapping[str, Any], settings: Settings, clock: WallClock) -> Mapping[str, Any]:
    store = SqliteStore(settings.store)
    registry = Registry(store=store.devices, settings=settings.devices, clock=clock, ids=Ids(), changed=lambda _: None)
    command = device_commands(registry, Presence(0))[request["command"]]
    failure, done = "", None
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(store.run)
            try:
                done = await command(request)
            except RefusedError as exc:
                failure = exc.message
            finally:
                nursery.cancel_scope.cancel("the command is over")
    except* StoreError as group:
        failure = str(group.exceptions[0])
    if done is None:
        raise _FailedError(failure)
    return done


def _list(
    answer: Mapping[str, Any], args: argparse.Namespace, now: int, zone: datetime.tzinfo | None, write: Write
) -> None:
    if args.json:
        write(json.dumps(answer["devices"], ensure_ascii=False, indent=2))
        return
    if not answer["devices"]:
        write("no badge is known yet")
    width = max((len(device["device"]) for device in answer["devices"]), default=0)
    for device in answer["devices"]:
        write(_line(device, now, zone, width))
    if answer["count"] > len(answer["devices"]):
        write(f"… {answer['count'] - len(answer['devices'])} more")


def _line(device: Mapping[str, Any], now: int, zone: datetime.tzinfo | None, width: int) -> str:
    """A device in a line: id, how it stands, when it was seen, name and owner."""
    waits = device["code"] and device["expires"] > now
    standing = "bound" if device["bound"] else f"code {device['code']}" if waits else "not bound"
    seen = (
        f"{datetime.datetime.fromtimestamp(device['seen'] / 1000, zone):%Y-%m-%d %H:%M}" if device["seen"] else "never"
    )
    again = f"  another client waits with code {device['code']}" if device["bound"] and waits else ""
    online = "online" if device["online"] else ""
    words = (
        f"{device['device']:<{width}}",
        f"{standing:<11}",
        f"{seen:<16}",
        f"{online:<6}",
        device["name"],
        device["owner"],
    )
    return "  ".join(words).rstrip() + again

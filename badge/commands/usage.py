"""`python -m badge usage`: what language models have cost since the server was started."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import trio

from badge.config.team import StoreSettings
from badge.edge.control import ControlError, ask, control_path

_SUMS = ("answers", "prompt", "answer", "cost")
_HEAD = ("device", "purpose", "answers", "tokens in", "tokens out", "cost")


def run(settings: StoreSettings, write: Callable[[str], None]) -> int:
    """Ask the running server; gives the exit status."""
    path = control_path(settings)
    if path is None:
        write("store.use is memory: a server with such a store takes no commands")
        return 1
    try:
        reply = trio.run(ask, path, {"command": "usage"})
    except ControlError as exc:
        write(str(exc))
        return 1
    devices = reply.get("devices")
    if reply.get("ok") is not True or not isinstance(devices, dict):
        write(str(reply.get("message", "the server refused")))
        return 1
    for line in table(devices):
        write(line)
    return 0


def table(devices: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[str]:
    """One line for each device and purpose, and the sum of all; what it has cost only where prices are configured."""
    rows = [
        [device or "(others)", purpose, *(spent[key] for key in _SUMS)]
        for device, purposes in devices.items()
        for purpose, spent in sorted(purposes.items())
    ]
    sums = [sum(row[column] for row in rows) for column in range(2, len(_HEAD))]
    lines = [_HEAD, *([*row[:-1], f"{row[-1]:.4f}"] for row in [*rows, ["all", "", *sums]])]
    columns = len(_HEAD) if sums[-1] else len(_HEAD) - 1
    width = max(len(line[0]) for line in lines)
    form = (f"{{:<{width}}}", "{:<8}", "{:>9}", "{:>11}", "{:>11}", "{:>11}")
    return ["  ".join(form[:columns]).format(*line) for line in lines]

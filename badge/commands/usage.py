"""`python -m badge usage`: what language models have cost since the server was started."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import trio

from badge.config.team import StoreSettings
from badge.edge.control import ControlError, ask, control_path

_HEAD = ("answers", "prompt", "answer")


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


def table(devices: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """One line for each device, and the sum of all."""
    rows = [(device or "(others)", *(spent[key] for key in _HEAD)) for device, spent in devices.items()]
    total = ("all", *(sum(spent[key] for spent in devices.values()) for key in _HEAD))
    width = max(len(row[0]) for row in [*rows, total, ("device",)])
    lines = [("device", "answers", "tokens in", "tokens out"), *rows, total]
    return [f"{name:<{width}}  {answers:>9}  {prompt:>10}  {answer:>10}" for name, answers, prompt, answer in lines]

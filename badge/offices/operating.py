"""What the operator can ask of a running server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import attrs

from badge.desk import RefusedError
from badge.llms.ledger import Ledger
from badge.offices.post import PostOffice
from badge.offices.registry import Registry
from badge.peers.presence import Presence
from badge.storage.registry import DeviceRecord

MOST_SHOWN = 1000
"""Device ids in one answer."""

MOST_BILLED = 500
"""Devices in one answer about costs: each has several sums, and an answer has a bound."""


Command = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]


def operator_commands(post: PostOffice, presence: Presence, ledger: Ledger) -> dict[str, Command]:
    """The commands by name: push, status and usage."""

    async def push(request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Say `text` on `device`; with `queue`, leave it as a letter when it cannot be said now."""
        device, text = request.get("device"), request.get("text")
        if not isinstance(device, str) or not isinstance(text, str):
            raise RefusedError("bad-request", "push needs a device and a text")
        try:
            return {"fate": await post.push(device, text)}
        except RefusedError as exc:
            refusal = exc
        if refusal.code in ("offline", "not-announced") and request.get("queue") is True:
            return {"fate": await post.leave(device, text)}
        raise RefusedError(refusal.code, refusal.message + (f"; {_who(presence)}" if refusal.code == "offline" else ""))

    async def status(_: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ASYNC124 - a command
        """Who is here."""
        online = presence.online()
        return {"count": len(online), "online": online[:MOST_SHOWN]}

    async def usage(_: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ASYNC124 - a command
        """What language models have cost since the server was started: by device and purpose, the device that asked last
        first; under the empty name what belongs to none of those that are shown."""
        shown = ledger.by_device(MOST_BILLED)
        return {
            "devices": {
                device: {str(purpose): attrs.asdict(spent) for purpose, spent in purposes.items()}
                for device, purposes in shown.items()
            }
        }

    return {"push": push, "status": status, "usage": usage}


def device_commands(registry: Registry, presence: Presence) -> dict[str, Command]:
    """The commands about devices by name: devices, bind, unbind, rename."""

    def shown(record: DeviceRecord) -> Mapping[str, Any]:
        return {"device": {**attrs.asdict(record), "online": presence.is_online(record.device)}}

    async def devices(_: Mapping[str, Any]) -> Mapping[str, Any]:
        """All devices that are known."""
        known = await registry.known()
        return {"devices": [shown(record)["device"] for record in known[:MOST_SHOWN]], "count": len(known)}

    async def bind(request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Bind the `device` with this id or code."""
        owner = request.get("owner")
        return shown(await registry.bind(_named(request), owner if isinstance(owner, str) else None))

    async def unbind(request: Mapping[str, Any]) -> Mapping[str, Any]:
        """The `device` belongs to nobody any more."""
        return shown(await registry.unbind(_named(request)))

    async def rename(request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Call the `device` by this `name`."""
        name = request.get("name")
        if not isinstance(name, str):
            raise RefusedError("bad-request", "a name is missing")
        return shown(await registry.rename(_named(request), name))

    return {"devices": devices, "bind": bind, "unbind": unbind, "rename": rename}


def _named(request: Mapping[str, Any]) -> str:
    device = request.get("device")
    if not isinstance(device, str):
        raise RefusedError("bad-request", "a device is missing")
    return device


def _who(presence: Presence) -> str:
    online = presence.online()
    shown = ", ".join(online[:20]) + (", …" if len(online) > 20 else "")
    return f"online: {shown}" if online else "nobody is online"

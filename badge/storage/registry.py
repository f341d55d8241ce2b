"""Who belongs here, and what becomes of it: pure, from what is known of a device to what is known then."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from attrs import field, frozen

CODE_DIGITS = 6


@frozen(kw_only=True)
class DeviceRecord:
    """What is known of one device. Times are ms since the epoch.

    A bound device belongs to somebody, together with the client id that it came with (`client`; empty until it comes).
    One that is not bound, or comes with another client id (`asking`), waits to be bound by its code.
    """

    device: str
    name: str = ""
    owner: str = ""
    """whom it belongs to, in the operator's words"""
    bound: bool = False
    client: str = ""
    asking: str = ""
    code: str = ""
    """empty when nobody waits to be bound"""
    expires: int = 0
    """of the code"""
    serial: str = ""
    first: int = 0
    seen: int = 0

    def admits(self, client: str) -> bool:
        """Whether the device is served when it comes with this client id."""
        return self.bound and self.client in ("", client)

    def waits(self, client: str, now: int) -> bool:
        """Whether there is a code for it that is still good."""
        return bool(self.code) and self.expires > now and self.asking == client


@frozen(kw_only=True)
class Visit:
    """A device came at a time (ms since the epoch). A code that it needs is the first of `codes` that is free; without any it
    gets none."""

    device: str
    client: str
    serial: str = ""
    at: int
    codes: Sequence[str] = field(default=(), repr=False)
    expires: int = 0
    """of the code"""


@frozen(kw_only=True)
class DeviceEdit:
    """What shall be different about a device; None: as it is. `client`: bound together with this client id."""

    bound: bool | None = None
    client: str | None = None
    name: str | None = None
    owner: str | None = None


SEEN_EVERY = 60_000
"""Ms after which it is noted again that a device is here: a badge that waits asks every 3 s."""


def needs_code(known: DeviceRecord | None, client: str, now: int) -> bool:
    """Whether a device has to be given a code."""
    return known is None or not (known.admits(client) or known.waits(client, now))


def visited(known: DeviceRecord | None, visit: Visit, code: str) -> DeviceRecord:
    """What is known after a visit; `code` is the new one, where the device needs one and there is one."""
    record = known or DeviceRecord(device=visit.device, first=visit.at, seen=visit.at)
    if visit.at - record.seen >= SEEN_EVERY:
        record = attrs.evolve(record, seen=visit.at)
    if visit.serial and visit.serial != record.serial:
        record = attrs.evolve(record, serial=visit.serial)
    if record.admits(visit.client):
        return record if record.client else attrs.evolve(record, client=visit.client)
    if needs_code(record, visit.client, visit.at):
        return attrs.evolve(record, code=code, expires=visit.expires if code else 0, asking=visit.client)
    return record


def edited(known: DeviceRecord | None, device: str, edit: DeviceEdit, at: int) -> DeviceRecord:
    """What is known after the operator changed something; binding and unbinding use the code up."""
    record = known or DeviceRecord(device=device, first=at, seen=0)
    wanted = attrs.asdict(edit)
    record = attrs.evolve(record, **{name: value for name, value in wanted.items() if value is not None})
    if edit.bound is None:
        return record
    client = record.client if edit.bound else ""
    return attrs.evolve(record, code="", expires=0, asking="", client=client)

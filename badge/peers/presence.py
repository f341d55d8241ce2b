"""Who is present: one resident per device, the newest connection, and nothing else knows who is online."""

from __future__ import annotations

import trio
from attrs import field, frozen

from badge import texts
from badge.dialogue import Dialogue
from badge.link import Mailbox
from badge.log import get_log

log = get_log(__name__)


PER_DEVICE = 3
"""Connections that one device may have, those included that have given way and are about to close."""


class HouseFullError(Exception):
    """There is no room for another connection; the message says whose limit it is."""


@frozen(eq=False)
class Resident:
    """One connection as others see it: where to reach it, and what moves on with the device."""

    mailbox: Mailbox
    dialogue: Dialogue = field(repr=False)


class Presence:
    """The registry of devices. Every method is synchronous: no one ever waits for another badge's socket here."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._residents: dict[str, Resident] = {}
        self._superseded: dict[str, list[Resident]] = {}
        self._version = 0
        self._news = trio.Event()

    def enter(self, device: str, mailbox: Mailbox, dialogue: Dialogue) -> tuple[Resident, Mailbox | None]:
        """Register the newest connection of a device: its resident, and the mailbox that it replaces.

        `dialogue` is still empty: it goes on from what was said in the replaced connection. The caller retires the
        replaced one. Raises `HouseFullError` for a new device beyond the capacity, and for a device that connects faster
        than its connections close.
        """
        previous = self._residents.get(device)
        if previous is not None and 1 + len(self._superseded.get(device, ())) >= PER_DEVICE:
            raise HouseFullError(f"{PER_DEVICE} connections of this device are open, which is the limit")
        if previous is None and len(self._residents) >= self._capacity:
            raise HouseFullError(f"{self._capacity} devices are connected, which is the limit (limits.connections)")
        if previous is not None:
            log.warning(texts.LOG_TAKEOVER, device=device)
            self._superseded.setdefault(device, []).append(previous)
            dialogue.resume(previous.dialogue)
        resident = Resident(mailbox, dialogue)
        self._residents[device] = resident
        log.info(texts.LOG_REGISTERED, device=device)
        self._announce()
        return resident, previous.mailbox if previous else None

    def leave(self, device: str, resident: Resident) -> bool:
        """Unregister and erase the dialogue, if this very connection is the registered one; otherwise change nothing."""
        if self._residents.get(device) is not resident:
            self._forget_superseded(device, resident)
            return False
        del self._residents[device]
        resident.dialogue.forget()
        log.info(texts.LOG_UNREGISTERED, device=device)
        self._announce()
        return True

    def _forget_superseded(self, device: str, resident: Resident) -> None:
        waiting = [other for other in self._superseded.get(device, ()) if other is not resident]
        if waiting:
            self._superseded[device] = waiting
        else:
            self._superseded.pop(device, None)

    def find(self, device: str) -> Mailbox | None:
        """Where to reach a device; None when it is not here."""
        resident = self._residents.get(device)
        return resident.mailbox if resident else None

    def is_online(self, device: str) -> bool:
        """Whether the device is here."""
        return device in self._residents

    def online(self) -> list[str]:
        """Ids of all devices, in order of their arrival."""
        return list(self._residents)

    def others(self, device: str) -> dict[str, Mailbox]:
        """Everybody but this device."""
        return {other: resident.mailbox for other, resident in self._residents.items() if other != device}

    def everyone(self) -> list[Mailbox]:
        """Every mailbox."""
        return [resident.mailbox for resident in self._residents.values()]

    def __len__(self) -> int:
        return len(self._residents)

    @property
    def version(self) -> int:
        """Grows by one with every arrival and departure."""
        return self._version

    async def changed(self, since: int) -> int:
        """Wait until the version is no longer `since`; gives the new one."""
        while self._version == since:
            await self._news.wait()
        return self._version

    def _announce(self) -> None:
        self._version += 1
        self._news.set()
        self._news = trio.Event()

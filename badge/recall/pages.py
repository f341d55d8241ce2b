"""What is still to be written down: one device's after the other's, and each device's in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

import trio
from attrs import define, field

from badge.boundary import boundary
from badge.log import get_log
from badge.storage.ports import StoreError

log = get_log(__name__)

MOST = 100
"""Entries of one device that wait; one more drops the oldest."""

ATTEMPTS = 3
RETRY = 2.0
"""How often the store is asked to take an entry, and the seconds in between; then the entry is lost."""

Write = Callable[[], Awaitable[object]]


@define(eq=False)
class _Page:
    entries: deque[Write] = field(factory=deque)
    done: trio.Event = field(factory=trio.Event)


class Pages:
    """The pages of all devices. A page is there only while something waits on it; a device whose entries fail delays no other."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._pages: dict[str, _Page] = {}
        self.lost = 0
        """entries that were dropped, or that the store did not take"""

    def put(self, device: str, write: Write) -> None:
        """Have this written after what waits for the device."""
        page = self._pages.get(device)
        if page is None:
            page = self._pages[device] = _Page()
            self._nursery.start_soon(self._work, device, page)
        if len(page.entries) >= MOST:
            page.entries.popleft()
            self._lose(device, "overload")
        page.entries.append(write)

    async def settled(self, device: str) -> None:
        """Wait until everything that was put there for a device is written, or lost."""
        if (page := self._pages.get(device)) is not None:
            await page.done.wait()

    async def all_settled(self) -> None:
        """The same for all devices."""
        while self._pages:
            await self.settled(next(iter(self._pages)))

    @property
    def waiting(self) -> int:
        """Entries that are not written yet."""
        return sum(len(page.entries) for page in self._pages.values())

    async def _work(self, device: str, page: _Page) -> None:
        try:
            while page.entries:
                write = page.entries[0]
                written = await self._attempt(write)
                if page.entries and page.entries[0] is write:  # otherwise it was dropped, and counted
                    page.entries.popleft()
                    if not written:
                        self._lose(device, "not-stored")
        finally:
            del self._pages[device]
            page.done.set()

    async def _attempt(self, write: Write) -> bool:
        for attempt in range(ATTEMPTS):
            if attempt:
                await trio.sleep(RETRY)
            with boundary("writing down", log):
                try:
                    await write()
                except StoreError as exc:
                    log.warning("not written down", detail=exc.detail, attempt=attempt + 1)
                else:
                    return True
        return False

    def _lose(self, device: str, reason: str) -> None:
        self.lost += 1
        log.warning("memory lost", device=device, reason=reason)

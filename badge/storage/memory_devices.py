"""Who belongs here, for a store that forgets everything when the process ends."""

from __future__ import annotations

from trio.lowlevel import checkpoint

from badge.storage.registry import DeviceEdit, DeviceRecord, Visit, edited, needs_code, visited


class MemoryDevices:
    """A `DeviceStore`."""

    def __init__(self) -> None:
        self._devices: dict[str, DeviceRecord] = {}
        self._spoken: dict[str, tuple[str, int]] = {}

    async def get(self, device: str) -> DeviceRecord | None:
        """What is known of a device."""
        await checkpoint()
        return self._devices.get(device)

    async def of_code(self, code: str, *, now: int) -> DeviceRecord | None:
        """The device that waits with this code."""
        await checkpoint()
        return self._waiting(code, now)

    async def known(self, *, limit: int = 1_000_000) -> tuple[DeviceRecord, ...]:
        """All devices, those that were seen last first."""
        await checkpoint()
        return tuple(sorted(self._devices.values(), key=lambda one: (-one.seen, one.device))[:limit])

    async def visit(self, visit: Visit, *, most: int) -> DeviceRecord:
        """A device came."""
        await checkpoint()
        known, code = self._devices.get(visit.device), ""
        if needs_code(known, visit.client, visit.at):
            code = next((one for one in visit.codes if self._waiting(one, visit.at) is None), "")
            if not code and known is None:
                return visited(None, visit, "")
            if known is None:
                self._make_room(most)
        record = self._devices[visit.device] = visited(known, visit, code)
        return record

    async def edit(self, device: str, edit: DeviceEdit, *, now: int) -> DeviceRecord:
        """The operator changes something."""
        await checkpoint()
        record = self._devices[device] = edited(self._devices.get(device), device, edit, now)
        return record

    async def speak(self, device: str, day: str, characters: int) -> int:
        """So many characters were spoken on this day."""
        await checkpoint()
        then, before = self._spoken.get(device, (day, 0))
        total = characters + (before if then == day else 0)
        self._spoken[device] = (day, total)
        return total

    def _waiting(self, code: str, now: int) -> DeviceRecord | None:
        return next((one for one in self._devices.values() if code and one.code == code and one.expires > now), None)

    def _make_room(self, most: int) -> None:
        unbound = sorted((one.seen, one.device) for one in self._devices.values() if not one.bound)
        for _, device in unbound[: max(0, len(unbound) - most + 1)]:
            del self._devices[device]

"""Which meetings there are."""

from __future__ import annotations

from collections.abc import Iterator

from badge.meetings.meeting import Meeting


class Register:
    """The meetings that are not finalised: of each device the newest one, which may go on, and older ones that are being
    ended."""

    def __init__(self) -> None:
        self._by_device: dict[str, list[Meeting]] = {}

    def add(self, meeting: Meeting) -> None:
        """The newest one of its device."""
        self._by_device.setdefault(meeting.record.device, []).append(meeting)

    def remove(self, meeting: str) -> None:
        """It is finalised, or could not begin."""
        for device, meetings in list(self._by_device.items()):
            left = [one for one in meetings if one.record.id != meeting]
            if left:
                self._by_device[device] = left
            else:
                del self._by_device[device]

    def newest(self, device: str) -> Meeting | None:
        """The one that a device is in, or has just ended."""
        return next(reversed(self._by_device.get(device, [])), None)

    def hearing(self, device: str) -> Meeting | None:
        """The one that words belong to: while the end of one is awaited, that one, though the next may have begun."""
        meetings = self._by_device.get(device, [])
        return next((one for one in meetings if one.state == "finalising"), self.newest(device))

    def __iter__(self) -> Iterator[Meeting]:
        return iter([meeting for meetings in self._by_device.values() for meeting in meetings])

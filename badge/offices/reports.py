"""Reports: what was said goes to the console, in the order of each connection, and delays nobody."""

from __future__ import annotations

from collections import deque
from typing import Any, Literal

import trio
from attrs import field, frozen

from badge.boundary import boundary
from badge.console.calling import Console, ConsoleError
from badge.log import get_log
from badge.offices.wav import wav_of
from providers.ports import well_formed

log = get_log(__name__)

REPORT = "/agent/chat-history/report"

WITHIN = 10.0
"""Seconds that one attempt may take."""

PAUSES = (0.5, 2.0, 5.0)
"""Seconds before each further attempt; after the last one the item is given up."""

MOST_BYTES = 32 * 1_048_576
"""Of sound that waits, as text; beyond it items go out without their sound."""

AT_ONCE = 16
"""Reports that are under way at one time, each with its sound; the rest of the calls is for those who wait for an answer."""

DECODERS = 2

CHAT_TYPES = {"user": 1, "agent": 2, "tool": 3}


@frozen(kw_only=True)
class Item:
    """One thing that was said, in one connection of a device."""

    device: str
    session: str
    kind: Literal["user", "agent", "tool"]
    text: str = field(repr=False)
    audio: str = field(repr=False)
    at: int


class Reports:
    """A `ReportDesk`. Items of one connection go out one after the other, those of up to `AT_ONCE` connections at the same time. When too
    many items wait, the oldest of all make room."""

    def __init__(self, console: Console, *, most: int) -> None:
        self._console = console
        self._most = most
        self._items: dict[int, Item] = {}  # by number, the oldest first
        self._queues: dict[tuple[str, str], deque[int]] = {}
        self._number = 0
        self._turns = trio.CapacityLimiter(AT_ONCE)
        self._decoders = trio.CapacityLimiter(DECODERS)
        self._nursery: trio.Nursery | None = None
        self._idle = trio.Event()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Report until cancelled."""
        async with trio.open_nursery() as self._nursery:
            task_status.started()
            await trio.sleep_forever()

    async def settle(self) -> None:
        """Wait until everything that was told so far has been reported, or given up."""
        while self._queues:
            self._idle = trio.Event()
            await self._idle.wait()

    def report(
        self, device: str, session: str, kind: Literal["user", "agent", "tool"], text: str, audio: str, at: int
    ) -> None:
        """Something was said."""
        if self._nursery is None:
            return
        if audio and sum(len(item.audio) for item in self._items.values()) + len(audio) > MOST_BYTES:
            log.warning("a report goes out without its sound: too much waits", device=device)
            audio = ""
        if len(self._items) >= self._most:
            oldest = self._items.pop(next(iter(self._items)))
            log.warning("a report is dropped: too many wait", device=oldest.device, most=self._most)
        self._number += 1
        self._items[self._number] = Item(device=device, session=session, kind=kind, text=text, audio=audio, at=at)
        queue = self._queues.get((device, session))
        if queue is None:
            queue = self._queues[device, session] = deque()
            self._nursery.start_soon(self._serve, device, session)
        queue.append(self._number)

    async def _serve(self, device: str, session: str) -> None:
        """Report what one connection says, until nothing waits."""
        queue = self._queues[device, session]
        try:
            while queue:
                async with self._turns:
                    item = self._items.pop(queue.popleft(), None)
                    if item is not None:
                        with boundary("report", log):
                            await self._deliver(item)
        finally:
            del self._queues[device, session]
            self._idle.set()

    async def _deliver(self, item: Item) -> None:
        sound = await trio.to_thread.run_sync(wav_of, item.audio, limiter=self._decoders) if item.audio else None
        body: dict[str, Any] = {
            "macAddress": item.device,
            "sessionId": item.session,
            "chatType": CHAT_TYPES[item.kind],
            "content": well_formed(item.text),
            "reportTime": item.at,
            "audioBase64": sound,
        }
        for pause in (*PAUSES, None):
            try:
                answer = await self._console.call(REPORT, body, within=WITHIN)
            except ConsoleError as exc:
                reason = str(exc)
            else:
                if answer["code"] != 0:  # it has understood, and does not want it
                    log.warning("the console refuses a report", device=item.device, code=answer["code"])
                return
            if pause is not None:
                await trio.sleep(pause)
        log.warning("a report is given up", device=item.device, reason=reason)

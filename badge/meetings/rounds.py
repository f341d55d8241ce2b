"""What is done from time to time while a meeting goes on: snippets for the badge, and summaries so far."""

from __future__ import annotations

import json
from functools import partial

import trio

from badge.boundary import boundary
from badge.log import get_log
from badge.meetings.book import Book
from badge.meetings.parts import Parts
from badge.meetings.room import Room
from badge.meetings.snippets import SEGMENTS, as_sent, first_of
from badge.storage.ports import StoreError
from protocol.outbound import MeetingSnippet

log = get_log(__name__)

SNIPPETS = 4
"""Snippets that are sent at one time; what is more waits for the next, so that the badge can read them."""


class Rounds:
    """The rounds of one meeting."""

    def __init__(self, room: Room, book: Book) -> None:
        self._room = room
        self._book = book

    async def run(self, scope: trio.CancelScope) -> None:
        """Both kinds, until the scope is cancelled; the time between two is looked up before each."""
        with scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._push_for_ever)
                nursery.start_soon(self._sum_up_for_ever)

    async def push(self) -> None:
        """Send what the badge has not been sent; what cannot be sent waits."""
        with boundary("snippet", log):
            try:
                for _ in range(SNIPPETS):
                    if not await self._push_one():
                        return
            except StoreError as exc:
                log.warning("no snippet", meeting=self._book.record.id, error=exc.detail)

    async def _push_for_ever(self) -> None:
        while True:
            await trio.sleep(self._room.settings().push_interval_ms / 1000)
            await self.push()

    async def _push_one(self) -> bool:
        record = self._book.record
        if record.pushed >= record.segments or not self._room.courier.is_near(record.device):
            return False
        waiting = await self._room.store.segments(record.id, after=record.pushed, limit=SEGMENTS)
        segments = first_of(waiting)
        message = MeetingSnippet(
            sessionId=self._book.session, meetingId=record.id, index=record.pushes, segments=as_sent(segments)
        )
        if not segments or not self._room.courier.snippet(record.device, message):
            return False
        self._book.update(pushed=segments[-1].number, pushes=record.pushes + 1)
        return True

    async def _sum_up_for_ever(self) -> None:
        while True:
            await trio.sleep(self._room.settings().checkpoint_interval_s)
            self._book.update(seen=self._room.now())
            with boundary("checkpoint", log):
                try:
                    await self._sum_up()
                except StoreError as exc:
                    log.warning("no summary so far", meeting=self._book.record.id, error=exc.detail)

    async def _sum_up(self) -> None:
        record = self._book.record
        until, so_far = read_checkpoint(record.checkpoint)
        page = partial(self._room.page, record.id)
        segments = await Parts(page, self._room.settings().part_chars, after=until).next()
        if not segments:
            return
        summary = await self._room.writer.checkpoint(so_far, segments, self._book.session, record.device)
        if summary:
            self._book.update(checkpoint=json.dumps([segments[-1].number, summary], ensure_ascii=False))
            log.info("checkpoint", meeting=record.id, segments=segments[-1].number, size=len(summary))


def read_checkpoint(text: str) -> tuple[int, str]:
    """The number of the last segment that a summary so far is about, and the summary."""
    if not text:
        return 0, ""
    until, summary = json.loads(text)
    return int(until), str(summary)

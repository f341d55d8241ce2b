"""The book of a meeting while the store takes its time: what changes meanwhile is stored, too."""

from __future__ import annotations

from typing import Any

import trio

from badge.meetings.backlog import WAITING, Backlog, Words
from badge.meetings.book import Book
from badge.storage.memory import MemoryMeetings
from badge.storage.records import Hole, MeetingRecord

RECORD = MeetingRecord(id="m", device="d", started=1)


class Slow(MemoryMeetings):
    """Takes a second for everything."""

    async def save(self, meeting: MeetingRecord) -> None:
        await super().save(meeting)
        await trio.sleep(1)

    async def add(self, meeting: str, **what: Any) -> int:
        await trio.sleep(1)
        return await super().add(meeting, **what)


async def test_what_changes_while_it_is_stored_is_stored_after(autojump_clock: object) -> None:
    store = Slow()
    book = Book(store, RECORD)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(book.run)
        book.update(pushes=1)
        await trio.sleep(0.5)
        book.update(pushes=2)
        await book.settled()
        assert (await store.get("m")).pushes == 2  # type: ignore[union-attr]
        nursery.cancel_scope.cancel()


async def test_it_is_settled_only_when_all_is_stored(autojump_clock: object) -> None:
    store = Slow()
    book = Book(store, RECORD)
    book.write(Words("one", 1))
    book.write(Words("two", 2))
    assert book.pending == 2
    async with trio.open_nursery() as nursery:
        nursery.start_soon(book.run)
        await trio.sleep(1.5)
        assert book.pending == 2  # one is stored, and not pushed; the other waits
        await book.settled()
        assert [segment.text for segment in await store.segments("m")] == ["one", "two"]
        assert book.record.segments == 2
        nursery.cancel_scope.cancel()


def test_a_hole_that_grows_while_it_is_stored_is_stored_again() -> None:
    backlog = Backlog()
    for number in range(WAITING + 2):
        backlog.put(Words("word", number))
    hole = backlog.first
    assert hole == Hole(since=WAITING, until=WAITING + 1, reason="overload")
    assert not backlog.give_up()  # that something is lost is never given up
    backlog.put(Words("word", WAITING + 5))
    backlog.done(hole)
    grown = backlog.first
    assert grown == Hole(since=WAITING, until=WAITING + 5, reason="overload")
    backlog.done(grown)
    assert (backlog.first, len(backlog), backlog.words) == (Words("word", 0), WAITING, WAITING)


def test_what_can_never_be_stored_makes_one_hole() -> None:
    backlog = Backlog()
    for at in (5, 9):
        backlog.put(Words("poison", at))
    backlog.put(Words("fine", 11))
    assert backlog.give_up()
    backlog.done(backlog.first)
    assert backlog.give_up()
    hole = backlog.first
    assert hole == Hole(since=9, until=9, reason="not-stored")
    backlog.done(hole)
    assert (backlog.first, backlog.words) == (Words("fine", 11), 1)

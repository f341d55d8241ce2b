"""Who writes down what became of letters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

import trio
from attrs import frozen

from badge.boundary import boundary
from badge.log import get_log
from badge.offices.backlog import Key
from badge.storage.ports import MailStore, StoreError

log = get_log(__name__)

MOST_HEARD = 1000
"""Notes that wait about what one device has heard; more are not taken. What a badge claims has no end, while only so many
letters are on their way at once."""

RETRY = 5.0
"""Seconds until a store that failed is asked again."""


@frozen
class _Note:
    key: Key
    heard: bool
    then: Callable[[bool], None]


class Marks:
    """Marks letters in the store, all that came up while it wrote the last ones at once."""

    def __init__(self, mail: MailStore) -> None:
        self._mail = mail
        self._notes: defaultdict[str, list[_Note]] = defaultdict(list)
        self._work = trio.Event()

    def note(self, device: str, key: Key, then: Callable[[bool], None], *, heard: bool = False) -> None:
        """A letter of a device was delivered, or heard; `then` is told whether that was news, once it is written."""
        notes = self._notes[device]
        if not heard or len(notes) < MOST_HEARD:
            notes.append(_Note(key, heard, then))
            self._work.set()

    async def run(self) -> None:
        """Write until cancelled. What was not yet written then is delivered once more, some other time."""
        while True:
            await self._work.wait()
            self._work = trio.Event()
            notes, self._notes = self._notes, defaultdict(list)
            async with trio.open_nursery() as nursery:  # the store writes all of it together
                for device, some in notes.items():
                    nursery.start_soon(self._write, device, some)

    async def _write(self, device: str, notes: list[_Note]) -> None:
        with boundary("marks on letters", log):
            await self._write_both(device, notes)

    async def _write_both(self, device: str, notes: list[_Note]) -> None:
        for heard in (False, True):
            some = [note for note in notes if note.heard is heard]
            if some:
                news = await self._mark(device, dict.fromkeys(note.key for note in some), heard=heard)
                for note in some:
                    note.then(note.key in news)
                    news.discard(note.key)

    async def _mark(self, device: str, keys: Iterable[Key], *, heard: bool) -> set[Key]:
        while True:
            try:
                return set(await self._mail.mark(device, tuple(keys), heard=heard))
            except StoreError as exc:
                log.warning("letters are not marked", device=device, error=str(exc), retry_s=RETRY)
            await trio.sleep(RETRY)

"""Letters on their way to one connection of a device."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

import trio
from attrs import define, field

from badge.boundary import boundary
from badge.link import Mailbox
from badge.log import get_log
from badge.offices.backlog import Backlog, Key
from badge.storage.records import Letter, Waiting
from protocol.codec import encode_text
from protocol.outbound import PeerMessage

log = get_log(__name__)

WINDOW = 32
"""Letters that may be on their way to a badge at once; more follow when it has proved that it reads."""

RETRY = 5.0
"""Seconds until a store that failed is asked again."""


class Outcomes(Protocol):
    """Who hears what becomes of letters. Every call is synchronous."""

    def handed_over(self, letter: Letter, carrier: Carrier) -> None:
        """It is on its way."""

    def arrived(self, letter: Letter, then: Callable[[bool], None]) -> None:
        """The badge has it: write that down, then say whether this was new."""

    def lost(self, letter: Letter, carrier: Carrier) -> None:
        """It may never have reached the badge."""


@define
class _Look:
    """What is known about the last look at what waits."""

    full: bool = False
    """more waits, maybe, than may be on its way at once"""
    settled: set[Key] = field(factory=set)
    """what has been settled since it began"""


class _Work:
    """Looks that are wanted, one after the other, by a task that is there only meanwhile: most badges get no mail, and
    each of them has one of these."""

    def __init__(self, spawn: Callable[[Callable[[], Awaitable[None]]], None]) -> None:
        self._spawn = spawn
        self._wanted: list[trio.Event] = []  # the first one is under way
        self._scope: trio.CancelScope | None = None
        self._over = False

    def add(self, look: Callable[[], Awaitable[None]]) -> trio.Event:
        """Have a look after the one that is under way; the event is set when it is done, or will not be."""
        if self._over:
            never = trio.Event()
            never.set()
            return never
        if len(self._wanted) < 2:
            self._wanted.append(trio.Event())
            if len(self._wanted) == 1:
                self._spawn(partial(self._run, look))
        return self._wanted[-1]

    def end(self) -> None:
        """Look no more."""
        self._over = True
        if self._scope is not None:
            self._scope.cancel("the device has gone, or has a newer connection")

    async def _run(self, look: Callable[[], Awaitable[None]]) -> None:
        try:
            with trio.CancelScope() as self._scope:
                while self._wanted and not self._over:
                    await self._try(look)
        finally:
            for wanted in self._wanted:
                wanted.set()
            self._wanted.clear()
            self._scope = None

    async def _try(self, look: Callable[[], Awaitable[None]]) -> None:
        well = False
        with boundary("letters", log):
            await look()
            well = True
        if well:
            self._wanted.pop(0).set()
            return
        for wanted in self._wanted:  # nobody waits for a store that fails
            wanted.set()
        self._wanted = [trio.Event()]
        await trio.sleep(RETRY)


class Carrier:
    """Hands the waiting letters of a device to one connection: the oldest first, none before an older one.

    It never waits for the badge, only for the store. A letter that is not known to have arrived when the connection is
    over was never taken from the store. `read` gives so many of the letters that wait.
    """

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        read: Callable[[int], Awaitable[Waiting]],
        outcomes: Outcomes,
        backlog: Backlog,
        spawn: Callable[[Callable[[], Awaitable[None]]], None],
    ) -> None:
        self.backlog = backlog
        self._post = mailbox.post
        self._read = read
        self._outcomes = outcomes
        self._carried: dict[Key, Letter | None] = {}  # None: it has arrived, and that is being written down
        self._last = _Look()
        self._work = _Work(spawn)

    def look(self) -> trio.Event:
        """Have a look at what waits; the event is set after a look that begins from now on, or when there is none."""
        return self._work.add(self._look)

    def end(self) -> None:
        """Hand over nothing more; what is on its way still tells what becomes of it."""
        self._work.end()
        self.backlog.close()

    @property
    def carried(self) -> frozenset[Key]:
        """The letters that are on their way here."""
        return frozenset(self._carried)

    def forget(self, key: Key) -> None:
        """A letter is not in the store any more; whether it arrives does not matter."""
        self._last.settled.add(key)
        if letter := self._carried.pop(key, None):
            self.backlog.settle(letter, arrived=False)

    def prove(self, key: Key) -> None:
        """The badge has spoken of a letter, so it must have it."""
        if letter := self._carried.get(key):
            self._arrival(letter, True)  # noqa: FBT003 - the type of `Arrival`

    async def _look(self) -> None:
        self._last = _Look()
        waiting = await self._read(WINDOW)
        self.backlog.dropped += waiting.dropped
        for letter in waiting.letters:
            key = letter.sender, letter.id
            if key in self._carried or key in self._last.settled:
                continue
            if len(self._carried) >= WINDOW:
                break
            if not self._hand_over(letter):
                return
        self._last.full = len(waiting.letters) == WINDOW
        if not self._last.full:
            self.backlog.close()

    def _hand_over(self, letter: Letter) -> bool:
        """Post a letter; false when the connection is ending, and what is left waits for the next one."""
        message = PeerMessage(id=letter.id, from_=letter.sender, category=letter.category, payload={}, ts=letter.sent)
        frame = encode_text(message, payload=letter.payload)
        if not self._post(frame, arrival=partial(self._arrival, letter)):
            return False
        self._carried[letter.sender, letter.id] = letter
        self.backlog.add(letter)
        self._outcomes.handed_over(letter, self)
        return True

    def _arrival(self, letter: Letter, arrived: bool) -> None:  # noqa: FBT001 - the type of `Arrival`
        key = letter.sender, letter.id
        if self._carried.get(key) is None:
            return
        if arrived:
            self._carried[key] = None
            self._outcomes.arrived(letter, partial(self._settle, letter))
        else:
            del self._carried[key]
            self.backlog.settle(letter, arrived=False)
            self._outcomes.lost(letter, self)

    def _settle(self, letter: Letter, new: bool) -> None:  # noqa: FBT001 - a callback with one argument
        key = letter.sender, letter.id
        self._carried.pop(key, None)
        self._last.settled.add(key)
        self.backlog.settle(letter, arrived=new)
        if self._last.full:
            self.look()

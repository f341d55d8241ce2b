"""I-11 and its neighbours: whatever happens in whatever order, every letter is accounted for, once."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from badge.offices.post import PostOffice
from badge.peers.presence import Presence
from badge.storage.memory import MemoryStore
from tests.offices.street import Street, Visitor
from tests.offices.witness import Name, WatchedMail

DEVICES = ("b", "c")
SENDERS = ("s", "t", "b")
MOST_CONNECTIONS = 3

STEPS = st.one_of(
    st.tuples(st.just("send"), st.sampled_from(SENDERS), st.lists(st.sampled_from(DEVICES), min_size=1, max_size=2)),
    st.tuples(st.just("repeat"), st.integers(0, 50)),
    st.tuples(st.just("enter"), st.sampled_from(DEVICES)),
    st.tuples(st.just("read"), st.integers(0, 5), st.integers(1, 4)),
    st.tuples(st.just("prove"), st.integers(0, 5), st.integers(1, 4)),
    st.tuples(st.just("vanish"), st.integers(0, 5)),
    st.tuples(st.just("heard"), st.integers(0, 5), st.integers(0, 5)),
    st.tuples(st.just("hours"), st.sampled_from([1, 12, 25])),
    st.tuples(st.just("restart")),
)


class Story:
    """What happens, and what must be true of it. `s` is always online and reads everything that it is told."""

    def __init__(self, nursery: trio.Nursery, queue: int) -> None:
        store = MemoryStore()
        store.mail = self.mail = WatchedMail()
        self.street = Street(nursery, store=store, queue=queue, announce="off")
        self.connections: list[Visitor] = []
        self.gone: list[Visitor] = []
        self.told: dict[Name, list[str]] = {}
        self.before_restart: set[Name] = set()
        self.redelivered = 0
        self.receipts = Counter[tuple[str, str, str]]()
        self._sent = itertools.count()
        self._calls: list[tuple[str, list[str], str]] = []

    async def open(self) -> None:
        self._scope = trio.CancelScope()
        await self.street.nursery.start(self._serve, self.street.office)
        self.s = self.street.enter("s")

    async def _serve(self, office: PostOffice, *, task_status: trio.TaskStatus[None]) -> None:
        with self._scope:
            await office.run(task_status=task_status)

    async def do(self, step: Sequence[Any]) -> None:
        name, *arguments = step
        act: Callable[..., Awaitable[None]] = getattr(self, f"_{name}")
        await act(*arguments)
        await self.street.quiet()
        self.collect()
        self.check()

    # --- what happens ---

    async def _send(self, sender: str, to: list[str]) -> None:
        await self._call(sender, to, f"{next(self._sent):03}")

    async def _repeat(self, which: int) -> None:
        """The same message again, while it is known; afterwards it would be a new one."""
        if self._calls:
            sender, to, number = self._calls[which % len(self._calls)]
            known = set(self.mail.delivered) | set(await self._waiting())
            if all((device, sender, number) in known for device in to):
                await self._call(sender, to, number, again=True)

    async def _call(self, sender: str, to: list[str], number: str, *, again: bool = False) -> None:
        fates = await self.street.send(sender, to, number)
        if not again:
            self._calls.append((sender, to, number))
        for device, fate in fates.items():
            if sender == "s":
                self.told.setdefault((device, sender, number), []).append(fate)

    async def _enter(self, device: str) -> None:
        if sum(one.device == device for one in self.connections) < MOST_CONNECTIONS:
            self.connections.append(self.street.enter(device, driven=True))

    async def _read(self, which: int, count: int) -> None:
        if self.connections:
            await self.connections[which % len(self.connections)].read(count)

    async def _prove(self, which: int, count: int) -> None:
        if self.connections:
            self.connections[which % len(self.connections)].prove(count)

    async def _vanish(self, which: int) -> None:
        if self.connections:
            connection = self.connections.pop(which % len(self.connections))
            connection.vanish()
            self.gone.append(connection)

    async def _heard(self, which: int, letter: int) -> None:
        if self.connections and (read := (one := self.connections[which % len(self.connections)]).letters):
            self.street.office.heard(one.device, [read[letter % len(read)]])

    async def _hours(self, hours: int) -> None:
        self.street.pass_time(hours=hours)
        await trio.sleep(61)

    async def _restart(self) -> None:
        """The process ends in the middle of everything, and begins anew with the same store."""
        self._scope.cancel()
        await self.street.quiet()
        self.collect()
        self.gone += self.connections
        self.connections = []
        self.before_restart |= set(self.mail.posted)
        self.street.presence = Presence(100)
        self.street.office = self.street.open_office()
        await self.open()

    # --- what must be true ---

    async def _waiting(self) -> list[Name]:
        now = round(self.street.clock.now().timestamp() * 1000)
        letters = [one for to in DEVICES for one in (await self.mail.waiting(to, now=now)).letters]
        return [(one.to, one.sender, one.id) for one in letters]

    def collect(self) -> None:
        for number, to, status in self.s.receipts:
            self.told[to, "s", number].append(status)
            self.receipts[to, number, status] += 1
        self.redelivered += sum(count for _, count in self.s.redelivered)
        self.s.wire.sent.clear()

    def check(self) -> None:
        mail = self.mail
        assert len(set(mail.delivered)) == len(mail.delivered)
        assert len(set(mail.heard)) == len(mail.heard)
        read = {(one.device, *letter) for one in self.connections + self.gone for letter in one.letters}
        assert set(mail.delivered) <= read, "delivered, but never read"
        for pair, ids in by_pair(mail.delivered):
            assert ids == sorted(ids), f"out of order: {pair}"
        for one in self.connections + self.gone:
            for pair, ids in by_pair([(one.device, *letter) for letter in one.letters]):
                assert ids == sorted(set(ids)), f"out of order, or twice on one connection: {pair}"
        assert not [one for one, count in self.receipts.items() if count > 1 and one[2] != "queued"], "told twice"
        for name, fates in self.told.items():
            if "delivered" in fates or "heard" in fates:
                assert name in mail.delivered, "a receipt that lies"
            if "heard" in fates:
                assert name in mail.heard

    async def settle(self) -> None:
        """Everybody goes home; then the books are closed."""
        while self.connections:
            await self._vanish(0)
        await self.street.quiet()
        self.collect()
        self.check()
        waiting = await self._waiting()
        mail = self.mail
        assert len(mail.posted) == len(set(mail.posted)) == len(mail.delivered) + len(waiting) + mail.dropped
        assert not set(waiting) & set(mail.delivered)
        assert len(mail.displaced) <= mail.dropped
        assert self.redelivered <= sum(sender == "s" for _, sender, _ in mail.delivered)
        for name in mail.posted:
            if name[1] == "s" and name not in self.before_restart:
                self._check_last_word(name, self.told[name][-1], waiting)

    def _check_last_word(self, name: Name, word: str, waiting: list[Name]) -> None:
        """What the sender was told last is what is true now."""
        if name in self.mail.heard:
            assert word == "heard"
        elif name in self.mail.delivered:
            assert word == "delivered"
        elif name in waiting:
            assert word == "queued"
        elif name in self.mail.displaced:
            assert word == "dropped"


def by_pair(names: Sequence[Name]) -> list[tuple[tuple[str, str], list[str]]]:
    pairs: dict[tuple[str, str], list[str]] = {}
    for to, sender, number in names:
        pairs.setdefault((sender, to), []).append(number)
    return list(pairs.items())


async def play(steps: Sequence[Sequence[Any]], queue: int) -> Story:
    async with trio.open_nursery() as nursery:
        story = Story(nursery, queue)
        await story.open()
        for step in steps:
            await story.do(step)
        await story.settle()
        nursery.cancel_scope.cancel()
    return story


@pytest.mark.req("I-11", "PE-7", "PE-8", "PE-10", "PE-11")
@given(steps=st.lists(STEPS, min_size=5, max_size=60), queue=st.sampled_from([1, 3, 100]))
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_every_letter_is_accounted_for(steps: list[Sequence[Any]], queue: int) -> None:
    trio.run(play, steps, queue, clock=MockClock(autojump_threshold=0))


# --- two connections of one device, in every order of events ----------------------------------------------------------------

SEND = ("send", "s", ["b"])
A, B = 0, 1
EVENTS: dict[str, Sequence[Any]] = {
    "letter": SEND,
    "A reads": ("read", A, 9),
    "A proves": ("prove", A, 9),
    "A leaves": ("vanish", A),
    "B comes": ("enter", "b"),
    "another letter": SEND,
    "B reads": ("read", B, 9),
    "B proves": ("prove", B, 9),
}


class Takeover(Story):
    """A story with two named connections; what one does that is not there yet, or no more, does not happen."""

    def __init__(self, nursery: trio.Nursery, queue: int) -> None:
        super().__init__(nursery, queue)
        self.two: list[Visitor] = []

    async def _enter(self, device: str) -> None:
        self.two.append(self.street.enter(device, driven=True))
        self.connections.append(self.two[-1])

    def _here(self, which: int) -> bool:
        return which < len(self.two) and self.two[which] in self.connections

    async def _read(self, which: int, count: int) -> None:
        if self._here(which):
            await self.two[which].read(count)

    async def _prove(self, which: int, count: int) -> None:
        if self._here(which):
            self.two[which].prove(count)

    async def _vanish(self, which: int) -> None:
        if self._here(which):
            await super()._vanish(self.connections.index(self.two[which]))

    async def settle(self) -> None:
        while self.connections:
            await self._vanish(self.two.index(self.connections[0]))
        await super().settle()


async def take_over(order: Sequence[str]) -> None:
    async with trio.open_nursery() as nursery:
        story = Takeover(nursery, queue=100)
        await story.open()
        await story.do(("enter", "b"))
        for event in order:
            await story.do(EVENTS[event])
        await story.settle()
        last = story.street.enter("b")
        await story.street.quiet()
        story.collect()
        assert set(story.mail.delivered) == set(story.mail.posted), "lost"
        assert len(last.letters) + len(story.mail.delivered) >= len(story.mail.posted)
        assert [fates[-1] for fates in story.told.values()] == ["delivered", "delivered"]
        nursery.cancel_scope.cancel()


@pytest.mark.req("PE-11", "B-11", "PE-7")
@pytest.mark.parametrize("first", list(EVENTS))
def test_a_takeover_during_delivery_loses_nothing_in_any_order_of_events(first: str) -> None:
    """All 40,320 orders, but for those that differ only in what one who is not here does not do."""
    seen = set()
    for rest in itertools.permutations([event for event in EVENTS if event != first]):
        order = effective((first, *rest))
        if order not in seen:
            seen.add(order)
            trio.run(take_over, order, clock=MockClock(autojump_threshold=0))


def effective(order: Sequence[str]) -> tuple[str, ...]:
    """The events that happen; letters are all alike."""
    here, happens = {"A"}, []
    for event in order:
        who = event[0]
        if event == "B comes":
            here.add("B")
        elif who in "AB" and who not in here:
            continue
        if event == "A leaves":
            here.discard("A")
        happens.append("letter" if event.endswith("letter") else event)
    return tuple(happens)

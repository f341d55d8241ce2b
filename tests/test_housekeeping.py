"""When garbage is looked for: not while somebody speaks, but before it costs much."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest
import trio
import trio.testing

from badge import housekeeping
from badge.dialogue import Dialogue
from badge.housekeeping import DEPARTED, EVERY, LOOK_EVERY, settle, tidy
from badge.link import Mailbox, Outbox
from badge.peers.presence import Presence


class Knot:
    """Garbage that only a collection finds."""

    def __init__(self) -> None:
        self.self = self


@pytest.fixture(autouse=True)
def rhythm() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


def come_and_go(presence: Presence, times: int) -> None:
    for _ in range(times):
        outbox = Outbox(lambda: None)
        resident, _ = presence.enter("a", Mailbox(outbox, lambda _: None), Dialogue(1))
        presence.leave("a", resident)


async def collected_within(seconds: float) -> bool:
    """Whether garbage made now is gone after so long."""
    knot = weakref.ref(Knot())
    await trio.sleep(seconds)
    return knot() is None


async def test_nothing_is_collected_while_nothing_changes(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    nursery.start_soon(tidy, Presence(9))
    settle()
    assert not await collected_within(2 * EVERY)


@pytest.mark.parametrize(("times", "within"), [(DEPARTED, LOOK_EVERY + 1), (1, EVERY + LOOK_EVERY + 1)])
async def test_what_sessions_leave_behind_is_collected(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, times: int, within: float
) -> None:
    presence = Presence(9)
    nursery.start_soon(tidy, presence)
    settle()
    await trio.testing.wait_all_tasks_blocked()
    come_and_go(presence, times)
    assert await collected_within(within)


async def test_growth_is_looked_at(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "GROWTH", 5_000)
    nursery.start_soon(tidy, Presence(9))
    settle()
    knots = [Knot() for _ in range(5_000)]
    assert await collected_within(LOOK_EVERY + 1)
    assert len(knots) == 5_000

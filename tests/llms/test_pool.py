"""The pool: one provider for settings that say the same, as long as somebody needs it."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from attrs import field, frozen
from hypothesis import given
from hypothesis import strategies as st

from badge.pool import Fingerprint, Pool, UnfitError
from providers.ports import ProviderError


@frozen(kw_only=True)
class Inner:
    """Settings within settings."""

    number: Any = 0


@frozen(kw_only=True)
class Wanted:
    """Settings of a thing."""

    name: str = ""
    key: str = field(default="", repr=False)
    extra: dict[str, Any] = field(factory=dict)
    inner: Inner = Inner()


class Thing:
    """A provider; `load` s to start, `broken`: it cannot."""

    name = "thing"

    def __init__(self, wanted: Wanted, load: float = 0.0, broken: Exception | None = None) -> None:
        self.wanted = wanted
        self.open = False
        self._load, self._broken = load, broken

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        await trio.sleep(self._load)
        if self._broken is not None:
            raise self._broken
        self.open = True
        try:
            task_status.started()
            await trio.sleep_forever()
        finally:
            self.open = False


class Stock:
    """A pool of things, running in a nursery."""

    def __init__(self, nursery: trio.Nursery, **how: Any) -> None:
        self.made: list[Thing] = []
        self.how = how
        self.pool: Pool[Wanted, Thing] = Pool("thing", self._make)
        nursery.start_soon(self.pool.run)

    def _make(self, wanted: Wanted) -> Thing:
        self.made.append(Thing(wanted, **self.how))
        return self.made[-1]


A, B = Fingerprint(Wanted(name="a")), Fingerprint(Wanted(name="b"))


@pytest.mark.req("LM-15", "B-84")
async def test_many_first_users_make_one(autojump_clock: object) -> None:
    """At one tick, with equal settings that are different objects."""
    async with trio.open_nursery() as nursery:
        stock = Stock(nursery, load=0.3)
        got: list[Thing] = []

        async def use(number: int) -> None:
            async with stock.pool.lease(Fingerprint(Wanted(name="a", extra={"stop": ["x"]}))) as thing:
                got.append(thing)
                await trio.sleep(1)

        async with trio.open_nursery() as users:
            for number in range(50):
                users.start_soon(use, number)
        assert len(stock.made) == 1
        assert got == stock.made * 50
        nursery.cancel_scope.cancel()


@pytest.mark.req("LM-15", "I-13")
async def test_it_is_closed_when_nobody_needs_it(autojump_clock: object) -> None:
    """Neither a lease nor the configuration; not before."""
    async with trio.open_nursery() as nursery:
        stock = Stock(nursery)
        stock.pool.keep([A])
        async with stock.pool.lease(A), stock.pool.lease(B) as b:
            async with stock.pool.lease(B) as again:
                assert again is b
            await trio.sleep(100)
            assert b.open
        await trio.testing.wait_all_tasks_blocked()
        assert [thing.open for thing in stock.made] == [True, False]
        async with stock.pool.lease(A) as a:
            stock.pool.keep([])
            await trio.sleep(100)
            assert a is stock.made[0]
            assert a.open
        await trio.testing.wait_all_tasks_blocked()
        assert not a.open
        assert len(stock.pool) == 0
        nursery.cancel_scope.cancel()


async def test_one_that_is_kept_again_goes_on(autojump_clock: object) -> None:
    async with trio.open_nursery() as nursery:
        stock = Stock(nursery)
        async with stock.pool.lease(A, linger=10) as thing:
            pass
        await trio.sleep(5)
        stock.pool.keep([A])
        await trio.sleep(100)
        assert thing.open
        stock.pool.keep([B])
        await trio.testing.wait_all_tasks_blocked()
        assert not thing.open
        nursery.cancel_scope.cancel()


async def test_it_lingers_if_that_is_wanted(autojump_clock: object) -> None:
    async with trio.open_nursery() as nursery:
        stock = Stock(nursery)
        for _ in range(3):
            async with stock.pool.lease(A, linger=10):
                await trio.sleep(30)
            await trio.sleep(9)
            assert stock.made[0].open
        await trio.sleep(2)
        assert not stock.made[0].open
        async with stock.pool.lease(A) as fresh:
            assert fresh is stock.made[1]
        nursery.cancel_scope.cancel()


async def test_whoever_comes_while_it_closes_gets_a_fresh_one(autojump_clock: object) -> None:
    """At the same moment, before it is gone."""
    async with trio.open_nursery() as nursery:
        stock = Stock(nursery)
        async with stock.pool.lease(A) as old:
            pass
        async with stock.pool.lease(A) as fresh:
            assert fresh is not old
            await trio.testing.wait_all_tasks_blocked()
            assert fresh.open
            assert not old.open
            assert len(stock.pool) == 1
        nursery.cancel_scope.cancel()


async def test_one_that_does_not_start_is_tried_anew(autojump_clock: object) -> None:
    """All who wait are told; the next lease makes another one."""
    async with trio.open_nursery() as nursery:
        stock = Stock(nursery, load=0.1, broken=ProviderError("thing", "there is no key."))
        for count in (1, 2):
            with pytest.raises(ProviderError, match="there is no key"):
                async with stock.pool.lease(A):
                    pass
            assert len(stock.made) == count
        stock.how = {}
        async with stock.pool.lease(A) as thing:
            assert thing.open
        nursery.cancel_scope.cancel()


async def test_an_unforeseen_failure_harms_nobody_else(autojump_clock: object) -> None:
    async with trio.open_nursery() as nursery:
        stock = Stock(nursery)
        async with stock.pool.lease(B) as other:
            stock.how = {"broken": RuntimeError("sk-secret")}
            with pytest.raises(ProviderError, match="unexpectedly") as caught:
                async with stock.pool.lease(A):
                    pass
            assert "sk-secret" not in str(caught.value)
            assert other.open
        nursery.cancel_scope.cancel()


async def test_who_gives_up_waiting_leaves_nothing_behind(autojump_clock: object) -> None:
    async with trio.open_nursery() as nursery:
        stock = Stock(nursery, load=1e6)
        with trio.move_on_after(1):
            async with stock.pool.lease(A):
                pass
        await trio.testing.wait_all_tasks_blocked()
        assert len(stock.pool) == 0
        nursery.cancel_scope.cancel()


@pytest.mark.req("LM-15", "B-84")
async def test_who_gives_up_waiting_takes_nothing_from_the_others(autojump_clock: object) -> None:
    """The first one has had it made; it is made on, once, also when only one is left."""
    async with trio.open_nursery() as nursery:
        stock = Stock(nursery, load=3)
        got: list[Thing] = []

        async def use(patience: float) -> None:
            with trio.move_on_after(patience):
                async with stock.pool.lease(A) as thing:
                    got.append(thing)

        async with trio.open_nursery() as users:
            for patience in (1, 2, 10):
                users.start_soon(use, patience)
                await trio.testing.wait_all_tasks_blocked()
        assert got == stock.made
        assert len(stock.made) == 1
        nursery.cancel_scope.cancel()


async def test_one_that_ends_is_made_anew(autojump_clock: object) -> None:
    """Also when it is kept: whoever has it has to see for himself, the next one gets another."""

    class Mortal(Thing):
        async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
            task_status.started()
            await trio.sleep(5)
            raise ProviderError("thing", "it broke.")

    made: list[Mortal] = []

    def make(wanted: Wanted) -> Thing:
        made.append(Mortal(wanted))
        return made[-1]

    pool: Pool[Wanted, Thing] = Pool("thing", make)
    async with trio.open_nursery() as nursery:
        await nursery.start(pool.run)
        pool.keep([A])
        async with pool.lease(A) as first:
            await trio.sleep(10)
            assert len(pool) == 0
            async with pool.lease(A) as second:
                assert [first, second] == made
        assert len(pool) == 1
        nursery.cancel_scope.cancel()


async def test_a_lease_waits_for_the_pool(autojump_clock: object) -> None:
    pool: Pool[Wanted, Thing] = Pool("thing", Thing)
    async with trio.open_nursery() as nursery:
        with trio.move_on_after(1) as scope:
            async with pool.lease(A):
                pass
        assert scope.cancelled_caught
        await nursery.start(pool.run)
        async with pool.lease(A) as thing:
            assert thing.open
        nursery.cancel_scope.cancel()


# --- fingerprints -------------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=6,
)


def same(one: Any, other: Any) -> bool:
    """Whether two values say the same: 1, 1.0 and true do not."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


@pytest.mark.req("I-13", "LM-12")
@given(JSON, JSON)
def test_equal_fingerprints_mean_equal_settings(one: Any, other: Any) -> None:
    first, second = Fingerprint(Wanted(extra={"x": one})), Fingerprint(Wanted(extra={"x": other}))
    assert (first == second) is same(one, other)
    assert first != second or hash(first) == hash(second)


@pytest.mark.req("I-13")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"extra": {"a": 1, "b": 2}}, {"extra": {"b": 2, "a": 1}}),
        ({"inner": Inner(number=[1])}, {"inner": Inner(number=[1])}),
    ],
)
def test_order_and_identity_make_no_difference(one: Any, other: Any) -> None:
    assert Fingerprint(Wanted(**one)) == Fingerprint(Wanted(**other))


@pytest.mark.req("I-13")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"extra": {"a": 1}}, {"extra": {"a": True}}),
        ({"extra": {"a": 1}}, {"extra": {"a": 1.0}}),
        ({"extra": {"a": "1"}}, {"extra": {"a": 1}}),
        ({"extra": {}}, {"extra": {"a": None}}),
        ({"extra": {"a": []}}, {"extra": {"a": {}}}),
        ({"extra": {"a": ["b", "c"]}}, {"extra": {"a": ["b"], "c": None}}),
        ({"name": "a", "key": ""}, {"name": "", "key": "a"}),
        ({"inner": Inner(number=1)}, {"inner": Wanted()}),
        ({"key": "one"}, {"key": "two"}),
    ],
)
def test_what_is_different_stays_different(one: Any, other: Any) -> None:
    assert Fingerprint(Wanted(**one)) != Fingerprint(Wanted(**other))


@pytest.mark.req("LM-12", "B-83")
@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"stop": {1}}, "extra.stop: must be text, a number, true, false, a list or a table, not set"),
        ({"a": [1, {"b": object()}]}, "extra.a[1].b: must be text"),
        ({"a": float("nan")}, "extra.a: must be a number, not nan"),
        ({2: "x"}, "extra: the keys of a table must be strings, not int"),
        ({"a": b"x"}, "extra.a: must be text"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_its_place(value: Any, place: str) -> None:
    with pytest.raises(UnfitError) as caught:
        Fingerprint(Wanted(extra=value))
    assert place in str(caught.value)


def test_a_change_afterwards_changes_no_fingerprint() -> None:
    """What is in the table of the pool stays findable."""
    wanted = Wanted(extra={"a": 1})
    before = Fingerprint(wanted)
    wanted.extra["a"] = 2
    assert before == Fingerprint(Wanted(extra={"a": 1}))
    assert before != Fingerprint(wanted)


def test_a_fingerprint_shows_no_secret() -> None:
    assert "geheim" not in repr(Fingerprint(Wanted(name="geheim", key="geheim")))


async def test_who_comes_when_the_pool_closes_begins_nothing(autojump_clock: object) -> None:
    made: list[str] = []

    def make(settings: str) -> Any:
        made.append(settings)
        raise AssertionError("made")

    pool: Pool[str, Any] = Pool("llm", make)

    async def come_late() -> None:
        await trio.sleep(1)
        async with pool.lease(Fingerprint("settings")):
            raise AssertionError("leased")

    async with trio.open_nursery() as nursery:
        async with trio.open_nursery() as below:
            await below.start(pool.run)
            nursery.start_soon(come_late)
            below.cancel_scope.cancel("closed")
        await trio.sleep(2)
        nursery.cancel_scope.cancel("nobody waits any more")
    assert made == []

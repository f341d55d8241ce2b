"""Many operations to a transaction: what each gets, what they cost, and what becomes of callers that are cancelled."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from outcome import Error, Outcome

from badge.config.team import StoreSettings
from badge.storage.carrying import Operation, carry_out
from badge.storage.opening import open_database
from badge.storage.ports import StoreError
from badge.storage.tables import Tables
from badge.storage.tasks import Assign, Create, Draft
from badge.storage.trouble import Explanation
from badge.storage.writer import MOST_WAITING, Writer
from tests.storage.stores import letter, load, meeting, save


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    database = open_database(StoreSettings(file=str(tmp_path / "badge.db")))
    yield database.connection
    database.close()


class Gate:
    """Stands before the database: batches wait in the thread until it is opened."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.open = trio.Event()
        self.open.set()
        self.batches: list[int] = []

    def close(self) -> None:
        self.open = trio.Event()

    def __call__(self, operations: Sequence[Operation[Any]]) -> list[Outcome[Any]]:
        self.batches.append(len(operations))
        trio.from_thread.run(self.open.wait)
        return carry_out(self._connection, operations)


@pytest.fixture
def gate(connection: sqlite3.Connection) -> Gate:
    return Gate(connection)


@pytest.fixture
def writer(gate: Gate, tmp_path: Path) -> Writer:
    return Writer(serve=gate, explain=Explanation(tmp_path / "badge.db"))


def commits_of(connection: sqlite3.Connection) -> list[str]:
    """The transactions that end from now on."""
    seen: list[str] = []
    connection.set_trace_callback(lambda sql: seen.append(sql) if sql in ("COMMIT", "ROLLBACK") else None)
    return seen


async def wait_until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(20):
        while not condition():
            await trio.lowlevel.checkpoint()


def in_order(nursery: trio.Nursery, writer: Writer) -> Callable[..., Any]:
    """Starts calls one after the other, each when the one before it waits."""

    async def start(call: Callable[..., Any], *arguments: Any, **named: Any) -> list[Any]:
        results: list[Any] = []

        async def run() -> None:
            try:
                results.append(await call(*arguments, **named))
            except StoreError as exc:
                results.append(exc)

        waiting = len(writer._waiting)
        nursery.start_soon(run)
        await wait_until(lambda: len(writer._waiting) == waiting + 1)
        return results

    return start


async def test_what_arrives_together_is_committed_together(
    connection: sqlite3.Connection, gate: Gate, writer: Writer
) -> None:
    store = Tables(writer.carry)
    commits = commits_of(connection)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.run)
        async with trio.open_nursery() as callers:
            for number in range(500):
                callers.start_soon(save, store, f"d{number}", "text")
        assert [await load(store, f"d{number}") for number in (0, 499)] == ["text", "text"]
        nursery.cancel_scope.cancel()
    assert sum(gate.batches) == 502
    assert len(commits) == len(gate.batches) <= 10


async def test_what_arrives_meanwhile_is_the_next_batch(gate: Gate, writer: Writer) -> None:
    store = Tables(writer.carry)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.run)
        gate.close()
        async with trio.open_nursery() as callers:
            callers.start_soon(save, store, "a", "0")
            await wait_until(lambda: gate.batches == [1])
            for number in range(30):
                callers.start_soon(save, store, "a", str(number))
            await wait_until(lambda: len(writer._waiting) == 30)
            gate.open.set()
        assert gate.batches == [1, 30]
        nursery.cancel_scope.cancel()


async def test_an_operation_that_fails_takes_back_its_own_and_nothing_else(
    connection: sqlite3.Connection, writer: Writer
) -> None:
    store = Tables(writer.carry)
    commits = commits_of(connection)

    def half(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO exchanges VALUES (99, 'half', '', 0, 'done', '', 0)")
        db.execute("INSERT INTO exchanges VALUES (99, 'half', '', 0, 'done', '', 0)")

    async with trio.open_nursery() as nursery:
        start = in_order(nursery, writer)
        before = await start(store.meetings.begin, meeting("m"))
        failed = await start(writer.carry, half)
        unknown = await start(store.meetings.add, "x", ts=1, text="lost")
        surrogate = await start(save, store, "a", "\ud800")
        huge = await start(store.presence.seen, "a", "g", now=1 << 64)
        after = await start(store.meetings.add, "m", ts=1, text="kept")
        loaded = await start(load, store, "half")
        nursery.start_soon(writer.run)
        await wait_until(lambda: all((before, failed, unknown, surrogate, huge, after, loaded)))
        nursery.cancel_scope.cancel()
    assert (before, after, loaded) == ([None], [1], [""])
    assert "SQLITE_CONSTRAINT" in failed[0].detail
    assert unknown[0].detail == "there is no meeting 'x'."
    assert "Unicode" in surrogate[0].detail
    assert "64 bits" in huge[0].detail
    assert commits == ["COMMIT"]


async def test_a_fault_of_the_program_reaches_who_asked_and_nobody_else(writer: Writer) -> None:
    store = Tables(writer.carry)

    def fault(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO exchanges VALUES (99, 'a', '', 0, 'half', '', 0)")
        raise ZeroDivisionError

    async def fail() -> None:
        with pytest.raises(ZeroDivisionError):
            await writer.carry(fault)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.run)
        async with trio.open_nursery() as callers:
            callers.start_soon(fail)
            callers.start_soon(save, store, "b", "kept")
        await fail()
        assert [await load(store, one) for one in ("a", "b")] == ["", "kept"]
        nursery.cancel_scope.cancel()


async def test_when_the_common_commit_fails_each_is_tried_alone(connection: sqlite3.Connection, writer: Writer) -> None:
    """A violation that SQLite finds only at the commit: one of many cannot be stored."""
    store = Tables(writer.carry)

    def poison(db: sqlite3.Connection) -> None:
        db.execute("PRAGMA defer_foreign_keys = ON")
        db.execute("INSERT INTO segments VALUES ('no meeting', 1, 1, 'text')")

    commits = commits_of(connection)
    async with trio.open_nursery() as nursery:
        start = in_order(nursery, writer)
        first = await start(save, store, "a", "kept")
        poisoned = await start(writer.carry, poison)
        last = await start(save, store, "b", "kept, too")
        nursery.start_soon(writer.run)
        await wait_until(lambda: all((first, poisoned, last)))
        assert (first, last) == ([None], [None])
        assert isinstance(poisoned[0], StoreError)
        assert [await load(store, one) for one in ("a", "b")] == ["kept", "kept, too"]
        assert await store.meetings.segments("no meeting") == ()
        nursery.cancel_scope.cancel()
    assert commits.count("ROLLBACK") == 2


async def test_when_sqlite_takes_the_transaction_back_each_is_tried_alone(writer: Writer) -> None:
    store = Tables(writer.carry)

    def ends(db: sqlite3.Connection) -> None:
        db.execute(
            "INSERT OR ROLLBACK INTO exchanges VALUES (99, 'x', '', 0, 'y', '', 0), (99, 'x', '', 0, 'y', '', 0)"
        )

    async with trio.open_nursery() as nursery:
        start = in_order(nursery, writer)
        first = await start(save, store, "a", "kept")
        ended = await start(writer.carry, ends)
        last = await start(save, store, "b", "kept, too")
        nursery.start_soon(writer.run)
        await wait_until(lambda: all((first, ended, last)))
        assert (first, last) == ([None], [None])
        assert isinstance(ended[0], StoreError)
        assert [await load(store, one) for one in ("a", "b", "x")] == ["kept", "kept, too", ""]
        nursery.cancel_scope.cancel()


async def test_a_commit_that_fails_leaves_no_transaction_open(connection: sqlite3.Connection) -> None:
    def poison(db: sqlite3.Connection) -> None:
        db.execute("PRAGMA defer_foreign_keys = ON")
        db.execute("INSERT INTO segments VALUES ('no meeting', 1, 1, 'text')")

    for number in (1, 2):
        outcomes = carry_out(connection, [poison] * number)
        assert not connection.in_transaction
        assert all(isinstance(one, Error) for one in outcomes)


async def test_while_another_program_writes_all_that_wait_are_told_after_one_wait(
    connection: sqlite3.Connection, writer: Writer, tmp_path: Path
) -> None:
    store = Tables(writer.carry)
    connection.execute("PRAGMA busy_timeout = 50")
    other = sqlite3.connect(tmp_path / "badge.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    begun = trio.current_time()
    async with trio.open_nursery() as nursery:
        start = in_order(nursery, writer)
        told = [await start(save, store, f"d{number}", "text") for number in range(200)]
        nursery.start_soon(writer.run)
        await wait_until(lambda: all(told))
        assert {one[0].detail.partition(" /")[0] for one in told} == {"another program keeps locked"}
        assert trio.current_time() - begun < 5
        other.close()
        await save(store, "a", "text")
        nursery.cancel_scope.cancel()


async def test_more_than_enough_is_refused_and_the_rest_is_done(gate: Gate, writer: Writer) -> None:
    store = Tables(writer.carry)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.run)
        gate.close()
        async with trio.open_nursery() as callers:
            callers.start_soon(save, store, "a", "in the thread")
            await wait_until(lambda: gate.batches == [1])
            for number in range(MOST_WAITING):
                callers.start_soon(save, store, f"d{number}", "text")
            await wait_until(lambda: len(writer._waiting) == MOST_WAITING)
            with pytest.raises(StoreError, match=r"waiting already.*Try again later"):
                await save(store, "b", "one too many")
            gate.open.set()
        assert await load(store, "b") == ""
        assert await load(store, f"d{MOST_WAITING - 1}") == "text"
        nursery.cancel_scope.cancel()


async def test_a_caller_that_is_cancelled_is_forgotten_until_its_operation_begins(gate: Gate, writer: Writer) -> None:
    store = Tables(writer.carry)
    begun, waiting = trio.CancelScope(), trio.CancelScope()

    async def try_to(device: str, scope: trio.CancelScope) -> None:
        with scope:
            await save(store, device, "text")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.run)
        gate.close()
        async with trio.open_nursery() as callers:
            callers.start_soon(try_to, "begun", begun)
            await wait_until(lambda: gate.batches == [1])
            callers.start_soon(try_to, "waiting", waiting)
            await wait_until(lambda: len(writer._waiting) == 1)
            begun.cancel()
            waiting.cancel()
        assert begun.cancelled_caught
        assert waiting.cancelled_caught
        assert not writer._waiting
        gate.open.set()
        assert await load(store, "begun") == "text"
        assert await load(store, "waiting") == ""
        nursery.cancel_scope.cancel()


async def test_who_ends_the_writer_waits_for_the_batch_and_who_waits_is_told(gate: Gate, writer: Writer) -> None:
    store = Tables(writer.carry)
    results: dict[str, Any] = {}

    async def try_to(device: str) -> None:
        try:
            results[device] = await save(store, device, "text")
        except StoreError as exc:
            results[device] = exc.detail

    scope = trio.CancelScope()

    async def serve() -> None:
        with scope:
            await writer.run()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        gate.close()
        nursery.start_soon(try_to, "begun")
        await wait_until(lambda: gate.batches == [1])
        nursery.start_soon(try_to, "waiting")
        await wait_until(lambda: len(writer._waiting) == 1)
        scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert not results
        gate.open.set()
    assert results == {"begun": None, "waiting": "the store is not open."}


@pytest.mark.req("WF-8", "B-69")
async def test_commands_of_one_batch_see_what_those_before_them_did(gate: Gate, writer: Writer) -> None:
    store = Tables(writer.carry)
    async with trio.open_nursery() as nursery:
        start = in_order(nursery, writer)
        create = Create(device="a", at=1, drafts=(Draft(id="1", title="t"),))
        await start(store.tasks.carry_out, "g", create)
        decisions = [
            await start(store.tasks.carry_out, "g", Assign(device=device, at=2, id="1")) for device in ("a", "b", "c")
        ]
        posted = [await start(partial(store.mail.post, bound=1), letter(str(number))) for number in range(3)]
        nursery.start_soon(writer.run)
        await wait_until(lambda: all((*decisions, *posted)))
        nursery.cancel_scope.cancel()
    assert [one[0].results[0].outcome for one in decisions] == ["assigned", "taken", "taken"]
    assert [one[0].dropped for one in posted] == [0, 1, 1]
    assert gate.batches == [7]

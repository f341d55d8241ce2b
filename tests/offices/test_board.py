"""The board: what badges do to their tasks, and to nobody else's."""

from __future__ import annotations

import pytest
import structlog
import trio
from trio.testing import MockClock

from badge.clock import Ids
from badge.config.team import WorkflowSettings
from badge.desk import RefusedError, TaskDesk
from badge.offices.board import Board
from badge.peers.delivery import Delivery
from badge.storage.memory import MemoryStore, MemoryTasks
from badge.storage.ports import StoreError
from badge.storage.tasks import MOST_TASKS, Command, Decision, Draft, Edit, Result, Snapshot, latest_of
from tests.offices.seats import MovingClock, Seat

A, B, STRANGER = "aa:bb:cc:00:00:01", "aa:bb:cc:00:00:02", "dd:ee:ff:00:00:01"


@pytest.fixture
async def board(nursery: trio.Nursery) -> Board:
    return Board(store=MemoryStore(), settings=WorkflowSettings(), clock=MovingClock(), ids=Ids(1))


async def hang(board: Board, *titles: str, device: str = A) -> None:
    """Hang up tasks; the id of each is its title."""
    await board.create(device, [Draft(id=title, title=title) for title in titles])


def short(results: Result | tuple[Result, ...]) -> list[str]:
    """`id outcome owner` of each."""
    many = results if isinstance(results, tuple) else (results,)
    return [" ".join(filter(None, (r.id, r.outcome, r.task.owner if r.task else ""))) for r in many]


async def test_what_the_board_is(board: Board) -> None:
    desk: TaskDesk = board
    delivery: Delivery = board
    assert desk is delivery


@pytest.mark.req("WF-2", "WF-6")
async def test_new_tasks(board: Board, autojump_clock: MockClock) -> None:
    one, other, again = await board.create(
        A, [Draft(id="", title="milk", due="2026-11-27"), Draft(id="t2", title="bread"), Draft(id="t2", title="rolls")]
    )
    assert one.task is not None
    assert (one.outcome, one.task.title, one.task.status, one.task.owner) == ("created", "milk", "open", "")
    assert (one.task.due, one.task.by, one.task.created) == ("2026-11-27", A, 1795224600000)
    assert len(one.id) == 8
    assert short((other, again)) == ["t2 created", "t2 exists"]


@pytest.mark.req("WF-4", "WF-8", "B-69")
async def test_one_of_two_gets_the_task_and_the_other_is_told_whose_it_is(
    board: Board, autojump_clock: MockClock
) -> None:
    await hang(board, "t")
    won: dict[str, str] = {}

    async def take(device: str) -> None:
        result = await board.assign(device, "t")
        assert result.task is not None
        won[device] = f"{result.outcome} {result.task.owner}"

    async with trio.open_nursery() as nursery:
        for device in (A, B):
            nursery.start_soon(take, device)
    winner, loser = (A, B) if won[A].startswith("assigned") else (B, A)
    assert won == {winner: f"assigned {winner}", loser: f"taken {winner}"}
    assert short(await board.assign(winner, "t")) == [f"t unchanged {winner}"]


@pytest.mark.req("WK-13", "B-69", "I-10")
async def test_who_claims_at_the_same_tick_gets_different_tasks(board: Board, autojump_clock: MockClock) -> None:
    devices = [f"aa:bb:cc:00:00:{number:02}" for number in range(5)]
    await hang(board, "1", "2", "3")
    results: dict[str, Result] = {}

    async def claim(device: str) -> None:
        results[device] = await board.claim(device)

    async with trio.open_nursery() as nursery:
        for device in devices:
            nursery.start_soon(claim, device)
    owners = {result.id: device for device, result in results.items() if result.outcome == "assigned"}
    assert set(owners) == {"1", "2", "3"}
    assert [result.outcome for result in results.values()].count("empty") == 2


@pytest.mark.req("WK-10", "B-67", "I-10")
async def test_claim_takes_what_is_free_and_finish_what_is_mine(board: Board, autojump_clock: MockClock) -> None:
    await hang(board, "done", "theirs", "free", "mine")
    await board.complete(B, ["done"])
    await board.assign(B, "theirs")
    await board.assign(A, "mine")
    assert short(await board.claim(A)) == [f"free assigned {A}"]
    assert short(await board.claim(A)) == ["empty"]
    assert short(await board.finish(A)) == [f"free completed {A}"]
    assert short(await board.finish(A)) == [f"mine completed {A}"]
    assert short(await board.finish(A)) == ["empty"]
    await hang(board, "nobody's")
    assert short(await board.finish(A)) == ["nobody's completed"]


@pytest.mark.req("WF-5", "I-10")
async def test_completing(board: Board, autojump_clock: MockClock) -> None:
    await hang(board, "1", "2", "3")
    await hang(board, "4", device=STRANGER)
    await board.assign(B, "2")
    results = await board.complete(A, ["1", "2", "4", "1", "3"])
    assert short(results) == ["1 completed", f"2 taken {B}", "4 unknown", "3 completed"]
    assert short(await board.complete(STRANGER, ["4"])) == ["4 completed"]


@pytest.mark.req("WF-6", "I-10")
async def test_changing(board: Board, autojump_clock: MockClock) -> None:
    await hang(board, "1", "2")
    await board.assign(B, "2")
    results = await board.change(A, [Edit(id="1", title="new"), Edit(id="2", title="new"), Edit(id="9", title="new")])
    assert short(results) == ["1 changed", f"2 taken {B}", "9 unknown"]
    assert short(await board.change(B, [Edit(id="2", release=True)])) == ["2 changed"]
    assert short(await board.change(STRANGER, [Edit(id="1", title="mine now")])) == ["1 unknown"]


@pytest.mark.req("HS-20", "B-4")
async def test_configured_groups_keep_their_tasks_apart(autojump_clock: MockClock) -> None:
    """Two badges of one maker, of different owners."""
    settings = WorkflowSettings(groups={"ann": [A], "bob": [B]})
    board = Board(store=MemoryStore(), settings=settings, clock=MovingClock(), ids=Ids(1))
    await hang(board, "secret")
    assert short(await board.claim(B)) == ["empty"]
    assert short(await board.assign(B, "secret")) == ["secret unknown"]
    assert short(await board.claim(A)) == [f"secret assigned {A}"]


@pytest.mark.req("WF-6")
@pytest.mark.parametrize(
    ("draft", "problem"),
    [
        (Draft(id="x" * 65, title="x"), "id: must be 1 to 64"),
        (Draft(id="a\nb", title="x"), "id: must be 1 to 64"),
        (Draft(id="", title=""), "title: must be 1 to 500"),
        (Draft(id="", title=" "), "title: must not be blank"),
        (Draft(id="", title="x" * 501), "title: must be 1 to 500"),
        (Draft(id="", title="bell \a"), "title: must be 1 to 500"),
        (Draft(id="", title="x", due="friday"), "due: must be a date"),
    ],
)
async def test_bad_tasks_are_refused(board: Board, autojump_clock: MockClock, draft: Draft, problem: str) -> None:
    with pytest.raises(RefusedError, match=problem) as refused:
        await board.create(A, [Draft(id="fine", title="fine"), draft])
    assert refused.value.code == "bad-task"
    assert short(await board.claim(A)) == ["empty"]


@pytest.mark.req("WF-6")
async def test_bad_changes_are_refused(board: Board, autojump_clock: MockClock) -> None:
    await hang(board, "1")
    for edit in (Edit(id=""), Edit(id="1", title=""), Edit(id="1", due="soon")):
        with pytest.raises(RefusedError):
            await board.change(A, [edit])
    with pytest.raises(RefusedError):
        await board.assign(A, "")
    with pytest.raises(RefusedError):
        await board.complete(A, ["1", "\x00"])
    assert short(await board.claim(A)) == [f"1 assigned {A}"]


@pytest.mark.req("WF-6")
async def test_too_many_at_once(board: Board, autojump_clock: MockClock) -> None:
    many = [str(number) for number in range(101)]
    for attempt in (
        board.create(A, [Draft(id=number, title="x") for number in many]),
        board.change(A, [Edit(id=number, title="x") for number in many]),
        board.complete(A, many),
    ):
        with pytest.raises(RefusedError, match="101 tasks at once; up to 100") as refused:
            await attempt
        assert refused.value.code == "too-many"
    await hang(board, *many[:100])
    assert len(await board.complete(A, many[:100])) == 100


@pytest.mark.req("WF-6")
async def test_a_full_group_says_so(board: Board, autojump_clock: MockClock) -> None:
    for hundred in range(MOST_TASKS // 100):
        await hang(board, *(f"{hundred}-{number}" for number in range(100)))
    assert short(await board.create(A, [Draft(id="one more", title="x")])) == ["one more full"]


class BrokenTasks(MemoryTasks):
    async def carry_out(self, group: str, command: Command) -> Decision:
        raise StoreError("the disk is full", remedy="Make room.")


async def test_what_cannot_be_stored_is_refused(autojump_clock: MockClock) -> None:
    store = MemoryStore()
    store.tasks = BrokenTasks()
    board = Board(store=store, settings=WorkflowSettings(), clock=MovingClock(), ids=Ids(1))
    with structlog.testing.capture_logs() as entries, pytest.raises(RefusedError) as refused:
        await board.create(A, [Draft(id="1", title="secret")])
    assert refused.value.code == "not-stored"
    assert [(entry["event"], entry["detail"]) for entry in entries] == [("tasks not stored", "the disk is full")]
    assert "secret" not in str(entries)


class LateTasks(MemoryTasks):
    """Carries out what it was asked although nobody waits for the answer any more, as a writer thread does."""

    async def carry_out(self, group: str, command: Command) -> Decision:
        with trio.CancelScope(shield=True):
            decision = await super().carry_out(group, command)
        await trio.sleep(1)
        return decision


@pytest.mark.req("WF-7", "I-9")
async def test_others_see_what_a_badge_did_before_it_vanished(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    store = MemoryStore()
    store.tasks = LateTasks()
    board = Board(store=store, settings=WorkflowSettings(), clock=MovingClock(), ids=Ids(1))
    await nursery.start(board.run)
    seat = Seat(B)
    nursery.start_soon(seat.read)
    board.arrived(B, seat.mailbox)
    await trio.sleep(5)
    with trio.move_on_after(0.5):
        await hang(board, "last words")
    await trio.sleep(5)
    assert seat.titles == [[], ["last words"]]


async def test_the_store_knows_who_belongs_to_a_group(
    board: Board, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    await nursery.start(board.run)
    for device in (B, A, STRANGER):
        board.arrived(device, Seat(device).mailbox)
    await trio.sleep(1)
    board.left(A)
    assert await board._store.presence.members("aa:bb:cc") == (A, B)


async def test_who_arrives_while_the_server_stops_is_not_served(board: Board, autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(board.run)
        nursery.cancel_scope.cancel()
    seat = Seat(A)
    board.arrived(A, seat.mailbox)
    board.show(A)
    await hang(board, "t")
    assert seat.outbox.unproven == 0


async def test_all_tasks_of_the_group_by_voice(board: Board, autojump_clock: MockClock) -> None:
    await hang(board, "1", "2", "3")
    await hang(board, "theirs", device=STRANGER)
    await board.assign(A, "3")
    await trio.sleep(1)
    await board.assign(A, "1")
    await board.assign(B, "2")
    tasks = await board.of(B)
    assert [task.id for task in tasks] == ["1", "2", "3"]
    assert [latest_of(tasks, device) for device in (A, B, STRANGER)] == [tasks[0], tasks[1], None]
    await board.complete(A, ["1"])
    latest = latest_of(await board.of(A), A)
    assert latest is not None
    assert latest.id == "3"


class UnreadableTasks(MemoryTasks):
    async def snapshot(self, group: str) -> Snapshot:
        raise StoreError("the disk is gone")


async def test_tasks_that_cannot_be_read(autojump_clock: MockClock) -> None:
    store = MemoryStore()
    store.tasks = UnreadableTasks()
    board = Board(store=store, settings=WorkflowSettings(), clock=MovingClock(), ids=Ids(1))
    with pytest.raises(RefusedError) as refused:
        await board.of(A)
    assert refused.value.code == "not-read"


@pytest.mark.req("HS-20", "HS-10")
async def test_devices_with_invented_ids_are_not_remembered(
    board: Board, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    await nursery.start(board.run)
    for device in ("auto-12345678", A):
        board.arrived(device, Seat(device).mailbox)
    await trio.sleep(1)
    assert await board._store.presence.members("auto-12345678") == ()
    assert await board._store.presence.members("aa:bb:cc") == (A,)

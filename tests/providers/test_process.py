"""Worker processes: real ones, with a child module that misbehaves on request."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from providers import pending, process
from providers.framing import MAX_FRAME, FramingError, Unframer, pack
from providers.ports import ProviderError
from providers.process import WorkerProcess
from tests.providers.speech import alive, eventually, refusal

ROOT = Path(__file__).parents[2]


def odd(**settings: Any) -> WorkerProcess:
    return WorkerProcess("odd", "tests.providers.odd_child", settings)


@asynccontextmanager
async def living(**settings: Any) -> AsyncIterator[WorkerProcess]:
    worker = odd(**settings)
    async with trio.open_nursery() as nursery:
        await nursery.start(worker.run)
        yield worker
        nursery.cancel_scope.cancel()


async def replies(worker: WorkerProcess, verb: str, argument: Any) -> list[Any]:
    async with worker.request([verb, argument]) as answers:
        return [answer async for answer in answers]


async def collected(worker: WorkerProcess, verb: str, argument: Any) -> tuple[list[Any], ProviderError]:
    """The replies of a request that fails, and its error."""
    got: list[Any] = []
    with pytest.raises(ProviderError) as caught:  # noqa: PT012 - raised when the context is left
        async with worker.request([verb, argument]) as answers:
            async for answer in answers:
                got.append(answer)  # noqa: PERF401 - they must be there when it raises
    return got, caught.value


# --- frames ---


def test_messages_survive_any_cut() -> None:
    messages = [("request", 1, {"text": "你好", "pcm": bytes(range(256))}), ("cancel", 1, None), ("reply", 2, [1, 2.5])]
    stream = b"".join(pack(*message) for message in messages)  # type: ignore[arg-type]
    for step in (1, 3, 7, 100, len(stream)):
        unframer = Unframer()
        got = [m for at in range(0, len(stream), step) for m in unframer.feed(stream[at : at + step])]
        assert got == messages


def test_frames_are_bounded_in_both_directions() -> None:
    with pytest.raises(FramingError, match="the most is"):
        pack("request", 1, bytes(MAX_FRAME))
    assert list(Unframer().feed(pack("request", 1, bytes(MAX_FRAME - 20))))
    with pytest.raises(FramingError, match="the most is"):
        list(Unframer().feed((MAX_FRAME + 1).to_bytes(4, "big")))


@pytest.mark.parametrize("frame", [b"\xc1", b"\x93\x01", b"\x01", b"\x92\x01\x02", b"\xa3abc", b"\x81\x01\x02"])
def test_bytes_that_are_no_message_are_refused(frame: bytes) -> None:
    with pytest.raises(FramingError):
        list(Unframer().feed(len(frame).to_bytes(4, "big") + frame))


# --- asking ---


async def test_requests_are_answered_in_full_and_in_order() -> None:
    async with living() as worker:
        assert await worker.ask(["echo", {"text": "你好\0", "pcm": b"\0\xff"}]) == {"text": "你好\0", "pcm": b"\0\xff"}
        assert await replies(worker, "count", 50) == list(range(50))
        assert await replies(worker, "flood", 0) == []


async def test_two_requests_at_once_do_not_mix() -> None:
    async with living() as worker:
        got: dict[str, list[Any]] = {}

        async def ask(name: str, argument: int) -> None:
            got[name] = await replies(worker, "count", argument)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, "long", 60)
            nursery.start_soon(ask, "short", 20)
        assert got == {"long": list(range(60)), "short": list(range(20))}


async def test_a_failing_request_gives_its_replies_first_and_hurts_nobody() -> None:
    async with living() as worker:
        pid = worker.pid
        got, error = await collected(worker, "fail", "cannot say that")
        assert got == ["begun"]
        assert (error.provider, error.detail, error.remedy, error.retryable) == (
            "odd",
            "cannot say that",
            "Ask otherwise.",
            True,
        )
        _, error = await collected(worker, "stumble", "over a stone")
        assert error.detail == "ValueError: over a stone"
        assert not error.retryable
        assert await worker.ask(["echo", 1]) == 1
        assert worker.pid == pid


async def test_a_request_that_is_too_large_is_refused_and_hurts_nobody() -> None:
    async with living() as worker:
        with pytest.raises(ProviderError, match="cannot take a message of"):
            await worker.ask(["echo", bytes(MAX_FRAME)])
        assert await worker.ask(["echo", 1]) == 1


async def test_a_library_that_prints_does_not_disturb_the_protocol() -> None:
    async with living() as worker:
        assert await worker.ask(["chat", "x" * 10_000]) == b""
        assert await worker.ask(["echo", 1]) == 1


async def test_numerical_libraries_get_one_thread() -> None:
    async with living() as worker:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            assert await worker.ask(["environment", name]) == "1"


# --- leaving ---


async def test_leaving_early_takes_milliseconds_and_stops_the_work() -> None:
    async with living() as worker:
        for _ in range(20):
            async with worker.request(["count", 100_000]) as answers:
                await answers.receive()
                begun = trio.current_time()
            assert trio.current_time() - begun < 0.02
            begun = trio.current_time()
            assert await worker.ask(["echo", "next"]) == "next"
            assert trio.current_time() - begun < 0.1


async def test_leaving_does_not_wait_for_work_that_is_deaf() -> None:
    async with living() as worker:
        async with worker.request(["sleep", 0.5]) as answers:
            assert await answers.receive() == "asleep"
            begun = trio.current_time()
        assert trio.current_time() - begun < 0.02
        assert await worker.ask(["echo", "next"]) == "next"  # it waited for its turn, and got no reply of the other one
        assert 0.3 < trio.current_time() - begun < 1


async def test_a_request_that_was_left_before_its_turn_is_not_worked_on() -> None:
    async with living() as worker, worker.request(["sleep", 0.2]) as first:
        assert await first.receive() == "asleep"
        for _ in range(5):
            async with worker.request(["sleep", 1]):
                pass
        with trio.fail_after(0.8):
            assert await worker.ask(["echo", "next"]) == "next"


async def test_cancelled_at_any_moment_the_next_request_is_perfect() -> None:
    async with living() as worker:
        for attempt in range(40):
            with trio.move_on_after(attempt * 0.0005):
                await replies(worker, "count", 1000)
            assert await replies(worker, "flood", 5) == [0, 1, 2, 3, 4]


# --- limits ---


async def test_a_slow_reader_holds_up_nobody_and_fails_beyond_its_bound() -> None:
    async with living() as worker, worker.request(["flood", pending.MAX_REPLIES]) as slow:
        with trio.fail_after(2):
            assert await worker.ask(["echo", "quick"]) == "quick"
        assert [answer async for answer in slow] == list(range(pending.MAX_REPLIES))

    async with living() as worker:
        with pytest.raises(ProviderError, match="replies are waiting"):  # noqa: PT012 - raised when the context is left
            async with worker.request(["flood", 50_000]) as slow:
                with trio.fail_after(5):
                    assert await worker.ask(["echo", "quick"]) == "quick"
                assert [answer async for answer in slow] == list(range(pending.MAX_REPLIES))
        assert await worker.ask(["echo", "next"]) == "next"


async def test_too_many_requests_fail_at_once_and_retryable() -> None:
    async with living() as worker, trio.open_nursery() as nursery:
        for _ in range(pending.MAX_REQUESTS):
            nursery.start_soon(replies, worker, "sleep", 60)
        await trio.testing.wait_all_tasks_blocked()
        begun = trio.current_time()
        with pytest.raises(ProviderError, match="waiting already") as caught:
            await worker.ask(["echo", 1])
        assert caught.value.retryable
        assert trio.current_time() - begun < 0.1
        nursery.cancel_scope.cancel()


# --- dying ---


async def test_killed_in_the_middle_of_a_request() -> None:
    async with living() as worker:
        pid = worker.pid
        assert pid
        with pytest.raises(ProviderError, match="was killed by SIGKILL") as caught:  # noqa: PT012 - raised when the context is left
            async with worker.request(["count", 100_000]) as answers:
                await answers.receive()
                os.kill(pid, signal.SIGKILL)
                with trio.fail_after(2):
                    async for _ in answers:
                        pass
        assert caught.value.retryable
        begun = trio.current_time()
        assert await worker.ask(["echo", "again"]) == "again"
        assert trio.current_time() - begun < 2
        assert worker.pid != pid
        assert not alive(pid)


async def test_a_death_is_explained_by_the_last_words() -> None:
    async with living() as worker:
        got, error = await collected(worker, "die", 3)
        assert got == ["last reply"]
        assert error.detail == "its process ended with status 3; its last words: it hurts here."
        assert error.retryable
        assert await worker.ask(["echo", "again"]) == "again"


async def test_all_requests_of_a_dead_process_fail() -> None:
    async with living() as worker:
        errors = []

        async def ask() -> None:
            errors.append((await collected(worker, "sleep", 60))[1])

        with trio.fail_after(3):
            async with trio.open_nursery() as nursery:
                for _ in range(5):
                    nursery.start_soon(ask)
                await trio.testing.wait_all_tasks_blocked()
                await trio.sleep(0.05)
                assert worker.pid
                os.kill(worker.pid, signal.SIGKILL)
        assert len(errors) == 5
        assert len(set(map(id, errors))) == 5  # a task that raises an exception must have it for itself


async def test_a_process_that_breaks_the_protocol_is_replaced() -> None:
    async with living() as worker:
        _, error = await collected(worker, "garble", 100)
        assert "a frame of 4294967295 bytes" in error.detail
        assert error.retryable
        assert await worker.ask(["echo", "again"]) == "again"


async def test_requests_fail_clearly_while_it_cannot_be_restarted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "PATIENCE", 0.4)
    obstacle = tmp_path / "obstacle"
    async with living(refuse_if=str(obstacle)) as worker:
        obstacle.touch()
        assert worker.pid
        os.kill(worker.pid, signal.SIGKILL)
        await eventually(lambda: worker.pid is None)
        await trio.sleep(0.3)
        begun = trio.current_time()
        with pytest.raises(ProviderError, match="no room") as caught:
            await worker.ask(["echo", 1])
        assert 0.3 < trio.current_time() - begun < 0.6
        assert caught.value.retryable
        monkeypatch.setattr(process, "PATIENCE", 10.0)
        with trio.fail_after(6):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(worker.ask, ["echo", "again"])
                await trio.sleep(0.7)  # it waits through some attempts that fail
                obstacle.unlink()


async def test_restarts_become_rarer(tmp_path: Path) -> None:
    births = tmp_path / "births"
    async with living(births=str(births)) as worker:
        with trio.move_on_after(2):
            while True:
                await eventually(lambda: worker.pid is not None)
                assert worker.pid
                os.kill(worker.pid, signal.SIGKILL)
                await eventually(lambda: worker.pid is None)
    # Pauses of 0.1, 0.2, 0.4, 0.8, 1.6 s: without them there would be about twenty.
    assert 3 <= len(births.read_text().split()) <= 6


async def test_a_process_that_hangs_after_a_request_was_left_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "STUCK_AFTER", 0.2)
    async with living() as worker:
        pid = worker.pid
        assert pid
        async with worker.request(["sleep", 60]) as answers:
            await answers.receive()
        await eventually(lambda: worker.pid not in (None, pid))
        assert not alive(pid)
        assert await worker.ask(["echo", "again"]) == "again"


async def test_long_work_that_somebody_waits_for_is_no_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "STUCK_AFTER", 0.2)
    async with living() as worker:
        assert await replies(worker, "sleep", 2) == ["asleep", "awake"]


# --- starting ---


async def test_what_refuses_to_start_says_why() -> None:
    error = await refusal(odd(refuse="there is no voice"))
    assert (error.detail, error.remedy) == ("there is no voice", "Do something about it.")
    assert not error.retryable


async def test_what_crashes_at_the_start_says_why() -> None:
    error = await refusal(odd(crash="no such model"))
    assert error.detail == "its process ended with status 1; its last words: RuntimeError: no such model."


async def test_what_does_not_exist_says_so() -> None:
    error = await refusal(WorkerProcess("odd", "providers.nowhere", {}))
    assert "No module named" in error.detail


async def test_what_does_not_become_ready_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "START_WITHIN", 0.5)
    begun = trio.current_time()
    error = await refusal(odd(hang=60))
    assert "was not ready within 0.5 s" in error.detail
    assert trio.current_time() - begun < 2


async def test_before_the_start_requests_fail_clearly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "PATIENCE", 0.1)
    with pytest.raises(ProviderError, match="was not started"):
        await odd().ask(["echo", 1])


# --- ending ---


async def test_nothing_is_left_behind_when_it_is_cancelled() -> None:
    async with living() as worker:
        pid = worker.pid
        assert pid
        async with worker.request(["sleep", 60]) as answers:
            await answers.receive()
            begun = trio.current_time()
    assert trio.current_time() - begun < 0.5
    assert not alive(pid)


async def test_signals_to_the_whole_group_leave_it_to_the_server() -> None:
    async with living() as worker:
        assert worker.pid
        os.kill(worker.pid, signal.SIGINT)
        os.kill(worker.pid, signal.SIGTERM)
        assert await worker.ask(["echo", "still here"]) == "still here"


SERVER = """
import sys, trio
from providers.process import WorkerProcess

async def main():
    worker = WorkerProcess("odd", "tests.providers.odd_child", {})
    later = WorkerProcess("odd", "tests.providers.odd_child", {})  # it must not inherit the pipe of the first one
    async with trio.open_nursery() as nursery:
        await nursery.start(worker.run)
        await nursery.start(later.run)
        async with worker.request([sys.argv[1], float(sys.argv[2])]) as answers:
            await answers.receive()
            print(worker.pid, later.pid, flush=True)
            await trio.sleep(60)

trio.run(main)
"""


@pytest.mark.parametrize("work", [("echo", "1"), ("sleep", "60"), ("flood", "1e9")])
async def test_it_does_not_outlive_a_server_that_is_killed(work: tuple[str, str]) -> None:
    server = await trio.lowlevel.open_process(
        [sys.executable, "-c", SERVER, *work], stdout=subprocess.PIPE, cwd=ROOT, env={**os.environ, "PYTHONPATH": "."}
    )
    assert server.stdout is not None
    with trio.fail_after(10):
        pids = [int(number) for number in (await server.stdout.receive_some(100)).split()]
        assert all(map(alive, pids))
        server.kill()
        await server.wait()
        await server.stdout.aclose()
    await eventually(lambda: not any(map(alive, pids)), within=2)

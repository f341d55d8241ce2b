"""The outbox: order, bounds, and what silence forgets."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from badge.link import Outbox, keep_alive, write_frames
from tests.house import MemoryWire


def boxed(**limits: int) -> tuple[Outbox, list[str]]:
    overflows: list[str] = []
    return Outbox(lambda: overflows.append("overflow"), **limits), overflows


async def drained(outbox: Outbox) -> list[str | bytes]:
    outbox.finish()
    frames = []
    while (frame := await outbox.take()) is not None:
        frames.append(frame)
    return frames


@pytest.mark.req("RT-16")
async def test_control_overtakes_speech_and_keeps_its_order() -> None:
    outbox, _ = boxed()
    outbox.begin("turn")
    await outbox.put(b"a1", "turn")
    outbox.post("c1")
    await outbox.put(b"a2", "turn")
    outbox.post("c2")
    assert [await outbox.take() for _ in range(4)] == ["c1", "c2", b"a1", b"a2"]


@pytest.mark.req("RT-16")
async def test_overflow_drops_stale_news_first_and_then_gives_the_badge_up() -> None:
    outbox, overflows = boxed(control_limit=3)
    assert outbox.post("old stats", stale=True)
    assert outbox.post("c1")
    assert outbox.post("c2")
    assert outbox.post("c3")
    assert not overflows
    assert not outbox.post("c4")
    assert overflows == ["overflow"]
    assert await drained(outbox) == ["c1", "c2", "c3"]


@pytest.mark.req("RT-15")
async def test_posting_tells_whether_it_will_be_written() -> None:
    outbox, _ = boxed()
    assert outbox.post("yes")
    outbox.finish()
    assert not outbox.post("no")
    assert await outbox.take() == "yes"
    assert await outbox.take() is None


@pytest.mark.req("I-4", "CH-22")
async def test_silence_forgets_speech_and_refuses_more_of_it(autojump_clock: trio.testing.MockClock) -> None:
    outbox, _ = boxed(speech_limit=2)
    outbox.begin("turn 1")
    results = []

    async def speaker() -> None:
        results.extend([await outbox.put(b"%d" % number, "turn 1") for number in range(2)])
        results.extend([await outbox.put(b"%d" % number, "turn 1") for number in range(2, 4)])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(speaker)
        await trio.testing.wait_all_tasks_blocked()
        assert results == [True, True]
        outbox.silence()
        outbox.post("tts stop")
    assert results == [True, True, False, False]
    outbox.begin("turn 2")
    assert not await outbox.put(b"late", "turn 1")
    assert await outbox.put(b"new", "turn 2")
    assert [await outbox.take(), await outbox.take()] == ["tts stop", b"new"]


async def test_put_that_was_just_woken_still_respects_silence() -> None:
    """Room appears and silence falls in the same instant: the waiting frame must not slip in."""
    outbox, _ = boxed(speech_limit=1)
    outbox.begin("turn")
    await outbox.put(b"first", "turn")
    results = []

    async def speaker() -> None:
        results.append(await outbox.put(b"second", "turn"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(speaker)
        await trio.testing.wait_all_tasks_blocked()
        assert await outbox.take() == b"first"
        outbox.post("next")
        assert await outbox.take() == "next"  # wakes the speaker …
        outbox.silence()  # … who has not run yet
    assert results == [False]
    assert await drained(outbox) == []


async def test_speech_leaves_when_it_is_due_and_control_meanwhile(autojump_clock: trio.testing.MockClock) -> None:
    outbox, _ = boxed()
    outbox.begin("turn")
    start = trio.current_time()
    await outbox.put(b"now", "turn")
    await outbox.put(b"later", "turn", due=start + 1)
    got: list[tuple[float, str | bytes | None]] = []

    async def writer() -> None:
        while (frame := await outbox.take()) is not None:
            got.append((round(trio.current_time() - start, 3), frame))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer)
        await trio.sleep(0.5)
        outbox.post("control")
        await trio.sleep(1)
        outbox.finish()
    assert got == [(0.0, b"now"), (0.5, "control"), (1.0, b"later")]


async def test_room_comes_in_halves() -> None:
    """The speaker is woken when half of the speech is gone, not for each frame."""
    outbox, _ = boxed(speech_limit=4)
    outbox.begin("turn")
    sent = []

    async def speaker() -> None:
        for number in range(8):
            await outbox.put(b"%d" % number, "turn")
            sent.append(number)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(speaker)
        await trio.testing.wait_all_tasks_blocked()
        progress = []
        for _ in range(8):
            await outbox.take()
            await trio.testing.wait_all_tasks_blocked()
            progress.append(len(sent))
    assert progress == [4, 4, 7, 7, 7, 8, 8, 8]


async def test_written_waits_for_the_frame_in_the_writers_hand(autojump_clock: trio.testing.MockClock) -> None:
    outbox, _ = boxed()
    wire = MemoryWire()
    wire.reading = trio.Event()
    outbox.begin("turn")
    await outbox.put(b"a", "turn")
    done = []

    async def wait() -> None:
        assert await outbox.written("turn")
        done.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write_frames_until_finished, wire, outbox)
        nursery.start_soon(wait)
        await trio.sleep(1)
        assert not done
        wire.reading.set()
        await trio.sleep(0.1)
        outbox.finish()
    assert [at - trio.current_time() for at in done] == [pytest.approx(-0.1)]


async def write_frames_until_finished(wire: MemoryWire, outbox: Outbox) -> None:
    await write_frames(wire, outbox, stall=10)


@pytest.mark.req("I-12")
async def test_writer_gives_up_on_a_frame_that_does_not_leave(autojump_clock: trio.testing.MockClock) -> None:
    outbox, _ = boxed()
    wire = MemoryWire()
    wire.reading = trio.Event()
    outbox.post("x")
    start = trio.current_time()
    with pytest.raises(trio.TooSlowError):
        await write_frames(wire, outbox, stall=10)
    assert trio.current_time() - start == pytest.approx(10)


@pytest.mark.req("HS-16")
async def test_keepalive_pings_every_20_s_and_gives_up_after_50(autojump_clock: trio.testing.MockClock) -> None:
    wire, (outbox, _) = MemoryWire(), boxed()
    with trio.move_on_after(101):
        await keep_alive(wire, outbox)
    assert wire.pings == 5
    wire.answers_pings = False
    start = trio.current_time()
    await keep_alive(wire, outbox)
    assert trio.current_time() - start == pytest.approx(70)


@pytest.mark.req("PE-11")
async def test_a_message_has_arrived_when_a_ping_after_it_was_answered(autojump_clock: trio.testing.MockClock) -> None:
    wire, (outbox, _) = MemoryWire(), boxed()
    told: list[tuple[str, bool]] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(write_frames_until_finished, wire, outbox)
        nursery.start_soon(keep_alive, wire, outbox)
        wire.answers_pings = False
        for name in ("a", "b"):
            outbox.post(name, arrival=lambda arrived, name=name: told.append((name, arrived)))
        await trio.sleep(1)
        assert (wire.pings, told) == (1, [])  # asked at once, not in 20 s
        nursery.cancel_scope.cancel()
    outbox.post("c", arrival=lambda arrived: told.append(("c", arrived)))
    outbox.lose()
    assert told == [("a", False), ("b", False), ("c", False)]
    wire.answers_pings = True
    outbox.post("d", arrival=lambda arrived: told.append(("d", arrived)))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(write_frames_until_finished, wire, outbox)
        nursery.start_soon(keep_alive, wire, outbox)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert told[-1] == ("d", True)
    outbox.lose()
    assert len(told) == 4

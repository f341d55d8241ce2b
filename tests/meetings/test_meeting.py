"""A meeting while it goes on: words become segments, segments become snippets, and nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from badge.desk import RefusedError
from badge.meetings.backlog import CHARACTERS, WAITING
from badge.meetings.snippets import BYTES, SEGMENTS
from badge.storage.records import Hole
from providers.ports import ProviderError
from tests.meetings.models import Asked, ReadingLlm, minutes_of
from tests.meetings.stage import DEVICE, START, TroubledStore, office


async def texts_of(stage: Any, meeting: str) -> list[str]:
    return [segment.text for segment in await stage.store.meetings.segments(meeting)]


@pytest.mark.req("MT-1", "MT-3")
async def test_words_become_segments_in_order_with_their_times(autojump_clock: object) -> None:
    async with office() as stage:
        stage.badge()
        opened = await stage.office.open(DEVICE, "s1")
        assert (opened.started, opened.resumed) == (START, False)
        for text in ("one", "two", "three"):
            await trio.sleep(2)
            stage.say(text)
        await stage.office.settle()
        segments = await stage.store.meetings.segments(opened.meeting)
        assert [(s.number, s.ts - START, s.text) for s in segments] == [
            (1, 2000, "one"), (2, 4000, "two"), (3, 6000, "three")
        ]  # fmt: skip


@pytest.mark.req("MT-3")
async def test_what_a_recogniser_repeats_is_there_once_and_what_is_said_again_twice(autojump_clock: object) -> None:
    async with office() as stage:
        opened = await stage.office.open(DEVICE, "s1")
        stage.say("Hello, all.", "hello all", "  ", "b", "c", "d", "e", "Hello all!")
        stage.say("f", "hello all")  # more than five texts back
        await trio.sleep(10.1)
        stage.say("f")
        await stage.office.settle()
        assert await texts_of(stage, opened.meeting) == ["Hello, all.", "b", "c", "d", "e", "f", "hello all", "f"]


@pytest.mark.req("MT-4")
async def test_segments_are_pushed_from_time_to_time_and_not_one_by_one(autojump_clock: object) -> None:
    async with office() as stage:
        badge = stage.badge()
        opened = await stage.office.open(DEVICE, "s1")
        stage.say("one")
        await trio.sleep(1)
        stage.say("two")
        await trio.sleep(1.9)
        assert badge.messages == []
        await trio.sleep(0.2)
        first = {"number": 1, "ts": START, "text": "one"}
        assert badge.messages == [
            {
                "type": "meeting",
                "phase": "snippet",
                "sessionId": "s1",
                "meetingId": opened.meeting,
                "index": 0,
                "segments": [first, {"number": 2, "ts": START + 1000, "text": "two"}],
            }
        ]
        await trio.sleep(6)  # nothing new, no message
        stage.say("three")
        await trio.sleep(3)
        assert [(m["index"], len(m["segments"])) for m in badge.messages] == [(0, 2), (1, 1)]
        assert (await stage.record()).pushed == 3


@pytest.mark.req("MT-5", "MT-8", "B-118")
async def test_the_interval_is_looked_up_at_each_period(autojump_clock: object) -> None:
    async with office(push_interval_ms=3000) as stage:
        badge = stage.badge()
        await stage.office.open(DEVICE, "s1")
        await trio.sleep(1)
        stage.change(push_interval_ms=1000)
        stage.say("one")
        await trio.sleep(2.1)
        stage.say("two")
        await trio.sleep(1)
        stage.change(push_interval_ms=60_000)
        await trio.sleep(1)
        stage.say("three")
        await trio.sleep(50)
        assert [round(at - stage.clock._zero, 3) for at, _ in badge.wire.sent] == [3.0, 4.0]
        await trio.sleep(11)
        assert badge.texts == ["one", "two", "three"]


@pytest.mark.req("MT-4", "I-6")
async def test_much_at_once_is_pushed_in_pieces_that_a_badge_can_read(autojump_clock: object) -> None:
    async with office() as stage:
        badge = stage.badge()
        await stage.office.open(DEVICE, "s1")
        said = [f"short {number}" for number in range(310)]
        said += ["言" * 9000 + str(number) for number in range(3)] + ["x" * 40_000]
        stage.say(*said)
        await trio.sleep(3.5)
        assert [len(m["segments"]) for m in badge.messages] == [SEGMENTS] * 4
        await trio.sleep(3)
        assert [len(m["segments"]) for m in badge.messages[4:]] == [50, 50, 11, 1]
        await trio.sleep(6)
        assert [m["index"] for m in badge.messages] == list(range(len(badge.messages)))
        assert badge.texts == said
        sizes = [sum(len(s["text"].encode()) for s in m["segments"]) for m in badge.messages]
        assert all(size <= BYTES for size, m in zip(sizes, badge.messages, strict=True) if len(m["segments"]) > 1)


@pytest.mark.req("I-6")
async def test_what_cannot_be_pushed_waits(autojump_clock: object) -> None:
    """The link is ending, but the session has not left yet."""
    async with office() as stage:
        badge = stage.badge()
        await stage.office.open(DEVICE, "s1")
        stage.say("one")
        badge.mailbox._outbox.finish()
        await trio.sleep(10)
        record = await stage.record()
        assert (record.pushed, record.pushes, record.segments) == (0, 0, 1)
        newer = stage.badge()
        await trio.sleep(3)
        assert newer.texts == ["one"]
        assert (await stage.office.finalise(DEVICE, "s2")).pending == 0


@pytest.mark.req("MT-9", "I-6")
async def test_after_a_disconnect_the_meeting_goes_on_where_it_was(autojump_clock: object) -> None:
    async with office() as stage:
        badge = stage.badge()
        opened = await stage.office.open(DEVICE, "s1")
        stage.say("one")
        await trio.sleep(4)
        stage.say("two")
        badge.vanish()
        await stage.quiet()
        assert (await stage.record()).state == "interrupted"
        await trio.sleep(60)
        again = stage.badge()
        resumed = await stage.office.open(DEVICE, "s2")
        assert (resumed.meeting, resumed.started, resumed.resumed) == (opened.meeting, opened.started, True)
        stage.say("three")
        await trio.sleep(4)
        assert (badge.texts, again.texts) == (["one"], ["two", "three"])
        assert [(m["index"], m["sessionId"]) for m in again.messages] == [(1, "s2")]
        (hole,) = await stage.store.meetings.holes(opened.meeting)
        assert hole == Hole(since=START + 4000, until=START + 64_000, reason="disconnected")
        assert (await stage.record()).state == "active"


@pytest.mark.req("I-6")
async def test_timers_run_while_the_meeting_is_active_and_at_no_other_time(autojump_clock: object) -> None:
    def looks() -> int:
        return sum(task.name.endswith("_for_ever") for task in tasks(stage.nursery))

    def tasks(nursery: trio.Nursery) -> list[trio.lowlevel.Task]:
        found = []
        for task in nursery.child_tasks:
            found.append(task)
            for inner in task.child_nurseries:
                found += tasks(inner)
        return found

    async with office() as stage:
        badge = stage.badge()
        await stage.office.open(DEVICE, "s1")
        await stage.quiet()
        assert looks() == 2
        await stage.office.open(DEVICE, "s1")
        await stage.quiet()
        assert looks() == 2
        badge.vanish()
        await stage.quiet()
        assert looks() == 0
        stage.badge()
        await stage.office.open(DEVICE, "s2")
        await stage.quiet()
        assert looks() == 2
        await stage.office.finalise(DEVICE, "s2")
        await stage.quiet()
        assert looks() == 0


@pytest.mark.req("MT-9")
async def test_a_newer_connection_of_the_device_takes_the_meeting_over(autojump_clock: object) -> None:
    """The old one leaves after the new one has come; there is no hole, because nothing was interrupted."""
    async with office() as stage:
        old = stage.badge()
        opened = await stage.office.open(DEVICE, "s1")
        stage.say("one")
        await trio.sleep(4)
        new = stage.badge()
        resumed = await stage.office.open(DEVICE, "s2")
        stage.say("two")
        await trio.sleep(1.5)
        old.vanish()
        stage.say("three")
        await trio.sleep(4)
        assert (resumed.meeting, resumed.resumed) == (opened.meeting, True)
        assert (old.texts, new.texts) == (["one"], ["two", "three"])
        assert await stage.store.meetings.holes(opened.meeting) == ()
        await stage.end(session="s2")
        assert (await new.summary())["segments"] == 3


@pytest.mark.req("MT-9")
async def test_after_the_server_was_killed_the_meeting_goes_on_with_a_hole(autojump_clock: object) -> None:
    async with office() as stage:
        stage.badge()
        opened = await stage.office.open(DEVICE, "s1")
        stage.say("one")
        await trio.sleep(5)
        stage.say("two")
        await stage.office.settle()
        await trio.sleep(1)
    assert (await stage.record()).state == "active"  # as it was killed
    async with office(store=stage.store, clock=stage.clock) as later:
        await later.quiet()
        assert (await stage.record()).state == "interrupted"
        await trio.sleep(20)
        badge = later.badge()
        resumed = await later.office.open(DEVICE, "s2")
        assert (resumed.meeting, resumed.started, resumed.resumed) == (opened.meeting, START, True)
        later.say("three")
        await trio.sleep(4)
        assert badge.texts == ["two", "three"]
        assert [m["index"] for m in badge.messages] == [1]
        (hole,) = await later.store.meetings.holes(opened.meeting)
        assert hole == Hole(since=START + 5000, until=START + 26_000, reason="server-restart")


@pytest.mark.req("MT-10", "MT-15")
async def test_checkpoints_are_stored_and_grow_with_what_is_new(autojump_clock: object) -> None:
    llm = ReadingLlm()
    async with office(llm, checkpoint_interval_s=180) as stage:
        stage.badge()
        await stage.office.open(DEVICE, "s1")
        stage.say("one")
        await trio.sleep(179)
        assert llm.asked == []
        await trio.sleep(2)
        record = await stage.record()
        assert record.checkpoint == '[1, "So far: 3 characters."]'
        assert record.seen == START + 180_000
        assert [(asked.schema, asked.max_tokens) for asked in llm.asked] == [("summary_so_far", 400)]
        stage.say("two")
        await trio.sleep(180)
        assert llm.last is not None
        shown = llm.last.messages[1].content
        assert shown == "Summary so far:\nSo far: 3 characters.\n\nSaid since:\ntwo"
        assert (await stage.record()).checkpoint.startswith("[2, ")
        await trio.sleep(180)  # nothing was said: nothing is asked
        assert len(llm.asked) == 2
        assert (await stage.record()).seen == START + 540_000


@pytest.mark.req("MT-10")
async def test_a_checkpoint_that_takes_for_ever_or_fails_harms_nothing(autojump_clock: object) -> None:
    def fail(asked: Asked) -> str | ProviderError:
        return ProviderError("m", "no", retryable=True) if asked.schema == "summary_so_far" else minutes_of(asked)

    llm = ReadingLlm(fail, delay=500)
    async with office(llm, checkpoint_interval_s=10, patience_s=600) as stage:
        badge = stage.badge()
        await stage.office.open(DEVICE, "s1")
        stage.say("one")
        await trio.sleep(11)
        stage.say("two")
        await trio.sleep(6)
        assert badge.texts == ["one", "two"]
        assert llm.running == 1
        await stage.office.finalise(DEVICE, "s1")
        await stage.quiet()
        assert llm.running == 0  # the timer has stopped, and what it had begun with it
        assert (await badge.summary())["summary"] == "From 1 to 2 plans were made."
        assert (await stage.record()).checkpoint == ""


async def test_a_meeting_that_cannot_be_stored_does_not_begin(autojump_clock: object) -> None:
    store = TroubledStore()
    async with office(store=store) as stage:
        store.meetings.broken = {"*"}
        with pytest.raises(RefusedError, match="cannot be stored") as refused:
            await stage.office.open(DEVICE, "s1")
        assert refused.value.code == "not-stored"
        store.meetings.broken = set()
        opened = await stage.office.open(DEVICE, "s1")
        assert not opened.resumed
        assert len(await store.meetings.unfinished()) == 1


@pytest.mark.req("MT-9")
async def test_nobody_is_told_that_he_is_in_a_meeting_before_it_is_stored(autojump_clock: object) -> None:
    store = TroubledStore()
    async with office(store=store) as stage:
        store.meetings.broken = {"*"}
        codes: list[str] = []

        async def open_on(session: str) -> None:
            with pytest.raises(RefusedError) as refused:
                await stage.office.open(DEVICE, session)
            codes.append(refused.value.code)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(open_on, "s1")
            await trio.sleep(1)
            nursery.start_soon(open_on, "s2")  # the device has connected again meanwhile
        assert codes == ["not-stored"] * 2
        store.meetings.broken = set()
        assert not (await stage.office.open(DEVICE, "s3")).resumed


async def test_what_is_stored_already_is_resumed_whatever_the_store_does(autojump_clock: object) -> None:
    store = TroubledStore()
    async with office(store=store) as stage:
        opened = await stage.office.open(DEVICE, "s1")
    store.meetings.broken = {"begin", "save", "add"}
    async with office(store=store) as later:
        assert (await later.office.open(DEVICE, "s2")).meeting == opened.meeting
        later.say("kept")
        await trio.sleep(5)
        store.meetings.broken = set()
        await trio.sleep(30)
        assert await texts_of(later, opened.meeting) == ["kept"]


async def test_a_session_that_ends_while_the_meeting_begins_leaves_one_to_resume(autojump_clock: object) -> None:
    store = TroubledStore()
    async with office(store=store) as stage:
        badge = stage.badge()
        store.meetings.broken = {"begin"}
        with trio.move_on_after(1):
            await stage.office.open(DEVICE, "s1")
        badge.vanish()
        store.meetings.broken = set()
        await trio.sleep(30)
        assert (await stage.record()).state == "interrupted"
        assert (await stage.office.open(DEVICE, "s2")).resumed


@pytest.mark.req("I-6")
async def test_words_wait_while_the_store_is_in_trouble(autojump_clock: object) -> None:
    store = TroubledStore()
    async with office(store=store) as stage:
        badge = stage.badge()
        opened = await stage.office.open(DEVICE, "s1")
        await stage.quiet()
        store.meetings.broken = {"*"}
        stage.say("one", "two")
        stage.office.miss(DEVICE, START, START + 5, "not-recognised")
        await trio.sleep(7)
        assert badge.texts == []
        store.meetings.broken = set()
        await trio.sleep(12)
        assert badge.texts == ["one", "two"]
        assert await store.meetings.holes(opened.meeting) == (
            Hole(since=START, until=START + 5, reason="not-recognised"),
        )


async def test_words_that_cannot_be_stored_at_all_leave_a_hole_and_others_follow(autojump_clock: object) -> None:
    store = TroubledStore()
    async with office(store=store) as stage:
        badge = stage.badge()
        opened = await stage.office.open(DEVICE, "s1")
        store.meetings.refuse_text = "poison"
        stage.say("one", "poison", "two")
        await trio.sleep(30)
        assert badge.texts == ["one", "two"]
        assert await store.meetings.holes(opened.meeting) == (Hole(since=START, until=START, reason="not-stored"),)


@pytest.mark.parametrize(("texts", "kept"), [
    ([str(n) for n in range(WAITING + 2)], WAITING), (["x" * (CHARACTERS - 1), "12", "3", "4"], 2)
])  # fmt: skip
async def test_overload_leaves_a_hole_with_its_times(autojump_clock: object, texts: list[str], kept: int) -> None:
    store = TroubledStore()
    async with office(store=store) as stage:
        opened = await stage.office.open(DEVICE, "s1")
        await stage.quiet()
        store.meetings.broken = {"*"}
        for number, text in enumerate(texts):
            stage.office.add(DEVICE, text, START + number)
        await stage.quiet()
        store.meetings.broken = set()
        await stage.office.settle()
        stored = set(await texts_of(stage, opened.meeting))
        assert len(stored) == kept
        (hole,) = await store.meetings.holes(opened.meeting)
        lost = [n for n, text in enumerate(texts) if text not in stored]
        assert hole == Hole(since=START + lost[0], until=START + lost[-1], reason="overload")


async def test_words_of_nobody_are_no_meeting(autojump_clock: object) -> None:
    async with office() as stage:
        stage.say("one")
        stage.office.miss(DEVICE, 1, 2, "overload")
        stage.office.heard_out(DEVICE)
        stage.office.left(DEVICE)
        await stage.quiet()
        assert await stage.store.meetings.latest() == ()


@pytest.mark.req("MT-9")
async def test_each_device_has_its_own_meeting(autojump_clock: object) -> None:
    async with office() as stage:
        other = "aa:bb:cc:00:00:02"
        mine, theirs = stage.badge(), stage.badge(other)
        first, second = await stage.office.open(DEVICE, "s1"), await stage.office.open(other, "s2")
        assert first.meeting != second.meeting
        stage.say("mine")
        stage.say("theirs", device=other)
        await trio.sleep(4)
        mine.vanish()
        stage.say("more", device=other)
        await trio.sleep(4)
        assert (mine.texts, theirs.texts) == (["mine"], ["theirs", "more"])

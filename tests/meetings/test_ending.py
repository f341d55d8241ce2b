"""The end of a meeting: once, with every word, and with minutes that arrive."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio

from badge import texts
from badge.components import Component
from badge.desk import Closing, RefusedError
from badge.link import Goodbye
from badge.llms import Purpose
from providers.ports import ProviderError
from tests.meetings.models import ReadingLlm
from tests.meetings.stage import DEVICE, START, Badge, TroubledStore, office

SILENT = ProviderError("m", "no", retryable=True)


@pytest.mark.req("MT-11", "MT-12", "MT-21")
async def test_the_end_is_acknowledged_at_once_and_the_minutes_follow(
    autojump_clock: object, log_lines: list[dict[str, Any]]
) -> None:
    async with office(ReadingLlm(delay=20)) as stage:
        badge = stage.badge()
        opened = await stage.office.open(DEVICE, "s1")
        stage.say("one")
        await trio.sleep(4)
        stage.say("two", "three")
        begun = trio.current_time()
        closing = await stage.office.finalise(DEVICE, "s1")
        assert closing == Closing(meeting=opened.meeting, started=START, pending=2, status="closing")
        assert trio.current_time() == begun
        assert (await stage.record()).state == "finalising"
        stage.office.heard_out(DEVICE)
        message = await badge.summary()
        assert trio.current_time() == begun + 20
        minutes = message.pop("minutes")
        assert message == {
            "type": "meeting",
            "phase": "summary",
            "sessionId": "s1",
            "meetingId": opened.meeting,
            "startedAt": START,
            "endedAt": START + 4000,
            "segments": 3,
            "summary": "From 1 to 3 plans were made.",
        }
        assert minutes == {
            "title": "Plans from 1",
            "summary": [{"text": "From 1 to 3 plans were made.", "segments": [1, 3]}],
            "decisions": [{"text": "Plan 1 is decided", "segments": [1]}],
            "actions": [{"text": "Write plan 3", "owner": "Bob", "due": "2026-12-01", "segments": [3]}],
            "questions": [{"text": "Who reads plan 3?", "segments": [3]}],
            "holes": [],
            "method": "model",
            "left_out": [],
        }
        events = [line["event"] for line in log_lines]
        assert events.index(texts.LOG_FINALIZE_REQUEST) < events.index(texts.LOG_TIMERS_STOPPED)
        assert events.index(texts.LOG_TIMERS_STOPPED) < events.index("minutes written")


@pytest.mark.req("LM-14", "B-87")
async def test_minutes_of_a_device_with_its_own_model_are_written_by_that_alone(autojump_clock: object) -> None:
    ours, own = ReadingLlm(), ReadingLlm()
    async with office(ours) as stage:
        mine: Component[Any] = Component("llm.mine", (own,))
        stage.nursery.start_soon(mine.run)
        stage.llms._models["mine"] = mine
        stage.llms.assign(DEVICE, dict.fromkeys(Purpose, "mine"))
        for device in (DEVICE, "another"):
            badge = stage.badge(device)
            await stage.office.open(device, "s1")
            stage.say("one", device=device)
            await stage.end(device)
            await badge.summary()
            assert (len(own.asked), len(ours.asked)) == ((1, 0) if device == DEVICE else (1, 1))


@pytest.mark.req("MT-13", "B-61")
async def test_words_in_flight_belong_to_the_meeting_and_later_ones_do_not(autojump_clock: object) -> None:
    async with office(ReadingLlm(delay=5)) as stage:
        badge = stage.badge()
        opened = await stage.office.open(DEVICE, "s1")
        stage.say("one")
        await stage.office.finalise(DEVICE, "s1")
        await trio.sleep(2.9)
        assert (await stage.record()).state == "finalising"
        stage.say("in flight")
        stage.office.heard_out(DEVICE)
        stage.say("too late")
        stage.office.miss(DEVICE, START, START + 1, "overload")
        await stage.quiet()
        assert (await stage.record()).state == "summarising"
        stage.say("much too late")
        assert (await badge.summary())["segments"] == 2
        assert badge.texts == ["one", "in flight"]  # the last snippet goes before the summary
        assert [s.text for s in await stage.store.meetings.segments(opened.meeting)] == ["one", "in flight"]
        assert await stage.store.meetings.holes(opened.meeting) == ()


@pytest.mark.req("MT-13", "B-61")
async def test_words_in_flight_are_awaited_for_three_seconds(autojump_clock: object) -> None:
    async with office() as stage:
        badge = stage.badge()
        await stage.office.open(DEVICE, "s1")
        begun = trio.current_time()
        await stage.office.finalise(DEVICE, "s1")
        await badge.summary()
        assert trio.current_time() == begun + 3
        stage.say("too late")
        await trio.sleep(10)
        assert len(badge.of("summary")) == 1
        assert (await stage.record()).segments == 0


@pytest.mark.req("MT-14", "I-6", "B-61")
async def test_however_often_it_shall_end_it_ends_once(autojump_clock: object) -> None:
    llm = ReadingLlm(delay=5)
    async with office(llm) as stage:
        badge = stage.badge()
        opened = await stage.office.open(DEVICE, "s1")
        stage.say("one")
        closings: list[Closing] = []

        async def finalise() -> None:
            closings.append(await stage.office.finalise(DEVICE, "s1"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(finalise)
            nursery.start_soon(finalise)
        assert sorted(closing.status for closing in closings) == ["again", "closing"]
        stage.office.heard_out(DEVICE)
        await trio.sleep(1)
        assert (await stage.office.finalise(DEVICE, "s1")).status == "again"
        first = await badge.summary()
        await trio.sleep(60)
        assert len(badge.of("summary")) == 1
        again = await stage.office.finalise(DEVICE, "s2")
        assert again == Closing(meeting=opened.meeting, started=START, pending=0, status="again")
        second = await badge.summary(2)
        assert second == {**first, "sessionId": "s2", "idempotent": True}
        assert len(llm.asked) == 1


@pytest.mark.req("MT-14", "MT-11")
async def test_the_answer_to_a_repeated_wish_goes_before_the_minutes(autojump_clock: object) -> None:
    async with office() as stage:
        badge = stage.badge()
        await stage.office.open(DEVICE, "s1")
        await stage.end()
        await badge.summary()
        await stage.office.finalise(DEVICE, "s1")
        badge.mailbox.post(json.dumps({"phase": "finalize"}))  # as the session does when it gets the closing
        await badge.summary(2)
        assert [message["phase"] for message in badge.messages] == ["summary", "finalize", "summary"]


@pytest.mark.req("MT-17", "B-58")
async def test_without_a_meeting_there_is_nothing_to_end(autojump_clock: object) -> None:
    llm = ReadingLlm()
    async with office(llm) as stage:
        badge = stage.badge()
        assert await stage.office.finalise(DEVICE, "s1") == Closing(status="none", started=0, pending=0)
        stage.office.heard_out(DEVICE)
        await trio.sleep(60)
        assert (badge.messages, llm.asked) == ([], [])


@pytest.mark.req("MT-17")
async def test_a_meeting_of_long_ago_is_no_meeting_to_end(autojump_clock: object) -> None:
    async with office(resume_within_s=600) as stage:
        badge = stage.badge()
        await stage.office.open(DEVICE, "s1")
        await stage.end()
        await badge.summary()
        await trio.sleep(601)
        assert (await stage.office.finalise(DEVICE, "s2")).status == "none"


@pytest.mark.req("MT-16", "B-57")
async def test_the_next_meeting_begins_afresh_while_the_minutes_are_written(autojump_clock: object) -> None:
    llm = ReadingLlm(delay=30)
    async with office(llm) as stage:
        badge = stage.badge()
        first = await stage.office.open(DEVICE, "s1")
        stage.say("hello", "one")
        await trio.sleep(4)
        stage.say("two")
        await stage.end()
        await trio.sleep(1)
        second = await stage.office.open(DEVICE, "s1")
        assert (second.resumed, second.started) == (False, START + 5000)
        assert second.meeting != first.meeting
        stage.say("hello")  # said in the other meeting, too
        await trio.sleep(4)
        assert badge.of("snippet")[-1]["meetingId"] == second.meeting
        assert [(m["index"], len(m["segments"])) for m in badge.of("snippet")] == [(0, 2), (1, 1), (0, 1)]
        closing = await stage.end()
        assert (closing.meeting, closing.pending, closing.status) == (second.meeting, 0, "closing")
        await badge.summary(2)
        assert [m["meetingId"] for m in badge.of("summary")] == [first.meeting, second.meeting]
        assert [m["segments"] for m in badge.of("summary")] == [3, 1]
        assert len(llm.asked) == 2


@pytest.mark.req("MT-13", "MT-16")
async def test_words_in_flight_belong_to_the_old_meeting_though_the_next_has_begun(autojump_clock: object) -> None:
    async with office() as stage:
        badge = stage.badge()
        first = await stage.office.open(DEVICE, "s1")
        await stage.office.finalise(DEVICE, "s1")
        second = await stage.office.open(DEVICE, "s1")
        stage.say("old")
        stage.office.heard_out(DEVICE)
        stage.say("new")
        stage.office.heard_out(DEVICE)
        await stage.end()
        await badge.summary(2)
        for opened, text in ((first, "old"), (second, "new")):
            assert [s.text for s in await stage.store.meetings.segments(opened.meeting)] == [text]


@pytest.mark.req("MT-19", "B-62")
async def test_minutes_wait_for_a_badge_that_is_gone(autojump_clock: object) -> None:
    async with office(ReadingLlm(delay=30)) as stage:
        badge = stage.badge()
        await stage.office.open(DEVICE, "s1")
        stage.say("one")
        await stage.end()
        await trio.sleep(10)
        badge.vanish()
        await trio.sleep(60)
        record = await stage.record()
        assert (record.state, record.delivered) == ("finalised", False)
        later = stage.badge()
        message = await later.summary()
        assert (message["sessionId"], "idempotent" in message) == ("s1", False)
        await trio.sleep(1)
        assert (await stage.record()).delivered
        again = stage.badge()
        await trio.sleep(60)
        assert again.messages == []


@pytest.mark.req("MT-19", "B-62")
async def test_minutes_are_brought_again_when_nothing_proves_that_they_arrived(autojump_clock: object) -> None:
    async with office() as stage:
        badge = stage.badge()
        badge.wire.answers_pings = False
        await stage.office.open(DEVICE, "s1")
        await stage.end()
        await badge.summary()
        await trio.sleep(5)
        badge.vanish()
        assert not (await stage.record()).delivered
        later = stage.badge()
        await later.summary()
        await trio.sleep(5)
        assert (await stage.record()).delivered


@pytest.mark.req("MT-19", "B-62")
async def test_minutes_on_the_way_to_an_old_connection_come_by_the_new_one_only_if_they_got_lost(
    autojump_clock: object,
) -> None:
    for proven in (True, False):
        async with office() as stage:
            old = stage.badge()
            old.wire.answers_pings = proven
            await stage.office.open(DEVICE, "s1")
            await stage.office.finalise(DEVICE, "s1")
            stage.office.heard_out(DEVICE)
            await old.summary()
            new = stage.badge()
            await trio.sleep(1.5)
            assert new.messages == []
            old.vanish()
            await trio.sleep(5)
            assert len(new.of("summary")) == (0 if proven else 1)
            assert (await stage.record()).delivered


@pytest.mark.req("MT-19", "B-62")
async def test_a_server_that_dies_while_it_writes_minutes_writes_them_when_it_is_back(autojump_clock: object) -> None:
    for kill_after in (1.0, 8.0):  # while words are awaited, and while the model answers
        async with office(ReadingLlm(delay=10)) as stage:
            stage.badge()
            await stage.office.open(DEVICE, "s1")
            stage.say("one")
            await stage.office.finalise(DEVICE, "s1")
            await trio.sleep(kill_after)
        assert (await stage.record()).state in ("finalising", "summarising")
        llm = ReadingLlm()
        async with office(llm, store=stage.store, clock=stage.clock) as later:
            await trio.sleep(5)
            badge = later.badge()
            message = await badge.summary()
            assert (message["segments"], message["endedAt"]) == (1, START)
            assert len(llm.asked) == 1


@pytest.mark.req("MT-9")
async def test_a_badge_that_does_not_come_back_gets_its_minutes_when_it_does(autojump_clock: object) -> None:
    async with office(resume_within_s=600) as stage:
        badge = stage.badge()
        opened = await stage.office.open(DEVICE, "s1")
        stage.say("one")
        await trio.sleep(10)
        badge.vanish()
        await trio.sleep(599)
        assert (await stage.record()).state == "interrupted"
        await trio.sleep(62)
        record = await stage.record()
        assert (record.state, record.ended) == ("finalised", START + 10_000)
        later = stage.badge()
        message = await later.summary()
        hole = {"since": START + 10_000, "until": START + 10_000, "reason": "disconnected"}
        assert message["minutes"]["holes"] == [hole]
        assert not (await stage.office.open(DEVICE, "s2")).resumed
        assert (await stage.store.meetings.get(opened.meeting)).segments == 1


@pytest.mark.req("MT-9")
async def test_a_meeting_that_was_left_long_before_the_server_started_is_finalised(autojump_clock: object) -> None:
    async with office() as stage:
        badge = stage.badge()
        await stage.office.open(DEVICE, "s1")
        stage.say("one")
        badge.vanish()
        await stage.quiet()
    await trio.sleep(15_000)
    async with office(store=stage.store, clock=stage.clock) as later:
        assert (await later.badge().summary(within=10))["segments"] == 1


@pytest.mark.req("MT-9", "MT-11")
async def test_an_interrupted_meeting_can_be_ended(autojump_clock: object) -> None:
    async with office() as stage:
        badge = stage.badge()
        await stage.office.open(DEVICE, "s1")
        stage.say("one")
        badge.vanish()
        await trio.sleep(30)
        later = stage.badge()
        closing = await stage.end(session="s2")
        assert (closing.status, closing.pending) == ("closing", 1)
        message = await later.summary()
        assert (message["sessionId"], message["endedAt"]) == ("s2", START + 30_000)
        assert message["minutes"]["holes"] == [{"since": START, "until": START + 30_000, "reason": "disconnected"}]


async def test_holes_stand_in_the_minutes(autojump_clock: object) -> None:
    async with office() as stage:
        badge = stage.badge()
        await stage.office.open(DEVICE, "s1")
        stage.say("one")
        stage.office.miss(DEVICE, START + 1, START + 2, "not-recognised")
        await stage.end()
        message = await badge.summary()
        assert message["minutes"]["holes"] == [{"since": START + 1, "until": START + 2, "reason": "not-recognised"}]


@pytest.mark.req("MT-11", "MT-19")
async def test_a_store_in_trouble_delays_the_minutes_and_nothing_else(autojump_clock: object) -> None:
    store = TroubledStore()
    async with office(store=store) as stage:
        badge = stage.badge()
        opened = await stage.office.open(DEVICE, "s1")
        stage.say("one")
        await stage.quiet()
        for method in ("save", "holes", "segments"):
            store.meetings.broken = {method}
            begun = trio.current_time()
            closing = await stage.end()
            assert closing.meeting == opened.meeting
            assert trio.current_time() - begun <= 0.5
            await trio.sleep(100)
            assert badge.of("summary") == []
        store.meetings.broken = set()
        assert (await badge.summary())["segments"] == 1
        await trio.sleep(10)
        assert (await stage.record()).delivered


async def test_a_store_that_cannot_be_read_is_no_reason_to_fall_over(autojump_clock: object) -> None:
    store = TroubledStore()
    async with office(store=store) as stage:
        store.meetings.broken = {"*"}
        for ask in (stage.office.finalise(DEVICE, "s1"), stage.office.adopt(DEVICE, "", None)):
            with pytest.raises(RefusedError) as refused:
                await ask
            assert refused.value.code == "not-stored"
        stage.badge()
        await stage.quiet()
        store.meetings.broken = {"save"}
        badge: Badge = stage.badge()
        store.meetings.broken = set()
        await stage.office.open(DEVICE, "s1")
        await stage.end()
        await badge.summary()


async def test_that_minutes_arrived_is_stored_when_the_store_is_well_again(autojump_clock: object) -> None:
    store = TroubledStore()
    async with office(store=store) as stage:
        badge = stage.badge()
        badge.wire.answers_pings = False
        await stage.office.open(DEVICE, "s1")
        await stage.end()
        await badge.summary()
        store.meetings.broken = {"save"}
        badge._outbox.prove(1)
        await trio.sleep(2)
        assert not (await stage.record()).delivered
        store.meetings.broken = set()
        await trio.sleep(10)
        assert (await stage.record()).delivered


# --- action items become tasks ----------------------------------------------------------------------------------------


async def test_actions_become_tasks_once(autojump_clock: object) -> None:
    async with office() as stage:
        badge = stage.badge()
        opened = await stage.office.open(DEVICE, "s1")
        stage.say("one")
        with pytest.raises(RefusedError, match="ask again"):
            await stage.office.adopt(DEVICE, opened.meeting, None)
        await stage.end()
        await badge.summary()
        (result,) = await stage.office.adopt(DEVICE, "", None)
        assert (result.outcome, result.id) == ("created", f"{opened.meeting}-0")
        assert result.task is not None
        assert (result.task.title, result.task.due, result.task.source) == (
            "Write plan 1 (Bob)", "2026-12-01", opened.meeting
        )  # fmt: skip
        (again,) = await stage.office.adopt(DEVICE, opened.meeting, [0, 0])
        assert again.outcome == "exists"
        for meeting, items, code in (
            ("unknown", None, "no-meeting"), (opened.meeting, [1], "no-such-action"), (opened.meeting, [-1], "no-such-action")
        ):  # fmt: skip
            with pytest.raises(RefusedError) as refused:
                await stage.office.adopt(DEVICE, meeting, items)
            assert refused.value.code == code
        with pytest.raises(RefusedError) as refused:
            await stage.office.adopt("somebody else", opened.meeting, None)
        assert refused.value.code == "no-meeting"


async def test_a_date_in_words_stays_in_the_title_and_no_actions_are_said(autojump_clock: object) -> None:
    llm = ReadingLlm(lambda _: SILENT)
    async with office(llm) as stage:
        badge = stage.badge()
        await stage.office.open(DEVICE, "s1")
        stage.say("小王负责发送报告，下周三之前完成。")
        await stage.end()
        await badge.summary()
        (result,) = await stage.office.adopt(DEVICE, "", None)
        assert result.task is not None
        assert (result.task.title, result.task.due) == ("小王负责发送报告，下周三之前完成。", None)
        await stage.office.open(DEVICE, "s1")
        await stage.end()
        await badge.summary(2)
        with pytest.raises(RefusedError) as refused:
            await stage.office.adopt(DEVICE, "", None)
        assert refused.value.code == "no-actions"


async def test_who_asks_is_told_which_transitions_there_were(autojump_clock: object) -> None:
    seen: list[tuple[str, ...]] = []
    async with office(watch=lambda *step: seen.append(step)) as stage:
        badge = stage.badge()
        await stage.office.open(DEVICE, "s1")
        badge.vanish()
        badge = stage.badge()
        await stage.office.open(DEVICE, "s1")
        badge.mailbox.retire(Goodbye.EXIT)
        await stage.end()
        await badge.summary()
    events = [event for machine, event, *_ in seen if machine == "MeetingMachine" and not event.startswith("__")]
    assert events == ["interrupt", "resume", "finalise", "heard_out", "summarised"]

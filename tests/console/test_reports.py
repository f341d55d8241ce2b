"""Reports to a console over real sockets: in order, none lost that need not be, and in nobody's way."""

from __future__ import annotations

import io
import random
import wave
from base64 import b64decode, b64encode
from typing import Any

import pytest
import structlog.testing
import trio

from badge.console.calling import MOST_CALLS
from badge.desk import Terms
from badge.offices import reports
from badge.offices.reports import Reports
from tests.console.server import REPORT, local_console, ok
from tests.console.test_terms import DEVICE, office, with_console
from tests.house import packets


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "PAUSES", (0.01, 0.02, 0.05))


@pytest.mark.req("RP-4", "B-78")
async def test_ten_reports_come_in_order_whatever_each_takes() -> None:
    chance = random.Random(5)

    async def slow(_: Any) -> Any:
        await trio.sleep(chance.random() / 20)
        return ok()

    async with local_console() as console:
        console.answers[REPORT] = slow
        async with office(with_console(console.url)) as house:
            for number in range(10):
                for session in ("s1", "s2"):
                    house.reports.report(DEVICE, session, "user", f"{session} {number}", "", number)
            await console.until(REPORT, 20)
    for session in ("s1", "s2"):
        mine = [body["content"] for body in console.of(REPORT) if body["sessionId"] == session]
        assert mine == [f"{session} {number}" for number in range(10)]


@pytest.mark.req("RP-2", "RP-3")
async def test_a_report_says_who_said_what_and_when_with_its_sound() -> None:
    sound = " ".join(b64encode(packet).decode() for packet in packets("voice", count=20))
    async with local_console() as console, office(with_console(console.url)) as house:
        house.reports.report(DEVICE, "s", "user", "what time is it", sound, 1_700_000_000_123)
        house.reports.report(DEVICE, "s", "agent", "Nine.", "?? !!", 2)
        house.reports.report(DEVICE, "s", "tool", "{}", "", 3)
        first, second, third = await console.until(REPORT, 3)
    assert console.headers[0]["authorization"] == "Bearer S3"
    assert first | {"audioBase64": ""} == {
        "macAddress": DEVICE,
        "sessionId": "s",
        "chatType": 1,
        "content": "what time is it",
        "reportTime": 1_700_000_000_123,
        "audioBase64": "",
    }
    with wave.open(io.BytesIO(b64decode(first["audioBase64"]))) as wav:
        assert (wav.getframerate(), wav.getnchannels(), wav.getsampwidth()) == (16000, 1, 2)
        assert wav.getnframes() == 20 * 960
    assert (second["chatType"], second["audioBase64"]) == (2, None)
    assert (third["chatType"], third["audioBase64"]) == (3, None)


@pytest.mark.req("RP-4", "RP-5", "B-77")
async def test_a_failure_is_tried_again_and_does_not_change_the_order() -> None:
    failures = [b"<html>", {"code": "x"}, b""]

    async def stumble(_: Any) -> Any:
        return failures.pop() if failures else ok()

    async with local_console() as console:
        console.answers[REPORT] = stumble
        async with office(with_console(console.url)) as house:
            for number in range(3):
                house.reports.report(DEVICE, "s", "user", str(number), "", number)
            with trio.fail_after(5):
                await house.settle()
    assert [body["content"] for body in console.of(REPORT)] == ["0", "0", "0", "0", "1", "2"]


@pytest.mark.req("RP-5")
async def test_what_cannot_be_reported_is_given_up_and_logged_without_its_words() -> None:
    async with local_console() as console:
        console.answers[REPORT] = b"no"
        with structlog.testing.capture_logs() as logs:
            async with office(with_console(console.url)) as house:
                house.reports.report(DEVICE, "s", "user", "private words", "", 0)
                with trio.fail_after(5):
                    await house.settle()
    assert len(console.of(REPORT)) == 4
    assert [line["event"] for line in logs if line["log_level"] == "warning"] == ["a report is given up"]
    assert "private words" not in str(logs)


@pytest.mark.req("RP-5", "PC-7")
async def test_reports_that_hang_delay_nobody_who_asks_for_terms_and_hold_little() -> None:
    gate = trio.Event()

    async def wait(_: Any) -> Any:
        await gate.wait()
        return ok()

    async with local_console() as console:
        console.answers[REPORT] = wait
        async with office(with_console(console.url)) as house:
            for number in range(3 * MOST_CALLS):
                house.reports.report(DEVICE, f"s{number}", "user", str(number), "", number)
            await trio.sleep(0.3)
            assert await house.devices.terms(DEVICE, "c") == Terms()
            assert isinstance(house.reports, Reports)
            assert len(house.reports._items) >= 2 * MOST_CALLS  # where the bound counts them
            gate.set()
            with trio.fail_after(5):
                await house.settle()
    assert len(console.of(REPORT)) == 3 * MOST_CALLS


@pytest.mark.req("RP-5")
async def test_when_too_much_sound_waits_further_reports_go_out_without(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = " ".join(b64encode(packet).decode() for packet in packets("voice", count=20))
    monkeypatch.setattr(reports, "MOST_BYTES", 3 * len(sound))
    async with local_console() as console, office(with_console(console.url)) as house:
        for number in range(5):  # none goes out in between
            house.reports.report(DEVICE, "s", "user", str(number), sound, number)
        told = await console.until(REPORT, 5)
    assert [(body["content"], body["audioBase64"] is not None) for body in told] == [
        ("0", True),
        ("1", True),
        ("2", True),
        ("3", False),
        ("4", False),
    ]


@pytest.mark.req("RP-4")
async def test_half_a_character_is_no_reason_to_lose_a_report() -> None:
    async with local_console() as console, office(with_console(console.url)) as house:
        house.reports.report(DEVICE, "s", "user", "half \ud800 a word", "", 0)
        (told,) = await console.until(REPORT, 1, within=3)
    assert told["content"] == "half � a word"


@pytest.mark.req("RP-5")
async def test_when_too_many_wait_the_oldest_make_room() -> None:
    gate = trio.Event()

    async def wait(_: Any) -> Any:
        await gate.wait()
        return ok()

    async with local_console() as console:
        console.answers[REPORT] = wait
        async with office(with_console(console.url, report_queue=3)) as house:
            assert isinstance(house.reports, Reports)
            house.reports.report(DEVICE, "s", "user", "under way", "", 0)
            await trio.sleep(0.2)
            for number in range(6):
                house.reports.report(DEVICE, "s", "user", str(number), "", number)
            gate.set()
            with trio.fail_after(5):
                await house.settle()
    assert [body["content"] for body in console.of(REPORT)] == ["under way", "3", "4", "5"]

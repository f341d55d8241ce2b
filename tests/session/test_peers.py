"""Messages between badges, from one session to another: what each of them sends, reads and hears."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import structlog
import trio
from trio.testing import MockClock

from providers.scripted import Reply, ScriptedLlm
from tests.house import Guest, House, changed, packets

A, B, C = "aa:bb:cc:00:00:01", "aa:bb:cc:00:00:02", "ff:bb:cc:00:00:03"


def peers(guest: Guest, event: str | None = None) -> list[dict[str, Any]]:
    """Peer messages that a badge got: with this event, or answers when there is none."""
    return [message for message in guest.of("peer") if message.get("event") == event]


def spoken(guest: Guest) -> str:
    """All sentences that were spoken."""
    return " ".join(message["text"] for message in guest.of("tts", "sentence_start"))


@pytest.mark.req("PE-1", "PE-4", "PE-14")
async def test_a_message_from_badge_to_badge(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    house = House(nursery, team=True)
    a, b = await house.enter(A), await house.enter(B)
    a.tell(type="peer", to=[B.upper()], payload={"text": "Tea is ready."}, id="m1")
    await trio.sleep(0.5)
    assert peers(a) == [{"type": "peer", "status": "ok", "id": "m1", "to": {B: "sent"}}]
    assert [(m["from"], m["id"], m["category"], m["payload"]) for m in peers(b, "message")] == [
        (A, "m1", "text", {"text": "Tea is ready."})
    ]
    await trio.sleep(10)
    assert [m["status"] for m in peers(a, "receipt")] == ["delivered", "heard"]
    assert b.turn[:3] == ["peer message", "tts start", "llm"]
    assert b.turn[-2:] == ["audio", "tts stop"]
    assert spoken(b) == "Message from badge 0 0 0 1: Tea is ready."


@pytest.mark.req("PE-1", "PE-2", "PE-3", "PE-6", "PE-14")
@pytest.mark.parametrize(
    ("message", "answer"),
    [
        ({"to": B, "payload": {}}, {"message": "invalid to/payload"}),
        ({"to": [5], "payload": {}}, {"message": "invalid to/payload"}),
        ({"to": [B], "payload": []}, {"message": "invalid to/payload"}),
        ({"to": [B], "payload": "text"}, {"message": "invalid to/payload"}),
        ({}, {"code": "no-target"}),
        ({"to": []}, {"code": "no-target"}),
        ({"to": [" "]}, {"code": "no-target"}),
        ({"to": [B], "category": "a b"}, {"message": "invalid category"}),
        ({"to": [B], "payload": {"category": "a b"}}, {"message": "invalid category"}),
        ({"to": [B], "payload": {"category": "clip", "opus": []}}, {"code": "bad-clip"}),
    ],
)
async def test_what_cannot_be_sent_is_answered(
    autojump_clock: MockClock, nursery: trio.Nursery, message: dict[str, Any], answer: dict[str, str]
) -> None:
    house = House(nursery, team=True)
    a, b = await house.enter(A), await house.enter(B)
    a.tell(type="peer", **message)
    await trio.sleep(0.5)
    (told,) = peers(a)
    assert told["status"] == "error"
    assert {key: told[key] for key in answer} == answer
    assert not peers(b, "message")


@pytest.mark.req("PE-1", "PE-3")
async def test_payload_and_category_have_defaults_and_the_category_may_be_in_the_payload(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    house = House(nursery, team=True)
    a, b = await house.enter(A), await house.enter(B)
    a.tell(type="peer", to=[B])
    a.tell(type="peer", to=[B], payload={"category": " Command ", "do": "blink"})
    a.tell(type="peer", to=[B], payload={"category": "x"}, category="EVENT")
    await trio.sleep(0.5)
    assert [(m["category"], m["payload"]) for m in peers(b, "message")] == [
        ("text", {}),
        ("command", {"do": "blink"}),
        ("event", {"category": "x"}),
    ]
    assert len({m["id"] for m in peers(b, "message")}) == 3


@pytest.mark.req("PE-13")
async def test_the_log_shows_of_a_message_what_is_nobodys_secret(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    house = House(nursery, team=True)
    a, _ = await house.enter(A), await house.enter(B)
    with structlog.testing.capture_logs() as logs:
        a.tell(type="peer", to=[B, C], payload={"text": "the treasure", "token": "s3cret", "more": "x" * 9000})
        await trio.sleep(20)
    lines = [str(line) for line in logs]
    assert any("收到peer消息" in line["event"].format(**line) or line.get("kind") == "peer" for line in logs)
    assert not any(word in line for line in lines for word in ("treasure", "s3cret"))
    assert max(map(len, lines)) < 3000


@pytest.mark.req("PE-12", "B-26", "I-12")
async def test_a_stalled_receiver_does_not_keep_its_correspondent_from_anything(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """The badge sends to one that reads nothing, and wants its own answer to stop the next moment."""
    house = House(nursery, team=True, llm=ScriptedLlm([Reply(pieces=["One more sentence. "] * 100, pause=0.2)]))
    a, deaf, c = await house.enter(A), await house.enter(B), await house.enter(C)
    deaf.wire.reading = trio.Event()
    a.tell(type="listen", state="detect", text="tell me a long story")
    await a.until("tts", "sentence_start")
    for number in range(50):
        a.tell(type="peer", to=[B, C], id=str(number), category="event")
    a.tell(type="abort")
    begun = trio.current_time()
    await a.until("tts", "stop", within=1)
    await trio.sleep(1)
    assert len(peers(c, "message")) == len(peers(a)) == 50
    assert trio.current_time() - begun < 2.1


@pytest.mark.req("PE-9", "PE-10", "RG-15", "B-11")
async def test_mail_comes_after_the_welcome_and_before_the_list_of_tasks(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    house = House(nursery, team=True, settings=changed(peer={"announce": "off"}))
    a = await house.enter(A)
    for number in range(60):
        a.tell(type="peer", to=[B], id=f"{number:02}")
    await trio.sleep(1)
    dying = await house.enter(B)
    dying.vanish()
    await dying.gone.wait()
    b = await house.enter(B)
    await trio.sleep(1)
    got = len(peers(dying, "message"))
    told = peers(a, "redelivered")
    first = 60 - told[-1]["count"]
    assert sum(m["count"] for m in told) == 60
    assert first <= got, "what the first one proved, it had read"
    assert [m["id"] for m in peers(b, "message")] == [f"{number:02}" for number in range(first, 60)]
    assert b.story == ["hello"] + ["peer message"] * (60 - first) + ["workflow update"]


@pytest.mark.req("PE-11")
async def test_a_clip_is_announced_and_then_heard(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    house = House(nursery, team=True)
    a, b = await house.enter(A), await house.enter(B)
    coded = [base64.b64encode(packet).decode() for packet in packets("voice", 60, 10)]
    a.tell(type="peer", to=[B], category="clip", payload={"opus": coded, "frame_ms": 60}, id="1")
    await trio.sleep(20)
    assert peers(b, "message")[0]["payload"]["opus"] == coded
    assert [m["text"] for m in b.of("tts", "sentence_start")] == ["Voice message from badge 0 0 0 1."]
    assert len(b.audio) >= 10
    assert [m["status"] for m in peers(a, "receipt")] == ["delivered", "heard"]


async def test_a_badge_that_plays_messages_itself_says_when_it_did(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    house = House(nursery, team=True)
    a, b = await house.enter(A), await house.enter(B)
    b.tell(type="hello", features={"peer_audio": True})
    await trio.sleep(0.1)
    a.tell(type="peer", to=[B], payload={"text": "Tea is ready."}, id="1")
    await trio.sleep(5)
    assert not b.of("tts")
    assert [m["status"] for m in peers(a, "receipt")] == ["delivered"]
    b.tell(type="peer", event="heard", ids=[{"from": A, "id": "1"}, {"from": A, "id": "2"}, {}])
    await trio.sleep(1)
    assert [m["status"] for m in peers(a, "receipt")] == ["delivered", "heard"]


async def test_nothing_is_said_during_a_meeting_and_all_of_it_after(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    house = House(nursery, team=True)
    a, b = await house.enter(A), await house.enter(B)
    b.tell(type="mode", state="start", mode="meeting")
    await trio.sleep(1)
    for number in range(3):
        a.tell(type="peer", to=[B], payload={"text": f"number {number}"}, id=str(number))
    await trio.sleep(30)
    assert [m["status"] for m in peers(a, "receipt")] == ["delivered"] * 3
    assert not any("number" in (m.get("text") or "") for m in b.of("tts"))
    b.tell(type="mode", state="end", mode="meeting")
    await trio.sleep(60)
    said = " ".join(f"Message from badge 0 0 0 1: number {number}" for number in range(3))
    assert spoken(b).endswith(said)
    assert [m["status"] for m in peers(a, "receipt")] == ["delivered"] * 3 + ["heard"] * 3


async def test_words_of_the_operator_are_said_when_the_badge_is_free(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    house = House(nursery, team=True)
    b = await house.enter(B)
    b.tell(type="listen", state="detect", text="what time is it")
    await b.until("tts", "sentence_start")
    assert await house.office.post.push(B, "Come down.") == "sent"
    await trio.sleep(20)
    assert [m["text"] for m in b.of("tts", "sentence_start")] == ["It is half past nine.", "Come down."]
    assert [word for word in b.turn if word.startswith("tts st")] == ["tts start", "tts stop"] * 2

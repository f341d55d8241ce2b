"""What is said aloud about messages, and voice clips."""

from __future__ import annotations

import base64
import itertools
import random
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from badge.config.team import PeerSettings
from badge.desk import Outgoing, RefusedError
from badge.offices.addressing import read_content
from badge.offices.clips import packet_ms, read_clip
from badge.offices.readingout import MOST_CHARACTERS, MOST_UNREAD
from providers.opus import Decoder, Encoder, opus_api
from providers.ports import EAR_RATE
from tests.house import packets
from tests.offices.street import Street

MAC = "aa:bb:cc:dd:ee:0f"


def clip(count: int = 5, frame_ms: int = 60) -> dict[str, Any]:
    stock = packets("voice", frame_ms)
    coded = [base64.b64encode(stock[number % len(stock)]).decode() for number in range(count)]
    return {"opus": coded, "frame_ms": frame_ms}


# --- read -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sender", "text", "said"),
    [
        ("kitchen", "Tea is ready.", "Message from kitchen: Tea is ready."),
        (MAC, " Tea ", "Message from badge E E 0 F: Tea"),
        ("kitchen", "茶好了", "来自kitchen的消息：茶好了"),
        (MAC, "茶好了", "来自徽章 E E 0 F 的消息：茶好了"),
    ],
)
async def test_a_text_is_read_aloud_in_its_language(
    autojump_clock: MockClock, nursery: trio.Nursery, sender: str, text: str, said: str
) -> None:
    street = await Street(nursery).open()
    b = street.enter("b")
    await street.send(sender, "b", payload={"text": text})
    await street.quiet()
    assert b.said == [said]
    assert b.notices[0].kind == "message"


@pytest.mark.parametrize("frame_ms", [20, 40, 60])
async def test_a_clip_is_announced_and_played(autojump_clock: MockClock, nursery: trio.Nursery, frame_ms: int) -> None:
    street = await Street(nursery).open()
    b = street.enter("b")
    payload = clip(7, frame_ms)
    await street.send("a", "b", category="clip", payload=payload)
    await street.quiet()
    assert b.of("message")[0]["payload"] == payload
    assert b.said == ["Voice message from a."]
    assert b.notices[0].clip == tuple(map(base64.b64decode, payload["opus"]))


@pytest.mark.parametrize(
    ("category", "payload"),
    [
        ("event", {"text": "x"}),
        ("text", {}),
        ("text", {"text": ""}),
        ("text", {"text": " \n "}),
        ("text", {"text": 5}),
        ("text", {"text": "x" * 4001}),
    ],
)
async def test_what_is_not_for_ears_is_only_delivered(
    autojump_clock: MockClock, nursery: trio.Nursery, category: str, payload: dict[str, Any]
) -> None:
    street = await Street(nursery).open()
    b = street.enter("b")
    await street.send("a", "b", "1", category=category, payload=payload)
    await street.send("a", "b", "2")
    await street.quiet()
    assert b.letters == [("a", "1"), ("a", "2")]
    assert b.said == ["Message from a: hello"]


@pytest.mark.req("PE-11")
async def test_heard_is_told_when_a_message_was_played_to_its_end(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    street = await Street(nursery).open()
    a, b = street.enter("a"), street.enter("b")
    for number in range(3):
        await street.send("a", "b", f"{number}", payload={"text": f"number {number}"})
    await street.quiet()
    assert len(b.said) == 1, "one after the other"
    b.finish("played")
    b.finish("cut")
    b.finish("played")
    await street.quiet()
    assert b.said == [f"Message from a: number {number}" for number in range(3)]
    assert a.receipts[-2:] == [("0", "b", "heard"), ("2", "b", "heard")]
    assert len(a.receipts) == 5


async def test_a_long_backlog_is_read_aloud_whole(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    street = await Street(nursery).open()
    for number in range(MOST_UNREAD):
        await street.send("a", "b", payload={"text": f"number {number}"})
    b = street.enter("b")
    for _ in range(MOST_UNREAD):
        await street.quiet()
        b.finish()
    assert b.said == [f"Message from a: number {number}" for number in range(MOST_UNREAD)]


async def test_what_waits_to_be_read_aloud_is_bounded(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    street = await Street(nursery).open()
    b = street.enter("b")
    large = {"text": "x", "more": "y" * 250_000}
    for number in range(30):
        await street.send("a", "b", payload={**large, "text": f"number {number}"})
        await street.quiet()
    assert len(b.letters) == 30
    said = MOST_CHARACTERS // 250_000 + 1
    for _ in range(said):
        b.finish()
    assert not b.told
    await street.send("a", "b", payload={"text": "small"})
    await street.quiet()
    assert b.said == [f"Message from a: number {number}" for number in range(said)] + ["Message from a: small"]


async def test_a_message_that_the_new_connection_interrupts_is_read_again_there(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    street = await Street(nursery).open()
    a, first = street.enter("a"), street.enter("b")
    for number in range(3):
        await street.send("a", "b", f"{number}", payload={"text": f"number {number}"})
    await street.quiet()
    second = street.enter("b")
    await street.quiet()
    assert second.said == []
    first.finish("lost")
    first.vanish()
    for _ in range(3):
        second.finish()
    await street.quiet()
    assert first.said == ["Message from a: number 0"]
    assert second.said == [f"Message from a: number {number}" for number in range(3)]
    assert [number for number, _, fate in a.receipts if fate == "heard"] == ["0", "1", "2"]


async def test_a_connection_that_ends_speaks_no_more_and_what_it_lost_is_not_skipped(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """A closing session takes no announcements; it is still registered when it says what it lost."""
    street = await Street(nursery).open()
    first = street.enter("b")
    for number in range(2):
        await street.send("a", "b", f"{number}", payload={"text": f"number {number}"})
    await street.quiet()
    first.announces = False
    first.finish("lost")
    second = street.enter("b")
    second.finish()
    second.finish()
    assert second.said == ["Message from a: number 0", "Message from a: number 1"]


async def test_a_badge_that_plays_messages_itself_is_told_nothing(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    street = await Street(nursery).open()
    a, b = street.enter("a"), street.enter("b", announces=False)
    await street.send("a", "b", "1")
    await street.send("a", "b", "2")
    await street.quiet()
    assert b.letters == [("a", "1"), ("a", "2")]
    assert a.receipts == [("1", "b", "delivered"), ("2", "b", "delivered")]


# --- count and off --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "language", "said"),
    [
        (1, "en", "You have one message."),
        (2, "en", "You have two messages."),
        (11, "en", "You have 11 messages."),
        (1, "zh", "你有一条消息。"),
        (2, "zh", "你有两条消息。"),
        (40, "zh", "你有40条消息。"),
    ],
)
async def test_how_many_have_waited(
    autojump_clock: MockClock, nursery: trio.Nursery, count: int, language: str, said: str
) -> None:
    street = Street(nursery, announce="count", language=language)
    await street.open()
    for _ in range(count):
        await street.send("a", "b")
        await street.send("a", "b", category="event")
    b = street.enter("b")
    await street.quiet()
    assert b.said == [said]
    assert b.notices[0].kind == "waiting"
    await street.send("a", "b")
    await street.quiet()
    assert b.said == [said], "a message that did not wait is not counted"
    b.vanish()
    again = street.enter("b")
    await street.quiet()
    assert again.said == []


async def test_silence_when_it_is_wanted(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    street = await Street(nursery, announce="off").open()
    await street.send("a", "b")
    b = street.enter("b")
    await street.send("a", "b")
    await street.quiet()
    assert len(b.letters) == 2
    assert b.said == []


# --- the operator -----------------------------------------------------------------------------------------------------------


async def test_a_push_is_said_and_a_badge_that_is_not_here_or_busy_is_named(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    street = await Street(nursery, announce="off").open()
    b = street.enter("b")
    assert await street.office.push(' "B" ', " Come down. ") == "sent"
    assert [(notice.kind, notice.text) for notice in b.notices] == [("push", "Come down.")]
    b.announces = False
    for device, text, code in (
        ("b", "x", "not-announced"),
        ("c", "x", "offline"),
        (" ", "x", "no-target"),
        ("b", " ", "bad-text"),
        ("b", "x" * 4001, "bad-text"),
        ("b", "\ud800", "bad-text"),
    ):
        with pytest.raises(RefusedError) as refusal:
            await street.office.push(device, text)
        assert refusal.value.code == code


async def test_the_operator_can_leave_a_letter(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    street = await Street(nursery).open()
    assert await street.office.leave("B", "Charge me.") == "queued"
    b = street.enter("b")
    impostor = street.enter("server")
    await street.quiet()
    assert b.said == ["Message from the operator: Charge me."]
    assert b.of("message")[0]["from"] == "server"
    b.finish()
    await street.quiet()
    assert impostor.messages == []
    assert await street.office.leave("b", "Thanks.") == "sent"


# --- clips ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frame_ms", [10, 20, 40, 60])
@pytest.mark.parametrize("kind", ["voice", "silence"])
def test_the_duration_of_a_packet_is_what_the_decoder_makes_of_it(frame_ms: int, kind: str) -> None:
    for packet in packets(kind, frame_ms):
        assert packet_ms(packet) == len(Decoder(EAR_RATE).decode(packet)) / 2 / EAR_RATE * 1000 == frame_ms


def test_every_kind_of_packet_lasts_as_long_as_libopus_says() -> None:
    libopus = opus_api().api.decoder
    for config, code, count in itertools.product(range(32), range(4), (1, 2, 3, 6, 48)):
        packet = bytes([config << 3 | code, count, *bytes(2 * count)])
        samples = libopus.libopus_packet_get_nb_frames(
            packet, len(packet)
        ) * libopus.libopus_packet_get_samples_per_frame(packet, 48_000)
        assert packet_ms(packet) == (samples / 48 if samples <= 5760 else 0)


@pytest.mark.parametrize("packet", [b"", b"\x03", b"\x03\x00", b"\xff\x3f"])
def test_what_is_no_packet_lasts_no_time(packet: bytes) -> None:
    assert packet_ms(packet) == 0


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        ({}, "frame_ms"),
        ({"frame_ms": 60}, "payload.opus must be a list"),
        ({"frame_ms": 60, "opus": []}, "at least one"),
        ({"frame_ms": 60, "opus": "AAAA"}, "must be a list"),
        ({**clip(), "frame_ms": 30}, "20, 40 or 60"),
        ({**clip(), "frame_ms": True}, "20, 40 or 60"),
        ({**clip(), "frame_ms": 60.0}, "20, 40 or 60"),
        ({**clip(), "frame_ms": 20}, "no Opus packet of 20 ms"),
        ({"frame_ms": 60, "opus": [*clip()["opus"], 5]}, r"opus\[5\] must be base64"),
        ({"frame_ms": 60, "opus": [""]}, r"opus\[0\] must be base64"),
        ({"frame_ms": 60, "opus": ["not base64!"]}, "must be base64"),
        ({"frame_ms": 60, "opus": ["漢字"]}, "must be base64"),
        ({"frame_ms": 60, "opus": [base64.b64encode(b"\x18" + bytes(4000)).decode()]}, "1 to 4000 bytes"),
        (clip(1001), "at most 60 s"),
    ],
)
def test_a_bad_clip_is_refused_with_what_is_wrong(payload: dict[str, Any], problem: str) -> None:
    with pytest.raises(RefusedError, match=problem) as refusal:
        read_clip(payload, longest_s=60)
    assert refusal.value.code == "bad-clip"


def test_the_longest_clip_is_taken_and_fits_into_a_message() -> None:
    """A minute of speech as the server itself encodes it."""
    encoder = Encoder(EAR_RATE, 20)
    noise = random.Random(1)
    coded = [base64.b64encode(encoder.encode(noise.randbytes(encoder.frame_bytes))).decode() for _ in range(3000)]
    message = Outgoing(id="1", to=["b"], category="clip", payload={"opus": coded, "frame_ms": 20})
    content = read_content(message, PeerSettings())
    assert len(content.payload) > 200_000
    assert len(read_clip(message.payload, longest_s=60).packets) == 3000

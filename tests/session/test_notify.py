"""Notices on badges that fetch and play them by themselves: no turn, no floor, and nothing claimed that nobody knows."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from badge import sounds
from badge.notices import Ending, Notice
from providers.ports import ProviderError
from providers.scripted import ScriptedTts, Utterance
from tests.house import Guest, House, changed, packets
from tests.soundfile import seconds

A, B = "aa:bb:cc:00:00:01", "aa:bb:cc:00:00:02"


def house_of(nursery: trio.Nursery, **arguments: Any) -> House:
    """Every sentence takes half a second to be made, and lasts 0.1 s for each of its characters."""
    tts = ScriptedTts(lambda text: Utterance(duration=0.1 * len(text), delay=0.5))
    return House(nursery, **{"tts": tts, "team": True, **arguments})


async def guest_of(house: House, device: str = A, *, notify: bool = True) -> Guest:
    guest = await house.enter(device)
    guest.tell(type="hello", features={"notify": notify})
    await guest.until("hello", count=2)
    return guest


def file_of(house: House, message: dict[str, Any]) -> bytes | None:
    prefix, _, name = message["audio_url"].rpartition("/")
    assert prefix == "http://house:8003/sounds"
    return house.services.sounds.get(name.removesuffix(".ogg"))


async def test_an_idle_badge_is_told_where_the_sound_is(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    house = house_of(nursery)
    guest = await guest_of(house)
    assert await house.office.post.push(A, "Tea is ready. Come and get it.") == "sent"
    told = await guest.until("notify")
    assert told["subtitles"] == [
        {"start_ms": 0, "text": "Tea is ready."},
        {"start_ms": 1300, "text": "Come and get it."},
    ]
    file = file_of(house, told)
    assert file is not None
    assert seconds(file) == pytest.approx(2.9, abs=0.001)
    await trio.sleep(10)
    assert guest.turn == ["notify"]
    assert guest.session.conversation.state == "idle"


async def test_one_sound_at_a_time(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    house = house_of(nursery)
    guest = await guest_of(house)
    for text in ("1234567890.", "Two.", "Three."):
        await house.office.post.push(A, text)
    await guest.until("notify", count=3)
    first, second, third = guest.times("notify")
    assert second - first == pytest.approx(1.1 + 1.0 + 0.5, abs=0.01)  # played, fetched, made
    assert third - second == pytest.approx(0.4 + 1.0 + 0.5, abs=0.01)
    assert guest.turn == ["notify"] * 3
    assert len({message["audio_url"] for message in guest.of("notify")}) == 3


async def without_feature(house: House) -> Guest:
    return await guest_of(house, notify=False)


async def without_address(house: House) -> Guest:
    guest = await guest_of(house)
    guest.session.traits.http_url = ""
    return guest


async def listening(house: House) -> Guest:
    guest = await guest_of(house)
    guest.tell(type="listen", state="start", mode="realtime")
    guest.tell(type="abort")
    return guest


@pytest.mark.parametrize("badge", [without_feature, without_address, listening])
async def test_others_hear_it_in_a_turn(autojump_clock: MockClock, nursery: trio.Nursery, badge: Any) -> None:
    house = house_of(nursery)
    guest = await badge(house)
    await guest.quiet()
    await house.office.post.push(A, "Tea is ready.")
    await guest.until("tts", "stop")
    assert guest.turn == ["tts start", "llm", "tts sentence_start", "audio", "tts stop"]


@pytest.mark.parametrize(
    "voice",
    [
        {"tts": ScriptedTts(lambda _: Utterance(delay=0.1, error=ProviderError("tts", "is down")))},
        {"tts": ScriptedTts(lambda _: Utterance(delay=1e6))},
        {"tts": ScriptedTts(lambda _: Utterance(duration=0.0))},
        {"tts": ScriptedTts(broken=ProviderError("tts", "is down"))},
        {"without": ["tts"]},
    ],
    ids=["fails", "takes too long", "has nothing to say", "broken", "off"],
)
async def test_without_a_voice_it_is_shown_in_a_turn(
    autojump_clock: MockClock, nursery: trio.Nursery, voice: dict[str, Any]
) -> None:
    house = house_of(nursery, **voice)
    guest = await guest_of(house)
    for count in (1, 2):
        await house.office.post.push(A, "Tea is ready.")
        await guest.until("tts", "stop", count=count)
    assert [m["text"] for m in guest.of("tts", "sentence_start")] == ["Tea is ready."] * 2
    assert not guest.of("notify")


async def test_what_does_not_fit_the_store_of_sounds_is_said_in_a_turn(
    autojump_clock: MockClock, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sounds, "BYTES", 1000)
    house = house_of(nursery)
    guest = await guest_of(house)
    await house.office.post.push(A, "Tea is ready.")
    await guest.until("tts", "stop")
    assert guest.turn == ["tts start", "llm", "tts sentence_start", "audio", "tts stop"]


async def test_it_waits_for_the_end_of_a_turn_that_began_meanwhile(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    house = house_of(nursery)
    guest = await guest_of(house)
    await house.office.post.push(A, "Tea is ready.")
    await trio.sleep(0.2)  # half made
    guest.tell(type="listen", state="detect", text="what time is it")
    await guest.until("notify")
    assert guest.turn == ["stt", "tts start", "llm", "tts sentence_start", "audio", "tts stop", "notify"]
    assert guest.times("notify")[0] - guest.times("tts", "stop")[0] < 0.01  # it is ready by then
    assert file_of(house, guest.of("notify")[0])


async def test_a_badge_that_opens_its_microphone_meanwhile_hears_it_in_a_turn(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    house = house_of(nursery)
    guest = await guest_of(house)
    await house.office.post.push(A, "Tea is ready.")
    await trio.sleep(0.2)
    guest.tell(type="listen", state="start", mode="auto")
    guest.tell(type="abort")
    await guest.until("tts", "stop")
    assert not guest.of("notify")
    guest.tell(type="listen", state="stop")
    await guest.quiet()
    await house.office.post.push(A, "And cake.")
    await guest.until("notify")
    assert guest.of("notify")[0]["subtitles"] == [{"start_ms": 0, "text": "And cake."}]


def told(guest: Guest, text: str) -> list[Ending]:
    """What its teller hears of a notice."""
    endings: list[Ending] = []
    assert guest.session.announce(Notice(kind="push", text=text), endings.append)
    return endings


async def test_its_teller_hears_that_nobody_knows(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    guest = await guest_of(house_of(nursery))
    endings = told(guest, "Tea is ready.")
    await guest.until("notify")
    await trio.sleep(1.3 + 0.9)
    assert endings == []
    await trio.sleep(0.2)
    assert endings == ["sent"]


async def test_words_of_the_user_cut_it_and_are_answered(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    guest = await guest_of(house_of(nursery))
    endings, later = told(guest, "1234567890" * 10 + "."), told(guest, "Two.")
    await guest.until("notify")
    await trio.sleep(1)
    guest.tell(type="listen", state="detect", text="what time is it")
    await guest.until("tts", "stop")
    assert endings == ["cut"]
    assert guest.turn == ["notify", "stt", "tts start", "llm", "tts sentence_start", "audio", "tts stop"]
    await guest.until("notify", count=2)
    first, second = guest.times("notify")
    assert second - first > 10.1
    await trio.sleep(3)
    assert (endings, later) == (["cut"], ["sent"])


async def test_a_connection_that_ends_has_played_nothing_for_certain(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    guest = await guest_of(house_of(nursery))
    playing, waiting = told(guest, "Tea is ready."), told(guest, "And cake.")
    await guest.until("notify")
    guest.vanish()
    await guest.gone.wait()
    assert (playing, waiting) == (["lost"], ["lost"])
    await trio.sleep(10)
    assert (playing, waiting) == (["lost"], ["lost"])


@pytest.mark.req("PE-14")
async def test_a_message_is_delivered_and_never_said_to_be_heard(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    house = house_of(nursery)
    a = await house.enter(B)
    b = await guest_of(house, A)
    a.tell(type="peer", to=[A], payload={"text": "Tea is ready."}, id="m1")
    await b.until("notify")
    await trio.sleep(60)
    assert [m["status"] for m in a.of("peer") if m.get("event") == "receipt"] == ["delivered"]
    b.vanish()
    await b.gone.wait()
    again = await guest_of(house, A)
    await trio.sleep(60)
    assert again.turn == []


async def test_the_clip_of_a_message_is_part_of_the_sound(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    house = house_of(nursery)
    guest = await guest_of(house)
    clip = (*packets("voice", 60, 10), b"no Opus", *packets("voice", 60, 10))
    guest.session.announce(Notice(kind="message", text="Voice message.", clip=clip), lambda _: None)
    told = await guest.until("notify")
    file = file_of(house, told)
    assert file is not None
    assert seconds(file) == pytest.approx(1.4 + 20 * 0.06, abs=0.001)
    assert told["subtitles"] == [{"start_ms": 0, "text": "Voice message."}]


async def test_a_voice_that_gives_packets(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    house = house_of(nursery, tts=ScriptedTts(packets=packets("voice", 60, 10)))
    guest = await guest_of(house)
    await house.office.post.push(A, "Tea is ready. Come and get it.")
    told = await guest.until("notify")
    assert [line["start_ms"] for line in told["subtitles"]] == [0, 600]
    file = file_of(house, told)
    assert file is not None
    assert seconds(file) == pytest.approx(1.2, abs=0.001)


async def test_a_reminder_is_due_once(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    house = house_of(nursery)
    guest = await guest_of(house)
    due = round(house.clock.now().timestamp() * 1000) + 5000
    await house.services.desk.reminders.remind(A, "tea", due)
    await guest.until("notify")
    await trio.sleep(120)
    assert guest.turn == ["reminder due", "notify"]
    assert await house.services.desk.reminders.of(A) == ()


async def test_in_a_meeting_nothing_is_said(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    house = house_of(nursery)
    guest = await guest_of(house)
    guest.tell(type="mode", state="start", mode="meeting")
    await guest.until("mode")
    await house.office.post.push(A, "Tea is ready.")
    await trio.sleep(30)
    assert not guest.of("notify")
    guest.tell(type="mode", state="end", mode="meeting")
    await guest.until("notify")


async def test_an_error_of_ours_costs_the_sound_only(
    autojump_clock: MockClock, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> bytes:
        raise RuntimeError("of all things")

    monkeypatch.setattr("badge.session.notifying.ogg_opus", broken)
    guest = await guest_of(house_of(nursery, settings=changed(tts={"lead_frames": 2})))
    told(guest, "Tea is ready.")
    await guest.until("tts", "stop")
    assert guest.turn == ["tts start", "llm", "tts sentence_start", "audio", "tts stop"]

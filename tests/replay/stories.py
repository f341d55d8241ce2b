"""Recorded sessions for tests: made on a memory wire and a mock clock, with scripted providers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import trio

from badge.recording.fileformat import Packer, Recording, parse
from badge.recording.journal import Backlog, Journal, Passes
from badge.recording.recorder import converse_on_record, make_header
from badge.recording.records import Kind
from protocol import identify
from providers.scripted import Hearing, Reply, ScriptedAsr, ScriptedLlm, ScriptedTts, Utterance
from tests.house import Guest, House, MemoryWire

Story = Callable[[Guest], Awaitable[None]]

SEED = 11


def told(story: Story, **house: Any) -> bytes:
    """The file of one session in which a badge does what the story says."""
    return trio.run(_tell, story, house, clock=trio.testing.MockClock(autojump_threshold=0))


async def _tell(story: Story, arguments: dict[str, Any]) -> bytes:
    passes = Passes()
    trio.lowlevel.add_instrument(passes)
    async with trio.open_nursery() as nursery:
        house = House(nursery, **{**providers(), **arguments})
        await trio.testing.wait_all_tasks_blocked()
        identity = identify("/", [("device-id", "aa:bb:cc:00:00:01")], lambda: "auto-00000000")
        wire = MemoryWire()
        header = make_header(identity, house.services, seed=SEED, wall=house.clock.now())
        journal = Journal(passes, Backlog(), lambda: None)
        journal.note(Kind.BEGIN, header)
        guest = Guest(None, wire, identity.framing)  # type: ignore[arg-type]
        async with trio.open_nursery() as session:
            session.start_soon(converse_on_record, identity, wire, house.services, journal, SEED)
            await guest.until("hello")
            await story(guest)
            guest.vanish()
        journal.end("over")
        nursery.cancel_scope.cancel()
    return Packer().pack(journal.take()[0])


def providers() -> dict[str, Any]:
    """Providers that take their time."""
    return {
        "asr": ScriptedAsr([Hearing(text="what time is it", delay=0.21, partials=["what"])]),
        "llm": ScriptedLlm([Reply(pieces=["It is half ", "past nine. ", "Time for tea."], first=0.13, pause=0.04)]),
        "tts": ScriptedTts(lambda text: Utterance(duration=0.03 * len(text), delay=0.07, piece=0.11)),
    }


def recording(story: Story, **house: Any) -> Recording:
    """The same, as it is read from a file."""
    return parse("story", told(story, **house))


def repacked(recording: Recording, records: Iterable[Any]) -> bytes:
    """A file with the same header and other records."""
    raw = [(0, 0, Kind.BEGIN, recording.header), *((r.at, r.after, r.kind, *r.data) for r in records)]
    return Packer().pack(raw)


# --- stories ----------------------------------------------------------------------------------------------------------


async def voice(badge: Guest) -> None:
    """One turn by voice."""
    await badge.speak()
    await badge.until("tts", "stop")


async def interrupted(badge: Guest) -> None:
    """Words that interrupt an answer."""
    await badge.speak()
    await badge.until("tts", "sentence_start")
    await trio.sleep(0.3)
    badge.tell(type="listen", state="detect", text="and now")
    await badge.until("tts", "stop", count=2)


async def garbled(badge: Guest) -> None:
    """Things that nobody should send."""
    for frame in ("<", "hello", "[1]", '{"type":"of another world"}', b"\x00"):
        badge.raw(frame)
        await trio.sleep(0.01)
    badge.tell(type="ping")
    await badge.until("pong")


async def typed(badge: Guest) -> None:
    """One turn by text."""
    badge.tell(type="listen", state="detect", text="what time is it")
    await badge.until("tts", "stop")


async def idle(badge: Guest) -> None:
    """Nothing, until the server has had enough."""
    with trio.fail_after(2000):
        while badge.wire.closed is None:
            await trio.sleep(1)

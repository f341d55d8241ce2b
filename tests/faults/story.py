"""Short sessions with everything in them, recorded as a server records it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import trio
import trio.testing

from badge.recording.fileformat import Packer, Recording, parse
from badge.recording.journal import Backlog, Journal, Passes
from badge.recording.recorder import converse_on_record, make_header
from badge.recording.records import Kind
from badge.replay.determinism import Order, deterministic
from protocol import Framing, encode_frame, identify
from providers.ports import ToolCallDelta
from providers.scripted import Hearing, Reply, ScriptedAsr, ScriptedLlm, ScriptedRecall, ScriptedTts, Utterance
from tests.house import House, MemoryWire, Workshop, packets

SEED = 11

REPLIES = {
    "嘿，你好呀": Reply(pieces=["Hello ", "there!"], first=0.1, pause=0.05),
    "what time is it": Reply(pieces=["It is half past nine. ", "Time for tea."], first=0.2, pause=0.05),
    "tell me a story": Reply(pieces=["Once upon a time, ", "there was a badge. ", "It listened."], pause=0.1),
    "how far is the moon": Reply(pieces=["Far."], first=0.1),
    "what is new": Reply(pieces=[ToolCallDelta(index=0, name="look")], first=0.1),
    "nothing new": Reply(pieces=["Nothing."], first=0.1),
}


Tell = Callable[["Teller"], Awaitable[None]]


async def look() -> str:
    """What the tool of the story finds."""
    await trio.sleep(0.1)
    return "nothing new"


class StoryLlm(ScriptedLlm):
    """Answers by the last words."""

    def stream(self, prompt: Any) -> Any:
        self._script.clear()
        self._script.append(REPLIES[prompt.messages[-1].content])
        return super().stream(prompt)


def record_story() -> list[Recording]:
    """Have the sessions, and read their recordings."""
    with deterministic(Order(SEED)):
        clock = trio.testing.MockClock
        recorded = {name: trio.run(_record, tell, clock=clock(autojump_threshold=0)) for name, tell in CHAPTERS.items()}
    return [parse(name, data) for name, data in recorded.items()]


async def _record(tell: Tell) -> bytes:
    passes, packer = Passes(), Packer()
    trio.lowlevel.add_instrument(passes)
    async with trio.open_nursery() as nursery:
        house = House(
            nursery,
            asr=ScriptedAsr([Hearing(text="what time is it", delay=0.2, partials=["what", "what time"])]),
            llm=StoryLlm(),
            tts=ScriptedTts(lambda text: Utterance(duration=0.12 + 0.01 * len(text), delay=0.05, piece=0.2)),
            recall=ScriptedRecall("Likes tea.", delay=0.02),
            tools=Workshop(look=look),
            team=True,
        )
        await trio.testing.wait_all_tasks_blocked()
        identity = identify(
            "/?protocol-version=3", [("device-id", "aa:bb:cc:00:00:01"), ("client-id", "story")], lambda: "auto-0"
        )
        wire = StoryWire()
        journal = Journal(passes, Backlog(), lambda: None)
        journal.note(Kind.BEGIN, make_header(identity, house.services, seed=SEED, wall=house.clock.now()))
        nursery.start_soon(_live, wire, identity.framing, tell)
        await converse_on_record(identity, wire, house.services, journal, SEED)
        journal.end("over")
        nursery.cancel_scope.cancel("the story is told")
    return packer.pack(journal.take()[0])


class StoryWire(MemoryWire):
    """A wire that ends when it is closed."""

    async def close(self, code: int, reason: str) -> None:
        await super().close(code, reason)
        self.put(code)


async def _live(wire: StoryWire, framing: Framing, tell: Tell) -> None:
    badge = Teller(wire, framing)
    badge.say(type="hello", version=1, features={"partials": True}, audio_params={"format": "opus"})
    await trio.sleep(0.1)
    await tell(badge)
    wire.put(1000)


class Teller:
    """What the badge does."""

    def __init__(self, wire: StoryWire, framing: Framing) -> None:
        self._wire = wire
        self._framing = framing

    def say(self, **message: Any) -> None:
        self._wire.put(json.dumps(message, ensure_ascii=False))

    def ask(self, text: str) -> None:
        self.say(type="listen", state="detect", text=text)

    async def sound(self, kind: str, frames: int) -> None:
        for packet in packets(kind)[:frames]:
            await trio.sleep(0.06)
            self._wire.put(encode_frame(self._framing, packet))


async def _push_to_talk(badge: Teller) -> None:
    badge.ask("你好小智")
    await trio.sleep(1.5)
    badge.say(type="listen", state="start", mode="manual")
    await badge.sound("voice", 6)
    badge.say(type="listen", state="stop")
    await trio.sleep(2)


async def _hands_free(badge: Teller) -> None:
    badge.say(type="listen", state="start", mode="auto")
    await badge.sound("voice", 4)
    await badge.sound("silence", 10)
    await trio.sleep(2)
    badge.ask("tell me a story")
    await trio.sleep(0.6)
    badge.say(type="abort", reason="wake_word_detected")
    await trio.sleep(0.5)


async def _in_writing(badge: Teller) -> None:
    badge.ask("tell me a story")
    await trio.sleep(0.5)
    badge.ask("how far is the moon")
    await trio.sleep(75)  # pings, and patience with a pong
    badge.ask("what is new")
    await trio.sleep(1.5)
    badge.ask("goodbye")
    await trio.sleep(2)


async def _in_a_team(badge: Teller) -> None:
    for message in (
        {"type": "workflow", "event": "create", "tasks": [{"id": "1", "title": "shed"}, {"id": "2", "title": "roof"}]},
        {"type": "workflow", "event": "update", "tasks": [{"id": "2", "title": "the roof"}]},
        {"type": "workflow", "event": "assign", "id": "1"},
        {"type": "workflow", "event": "complete", "ids": ["1"]},
        {"type": "peer", "to": ["aa:bb:cc:00:00:02"], "payload": {"text": "hello"}, "id": "1"},
        {"type": "mode", "state": "start", "mode": "working"},
    ):
        badge.say(**message)
        await trio.sleep(0.2)
    for order in ("claim task", "mark done"):
        badge.ask(order)
        await trio.sleep(0.2)
    badge.say(type="mode", state="end", mode="working")
    await trio.sleep(0.2)


async def _in_a_meeting(badge: Teller) -> None:
    badge.say(type="mode", state="start", mode="meeting")
    await trio.sleep(0.2)
    badge.ask("we will paint the shed")
    await trio.sleep(0.2)
    badge.say(type="meeting", phase="finalize")
    await trio.sleep(1)
    badge.say(type="meeting", phase="tasks")
    await trio.sleep(0.2)


async def _giving_orders(badge: Teller) -> None:
    for order in (
        "remind me in five minutes to stretch",
        "what are my reminders",
        "cancel my reminders",
        "list my tasks",
    ):
        badge.ask(order)
        await trio.sleep(4)


CHAPTERS: Mapping[str, Tell] = {
    "push to talk, after a wake word": _push_to_talk,
    "hands free, and an answer that is cut short": _hands_free,
    "in writing: a question over an answer, silence, the end": _in_writing,
    "in a team: tasks, messages, commands": _in_a_team,
    "in a meeting": _in_a_meeting,
    "giving orders": _giving_orders,
}
"""Short ones: a fault is looked for in each place of a session, and each time the whole session is had."""

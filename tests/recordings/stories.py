"""What happens in the recordings of this folder: what badges do, to a server with which settings and providers.

Hearing, thinking and speaking are those of a server without any configuration, and the voices are human where the
speech in ../shared is there. Only where a story needs a provider that is slow or fails, or an answer that is short,
that one plays a script.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import trio

from protocol import Framing
from providers.audiofile import read_audio
from providers.opus import Encoder
from providers.pcm import byte_count
from providers.ports import EAR_RATE, ProviderError
from providers.scripted import Hearing, Reply, ScriptedAsr, ScriptedLlm, ScriptedTts, Utterance
from providers.tts.espeak import EspeakSettings
from tests.e2e.running import Client
from tests.providers.speech import PAUSE, SHARED, spoken_by_espeak

SPEECH = SHARED / "speech"
FRAME_MS = 60

LONG = ["One moment ", "please, while I ", "look that up ", "for you."]
SHORT = "All right."

Connect = Callable[..., Any]
Tell = Callable[[Connect], Awaitable[None]]


@attrs.frozen(kw_only=True)
class Story:
    """What happens to a server with these settings and, where they are given, these providers."""

    tell: Tell
    files: tuple[str, ...]
    tables: dict[str, dict[str, Any]]
    providers: dict[str, Callable[[], Any]]
    loaded: bool
    """whether the badge comes when all providers are ready"""


STORIES: dict[str, Story] = {}


def story(
    *files: str, loaded: bool = True, tables: dict[str, dict[str, Any]] | None = None, **providers: Callable[[], Any]
) -> Callable[[Tell], Tell]:
    """This function is a story; it gives these files, in the order in which badges come, or one of its own name."""

    def note(tell: Tell) -> Tell:
        name = tell.__name__.replace("_", "-")
        STORIES[name] = Story(
            tell=tell, files=files or (name,), tables=tables or {}, providers=providers, loaded=loaded
        )
        return tell

    return note


# --- what badges do -----------------------------------------------------------------------------------------------------


async def voice(file: str, words: str) -> bytes:
    """This as it was said there."""
    path = SPEECH / file
    return read_audio(path, EAR_RATE) if path.exists() else (await spoken_by_espeak(words))[0]


def opus(pcm: bytes) -> list[bytes]:
    """As a badge sends it."""
    encoder = Encoder(EAR_RATE, FRAME_MS)
    size = encoder.frame_bytes
    return [encoder.encode(pcm[at : at + size].ljust(size, b"\0")) for at in range(0, len(pcm), size)]


async def transmit(badge: Client, pcm: bytes) -> None:
    """Send sound as it is made, frame by frame."""
    begun = trio.current_time()
    for number, packet in enumerate(opus(pcm)):
        await trio.sleep_until(begun + (number + 1) * FRAME_MS / 1000)
        await badge.packet(packet)


async def speak(badge: Client, file: str, words: str, *, tail: float = 0.0) -> None:
    """Say this as it was said there, and be silent for `tail` s."""
    await transmit(badge, await voice(file, words) + bytes(byte_count(tail, EAR_RATE)))


async def utter(badge: Client, file: str, words: str) -> None:
    """Say this while a button is held."""
    await badge.tell(type="listen", state="start", mode="manual")
    await speak(badge, file, words)
    await badge.tell(type="listen", state="stop")


async def news(badge: Client, *, within: float = 20, **fields: Any) -> dict[str, Any]:
    """Wait for a message with these fields; gives it."""
    with trio.fail_after(within):
        while not (found := [m for m in badge.messages if fields.items() <= m.items()]):
            await trio.sleep(0.02)
    return found[0]


async def write(badge: Client, text: str) -> None:
    """Type this."""
    await badge.tell(type="listen", state="detect", text=text)


async def audible(badge: Client, frames: int) -> None:
    """Wait until so many frames of an answer have come."""
    with trio.fail_after(20):
        while len(badge.audio) < frames:
            await trio.sleep(0.02)


# --- the stories ----------------------------------------------------------------------------------------------------------


@story(llm=lambda: ScriptedLlm([Reply(pieces=["All right. ", "Ten ", "meters."], first=0.2, pause=0.05)]))
async def voice_turn(connect: Connect) -> None:
    """A badge with every feature: words so far while they are spoken, an answer of two sentences, and its ledger."""
    async with connect() as badge:
        await badge.tell(type="hello", version=1, transport="websocket", features={"partials": True, "ledger": True})
        await badge.tell(type="listen", state="start", mode="manual")
        await speak(badge, "en_goforward.wav", "go forward ten meters")
        await badge.tell(type="listen", state="stop")
        await badge.until("tts", "stop")
        await badge.until("ledger")


@story()
async def mode_manual(connect: Connect) -> None:
    """The badge bounds the utterance."""
    async with connect(framing=Framing.V2, protocol_version="2") as badge:
        await badge.tell(type="listen", state="start", mode="manual")
        await speak(badge, "en_onetwothree.wav", "one two three")
        await badge.tell(type="listen", state="stop")
        await badge.until("tts", "stop")


@story(llm=lambda: ScriptedLlm([SHORT]))
async def mode_auto(connect: Connect) -> None:
    """The server hears the end of the utterance."""
    async with connect(framing=Framing.V3, protocol_version="3") as badge:
        await badge.tell(type="listen", state="start", mode="auto")
        await speak(badge, "en_cards_001.wav", "ten of clubs", tail=1)
        await badge.until("tts", "stop")


@story(llm=lambda: ScriptedLlm([SHORT]))
async def mode_realtime(connect: Connect) -> None:
    """The microphone stays open during the answer."""
    async with connect() as badge:
        await badge.tell(type="listen", state="start", mode="realtime")
        await speak(badge, "en_cards_003.wav", "seven of clubs", tail=3)
        await badge.until("tts", "stop")


@story(llm=lambda: ScriptedLlm([Reply(pieces=LONG, pause=0.02), SHORT]))
async def barge_in(connect: Connect) -> None:
    """A voice interrupts the answer, and is answered."""
    async with connect() as badge:
        await badge.tell(type="listen", state="start", mode="realtime")
        await speak(badge, "en_cards_004.wav", "five five", tail=0.8)
        await audible(badge, 8)
        await speak(badge, "en_cards_003.wav", "seven of clubs", tail=0.8)
        await badge.until("tts", "stop", count=2)


@story(llm=lambda: ScriptedLlm([Reply(pieces=LONG, first=5), SHORT]))
async def abort_before_first_token(connect: Connect) -> None:
    """The user thinks better of it before the model has said anything, and asks again."""
    async with connect() as badge:
        await write(badge, "tell me a story")
        await badge.until("stt")
        await trio.sleep(0.5)
        await badge.tell(type="abort")
        await trio.sleep(0.3)
        await write(badge, "never mind")
        await badge.until("tts", "sentence_start")
        await badge.until("tts", "stop", count=len(badge.of("tts", "start")))


@story("takeover-old", "takeover-new", llm=lambda: ScriptedLlm([Reply(pieces=LONG), SHORT]))
async def takeover(connect: Connect) -> None:
    """The same badge connects a second time while it is being answered."""
    async with connect() as old:
        await write(old, "what is the weather like")
        await audible(old, 8)
        async with connect() as new:
            await write(new, "are you still there")
            await new.until("tts", "stop")
            await old.closed()


@story(tables={"timeouts": {"no_voice_s": 1.0, "grace_s": 1.0}})
async def idle_timeout(connect: Connect) -> None:
    """A badge says nothing for long, and then still nothing."""
    async with connect() as badge:
        await badge.closed(within=90)


STATUS = {"name": "self.get_device_status", "description": "How it is.", "inputSchema": {"type": "object"}}
LOUDNESS = {
    "name": "self.audio_speaker.set_volume",
    "description": "Set the volume; first ask self.get_device_status.",
    "inputSchema": {"type": "object", "properties": {"volume": {"type": "integer"}}, "required": ["volume"]},
}
SPEAKER = {
    "name": "Speaker",
    "description": "the loudspeaker",
    "properties": {"volume": {"description": "how loud", "type": "number"}},
    "methods": {"set_volume": {"parameters": {"volume": {"type": "number"}}}},
}


@story()
async def own_tools(connect: Connect) -> None:
    """A badge tells what it can do, in the new way and in the old one, and is written to."""
    async with connect() as badge:
        await badge.tell(type="hello", version=1, features={"mcp": True}, transport="websocket")
        for number, page in enumerate(
            ({}, {"tools": [STATUS], "nextCursor": LOUDNESS["name"]}, {"tools": [LOUDNESS]}), 1
        ):
            await badge.until("mcp", count=number)
            await badge.tell(type="mcp", payload={"jsonrpc": "2.0", "id": number, "result": page})
        await badge.tell(type="mcp", payload={"jsonrpc": "2.0", "id": "q", "method": "roots/list"})
        await badge.until("mcp", count=4)
        await badge.tell(type="iot", update=True, descriptors=[SPEAKER])
        await badge.tell(type="iot", update=True, states=[{"name": "Speaker", "state": {"volume": 70}}])
        await badge.tell(type="iot", update=True, states=[{"name": "Speaker", "state": {"volume": "loud"}}])
        await badge.until("error")
        await write(badge, "thank you")
        await badge.until("tts", "stop")


GARBAGE: tuple[str | bytes, ...] = (
    "}{",
    "hello?",
    "[1, 2]",
    "null",
    b"",
    b"\x00\x01\x02",
    b"\x09\x09\x00\xff\x00",
    b"\x00\x00\x00\x01\x03",
    b"\x00\x00\x00\x02\xff\xff",
    '{"type": "juggle", "balls": 3}',
    '{"type": "listen", "state": "sideways"}',
    '{"type": "listen", "state": "detect", "text": ["one", 2]}',
    '{"type": "mcp", "payload": {}}',
    '{"type": 7}',
    "[" * 3000,
)


@story()
async def garbage(connect: Connect) -> None:
    """Whatever a broken badge may send; and then it is served as any other."""
    async with connect(framing=Framing.V3, protocol_version="3") as badge:
        await badge.tell(type="listen", state="start", mode="manual")
        for frame in GARBAGE:
            await badge.socket.send_message(frame)
            await trio.sleep(0.05)
        await badge.tell(type="listen", state="stop")
        await badge.alive()
        await write(badge, "thank you")
        await badge.until("tts", "stop", count=len(badge.of("tts", "start")) or 1)


def broken_off() -> ScriptedLlm:
    """Fails in the middle of its second sentence."""
    error = ProviderError("llm", "the connection broke", retryable=True)
    return ScriptedLlm([Reply(pieces=["It is late. ", "And the sun "], pause=0.1, error=error), SHORT])


@story(llm=broken_off)
async def llm_error_mid_stream(connect: Connect) -> None:
    """The model fails while it answers; the next question is answered."""
    async with connect() as badge:
        await write(badge, "what can you tell me")
        await badge.until("tts", "stop")
        await write(badge, "try again")
        await badge.until("tts", "stop", count=2)


def voice_that_fails(text: str) -> Utterance:
    """Cannot say what is about the moon."""
    error = ProviderError("tts", "the voice has gone", retryable=True) if "moon" in text else None
    return Utterance(duration=0.9, delay=0.05, error=error)


@story(
    tts=lambda: ScriptedTts(voice_that_fails),
    llm=lambda: ScriptedLlm(["The sun is out. The moon is not. Neither are the stars."]),
)
async def tts_failure(connect: Connect) -> None:
    """One of three sentences cannot be spoken."""
    async with connect() as badge:
        await write(badge, "what is in the sky")
        await badge.until("tts", "stop")


@story(asr=lambda: ScriptedAsr([Hearing(delay=0.1, error=ProviderError("asr", "overloaded", retryable=True))]))
async def asr_failure(connect: Connect) -> None:
    """The utterance is not recognised, however often it is tried: the user is asked to say it again."""
    async with connect() as badge:
        await badge.tell(type="listen", state="start", mode="manual")
        await speak(badge, "en_cards_004.wav", "five five")
        await badge.tell(type="listen", state="stop")
        await badge.until("tts", "stop")


@story()
async def exit_word(connect: Connect) -> None:
    """The user ends the conversation, and the server the connection."""
    async with connect() as badge:
        await write(badge, "Goodbye!")
        await badge.closed()


@story()
async def wake_word(connect: Connect) -> None:
    """The badge was woken; it opens its microphone while the greeting is spoken."""
    async with connect() as badge:
        await write(badge, "你好小智")
        await badge.tell(type="listen", state="start", mode="auto")
        await badge.until("tts", "stop")


@story()
async def typed_mandarin(connect: Connect) -> None:
    """A question in Chinese."""
    async with connect() as badge:
        await write(badge, "三加五等于几")
        await badge.until("tts", "stop")


@story(llm=lambda: ScriptedLlm([Reply(pieces=LONG)]))
async def lost_connection(connect: Connect) -> None:
    """The badge is gone in the middle of an answer, without a goodbye."""
    async with connect() as badge:
        await write(badge, "what is the weather like")
        await audible(badge, 8)
        await badge.socket._stream.aclose()


@story(loaded=False)
async def still_loading(connect: Connect) -> None:
    """A badge that is quicker than the models."""
    async with connect() as badge:
        await badge.tell(type="listen", state="start", mode="manual")
        await speak(badge, "en_onetwothree.wav", "one two three")
        await badge.tell(type="listen", state="stop")
        await badge.until("tts", "stop", within=60)


# --- a team of badges -----------------------------------------------------------------------------------------------------

MEETING = {"meeting": {"push_interval_ms": 500}}
OTTO, ANNA = "founder-otto", "founder-anna"
"""Of one group."""


async def enter(badge: Client, mode: str) -> None:
    """Enter a mode."""
    await badge.tell(type="mode", state="start", mode=mode)
    await news(badge, type="mode", state="start", mode=mode)


async def adjourn(badge: Client) -> None:
    """End the meeting and wait for the minutes, and for what tells the server that they have come."""
    await badge.tell(type="mode", state="end", mode="meeting")
    await news(badge, type="meeting", phase="summary")
    await trio.sleep(0.3)


@story("meeting-lost", "meeting-resumed", tables=MEETING)
async def meeting(connect: Connect) -> None:
    """A meeting with a pause; in the middle of a sentence the connection is lost; it goes on, and there are minutes."""
    async with connect(device_id=ANNA) as badge:
        await enter(badge, "meeting")
        await utter(badge, "en_goforward.wav", "go forward ten meters")
        await trio.sleep(1.5)
        await badge.tell(type="listen", state="start", mode="manual")
        with trio.move_on_after(1):
            await speak(badge, "en_librivox_0880.wav", "he was not an ill disposed young man")
        await badge.socket._stream.aclose()
    await trio.sleep(0.5)
    async with connect(device_id=ANNA) as badge:
        await enter(badge, "meeting")
        await utter(badge, "en_onetwothree.wav", "one two three")
        await adjourn(badge)


@story("meeting-taken-over", "meeting-continued", tables=MEETING)
async def meeting_takeover(connect: Connect) -> None:
    """The same badge connects a second time in a meeting, which goes on there without being asked for."""
    async with connect(device_id=ANNA) as old:
        await enter(old, "meeting")
        await utter(old, "en_cards_004.wav", "five five")
        await news(old, type="meeting", phase="snippet")
        async with connect(device_id=ANNA) as new:
            await old.closed()
            await utter(new, "en_cards_003.wav", "seven of clubs")
            await news(new, type="meeting", phase="snippet")
            await adjourn(new)


@story()
async def working(connect: Connect) -> None:
    """A task is claimed by voice, completed in writing, and the list is looked at again."""
    (claim,) = await spoken_by_espeak("claim task", english="en-us+f2", rate=170)
    async with connect(device_id=ANNA) as badge:
        await badge.tell(type="workflow", event="create", tasks=[{"title": "Order batteries", "due": "2026-11-27"}])
        await news(badge, type="workflow", event="result", request="create")
        await enter(badge, "working")
        await badge.tell(type="listen", state="start", mode="manual")
        await transmit(badge, PAUSE + claim)
        await badge.tell(type="listen", state="stop")
        await news(badge, type="workflow", event="result", request="assign")
        await write(badge, "mark done")
        await news(badge, type="workflow", event="result", request="complete")
        await write(badge, "refresh")
        await news(badge, type="workflow", event="command", intent="refresh")
        await badge.tell(type="mode", state="end", mode="working")
        await news(badge, type="mode", state="end", mode="working")


@story("letter-sent", "letter-received")
async def letter(connect: Connect) -> None:
    """A voice is left for a badge that is not there, and played to it when it comes; the sender is told."""
    clip = opus(await voice("en_cards_001.wav", "ten of clubs"))
    payload = {"opus": [b64encode(packet).decode() for packet in clip], "frame_ms": FRAME_MS}
    async with connect(device_id=OTTO) as sender:
        await sender.tell(type="peer", to=[ANNA], category="clip", id="clip-1", payload=payload)
        assert (await news(sender, type="peer", status="ok"))["to"] == {ANNA: "queued"}
        async with connect(device_id=ANNA) as receiver:
            await receiver.tell(type="hello", version=1, transport="websocket")
            await receiver.until("tts", "stop")
            await news(sender, type="peer", event="receipt", status="delivered")
            await news(sender, type="peer", event="receipt", status="heard")


HURRIED = {"tts": {"espeak": EspeakSettings(rate=450)}}


@story(tables=HURRIED)
async def reminder(connect: Connect) -> None:
    """Something is to be said in two seconds."""
    async with connect(device_id=ANNA) as badge:
        await badge.tell(type="hello", version=1, transport="websocket")
        await write(badge, "set a timer for two seconds")
        await news(badge, type="reminder", event="due")
        await badge.until("tts", "stop", count=2)


@story(tables=HURRIED)
async def orders(connect: Connect) -> None:
    """A task is made, taken, put off and read out by words, and reminders are set, listed and cancelled."""
    async with connect(device_id=ANNA) as badge:
        for number, words in enumerate(
            (
                "add a task to call Otto tomorrow",
                "what are my tasks",
                "remind me in ten minutes to stretch",
                "cancel my reminders",
            )
        ):
            await write(badge, words)
            await badge.until("tts", "stop", count=number + 1)


INSIGHT = {"insights": ["Tests run."], "risks": ["One\nfails."], "next_steps": ["Look at it."]}


@story(tables={"coding": {"insight_interval_s": 1.0}}, llm=lambda: ScriptedLlm([json.dumps(INSIGHT), SHORT]))
async def coding(connect: Connect) -> None:
    """The log of a coding session, and what a model makes of it; the second time it has nothing to say."""
    async with connect(device_id=ANNA) as badge:
        await enter(badge, "coding")
        await badge.tell(type="coding", phase="start")
        await badge.tell(type="coding", phase="phase", name="tests")
        for line in ("collected 2 items", "test_one passed", "test_two failed: timeout"):
            await badge.tell(type="coding", phase="log", line=line)
        await news(badge, type="coding", event="insight")
        await badge.tell(type="coding", phase="log", line="2 errors in 0.3 s")
        await news(badge, type="coding", event="insight", degraded=True)
        await badge.tell(type="coding", phase="stop")
        await news(badge, type="coding", event="stopped")

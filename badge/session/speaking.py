"""The mouth: from sentences to paced audio frames, and the messages around them."""

from __future__ import annotations

import wave
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache, partial
from pathlib import Path

import trio
from attrs import frozen

from badge.link import Outbox
from badge.log import get_log
from badge.modes.base import Act, Ask, Clip, Play, Say
from badge.services import Services
from badge.session.acknowledgement import acknowledgement
from badge.session.heard import Passage, heard
from badge.session.pacing import Pacer
from badge.session.plan import Origin
from badge.session.thinking import Script, Sentence, Thinker
from badge.session.traits import Traits
from badge.session.turns import Turn
from badge.session.voice import Sound, Voice
from protocol import ErrorCode, encode_frame, encode_text
from protocol.outbound import Error, Ledger, Mood, Stt, Tts
from providers.opus import Decoder, OpusError
from providers.ports import MOUTH_RATE, ProviderError
from providers.speakable import strip_edges
from providers.streams import next_at_once, pass_on

log = get_log(__name__)

CLIPS = 64
"""Pieces of audio that are made ahead of play-out; about one long sentence."""


@frozen
class Spoken:
    """All audio of a sentence is there."""


Piece = Sentence | Sound | Spoken


class Mouth:
    """Carries out the answer of one turn at a time."""

    def __init__(
        self,
        services: Services,
        traits: Traits,
        outbox: Outbox,
        voice: Voice,
        thinker: Thinker,
    ) -> None:
        self._voice = voice
        self._reporting = services.tenancy.reporting
        self._settings = services.settings.tts
        self._acknowledge_after = services.settings.chat.acknowledge_after_ms / 1000
        self._traits = traits
        self._outbox = outbox
        self._thinker = thinker

    def open(self, turn: Turn) -> None:
        """The turn begins: show what was understood, tell the badge to get ready to speak."""
        self._outbox.begin(turn)
        if turn.plan.show is not None:
            self.show(turn.plan.show)
        self._say(Tts(state="start", session_id=self._traits.session_id))
        turn.opened = trio.current_time()
        turn.plan.trace.mark("queue", turn.opened)

    def close(self, turn: Turn) -> None:
        """The turn is over or cut short: nothing of it leaves any more, and the badge stops speaking. What nobody has heard
        was not said."""
        if turn.exchange is not None:
            self._thinker.over(turn.exchange, None if turn.played_out else self._heard(turn))
        self._outbox.silence()
        self._reporting.speaking("")
        self._say(Tts(state="stop", session_id=self._traits.session_id))
        if self._traits.features.ledger:
            trace = turn.plan.trace
            self._say(
                Ledger(
                    turn=turn.number, stages=trace.stages(), total_ms=trace.total, session_id=self._traits.session_id
                )
            )

    def show(self, text: str, *, partial: bool | None = None) -> None:
        """Display words as the user's."""
        self._say(Stt(text=strip_edges(text), partial=partial, session_id=self._traits.session_id))

    def show_switch(self, text: str, mode: str) -> None:
        """Display words that switch modes, as they are."""
        session = self._traits.session_id
        self._say(Stt(text=text, intent="mode_switch", target_mode=mode, session_id=session))

    def hush(self) -> None:
        """Have the badge leave its speaking state although no turn is running."""
        self._say(Tts(state="stop", session_id=self._traits.session_id))

    def complain(self, code: ErrorCode, message: str, **ref: str) -> None:
        """Tell the badge what went wrong."""
        self._say(Error(code=code, message=message, ref=ref or None))

    async def perform(self, turn: Turn) -> None:
        """Think, synthesise and play at the same time, until the badge has played everything."""
        sentences_in, sentences = trio.open_memory_channel[Sentence](1)
        clips_in, clips = trio.open_memory_channel[Piece](CLIPS)
        async with trio.open_nursery() as nursery:
            answer = turn.plan.answer
            if isinstance(answer, Play):
                sentences_in.close()
                nursery.start_soon(self._load, answer, clips_in.clone())
            elif isinstance(answer, Ask | Say | Act | Clip):
                nursery.start_soon(self._think, turn, answer, sentences_in)
            packets = answer.packets if isinstance(answer, Clip) else ()
            nursery.start_soon(self._synthesise, turn, sentences, clips_in, packets)
            await self._play(turn, clips)

    def _heard(self, turn: Turn) -> str:
        """What was heard by now of the answer of the running turn."""
        return heard(turn.passages, left=self._outbox.left, played=turn.played_ms)

    # --- the three tasks of a turn ---

    async def _think(
        self, turn: Turn, answer: Ask | Say | Act | Clip, sentences: trio.MemorySendChannel[Sentence]
    ) -> None:
        with sentences:
            script = Script(self._voice.splitter(), sentences, self._show_mood, turn.plan.trace)
            if isinstance(answer, Ask):
                turn.exchange = await self._thinker.begin(answer, turn.id)
                turn.exchange.audible = partial(self._heard, turn)
                await self._thinker.think(answer, turn.exchange, script, turn.scope)
            else:
                await script.add(await answer.do() if isinstance(answer, Act) else answer.text)
                await script.end()

    async def _synthesise(
        self,
        turn: Turn,
        sentences: trio.MemoryReceiveChannel[Sentence],
        clips: trio.MemorySendChannel[Piece],
        packets: Sequence[bytes],
    ) -> None:
        async def take(sound: Sound) -> None:
            turn.plan.trace.mark("tts", trio.current_time())
            await pass_on(sound, clips)

        with clips:
            tts = await self._voice.ready()
            async for sentence in sentences:
                await clips.send(sentence)
                if tts is not None:
                    try:
                        await self._voice.speak(tts, sentence.text, take)
                    except (ProviderError, trio.TooSlowError) as exc:
                        log.warning("a sentence goes out as text only", error=str(exc) or "too slow")
                if not packets:  # which follow at once
                    await clips.send(Spoken())
            decoder = Decoder(MOUTH_RATE)
            for packet in packets:
                with suppress(OpusError):  # one bad packet is no reason to lose the rest
                    await clips.send(Sound(decoder.decode(packet)))

    async def _load(self, play: Play, clips: trio.MemorySendChannel[Piece]) -> None:
        with clips:
            await clips.send(Sentence(play.text))
            await clips.send(Sound(_sound_file(play.file)))

    async def _play(self, turn: Turn, clips: trio.MemoryReceiveChannel[Piece]) -> None:
        gate = turn.opened + self._settings.start_gap_ms / 1000
        lead, played = self._settings.lead_frames, self._reporting.played
        deck = _Deck(turn, self._traits, self._outbox, lead=lead, gate=gate, played=played)
        clip = await self._first(turn, clips, deck)
        while clip is not None:
            if isinstance(clip, Sentence):
                mark = Tts(state="sentence_start", text=clip.text, session_id=self._traits.session_id)
                if await deck.mark(encode_text(mark), clip):
                    self._reporting.speaking(clip.text)
            elif isinstance(clip, Sound):
                await deck.play(clip)
            else:
                await deck.end_sentence()  # the next one may be long in coming
            clip = await next_at_once(clips)
        await deck.end_sentence()
        await deck.play_out(self._settings.stop_margin_ms / 1000)
        turn.played_out = True

    async def _first(self, turn: Turn, clips: trio.MemoryReceiveChannel[Piece], deck: _Deck) -> Piece | None:
        """The first piece of the answer; when it is late, whoever has spoken hears a sound until it is there."""
        if self._acknowledge_after and turn.plan.origin is Origin.VOICE and not self._voice.silent:
            with trio.move_on_at(turn.plan.trace.begun + self._acknowledge_after):
                return await next_at_once(clips)
            turn.plan.trace.acknowledged = trio.current_time()
            await deck.acknowledge(acknowledgement())
        return await next_at_once(clips)

    def _show_mood(self, emoji: str, name: str) -> None:
        if self._traits.features.emoji:
            self._say(Mood(text=emoji, emotion=name, session_id=self._traits.session_id))

    def _say(self, message: Stt | Tts | Mood | Ledger | Error) -> None:
        self._outbox.post(encode_text(message))


class _Deck:
    """Encodes audio into frames and gives each its due time, the first one not before `gate` (Trio time)."""

    def __init__(
        self, turn: Turn, traits: Traits, outbox: Outbox, *, lead: int, gate: float, played: Callable[[bytes], None]
    ) -> None:
        self._turn = turn
        self._traits = traits
        self._outbox = outbox
        self._encoder = traits.encoder()
        self._decoder = Decoder(MOUTH_RATE) if traits.audio_format == "pcm" else None
        self._pacer = Pacer(frame=traits.frame_ms / 1000, lead=lead)
        self._gate = gate
        self._played = played
        self._rest = b""
        self._count = 0
        self._before = 0  # frames that are no part of the answer

    async def acknowledge(self, sound: bytes) -> None:
        """Send a sound before the answer."""
        self._before = -(-len(sound) // self._encoder.frame_bytes)
        await self.play(Sound(sound))
        await self.end_sentence()

    async def mark(self, frame: str, sentence: Sentence) -> bool:
        """A sentence begins: its text leaves with its first audio. False when the turn has been silenced."""
        await self.end_sentence()
        passages = self._turn.passages
        passages.append(
            Passage(
                sentence.text,
                aside=sentence.aside,
                first=self._count + len(passages),
                begins=self._count * self._traits.frame_ms,
            )
        )
        return await self._outbox.put(frame, self._turn, due=self._pacer.due(trio.current_time()))

    async def play(self, sound: Sound) -> None:
        """Send audio as far as it fills frames."""
        if sound.packet and self._decoder is None:
            await self._send(sound.data)
            return
        data = self._decoder.decode(sound.data) if sound.packet and self._decoder else sound.data
        pcm, size = self._rest + data, self._encoder.frame_bytes
        whole = len(pcm) // size * size
        self._rest = pcm[whole:]
        for at in range(0, whole, size):
            await self._encode(pcm[at : at + size])

    async def end_sentence(self) -> None:
        """Fill the last frame of a sentence with silence, so that its end is not held back."""
        if self._rest:
            frame = self._rest.ljust(self._encoder.frame_bytes, b"\0")
            self._rest = b""
            await self._encode(frame)
        if passages := self._turn.passages:
            passages[-1].end, passages[-1].ends = self._count + len(passages), self._count * self._traits.frame_ms

    async def play_out(self, margin: float) -> None:
        """Wait until the badge has played everything, and a little longer."""
        if await self._outbox.written(self._turn) and self._count:
            await trio.sleep_until(self._outbox.played + margin)

    async def _encode(self, pcm: bytes) -> None:
        await trio.lowlevel.checkpoint()  # half a millisecond of work each: others may want to go first
        await self._send(self._encoder.encode(pcm))

    async def _send(self, packet: bytes) -> None:
        now = trio.current_time()
        due = self._pacer.schedule(max(now, self._gate))
        timestamp = self._count * self._traits.frame_ms
        frame = encode_frame(self._traits.framing, packet, timestamp=timestamp, sequence=self._count)
        if await self._outbox.put(frame, self._turn, due=due, lasts=self._traits.frame_ms / 1000):
            self._count += 1
            self._played(packet)
            if self._count == self._before + 1:
                await self._first_leaves(now, due)

    async def _first_leaves(self, encoded: float, due: float) -> None:
        trace = self._turn.plan.trace
        trace.mark("encode", encoded)
        trace.mark("gap", max(due, encoded))
        if await self._outbox.written(self._turn):
            trace.mark("send", trio.current_time())
            self._turn.audible()


@cache
def _sound_file(path: Path) -> bytes:
    """The samples of a WAV file that is already as the mouth wants it; small, read once."""
    with wave.open(str(path), "rb") as file:
        if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (MOUTH_RATE, 1, 2):
            raise ValueError(f"{path.name} must be 16-bit mono at {MOUTH_RATE} Hz")
        return file.readframes(file.getnframes())

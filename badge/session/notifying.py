"""Notices without a turn: an idle badge that can is told to fetch and play them by itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from enum import Enum
from functools import partial
from typing import Any, Protocol

import trio
from attrs import field, frozen

from badge.boundary import boundary
from badge.link import Outbox
from badge.log import get_log
from badge.notices import Notice
from badge.services import Services
from badge.session.announcer import Announcer
from badge.session.traits import Traits
from badge.session.voice import Sound, Voice
from badge.sounds import sound_path
from protocol import encode_text
from protocol.outbound import Notify
from providers.ogg import ogg_opus
from providers.opus import Decoder, Encoder, OpusError
from providers.ports import MOUTH_RATE, ProviderError

log = get_log(__name__)

FRAME_MS = 60
"""How long the packets of a file are."""

FETCHED = 1.0
"""Seconds that a badge may take before it plays what it was told to fetch."""


@frozen(kw_only=True)
class Recording:
    """A notice as a file, with its sentences and the time at which each begins."""

    file: bytes = field(repr=False)
    subtitles: list[dict[str, Any]] = field(repr=False)
    seconds: float


class Step(Enum):
    """What is under way, where there is no recording that waits for its moment."""

    NOTHING = "nothing"
    MAKING = "making"
    FAILED = "failed"
    """there is no recording of the notice that is next"""
    PLAYING = "playing"
    """a badge plays, or so we think"""


class NotifierHost(Protocol):
    """What the conversation does for it; every verb is synchronous."""

    def announce_in_turn(self, notice: Notice) -> None:
        """Say the next notice in a turn."""

    def announce_next(self) -> None:
        """Call `say` again, as soon as the badge is free."""

    def spawn(self, task: Callable[[], Awaitable[None]]) -> None:
        """Run a task as long as the session lives."""


class Notifier:
    """Says one notice after the other, on badges that can without a turn, on others in one.

    Nobody has the floor while a badge plays by itself: its user may speak, and it stops. It does not say what it did.
    """

    def __init__(
        self,
        *,
        services: Services,
        traits: Traits,
        outbox: Outbox,
        voice: Voice,
        announcer: Announcer,
        host: NotifierHost,
    ) -> None:
        self._sounds = services.sounds
        self._new_name = services.ids.sentence
        self._traits = traits
        self._outbox = outbox
        self._voice = voice
        self._announcer = announcer
        self._host = host
        self._step: Step | Recording = Step.NOTHING

    def say(self, notice: Notice) -> None:
        """The badge is free, and this is the next notice."""
        if self._step in (Step.MAKING, Step.PLAYING):
            return
        recording, self._step = self._step, Step.NOTHING
        if recording is Step.NOTHING and self._apt:
            self._step = Step.MAKING
            self._host.spawn(partial(self._make, notice))
        elif not (isinstance(recording, Recording) and self._apt and self._hand_over(recording)):
            self._host.announce_in_turn(notice)

    @property
    def _apt(self) -> bool:
        """Whether the badge can fetch sounds and, as far as it said, is idle now; and there is a voice to make them."""
        traits = self._traits
        return traits.features.notify and traits.http_url != "" and not traits.listening and not self._voice.silent

    def _hand_over(self, recording: Recording) -> bool:
        """Tell the badge to play; false when that cannot be."""
        name = self._new_name()
        if not self._sounds.put(name, recording.file):
            log.warning("a notice is too long for the badge to fetch it", bytes=len(recording.file))
            return False
        url = self._traits.http_url + sound_path(name)
        if not self._outbox.post(encode_text(Notify(audio_url=url, subtitles=recording.subtitles))):
            return False
        log.info("the badge is told to fetch a notice", seconds=recording.seconds, bytes=len(recording.file))
        self._announcer.begun()
        self._step = Step.PLAYING
        self._host.spawn(partial(self._wait, recording.seconds + FETCHED))
        return True

    # --- tasks ---

    async def _make(self, notice: Notice) -> None:
        recording = None
        with boundary("notice", log):
            recording = await self._record(notice)
        self._step = recording or Step.FAILED
        self._host.announce_next()

    async def _wait(self, seconds: float) -> None:
        await trio.sleep(seconds)
        self._step = Step.NOTHING
        self._announcer.ended("sent")
        self._host.announce_next()

    async def _record(self, notice: Notice) -> Recording | None:
        """The notice as a file; None when the voice fails, or has nothing to say."""
        tts = await self._voice.ready()
        if tts is None:
            return None
        reel, subtitles = _Reel(), []
        splitter = self._voice.splitter()
        try:
            for sentence in (*splitter.feed(notice.text), *splitter.flush()):
                subtitles.append({"start_ms": round(reel.seconds * 1000), "text": sentence})
                await self._voice.speak(tts, sentence, reel.add)
        except (ProviderError, trio.TooSlowError) as exc:
            log.warning("a notice is not made for fetching", error=str(exc) or "too slow")
            return None
        await reel.append(notice.clip)
        if not reel.seconds:
            return None
        seconds = reel.seconds
        return Recording(file=await reel.finish(), subtitles=subtitles, seconds=seconds)


class _Reel:
    """Codes sound as it is made."""

    def __init__(self) -> None:
        self._encoder = Encoder(MOUTH_RATE, FRAME_MS)
        self._decoder = Decoder(MOUTH_RATE)
        self._packets: list[bytes] = []
        self._rest = b""
        self._bytes = 0

    @property
    def seconds(self) -> float:
        """How long it is so far."""
        return self._bytes / 2 / MOUTH_RATE

    async def add(self, sound: Sound) -> None:
        """Go on with this."""
        pcm = self._decoder.decode(sound.data) if sound.packet else sound.data
        self._bytes += len(pcm)
        await self._encode(pcm)

    async def append(self, packets: Sequence[bytes]) -> None:
        """Go on with a clip."""
        self._decoder = Decoder(MOUTH_RATE)
        for packet in packets:
            with suppress(OpusError):  # one bad packet is no reason to lose the rest
                await self.add(Sound(packet, packet=True))

    async def finish(self) -> bytes:
        """The file."""
        skip, size = self._encoder.lookahead, self._encoder.frame_bytes
        late = 2 * skip  # bytes of silence that push the end of the sound out of the encoder
        await self._encode(bytes(late + -(len(self._rest) + late) % size))
        samples = (self._bytes + 1) // 2
        return ogg_opus(self._packets, frame_ms=FRAME_MS, rate=MOUTH_RATE, skip=skip, samples=samples)

    async def _encode(self, pcm: bytes) -> None:
        pcm, size = self._rest + pcm, self._encoder.frame_bytes
        whole = len(pcm) // size * size
        self._rest = pcm[whole:]
        for at in range(0, whole, size):
            await trio.lowlevel.checkpoint()  # half a millisecond of work each: others may want to go first
            self._packets.append(self._encoder.encode(pcm[at : at + size]))

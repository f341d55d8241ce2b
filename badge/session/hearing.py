"""The ear: from packets of audio to captures, one for each utterance."""

from __future__ import annotations

from contextlib import suppress
from enum import Enum
from typing import NoReturn, Protocol

import trio

from badge.boundary import boundary
from badge.components import Component
from badge.config.settings import Settings
from badge.log import get_log
from badge.session.capture import Capture
from badge.session.traits import Traits
from badge.session.voicetrack import VoiceTrack
from protocol.frames import AudioPacket
from providers.endpointing import Edge
from providers.opus import OpusError
from providers.pauses import Pauses
from providers.pcm import byte_count, seconds
from providers.ports import EAR_RATE, ProviderError, Vad

log = get_log(__name__)

EARLY_ITEMS = 512
"""Packets that wait while the voice detector loads: 10 s of 20 ms, 30 s of 60 ms. One more is dropped and counted; as
many starts and stops find room beyond that."""

STALE = 0.5
"""Seconds without any packet after which what came before is no pre-roll of what follows."""

LOADING = 10.0
"""Seconds that the voice detector has to load; then the badge has to bound its utterances itself until it has."""

MISSING_AUDIO = 1.0
"""Seconds without any packet that count as silence, for badges that send nothing while nobody speaks."""


class Bound(Enum):
    """Where the badge itself bounds an utterance; kept in line with its audio."""

    START = "start"
    STOP = "stop"


class Attention(Enum):
    """What to do with audio that is not part of an utterance."""

    IGNORE = "ignore"
    KEEP = "keep"
    """remember a little, for the start of an utterance that the badge bounds"""
    WATCH = "watch"
    """an utterance begins when somebody speaks"""
    GUARD = "guard"
    """the same while the badge speaks, with longer confirmation"""


class EarHost(Protocol):
    """Who is told what the ear found out; every verb is synchronous."""

    def attention(self) -> Attention:
        """What to do with audio right now."""

    def utterance_begins(self, capture: Capture, *, by_voice: bool) -> None:
        """An utterance is under way; its audio comes through `capture`."""

    def utterance_ends(self) -> None:
        """Silence, the longest duration or too much audio ended the utterance."""

    def nobody_spoke(self) -> None:
        """Listening was in vain."""

    def detector_broke(self) -> None:
        """Voices are not noticed, or not any more; an utterance that was under way has been ended."""

    def long_silence(self) -> None:
        """Audio comes, but nobody has spoken for the no-voice limit."""


class Ear:
    """Watches the badge's audio and cuts out utterances. Decisions count audio, not the clock.

    Audio is worked on as it comes, in the reader's own step: a fraction of a millisecond per packet, no queue and no
    task in between. Only what comes before the voice detector has loaded waits.
    """

    def __init__(
        self, settings: Settings, vad: Component[Vad], traits: Traits, host: EarHost, pauses: Pauses | None = None
    ) -> None:
        """`pauses`: how the user pauses, where that decides on the silence that ends an utterance."""
        self.dropped = 0
        self._settings = settings
        self._vad = vad
        self._traits = traits
        self._host = host
        self._track = VoiceTrack(settings.listen, settings.vad, traits, pauses)
        self._capture: Capture | None = None
        self._quiet = 0.0  # seconds of audio since the last voice
        self._early: list[tuple[bytes | Bound, float]] | None = []  # None: nothing has to wait any more
        self._last_item = self._last_audio = trio.current_time()
        self._expectation = trio.Event()

    # --- for the reader and the handlers: no await ---

    def hear(self, packet: AudioPacket) -> None:
        """One packet from the badge."""
        self._take(packet.opus)

    def bound(self, bound: Bound) -> None:
        """The badge starts or stops an utterance, after all audio that it sent before."""
        self._take(bound)

    def forget(self) -> None:
        """Discard the utterance under way and all audio that waits."""
        if self._early is not None:
            self._early.clear()
        self._track.restart()
        self._capture = None

    def stir(self) -> None:
        """Something happened that is as good as a voice."""
        self._quiet = 0.0

    @property
    def capture(self) -> Capture | None:
        """The utterance under way."""
        return self._capture

    @property
    def expects(self) -> bool:
        """Whether the badge has opened its microphone, and nobody has spoken yet."""
        return self._track.armed

    @property
    def capturing(self) -> bool:
        """Whether an utterance is under way."""
        return self._capture is not None

    def _take(self, item: bytes | Bound) -> None:
        self._last_item = trio.current_time()
        if self._early is None:
            self._work_on(item, self._last_item)
        elif len(self._early) < (EARLY_ITEMS if isinstance(item, bytes) else 2 * EARLY_ITEMS):
            self._early.append((item, self._last_item))
        else:
            self.dropped += 1

    # --- the task ---

    async def run(self) -> None:
        """Load, catch up with what came meanwhile, then notice when audio that is expected does not come."""
        with trio.move_on_after(LOADING) as patience:
            await self._attach()
        if patience.cancelled_caught:
            self._host.detector_broke()
        while self._early is not None:
            self.catch_up()
            await trio.lowlevel.checkpoint()  # the rest must not keep the thread from others
        if not patience.cancelled_caught:
            await self._notice_missing_audio()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._attach_late)
            nursery.start_soon(self._notice_missing_audio)

    async def _attach(self) -> None:
        try:
            self._track.attach(await self._vad.ready())
        except ProviderError:  # then the badge has to bound its utterances itself
            if not self._vad.disabled:
                self._host.detector_broke()

    async def _attach_late(self) -> None:
        with suppress(ProviderError):  # the badge knows
            self._track.attach(await self._vad.ready())

    async def _notice_missing_audio(self) -> NoReturn:
        while True:
            while not self._expecting:
                self._expectation = trio.Event()
                await self._expectation.wait()
            await trio.sleep_until(self._last_item + MISSING_AUDIO)
            self.miss_audio()

    # --- the steps of the task between its waits ---

    def catch_up(self) -> None:
        """Work on one item that came while the detector loaded; after the last one nothing has to wait any more."""
        if self._early:
            self._work_on(*self._early.pop(0))
        else:
            self._early = None

    def miss_audio(self) -> None:
        """Take it for silence when audio that is expected has not come."""
        now = trio.current_time()
        if self._expecting and now >= self._last_item + MISSING_AUDIO:
            self._last_item = now
            self._decide(self._track.silence(MISSING_AUDIO), now)

    @property
    def _expecting(self) -> bool:
        return self._capture is not None or self._track.armed

    def _work_on(self, item: bytes | Bound, at: float) -> None:
        with boundary("ear", log, on_error=self._blind):
            self._decode_and_watch(item, at)

    def _blind(self) -> None:
        """Go on without the detector, after an error that nobody foresaw."""
        self._track.detach()
        if self._capture is not None:
            self._end(trio.current_time())
        else:
            self._listen_in_vain()
        self._host.detector_broke()

    def _decode_and_watch(self, item: bytes | Bound, at: float) -> None:
        if item is Bound.START:
            self._start(at)
        elif item is Bound.STOP:
            self._stop(at)
        elif isinstance(item, bytes):
            self._audio(item, at)

    def _start(self, at: float) -> None:
        self.stir()
        if self._capture is not None:  # the utterance goes on, now by the badge's rule
            if self._traits.mode == "manual":
                self._track.hold()
            return
        self._drop_stale(at)
        if self._traits.mode == "manual" or not self._track.sees:
            kept = self._track.last(self._settings.listen.pre_roll_ms / 1000)
            self._open(kept, at, by_voice=False)
            self._track.restart()
            self._track.hold()
        else:
            self._track.arm()
            self._expectation.set()

    def _stop(self, at: float) -> None:
        if self._capture is None:
            # The badge is surer than the detector: what came since the start counts, if there was any voice in it.
            wanted = self._track.armed and self._track.voiced
            self._open(self._track.everything() if wanted else b"", at, by_voice=False)
        self._close(at)

    def _audio(self, packet: bytes, at: float) -> None:
        attention = self._host.attention()
        if self._capture is None and attention is Attention.IGNORE:
            if self._track.armed:  # the chance to speak has gone
                self._listen_in_vain()
            elif self._track.remembers:
                self._track.restart()
            self._quiet = 0.0
            return
        self._drop_stale(at)
        self._last_audio = at
        try:
            pcm = self._track.decode(packet)
        except OpusError:
            return  # one bad packet is no reason to lose an utterance
        if self._capture is not None:
            self._capture.add(pcm, at)
            if self._capture.broken:
                self._end(at)
                return
        elif attention is Attention.KEEP:
            return
        confirm = self._settings.vad.barge_in_confirm_ms / 1000 if attention is Attention.GUARD else None
        voice, edges = self._track.watch(pcm, confirm=confirm)
        self._quiet = 0.0 if voice else self._quiet + seconds(pcm, EAR_RATE)
        if voice and self._capture is not None:
            self._capture.voiced_at = at
        self._decide(edges, at)
        if self._quiet >= self._settings.timeouts.no_voice_s:
            self._quiet = 0.0
            self._host.long_silence()

    def _drop_stale(self, at: float) -> None:
        if at - self._last_audio > STALE and self._capture is None and not self._track.armed:
            self._track.restart()

    def _decide(self, edges: list[Edge], at: float) -> None:
        for edge in edges:
            if edge is Edge.STARTED and self._capture is None:
                back = self._settings.listen.pre_roll_ms / 1000 + self._track.onset
                self._open(self._track.last(back), at, by_voice=True)
                self._track.armed = False
            elif edge in (Edge.ENDED, Edge.CUT) and self._capture is not None:
                self._capture.last_audio = self._capture.voiced_at
                silence = self._track.patience
                self._end(at)
                if edge is Edge.ENDED:
                    self._track.expect_more(silence)
            elif edge is Edge.UNHEARD and self._track.armed:
                self._listen_in_vain()
        if self._capture is not None:
            self._capture.voiced = self._capture.size - byte_count(self._track.gap, EAR_RATE)

    def _listen_in_vain(self) -> None:
        self._track.restart()
        self._host.nobody_spoke()

    def _open(self, pcm: bytes, at: float, *, by_voice: bool) -> None:
        capture = Capture(limit=round(self._settings.listen.buffer_mb * 1_048_576), started=at)
        if pcm:
            capture.add(pcm, at)
        self._capture = capture
        self._expectation.set()
        self._host.utterance_begins(capture, by_voice=by_voice)

    def _end(self, at: float) -> None:
        """The utterance is over, and the badge does not know it."""
        self._close(at)
        self._host.utterance_ends()

    def _close(self, at: float) -> None:
        assert self._capture is not None
        capture, self._capture = self._capture, None
        self._track.restart()
        capture.end(at)

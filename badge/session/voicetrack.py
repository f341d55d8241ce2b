"""One badge's voice as PCM: decoding, a little memory of what was just heard, and where speech begins and ends."""

from __future__ import annotations

from collections.abc import Sequence

from badge.config.settings import ListenSettings, VadSettings
from badge.session.traits import Traits
from providers.endpointing import Edge, Endpointing, EndpointRules
from providers.opus import Decoder
from providers.pauses import Pauses
from providers.pcm import byte_count
from providers.ports import EAR_RATE, Vad, VadStream
from providers.raw import RawDecoder

SLACK = 1.0
"""Seconds kept beyond the pre-roll: speech is noticed some time after it began."""


class VoiceTrack:
    """Plain state, no task; every method is synchronous and takes a fraction of a millisecond per frame."""

    def __init__(
        self, settings: ListenSettings, vad_settings: VadSettings, traits: Traits, pauses: Pauses | None = None
    ) -> None:
        """`pauses`: how the user pauses, where that decides on the silence that ends an utterance."""
        confirm, longest = vad_settings.confirm_ms / 1000, settings.longest_s
        self._rules = (
            EndpointRules(
                confirm=confirm, silence=settings.silence_ms / 1000, longest=longest, unheard=settings.unheard_s
            ),
            EndpointRules(confirm=confirm, silence=settings.manual_silence_ms / 1000, longest=longest),
        )
        self._traits = traits
        self._pauses = pauses
        self._keep = settings.pre_roll_ms / 1000 + SLACK
        self._armed_keep = settings.unheard_s + SLACK
        self._codec: Decoder | RawDecoder | None = None
        self._vad: tuple[VadStream, float] | None = None
        self._recent = bytearray()
        self.restart()

    def attach(self, vad: Vad) -> None:
        """Watch with this detector from now on."""
        self._vad = vad.stream(), vad.window

    def detach(self) -> None:
        """Watch no more: the detector is broken."""
        self._vad = None

    @property
    def sees(self) -> bool:
        """Whether there is a detector."""
        return self._vad is not None

    @property
    def onset(self) -> float:
        """Seconds since the speech that is being confirmed, or was just confirmed, began."""
        return self._endpointing.onset

    @property
    def gap(self) -> float:
        """Seconds of silence since the last voice of the utterance that is under way."""
        return self._endpointing.gap

    @property
    def voiced(self) -> bool:
        """Whether any speech was noticed since the restart, confirmed or not."""
        return self._endpointing.voiced

    @property
    def patience(self) -> float:
        """Seconds of silence that end the utterance."""
        return self._endpointing.patience

    @property
    def remembers(self) -> bool:
        """Whether there is anything to forget."""
        return self._codec is not None

    def restart(self) -> None:
        """Forget what was heard, and look for the start of an utterance."""
        self._endpointing = Endpointing(self._rules[False])
        self._tempo = self._pauses
        self.armed = False
        self._codec = None
        self._recent.clear()
        self.forget_end()

    def expect_more(self, silence: float) -> None:
        """A silence of so many s has ended the utterance: notice when the user was not done."""
        if self._tempo is not None:
            self._tempo.ended(silence)

    def forget_end(self) -> None:
        """What comes next is no rest of the last utterance."""
        if self._pauses is not None:
            self._pauses.forget_end()

    def hold(self) -> None:
        """The badge bounds the utterance that has begun: look for its end only, and with long patience."""
        self._endpointing = Endpointing(self._rules[True])
        self._endpointing.reset(speaking=True)
        self._tempo = None  # who holds a button down takes his time

    def arm(self) -> None:
        """The badge has begun to listen: keep all audio from here on, and notice when nobody speaks."""
        self._endpointing.reset()
        self.forget_end()
        self.armed = True

    def decode(self, packet: bytes) -> bytes:
        """The audio of one packet, remembered for a while. Raises `OpusError` and stays usable."""
        if self._codec is None:
            self._codec = self._traits.decoder()
        pcm = self._codec.decode(packet)
        self._recent += pcm
        surplus = len(self._recent) - byte_count(self._armed_keep if self.armed else self._keep, EAR_RATE)
        if surplus > 0:
            del self._recent[:surplus]
        return pcm

    def last(self, duration: float) -> bytes:
        """The last `duration` s of audio, as far as remembered."""
        wanted = byte_count(duration, EAR_RATE)
        return bytes(self._recent[-wanted:]) if wanted else b""

    def everything(self) -> bytes:
        """All audio that is remembered."""
        return bytes(self._recent)

    def watch(self, pcm: bytes, *, confirm: float | None) -> tuple[bool, list[Edge]]:
        """Whether the audio has speech in it, and what the endpointing makes of it; nothing without a detector."""
        if self._vad is None:
            return False, []
        stream, window = self._vad
        verdicts = stream.feed(pcm)
        return any(verdicts), self._feed(verdicts, window, confirm)

    def silence(self, duration: float) -> list[Edge]:
        """Let `duration` s pass without audio."""
        return self._feed([False], duration, None)

    def _feed(self, verdicts: Sequence[bool], window: float, confirm: float | None) -> list[Edge]:
        edges = (self._follow(is_speech, window, confirm) for is_speech in verdicts)
        return [edge for edge in edges if edge is not None]

    def _follow(self, is_speech: bool, window: float, confirm: float | None) -> Edge | None:  # noqa: FBT001 - a verdict
        gap = self._endpointing.gap
        edge = self._endpointing.feed(is_speech, window, confirm=confirm)
        if self._tempo is not None:
            self._tempo.pass_by(window)
            if is_speech and gap:
                self._tempo.add(gap)
            if edge is Edge.STARTED:
                self._tempo.begun(self._endpointing.onset)
                self._endpointing.wait(self._tempo.silence)
        return edge

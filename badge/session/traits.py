"""What one badge is like: facts that it told about itself."""

from __future__ import annotations

from attrs import define, field

from protocol.frames import Framing
from protocol.inbound import Features
from protocol.vocabulary import AudioParams, ListenMode
from providers.opus import MAX_PACKET, Decoder, Encoder
from providers.pcm import byte_count
from providers.ports import EAR_RATE, MOUTH_RATE
from providers.raw import RawDecoder, RawEncoder


@define
class Traits:
    """Set by the handshake, `hello` and `listen`; read by whoever speaks to the badge."""

    device: str
    session_id: str
    framing: Framing
    asked: ListenMode
    """how the badge wants to be listened to"""
    frame_ms: int
    imposed: ListenMode | None = None
    """how a mode of the session has it listened to, until the badge asks for something else"""
    http_url: str = ""
    """where the badge reaches us by HTTP, without a slash at the end; empty when that is not known"""
    listening: bool = False
    """whether its microphone is open, by what it says"""
    audio_format: str = "opus"
    features: Features = field(factory=Features)
    introduced: bool = False
    """whether it has said hello"""
    bad_frames: int = 0

    @property
    def mode(self) -> ListenMode:
        """How the badge is listened to."""
        return self.imposed or self.asked

    def ask(self, mode: ListenMode) -> None:
        """The badge wants to be listened to like this."""
        self.asked, self.imposed = mode, None

    def count_bad_frame(self) -> int:
        """Note a frame in the wrong framing; gives how many there were."""
        self.bad_frames += 1
        return self.bad_frames

    def audio_params(self) -> AudioParams:
        """What the server sends, truthfully: badges size their buffers by it."""
        return AudioParams(format=self.audio_format, sample_rate=MOUTH_RATE, channels=1, frame_duration=self.frame_ms)

    @property
    def longest_packet(self) -> int:
        """Bytes that one packet from the badge may have: more is no Opus, or more than a second of PCM at once."""
        return byte_count(1.0, EAR_RATE) if self.audio_format == "pcm" else MAX_PACKET

    def decoder(self) -> Decoder | RawDecoder:
        """For one utterance from the badge."""
        return RawDecoder() if self.audio_format == "pcm" else Decoder(EAR_RATE)

    def encoder(self) -> Encoder | RawEncoder:
        """For one answer to the badge."""
        if self.audio_format == "pcm":
            return RawEncoder(MOUTH_RATE, self.frame_ms)
        return Encoder(MOUTH_RATE, self.frame_ms)

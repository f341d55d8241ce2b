"""Packets of Opus as a WAV file."""

from __future__ import annotations

import binascii
import io
import wave
from base64 import b64decode, b64encode
from contextlib import suppress

from providers.opus import Decoder, OpusError
from providers.ports import EAR_RATE


def wav_of(written: str) -> str | None:
    """A WAV file in base64, 16-bit mono at 16 kHz, of packets in base64 with a space between; None when nothing of it can
    be decoded. Blocking: a minute takes a quarter of a second."""
    decoder, pcm = Decoder(EAR_RATE), bytearray()
    for packet in written.split():
        with suppress(OpusError, binascii.Error):  # one bad packet is no reason to lose the rest
            pcm += decoder.decode(b64decode(packet))
    if not pcm:
        return None
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(EAR_RATE)
        wav.writeframes(pcm)
    return b64encode(file.getvalue()).decode("ascii")

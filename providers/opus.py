"""Opus as two plain objects over opuslib: packets in, 16-bit mono PCM out, and the other way round."""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

MAX_PACKET = 4000
"""Bytes; libopus' own advice for an encoder's output. Badges send up to about 2,200."""

MAX_FRAME_MS = 120
"""The longest duration that one Opus packet can have."""

COMPLEXITY = 5
BITRATE = 24_000
"""Bits per second; below 16,000 speech recognisers on the other side begin to suffer."""

LIBRARY_VARIABLE = "BADGE_OPUS_LIBRARY"


class OpusError(Exception):
    """A packet is no Opus, or the codec refused; the codec stays usable."""


class Decoder:
    """Decodes the packets of one stream to `rate` Hz, whatever rate and frame length they were coded with."""

    def __init__(self, rate: int) -> None:
        self._api = opus_api()
        self._state = self._api.decoder.create_state(rate, 1)
        self._capacity = rate * MAX_FRAME_MS // 1000
        self._buffer = (ctypes.c_int16 * self._capacity)()

    def decode(self, packet: bytes) -> bytes:
        """The audio of one packet; an empty packet gives none. Raises `OpusError`."""
        if not packet:
            return b""
        # opuslib's own decode() copies every sample into a Python list; the call below it does not.
        samples = self._api.decoder.libopus_decode(self._state, packet, len(packet), self._buffer, self._capacity, 0)
        if samples < 0:
            raise OpusError(f"not an Opus packet (libopus error {samples})")
        return ctypes.string_at(self._buffer, samples * 2)

    def __del__(self) -> None:
        if hasattr(self, "_buffer"):
            self._api.decoder.destroy(self._state)


class Encoder:
    """Encodes the frames of one stream; every packet lasts `frame_ms`."""

    def __init__(self, rate: int, frame_ms: int) -> None:
        self._api = opus_api()
        self._codec = self._api.Encoder(rate, 1, "voip")
        self._codec.complexity = COMPLEXITY
        self._codec.bitrate = BITRATE
        self._samples = rate * frame_ms // 1000

    @property
    def frame_bytes(self) -> int:
        """Length of the PCM that `encode` takes."""
        return self._samples * 2

    @property
    def lookahead(self) -> int:
        """Samples by which the decoded sound is late."""
        return int(self._codec.lookahead)

    def encode(self, pcm: bytes) -> bytes:
        """One packet for exactly `frame_bytes` of audio."""
        if len(pcm) != self.frame_bytes:  # libopus would read past the end
            raise ValueError(f"a frame has {self.frame_bytes} bytes, got {len(pcm)}")
        try:
            packet: bytes = self._codec.encode(pcm, self._samples)
        except self._api.OpusError as exc:
            raise OpusError(f"cannot encode (libopus error {exc.code})") from exc
        return packet


@cache
def opus_api() -> Any:
    """The opuslib package with a libopus below it, its decoder call typed for our buffers.

    Raises `OpusError` when no libopus is found.
    """
    with _library_search(), warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # opuslib compares integers with `is not`
        try:
            import opuslib
            import opuslib.api.decoder
        except Exception as exc:  # noqa: BLE001 - opuslib raises a bare Exception
            raise OpusError(
                f"cannot load libopus ({exc}). Install it with: apt install libopus0, or pip install av, "
                f"or name the file in the environment variable {LIBRARY_VARIABLE}"
            ) from None
    opuslib.decoder = opuslib.api.decoder
    opuslib.decoder.libopus_decode.argtypes = (
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_int32,
        ctypes.POINTER(ctypes.c_int16),
        ctypes.c_int,
        ctypes.c_int,
    )
    return opuslib


def opus_version() -> str:
    """What the library calls itself, such as `libopus 1.6.1`. Raises `OpusError` when there is none."""
    version = opus_api().api.libopus.opus_get_version_string
    version.restype = ctypes.c_char_p
    return str(version().decode())


@contextmanager
def _library_search() -> Iterator[None]:
    """While opuslib is imported, let `find_library("opus")` also see the variable and the file that PyAV carries."""
    original = ctypes.util.find_library

    def find_library(name: str) -> str | None:
        if name != "opus":
            return original(name)
        return os.environ.get(LIBRARY_VARIABLE) or original(name) or _carried_by_av()

    ctypes.util.find_library = find_library
    try:
        yield
    finally:
        ctypes.util.find_library = original


def _carried_by_av() -> str | None:
    spec = importlib.util.find_spec("av")  # finds the folder without importing 100 MB of codecs
    if spec is None or spec.origin is None:
        return None
    package = Path(spec.origin).parent
    for folder, pattern in ((package.parent / "av.libs", "libopus-*.so*"), (package / ".dylibs", "libopus*.dylib")):
        for found in sorted(folder.glob(pattern)):
            return str(found)
    return None

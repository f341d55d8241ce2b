"""A recording without the words and the sound of its user: what may be shared."""

from __future__ import annotations

from badge.recording.fileformat import Packer, Recording
from badge.recording.privacy import Refinement
from badge.recording.records import Kind


def redacted(recording: Recording, *, audio: str, text: str) -> bytes:
    """The bytes of a file that holds what is left of a recording. It ends where the recording ends, whole or not."""
    refine = Refinement(recording.header, audio=audio, text=text)
    raw = [(0, 0, Kind.BEGIN, recording.header), *((r.at, r.after, r.kind, *r.data) for r in recording.records)]
    return Packer().pack(refine(raw))

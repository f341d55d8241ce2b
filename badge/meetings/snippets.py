"""Pieces of the transcript, as a badge is sent them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from badge.storage.records import Segment

SEGMENTS = 50
BYTES = 32 * 1024
"""Most of a transcript that one message holds; a single segment may be larger."""


def first_of(segments: Sequence[Segment]) -> Sequence[Segment]:
    """As many of the first segments as one message holds, and at least one."""
    size = 0
    for count, segment in enumerate(segments[:SEGMENTS]):
        size += len(segment.text.encode(errors="replace"))
        if size > BYTES and count:
            return segments[:count]
    return segments[:SEGMENTS]


def as_sent(segments: Sequence[Segment]) -> list[dict[str, Any]]:
    """Segments as they stand in the message."""
    return [attrs.asdict(segment) for segment in segments]

"""Memory of a long-running server: when garbage is looked for, so that nobody hears it."""

from __future__ import annotations

import gc

import trio

from badge.peers.presence import Presence

YOUNG = (2_000, 5)
"""Thresholds of the two young generations: few enough objects at a time to take a millisecond or two."""

NEVER = 1_000_000
"""The old generation is not collected by itself: with many badges that takes longer than a frame."""

EVERY = 600.0
DEPARTED = 500
"""What ended sessions leave behind is collected after so many seconds, or after so many arrivals and departures. It
takes some 10 ms per hundred sessions, less than the lead of the audio that badges have in hand."""

LOOK_EVERY = 10.0


def settle() -> None:
    """Start-up is over: what exists now stays, and is never looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*YOUNG, NEVER)


async def tidy(presence: Presence) -> None:
    """Collect what ended sessions left behind, until cancelled."""
    done, version = trio.current_time(), presence.version
    while True:
        await trio.sleep(LOOK_EVERY)
        changes = presence.version - version
        if changes >= DEPARTED or (changes and trio.current_time() - done >= EVERY):
            gc.collect()
            done, version = trio.current_time(), presence.version

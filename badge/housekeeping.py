"""Memory of a long-running server: when garbage is looked for, so that nobody hears it."""

from __future__ import annotations

import gc

import trio

from badge.peers.presence import Presence

GROWTH = 500_000
"""More objects than at the last collection, some 50 MB, after which garbage is looked for."""

EVERY = 600.0
DEPARTED = 500
"""What ended sessions leave behind is collected after so many seconds, or after so many arrivals and departures. It
takes some 10 ms per hundred sessions, five times that when all of them talk: less than the lead of the audio that
badges have in hand."""

LOOK_EVERY = 10.0


def settle() -> None:
    """Start-up is over: what exists now stays, and is never looked at again; the rest is looked at when `tidy` says.

    The interpreter's own rhythm does not fit: whatever is under way, some hundred objects for each badge that talks,
    is young to it, so that even its smallest collection keeps everybody waiting.
    """
    gc.collect()
    gc.freeze()
    gc.disable()


async def tidy(presence: Presence) -> None:
    """Collect what ended sessions, and now and then a turn, left behind, until cancelled."""
    done, version = trio.current_time(), presence.version
    while True:
        await trio.sleep(LOOK_EVERY)
        changes = presence.version - version
        overdue = changes and trio.current_time() - done >= EVERY
        if changes >= DEPARTED or gc.get_count()[0] >= GROWTH or overdue:
            gc.collect()
            done, version = trio.current_time(), presence.version

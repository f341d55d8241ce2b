"""The news about who is online: sent to every badge when somebody comes or goes, and every few seconds."""

from __future__ import annotations

import psutil
import trio

from badge.boundary import boundary
from badge.clock import WallClock, milliseconds
from badge.config.settings import StatsSettings
from badge.log import get_log
from badge.peers.presence import Presence
from protocol import encode_text
from protocol.outbound import Stats

log = get_log(__name__)

COALESCE = 0.2
"""Seconds between two broadcasts at least: a thousand reconnects make a handful of them."""

MEGABYTE = 1_048_576


async def broadcast_stats(settings: StatsSettings, presence: Presence, clock: WallClock) -> None:
    """Send the news until cancelled. A badge that does not read loses old news, and delays nobody; news that cannot be
    told are logged, and the next are tried again."""
    process = psutil.Process()
    seen = 0  # whoever came before this task is news too
    while True:
        with trio.move_on_after(settings.every_s):
            seen = await presence.changed(seen)
        seen = presence.version
        with boundary("news about who is online", log):
            frame = encode_text(measure(presence.online(), clock, process))
            for mailbox in presence.everyone():
                if mailbox.served:
                    mailbox.post(frame, stale=True)
        await trio.sleep(COALESCE)


def measure(online: list[str], clock: WallClock, process: psutil.Process) -> Stats:
    """The state of house and machine now; what the machine does not tell is left out."""
    stats = Stats(ts=milliseconds(clock), deviceCount=len(online), online=online)
    try:
        memory = psutil.virtual_memory()
        return Stats(
            ts=stats.ts,
            deviceCount=stats.deviceCount,
            online=online,
            cpuPercent=process.cpu_percent(),
            memPercent=memory.percent,
            memUsedMB=round(memory.used / MEGABYTE),
            memTotalMB=round(memory.total / MEGABYTE),
        )
    except (psutil.Error, OSError):
        return stats

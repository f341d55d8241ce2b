"""Which badges share their tasks."""

from __future__ import annotations

from badge.config.team import WorkflowSettings
from protocol import normalise

PREFIX = 8
"""Characters of a device id that make its group: of a MAC address the maker's part, so only houses with badges of one
maker should rely on it."""

INVENTED = "auto-"
"""How the ids of badges that name none begin. The rest of them is random, so a prefix would bring strangers together."""


def group_of(device: str, settings: WorkflowSettings) -> str:
    """The group of a device; never empty. A device whose id looks like the name of a configured group is not in it."""
    for group, devices in settings.groups.items():
        if device in map(normalise, devices):
            return group
    whole = device.startswith(INVENTED) or not settings.by_prefix
    group = (device if whole else device[:PREFIX]) or "default"
    while group in settings.groups:
        group += "~"
    return group

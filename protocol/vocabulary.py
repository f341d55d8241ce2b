"""What messages in both directions speak of."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

ListenMode = Literal["auto", "manual", "realtime"]
"""auto: the server's VAD ends an utterance; manual: the badge does; realtime: auto, and the badge cancels echo."""


@frozen(kw_only=True)
class AudioParams:
    """How audio is coded. A badge's own values are information only: uplink packets tell their length themselves."""

    format: str | None = None
    sample_rate: int | None = None
    """Hz"""
    channels: int | None = None
    frame_duration: int | None = None
    """ms"""

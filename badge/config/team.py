"""The part of the schema of config.toml that is about more than one conversation: modes, team, store."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

from providers.settings import between, setting


@frozen(kw_only=True)
class StoreSettings:
    """Where tasks, messages, meetings, reminders and memories are kept."""

    use: Literal["sqlite", "memory"] = setting(
        "sqlite", "sqlite (a file), or memory (everything is forgotten when the server stops)"
    )
    file: str = setting("badge.db", "the file; made when it does not exist", env="BADGE_STORE")
    synchronous: Literal["full", "normal"] = setting(
        "full",
        "full: what was acknowledged survives a power failure; normal: only the end of the process, and is faster",
    )


@frozen(kw_only=True)
class MeetingSettings:
    """Meetings and their minutes."""

    prefer_device_vad: bool = setting(
        True, "the badge bounds utterances in a meeting (listen mode manual). Old name: meeting.prefer_device_vad"
    )
    disable_tts: bool = setting(False, "nothing is spoken during a meeting. Old name: meeting.disable_tts")
    push_interval_ms: int = setting(3000, "time between two snippets of the transcript", **between(100, 600000))
    checkpoint_interval_s: float = setting(180.0, "time between two summaries so far", **between(1, 86400))
    resume_within_s: float = setting(
        14400.0,
        "an interrupted meeting whose badge does not come back for so long is finalised without it",
        **between(1, 604800),
    )
    summary_tokens: int = setting(800, "longest answer of the model about one part of a meeting", **between(50, 100000))
    checkpoint_tokens: int = setting(400, "the same for a summary so far", **between(50, 100000))
    part_chars: int = setting(
        4000,
        "characters of the transcript that the model is shown at once; longer meetings are summarised part by part. "
        "Old name: summary_transcript_max_chars",
        **between(500, 1000000),
    )
    most_parts: int = setting(
        1000,
        "parts of one meeting that the model is asked about; of the rest only key sentences are kept",
        **between(1, 10000),
    )
    patience_s: float = setting(60.0, "longest wait for the model's next word about a meeting", **between(1, 3600))


@frozen(kw_only=True)
class CodingSettings:
    """Coding sessions."""

    lines: int = setting(500, "lines of the log that are kept; the oldest go", **between(10, 100000))
    insight_interval_s: float = setting(
        60.0, "time between two insights, while there are new lines", **between(1, 86400)
    )
    insight_tokens: int = setting(400, "longest answer of the model about a log", **between(50, 100000))


@frozen(kw_only=True)
class WorkflowSettings:
    """The tasks of a group."""

    groups: dict[str, list[str]] = setting(
        {}, 'group = ids of its devices, for example { desk = ["aa:bb:cc:00:00:01"] }; it goes before the prefix rule'
    )
    by_prefix: bool = setting(
        True,
        "devices that no group names share the tasks of all whose ids begin with the same 8 characters; false: each is "
        "alone. Invented ids (auto-…) always are",
    )
    test_mode: bool = setting(False, "heed snapshot_on_register_delay_ms. Old name: workflow.test_mode")
    snapshot_on_register_delay_ms: int = setting(
        0,
        "time between registration and the first list of tasks, in test mode. Old name: "
        "workflow.snapshot_on_register_delay_ms",
        **between(0, 600000),
    )


@frozen(kw_only=True)
class PeerSettings:
    """Messages between badges."""

    queue: int = setting(100, "messages that wait for one device; the oldest make room", **between(1, 10000))
    keep_h: float = setting(24.0, "hours after which a message that waits is dropped", **between(0.01, 8760))
    announce: Literal["read", "count", "off"] = setting(
        "read",
        "read: speak the messages that arrive and play their clips; count: say how many have waited; off: say nothing",
    )
    longest_clip_s: float = setting(60.0, "longest voice clip", **between(1, 600))
    payload_bytes: int = setting(262144, "largest message", **between(256, 8388608))


@frozen(kw_only=True)
class ReminderSettings:
    """What is to be said later."""

    most: int = setting(100, "reminders that one device may have", **between(1, 10000))
    farthest_days: float = setting(366.0, "how far ahead", **between(0.1, 36500))

"""The part of the schema of config.toml that is about what is remembered of earlier conversations."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

from providers.embeddings import EmbeddingSettings
from providers.settings import between, setting


@frozen(kw_only=True)
class MemorySettings:
    """What is remembered of each device, in its own store. See and erase it with `python -m badge memory`."""

    use: Literal["local", "none"] = setting(
        "local",
        "local: the last exchanges, and what is worth remembering of them, are kept in the store; none: nothing is. Old "
        "names: Memory.mem_local_short, Memory.nomem",
    )
    resume_within_s: float = setting(
        1800.0,
        "a badge that comes back within this time goes on with its conversation, also when the server was restarted; "
        "older exchanges are forgotten when what is worth remembering of them is worked out",
        **between(0, 604800),
    )
    exchanges: int = setting(200, "exchanges that are kept of one device; the oldest go", **between(1, 10000))
    facts: int = setting(
        300,
        "facts and summaries that are kept of one device; the least recently used ones are dropped",
        **between(1, 100000),
    )
    prompt_chars: int = setting(
        1200, "characters of what is remembered that the model is shown with each question", **between(0, 100000)
    )
    answer_tokens: int = setting(
        800, "longest answer of the model about what is worth remembering of a conversation", **between(50, 100000)
    )
    patience_s: float = setting(60.0, "longest wait for its next word", **between(1, 3600))
    embeddings: EmbeddingSettings = EmbeddingSettings()

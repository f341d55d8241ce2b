"""What the server counts about itself, as Prometheus reads it."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class Metrics:
    """One set of counters for one server; nothing is global, so that tests can run servers side by side."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.recordings = self._counter("badge_recordings", "Sessions whose recording was begun")
        self.recordings_lost = Counter(
            "badge_recordings_lost",
            "Recordings that ended before their session, by reason: disk, overrun, size, failed",
            ["reason"],
            registry=self._registry,
        )
        self.recorded_bytes = self._counter("badge_recorded_bytes", "Bytes written to recordings")

        asked = ["purpose", "model"]
        self.llm_requests = self._counter("badge_llm_requests", "Questions to language models", *asked)
        self.llm_failures = self._counter("badge_llm_failures", "Questions without an answer, or a whole one", *asked)
        self.llm_skipped = self._counter("badge_llm_skipped", "Questions not asked, as the model had failed", *asked)
        self.llm_fallbacks = self._counter("badge_llm_fallbacks", "Answers in place of a model that failed", *asked)
        self.llm_tokens = self._counter("badge_llm_tokens", "Tokens, of prompts and of answers", *asked, "kind")
        self.llm_warmed = self._counter("badge_llm_warmed", "Connections looked after beforehand", "result")
        self.llm_breaker = Gauge(
            "badge_llm_breaker",
            "Whether a model is left alone: 0 closed, 1 half open, 2 open",
            ["model"],
            registry=self._registry,
        )

    def render(self) -> bytes:
        """All counters in the text format."""
        return generate_latest(self._registry)

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(name, about, labels, registry=self._registry)

"""What the server counts about itself, as Prometheus reads it."""

from __future__ import annotations

from math import nan

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

        self.drafts = self._counter("badge_drafts", "Answers that a model began before the utterance was over")
        self.drafts_taken = self._counter("badge_drafts_taken", "Those of them that became the answer")
        self.drafts_discarded = Counter(
            "badge_drafts_discarded",
            "Those that nobody heard, by reason: resumed (the user spoke on), words (the text was another one in the "
            "end), prompt (what the model should know had changed), void (no answer was wanted)",
            ["reason"],
            registry=self._registry,
        )

        asked = ["purpose", "model"]
        self.llm_requests = self._counter("badge_llm_requests", "Questions to language models", *asked)
        self.llm_failures = self._counter("badge_llm_failures", "Questions without an answer, or a whole one", *asked)
        self.llm_skipped = self._counter("badge_llm_skipped", "Questions not asked, as the model had failed", *asked)
        self.llm_fallbacks = self._counter("badge_llm_fallbacks", "Answers in place of a model that failed", *asked)
        self.llm_tokens = self._counter("badge_llm_tokens", "Tokens, of prompts and of answers", *asked, "kind")
        self.llm_cost = self._counter("badge_llm_cost", "What they have cost, by the configured prices", *asked)
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

    def value(self, name: str, **labels: str) -> float:
        """What a counter, by its name in the text, has come to; NaN when there is none such."""
        found = self._registry.get_sample_value(name, labels)
        return nan if found is None else found

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(name, about, labels, registry=self._registry)

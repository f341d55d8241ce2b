"""Where the time of a turn went."""

from __future__ import annotations

from attrs import define, field


@define
class TurnTrace:
    """Stages of one turn up to its first audio, on the Trio clock; each mark ends the stage of its name.

    Stages in their order: `endpointing` the silence (and way through the ear) that decided that the user is done,
    `asr` recognition, `queue` until the turn began, `llm` until the first sentence, `tts` until its first audio,
    `encode` until the first packet, `gap` the wait after `tts start`, `send` until the packet left.
    """

    begun: float
    acknowledged: float | None = field(default=None, init=False)
    """when a sound began that says that the answer takes a moment"""
    _marks: dict[str, float] = field(factory=dict)

    def mark(self, stage: str, at: float) -> None:
        """End a stage; only the first time counts, later sentences are not on the way to the first audio."""
        self._marks.setdefault(stage, at)

    def stages(self) -> dict[str, float]:
        """Duration of each stage in ms."""
        durations: dict[str, float] = {}
        last = self.begun
        for stage, at in self._marks.items():
            durations[stage] = round((at - last) * 1000, 3)
            last = at
        return durations

    @property
    def total(self) -> float:
        """ms from the end of speech to the last mark."""
        return round((max(self._marks.values(), default=self.begun) - self.begun) * 1000, 3)

    @property
    def acknowledged_ms(self) -> float | None:
        """ms from the end of speech to the sound that says that the answer takes a moment; None when there was none."""
        return None if self.acknowledged is None else round((self.acknowledged - self.begun) * 1000, 3)

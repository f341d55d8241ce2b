"""Where an utterance begins and ends, judged from voice activity in audio time: no clock, no task."""

from __future__ import annotations

from enum import Enum

from attrs import frozen


class Edge(Enum):
    """What a window of audio decided."""

    STARTED = "started"
    """Speech is confirmed; it began `Endpointing.onset` seconds before now."""
    ENDED = "ended"
    """The silence after speech is long enough."""
    CUT = "cut"
    """The utterance is as long as it may be."""
    UNHEARD = "unheard"
    """Nobody spoke for as long as we listen."""


@frozen(kw_only=True)
class EndpointRules:
    """Durations in s of audio."""

    confirm: float
    """speech that must come together before we believe it"""
    silence: float
    """silence that ends an utterance"""
    longest: float
    """an utterance is cut here"""
    unheard: float | None = None
    """listening without speech ends here; None: never"""


class Endpointing:
    """Follows one stream of (is_speech, seconds) and reports each edge once.

    Confirmation forgives short dips: a pause shorter than `confirm` does not restart it, it only does not count.
    """

    def __init__(self, rules: EndpointRules) -> None:
        self._rules = rules
        self._patience = rules.silence
        self.reset()

    @property
    def onset(self) -> float:
        """Seconds since the first speech of the utterance, pauses included; 0 when none was heard."""
        return self._onset

    @property
    def voiced(self) -> bool:
        """Whether any window since the last edge or reset was speech, confirmed or not."""
        return self._onset > 0

    @property
    def gap(self) -> float:
        """Seconds of silence since the last speech of the utterance that is under way; 0 when none is."""
        return self._silence if self._speaking and self._speech else 0.0

    @property
    def patience(self) -> float:
        """Seconds of silence that end the utterance."""
        return self._patience

    def wait(self, silence: float) -> None:
        """Let this silence, in s, end utterances from now on, instead of that of the rules."""
        self._patience = silence

    def reset(self, *, speaking: bool = False) -> None:
        """Begin anew; `speaking` when somebody else already decided that the utterance has begun."""
        self._speaking = speaking
        self._onset = 0.0
        self._speech = 0.0
        self._silence = 0.0
        self._elapsed = 0.0

    def feed(self, is_speech: bool, seconds: float, *, confirm: float | None = None) -> Edge | None:  # noqa: FBT001
        """Take the verdict on the next `seconds` of audio; `confirm` overrides the rule for this window."""
        self._elapsed += seconds
        if is_speech or self._onset:
            self._onset += seconds
        self._silence = 0.0 if is_speech else self._silence + seconds
        if is_speech:
            self._speech += seconds
        return self._inside() if self._speaking else self._before(confirm or self._rules.confirm)

    def _before(self, confirm: float) -> Edge | None:
        if self._silence >= confirm:  # that was a click, not speech
            self._onset = self._speech = 0.0
        if self._speech + _EPSILON >= confirm:
            self._speaking = True
            self._elapsed = self._onset
            return Edge.STARTED
        given_up = self._rules.unheard is not None and self._elapsed + _EPSILON >= self._rules.unheard
        if given_up and not self._speech:  # somebody who has just begun is waited for
            self.reset()
            return Edge.UNHEARD
        return None

    def _inside(self) -> Edge | None:
        edge = None
        if self._speech and self._silence + _EPSILON >= self._patience:
            edge = Edge.ENDED
        elif self._elapsed + _EPSILON >= self._rules.longest:
            edge = Edge.CUT
        if edge is not None:
            self.reset()
        return edge


_EPSILON = 1e-9  # sums of 0.032 fall short of the exact figure by rounding

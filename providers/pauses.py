"""How long one user pauses within sentences, and how long a silence has to be, therefore, to end what he says: pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from attrs import frozen

SHORTEST, LONGEST = 0.1, 10.0
"""Seconds; a shorter silence is part of a word, and after a longer one something else is said."""

ENOUGH = 8
"""Pauses after which a user is known."""

KEPT = 48
"""Pauses that count; for one more the oldest is forgotten."""

SHARE = 0.95
"""Share of the pauses that must be shorter than the silence that ends an utterance."""

MARGIN = 0.15
"""Seconds that are added: the longest of few pauses is not the longest that there will be."""

RESUMED = 1.0
"""Seconds after an utterance has been ended in which speech means that the user was not done."""


@frozen(kw_only=True)
class PauseRules:
    """Seconds of silence that end an utterance: at least, at most, and while the user is not known."""

    least: float
    most: float
    usual: float


class Pauses:
    """Learns from what is heard, window by window."""

    def __init__(self, rules: PauseRules) -> None:
        self._rules = rules
        self._pauses: deque[float] = deque(maxlen=KEPT)
        self._learned = 0
        self._since_end: float | None = None
        self._ended_after = 0.0

    @property
    def silence(self) -> float:
        """Seconds of silence that end the next utterance."""
        if len(self._pauses) < ENOUGH:
            return self._rules.usual
        longest = sorted(self._pauses)[round(SHARE * (len(self._pauses) - 1))]
        return min(max(longest + MARGIN, self._rules.least), self._rules.most)

    @property
    def latest(self) -> tuple[float, ...]:
        """The pauses that count, the oldest first, in s."""
        return tuple(self._pauses)

    @property
    def learned(self) -> int:
        """How many pauses have been heard here."""
        return self._learned

    def recall(self, earlier: Iterable[float]) -> None:
        """Count pauses that were heard before all others."""
        heard = list(self._pauses)
        self._pauses.clear()
        self._pauses.extend(pause for pause in (*earlier, *heard) if SHORTEST <= pause <= LONGEST)

    def add(self, pause: float) -> None:
        """The user has paused for so many seconds, and then gone on."""
        if SHORTEST <= pause <= LONGEST:
            self._pauses.append(round(pause, 3))
            self._learned += 1

    # --- when an utterance was ended too early ---

    def ended(self, silence: float) -> None:
        """So many seconds of silence have just ended an utterance."""
        self._since_end, self._ended_after = 0.0, silence

    def pass_by(self, seconds: float) -> None:
        """So much audio has gone by."""
        if self._since_end is not None:
            self._since_end += seconds
            if self._since_end > 2 * RESUMED:
                self._since_end = None

    def begun(self, onset: float) -> None:
        """An utterance began `onset` s ago; one that follows the last so soon is the rest of it."""
        if self._since_end is not None and self._since_end - onset <= RESUMED:
            self.add(self._ended_after + max(0.0, self._since_end - onset))
        self._since_end = None

    def forget_end(self) -> None:
        """What is heard next has nothing to do with the last utterance."""
        self._since_end = None

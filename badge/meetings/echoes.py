"""Recognisers that say the same thing twice."""

from __future__ import annotations

from collections import deque

from badge.phrases import bare

REMEMBERED = 5
"""Texts that a new one is compared with."""

WITHIN = 10_000
"""ms in which the same text is an echo; later it was said again."""


class Echoes:
    """Knows what was said just now."""

    def __init__(self) -> None:
        self._recent: deque[tuple[int, str]] = deque(maxlen=REMEMBERED)

    def has(self, text: str, at: int) -> bool:
        """Whether this was said just before `at` (ms since the epoch); from now on it was."""
        words = bare(text)
        if any(words == known and abs(at - then) <= WITHIN for then, known in self._recent):
            return True
        self._recent.append((at, words))
        return False

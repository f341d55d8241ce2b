"""Chat: every utterance goes to the language model."""

from __future__ import annotations

from badge.llms import Purpose
from badge.modes.base import Answer, Ask


class Chat:
    """The mode of a session that is in no other mode."""

    def hear(self, words: str) -> Answer:
        """Ask the model."""
        return Ask(Purpose.CHAT, words)

"""Chat: every utterance goes to the language model."""

from __future__ import annotations

from badge.llms import Purpose
from badge.modes.base import Answer, Ask
from protocol import ListenMode


class Conversation:
    """What modes in which the assistant is talked to have in common."""

    purpose = Purpose.CHAT
    overhears = False
    muted = False
    listening: ListenMode | None = None

    def enter(self, *, again: bool) -> None:
        """Nothing to do."""

    async def begin(self) -> None:
        """Nothing to do."""

    async def end(self) -> None:
        """Nothing to do."""

    def hear(self, words: str, began: int) -> Answer:  # noqa: ARG002 - answers do not depend on the time
        """Ask the model."""
        return Ask(self.purpose, words)

    def would_ask(self, words: str) -> Ask | None:
        """Every utterance is for the model."""
        return Ask(self.purpose, words)

    def miss(self, since: int, until: int, reason: str) -> None:
        """Nobody writes it down."""

    def heard_out(self) -> None:
        """Nothing to do."""


class Chat(Conversation):
    """The mode of a session that is in no other mode."""


CHAT = Chat()
"""It has no state: one is enough."""

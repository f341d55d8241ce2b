"""What may be done to things at home: a list of what is allowed decides, and words that never are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from attrs import frozen

_DANGEROUS = re.compile(r"rm\s+-rf|sudo|admin", re.IGNORECASE)


def is_dangerous(texts: Iterable[str]) -> bool:
    """Whether one of the texts has words that no command for a thing has."""
    return any(_DANGEROUS.search(text) for text in texts)


@frozen
class Whitelist:
    """Kinds of things, and the commands that each may get."""

    allowed: Mapping[str, Iterable[str]]

    def refusal(self, kind: str, command: str) -> str:
        """Why a command is refused; empty when it is allowed."""
        if kind not in self.allowed:
            return f"kind: must be one of {', '.join(self.allowed) or 'none'}, not '{kind[:40]}'."
        commands = tuple(self.allowed[kind])
        if command not in commands:
            return f"command: for {kind} must be one of {', '.join(commands) or 'none'}, not '{command[:40]}'."
        return ""

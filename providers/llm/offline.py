"""The offline assistant: answers from a few skills, without a network and without pretending to be more."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

import trio

from providers.language import language_of
from providers.llm.skills.arithmetic import arithmetic
from providers.llm.skills.base import Context, Skill
from providers.llm.skills.moments import date, time_of_day
from providers.llm.skills.talk import last_resort, repeat, say_again, small_talk
from providers.llm.skills.units import convert
from providers.ports import ChatMessage, Prompt, ProviderError, Text, Token

SKILLS: tuple[Skill, ...] = (small_talk, say_again, repeat, time_of_day, date, convert, arithmetic)
"""The first that answers, answers."""

SURE: tuple[Skill, ...] = tuple(skill for skill in SKILLS if skill is not small_talk)
"""Those that answer in place of a model that has failed: what they know is right whoever says it."""

LONGEST_REQUEST = 300
"""Characters; a longer text is none of the things that the skills know, except words to repeat."""

_PIECE = re.compile(r".+?(?:[。！？!?.]+(?=\s|[^\x00-\x7f]|$)\s*|$)", re.DOTALL)
_UNSAID = re.compile(r"\([^()]*\)")
"""Stands in a dialogue for an answer that was never spoken."""


class OfflineLlm:
    """Answers at once; `clock` gives the present moment with its time zone."""

    name = "offline assistant"

    def __init__(self, clock: Callable[[], datetime], *, last: Skill | None = last_resort) -> None:
        """`last`: what is said when no skill knows an answer; None: nothing, and only what is sure is said at all."""
        self._clock = clock
        self._last = last

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Needs nothing and loads nothing."""
        task_status.started()
        await trio.sleep_forever()

    @asynccontextmanager
    async def stream(self, prompt: Prompt) -> AsyncIterator[trio.MemoryReceiveChannel[Token]]:
        """The answer to the last user message, a token per sentence. Raises `ProviderError` when documents are wanted, or no
        answer is known."""
        if prompt.schema is not None:
            raise ProviderError(
                self.name, "writes no documents.", remedy="Set OPENAI_API_KEY, or llm.NAME.base_url in config.toml."
            )
        pieces = _PIECE.findall(answer(prompt.messages, self._clock(), self._last))
        if not pieces:
            raise ProviderError(self.name, "knows no answer.")
        send, receive = trio.open_memory_channel[Token](len(pieces))  # holds the whole answer
        with receive:
            with send:
                for piece in pieces:
                    send.send_nowait(Text(piece))
            await trio.lowlevel.checkpoint()
            yield receive


def answer(messages: tuple[ChatMessage, ...], now: datetime, last: Skill | None = last_resort) -> str:
    """What the first skill that knows an answer says to the last user message; empty when none does."""
    text = next((message.content for message in reversed(messages) if message.role == "user"), "")
    context = Context(now=now, language=language_of(text), said_before=_said_before(messages))
    skills = (SKILLS if last else SURE) if len(text) <= LONGEST_REQUEST else (repeat,)
    found = next(filter(None, (skill(text, context) for skill in skills)), None)
    return found or (last(text, context) if last else None) or ""


def _said_before(messages: tuple[ChatMessage, ...]) -> str:
    said = (message.content for message in reversed(messages) if message.role == "assistant")
    return next((text for text in said if text.strip() and not _UNSAID.fullmatch(text.strip())), "")

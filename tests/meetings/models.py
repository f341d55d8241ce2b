"""Language models in the hand of a test: they answer from what they are shown, as real ones do."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio
from attrs import frozen

from badge.components import Component
from badge.llms import Llms, Purpose
from badge.llms.fixed import FixedLlms
from providers.ports import Llm, Prompt, ProviderError, Text, Token

_NUMBER = re.compile(r"^\[(\d+)", re.MULTILINE)


@frozen(kw_only=True)
class Asked:
    """What a prompt was, without the transcript in it."""

    schema: str
    numbers: tuple[int, ...]
    size: int
    turns: int
    max_tokens: int | None


Answers = Callable[[Asked], str | ProviderError]


def minutes_of(asked: Asked) -> str:
    """A proper answer: what is shown first and last, one decision, one action, one question."""
    if asked.schema == "summary_so_far":
        return json.dumps({"summary": f"So far: {asked.size} characters."})
    first, last = asked.numbers[0], asked.numbers[-1]
    summary = [{"text": f"From {first} to {last} plans were made.", "segments": [first, last]}]
    if asked.schema == "summary":
        return json.dumps({"title": "All plans", "summary": summary})
    return json.dumps(
        {
            "title": f"Plans from {first}",
            "summary": summary,
            "decisions": [{"text": f"Plan {first} is decided", "segments": [first]}],
            "actions": [{"text": f"Write plan {last}", "owner": "Bob", "due": "2026-12-01", "segments": [last]}],
            "questions": [{"text": f"Who reads plan {last}?", "segments": [last]}],
        }
    )


class ReadingLlm:
    """Answers each prompt by a rule, after `delay` s; remembers what it was asked, unless it shall only `count`."""

    name = "reading"

    def __init__(
        self, answers: Answers = minutes_of, *, delay: float = 0.0, load: float = 0.0, count: bool = False
    ) -> None:
        self._answers = answers
        self._delay = delay
        self._count = count
        self.counted = Counter[str]()
        self.longest = 0
        self._load = load
        self.asked: list[Asked] = []
        self.last: Prompt | None = None
        self.running = 0
        self.most_running = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        await trio.sleep(self._load)
        task_status.started()
        await trio.sleep_forever()

    @asynccontextmanager
    async def stream(self, prompt: Prompt) -> AsyncIterator[trio.MemoryReceiveChannel[Token]]:
        shown = prompt.messages[1].content
        asked = Asked(
            schema=prompt.schema.name if prompt.schema else "",
            numbers=tuple(map(int, _NUMBER.findall(shown))),
            size=len(shown),
            turns=len(prompt.messages),
            max_tokens=prompt.max_tokens,
        )
        self.counted[asked.schema] += 1
        self.longest = max(self.longest, asked.size)
        if not self._count:
            self.asked.append(asked)
            self.last = prompt
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        try:
            await trio.sleep(self._delay)
            answer = self._answers(asked)
            if isinstance(answer, ProviderError):
                raise answer
            send, receive = trio.open_memory_channel[Token](1)
            with receive:
                with send:
                    send.send_nowait(Text(answer))
                yield receive
        finally:
            self.running -= 1


def llms_of(llm: Llm | None) -> Llms:
    """The models of a house with this one; None: there is none. Their components have to be run."""
    component: Component[Any] = Component("llm.default", () if llm is None else (llm,))
    return FixedLlms({"default": component}, dict.fromkeys(Purpose, "default"))


async def start(nursery: trio.Nursery, llm: Llm | None) -> Llms:
    """The same, running."""
    llms = llms_of(llm)
    for component in llms.components():
        nursery.start_soon(component.run)
    return llms

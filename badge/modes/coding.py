"""Coding: the log of a coding session, and what a model makes of it every now and then."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import trio
from attrs import AttrsInstance, asdict

from badge import texts
from badge.boundary import boundary
from badge.config.team import CodingSettings
from badge.llms import Purpose
from badge.log import get_log, shorten
from badge.machines.base import TransitionNotAllowed, Watch
from badge.machines.coding import CodingMachine
from badge.modes.base import Answer, Ask
from badge.modes.chat import Conversation
from badge.modes.insight import LONGEST_LINE, Insight, extracted, insight_of, insight_prompt
from protocol import ErrorCode, RemoteProtocolError
from protocol.inbound import Coding as CodingMessage
from protocol.outbound import CodingNews
from providers.ports import Prompt, ProviderError

log = get_log(__name__)

SHOWN_IN_TALK = 2000
"""Characters of the log's end that the model knows when somebody asks it about the session."""


class Coding(Conversation):
    """The stream of one session: lines come from the badge's companion, are numbered, and go to the badge.

    The buffer keeps the last lines; older ones are forgotten. Insights are asked for while there is something new.
    """

    purpose = Purpose.CODING

    def __init__(
        self,
        *,
        settings: CodingSettings,
        tell: Callable[[AttrsInstance], None],
        ask: Callable[[Purpose, Prompt], Awaitable[str]],
        spawn: Callable[[Callable[[], Awaitable[None]]], None],
        watch: Watch,
    ) -> None:
        self._settings = settings
        self._tell = tell
        self._ask = ask
        self._spawn = spawn
        self._stream = CodingMachine(self, watch)
        self._lines: deque[tuple[int, str]] = deque(maxlen=settings.lines)
        self._count = 0
        self._insights = trio.CancelScope()

    # --- as a mode ---

    async def end(self) -> None:
        """A stream ends with the mode."""
        if self._stream.state == "streaming":
            self.steer(CodingMessage(phase="stop"))

    def hear(self, words: str, began: int) -> Answer:  # noqa: ARG002 - answers do not depend on the time
        """Ask the model, which knows the end of the log."""
        return self.would_ask(words)

    def would_ask(self, words: str) -> Ask:
        """The model knows the end of the log."""
        tail = "\n".join(line for _, line in self._lines)[-SHOWN_IN_TALK:]
        return Ask(self.purpose, words, context=f"The end of the log:\n{tail}" if tail else "")

    # --- what the badge sends ---

    def steer(self, message: CodingMessage) -> None:
        """Carry out one message about the stream."""
        try:
            match message.phase:
                case "start":
                    self._stream.start()
                    self._tell(CodingNews(event="started"))
                case "log":
                    self._stream.log()
                    self._take(message.line or "")
                case "phase":
                    self._stream.phase()
                    self._tell(CodingNews(event="phase", name=shorten(message.name or "", LONGEST_LINE)))
                case "clear":
                    self._stream.clear()
                    self._lines.clear()
                    self._tell(CodingNews(event="cleared"))
                case "stop":
                    self._stream.stop()
                    self._tell(CodingNews(event="stopped"))
                case _:
                    raise RemoteProtocolError(
                        ErrorCode.BAD_MESSAGE,
                        "coding: phase: must be one of start, log, phase, clear, stop",
                        ref={"type": "coding", "field": "phase"},
                    )
        except TransitionNotAllowed:
            raise RemoteProtocolError(
                ErrorCode.NOT_NOW, "no coding stream is running; send phase start first", ref={"type": "coding"}
            ) from None

    def _take(self, line: str) -> None:
        self._count += 1
        line = shorten(line, LONGEST_LINE)
        self._lines.append((self._count, line))
        self._tell(CodingNews(event="log", line=line, number=self._count))

    # --- what the machine makes happen ---

    def begin_insights(self) -> None:
        """Look at the log every now and then."""
        self._lines.clear()
        self._count = 0
        self._insights = trio.CancelScope()
        self._spawn(partial(self._look, self._insights))

    def end_insights(self) -> None:
        """Stop looking."""
        self._insights.cancel("the stream has ended")

    # --- the task ---

    async def _look(self, scope: trio.CancelScope) -> None:
        """Have the new lines looked at, interval by interval, until the scope is cancelled."""
        seen = 0
        with scope:
            while True:
                await trio.sleep(self._settings.insight_interval_s)
                fresh = [line for number, line in self._lines if number > seen]
                if fresh:
                    seen = self._count
                    with boundary("coding insight", log):
                        await self._think_about(fresh)

    async def _think_about(self, lines: list[str]) -> None:
        begun = trio.current_time()
        insight: Insight | None = None
        try:
            answer = await self._ask(Purpose.CODING, insight_prompt(lines, self._settings.insight_tokens))
            insight = insight_of(answer)
        except (ProviderError, trio.TooSlowError) as exc:
            log.info("no model for insights", error=str(exc) or "too slow")
        degraded = insight is None
        insight = insight or extracted(lines)
        fields: dict[str, Any] = asdict(insight)
        self._tell(CodingNews(event="insight", insight=fields, degraded=degraded or None))
        log.info(
            texts.LOG_INSIGHT,
            final=not degraded,
            insights=len(insight.insights),
            risks=len(insight.risks),
            sha=hashlib.sha256(json.dumps(fields, ensure_ascii=False).encode()).hexdigest()[:12],
            elapsed_ms=round((trio.current_time() - begun) * 1000),
        )

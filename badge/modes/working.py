"""Working: the tasks of the group, by voice; everything else is a conversation about them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from attrs import AttrsInstance

from badge.desk import RefusedError, TaskDesk, answered
from badge.llms import Purpose
from badge.modes.base import Answer, Ask, Taken
from badge.modes.chat import Conversation
from badge.offices.wishes import answer
from badge.phrases import Intent, command
from protocol import ListenMode
from protocol.outbound import ListenRequest, TaskCommand, TaskResults


class Working(Conversation):
    """Commands are carried out as errands: nothing is spoken, the badge shows what came of them."""

    purpose = Purpose.WORKING
    listening: ListenMode | None = "manual"

    def __init__(
        self,
        *,
        device: str,
        desk: TaskDesk,
        tell: Callable[[AttrsInstance], None],
        errand: Callable[[str, Callable[[], Awaitable[None]]], None],
    ) -> None:
        self._device = device
        self._desk = desk
        self._tell = tell
        self._errand = errand

    def enter(self, *, again: bool) -> None:  # noqa: ARG002 - the same on every connection
        """Have the badge listen, and show it the tasks."""
        self._tell(ListenRequest(mode="manual"))
        self._desk.show(self._device)

    def hear(self, words: str, began: int) -> Answer:
        """Carry out a command; everything else is talk."""
        intent = command(words)
        if intent is None:
            return super().hear(words, began)
        self._errand("workflow", partial(self._carry_out, intent))
        return Taken()

    def would_ask(self, words: str) -> Ask | None:
        """Whatever is no command."""
        return super().would_ask(words) if command(words) is None else None

    async def _carry_out(self, intent: Intent) -> None:
        if intent == "refresh":
            self._tell(TaskCommand(intent=intent))
            self._desk.refresh(self._device)
            return
        try:
            ask = self._desk.claim if intent == "assign" else self._desk.finish
            result = await answered(ask(self._device))
        except RefusedError as exc:
            self._tell(TaskResults(request=intent, status="error", results=[], message=exc.message))
            return
        if result.outcome == "empty":
            self._tell(TaskCommand(intent=intent, status="empty"))
            return
        self._tell(TaskCommand(intent=intent))
        self._tell(answer(intent, (result.id,), (result,)))

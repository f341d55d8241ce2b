"""Which tool the user means, where a model of its own decides that instead of the one that answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import trio

from badge.documents import UnusableError, json_in
from badge.llms import Llms, Purpose, whole_answer
from badge.log import get_log
from badge.session.toolbox import Kit
from providers.ports import ChatMessage, Prompt, ProviderError, Schema, ToolCall, ToolSpec

log = get_log(__name__)

LATEST = 4
"""Messages of the dialogue that it is told."""

LONGEST = 8_192
"""Characters of its answer."""

TOKENS = 400

CHAT = "continue_chat"
"""Stands for no tool."""

_SYSTEM = """\
You do not answer the user. You decide which of these functions, if any, does what the user's last message asks for:
{functions}
Answer with one JSON object and nothing else: {{"function_call": {{"name": "...", "arguments": {{...}}}}}}
The name is one of the functions above, or {chat} when none of them does it or when something that it needs was not said."""


async def meant(
    llms: Llms, messages: Sequence[ChatMessage], kit: Kit, *, name: str, seconds: float, device: str
) -> ToolCall | None:
    """The call that the last words ask for, called `name`; None for an ordinary answer, also when the model does not say.

    `messages` are those that the answering model will see; `seconds` as in `whole_answer`.
    """
    if not kit.specs:
        return None
    latest = [message for message in messages if message.role in ("user", "assistant") and message.content][-LATEST:]
    system = ChatMessage(role="system", content=_SYSTEM.format(functions=_listed(kit.specs), chat=CHAT))
    prompt = Prompt(messages=(system, *latest), max_tokens=TOKENS, schema=_schema(kit.specs))
    try:
        answer = await whole_answer(llms, Purpose.INTENT, prompt, seconds=seconds, longest=LONGEST, device=device)
    except (ProviderError, trio.TooSlowError) as exc:
        log.warning("the intent is not known", error=str(exc) or "too slow")
        return None
    call = read_intent(answer, name)
    return call if call is not None and call.name in kit.tools else None


def read_intent(answer: str, name: str) -> ToolCall | None:
    """The call in an answer, around which there may be other text; None when there is none."""
    try:
        value = json_in(answer)
    except UnusableError:
        return None
    wanted = value.get("function_call") if isinstance(value, dict) else None
    if not isinstance(wanted, dict):
        return None
    function, arguments = wanted.get("name"), wanted.get("arguments") or {}
    if not isinstance(function, str) or function == CHAT:
        return None
    written = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return ToolCall(id=name, name=function, arguments=written)


def _listed(specs: Sequence[ToolSpec]) -> str:
    return "\n".join(
        json.dumps({"name": s.name, "description": s.description, "parameters": s.parameters}, ensure_ascii=False)
        for s in specs
    )


def _schema(specs: Sequence[ToolSpec]) -> Schema:
    names = [*(spec.name for spec in specs), CHAT]
    call: dict[str, Any] = {
        "type": "object",
        "properties": {"name": {"type": "string", "enum": names}, "arguments": {"type": "object"}},
        "required": ["name"],
    }
    return Schema("intent", {"type": "object", "properties": {"function_call": call}, "required": ["function_call"]})
